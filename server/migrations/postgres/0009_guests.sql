-- How often a ticket was passed on, and the name of who comes with it. A ticket's codes are derived from its
-- revision, so those of an earlier one let nobody in.
ALTER TABLE tickets ADD COLUMN revision smallint NOT NULL DEFAULT 0
    CONSTRAINT known_revision CHECK (revision BETWEEN 0 AND 255);
ALTER TABLE tickets ADD COLUMN guest text;
-- Until when the organiser lets names be changed.
ALTER TABLE events ADD COLUMN names_until_ms bigint;

-- With which keys tickets are signed. Declared in `store/records/ticket_keys.rs`; a test compares.
CREATE TABLE ticket_keys (
    id         bigint NOT NULL,
    seed       bytea,
    since_ms   bigint NOT NULL,
    revoked_ms bigint,
    PRIMARY KEY (id)
);
