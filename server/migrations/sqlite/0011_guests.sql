-- How often a ticket was passed on, and the name of who comes with it. A ticket's codes are derived from its
-- revision, so those of an earlier one let nobody in.
ALTER TABLE tickets ADD COLUMN revision INTEGER NOT NULL DEFAULT 0
    CONSTRAINT known_revision CHECK (revision BETWEEN 0 AND 255);
ALTER TABLE tickets ADD COLUMN guest TEXT;
-- Until when the organiser lets names be changed.
ALTER TABLE events ADD COLUMN names_until_ms INTEGER;

-- With which keys tickets are signed. Declared in `store/records/ticket_keys.rs`; a test compares.
CREATE TABLE ticket_keys (
    id         INTEGER NOT NULL,
    seed       BLOB,
    since_ms   INTEGER NOT NULL,
    revoked_ms INTEGER,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
