-- Whether the organiser of an event has paused its sale (1) or cancelled the event (2).
ALTER TABLE events ADD COLUMN sale INTEGER NOT NULL DEFAULT 0
    CONSTRAINT sale_known CHECK (sale BETWEEN 0 AND 2);

-- Cancelled events, and how far it is that everybody has the money back. Declared in
-- `store/records/cancellations.rs`; a test compares.
CREATE TABLE cancellations (
    event        INTEGER NOT NULL,
    at_ms        INTEGER NOT NULL,
    actor        TEXT NOT NULL,
    places       INTEGER NOT NULL,
    pass         INTEGER NOT NULL,
    done         BLOB NOT NULL,
    settled      BLOB NOT NULL,
    released     INTEGER NOT NULL,
    refunded     INTEGER NOT NULL,
    amount_minor INTEGER NOT NULL,
    failed       INTEGER NOT NULL,
    finished_ms  INTEGER,
    PRIMARY KEY (event)
) STRICT, WITHOUT ROWID;

-- What the owner says of the shop, which terms buyers have accepted, and pictures. Declared in
-- `store/records/shop.rs`; a test compares.
CREATE TABLE shop (
    id INTEGER NOT NULL,
    name TEXT NOT NULL,
    accent TEXT NOT NULL,
    logo BLOB,
    logo_alt TEXT NOT NULL,
    imprint TEXT NOT NULL,
    terms TEXT NOT NULL,
    terms_version INTEGER NOT NULL,
    privacy TEXT NOT NULL,
    changed_ms INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
CREATE TABLE terms (
    version INTEGER NOT NULL,
    since_ms INTEGER NOT NULL,
    text TEXT NOT NULL,
    PRIMARY KEY (version)
) STRICT, WITHOUT ROWID;
CREATE TABLE terms_accepted (
    order_id BLOB NOT NULL,
    version INTEGER NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (order_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE pictures (
    id BLOB NOT NULL,
    media_type TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    at_ms INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
CREATE TABLE event_pictures (
    event INTEGER NOT NULL,
    picture BLOB NOT NULL,
    alt TEXT NOT NULL,
    width INTEGER NOT NULL,
    height INTEGER NOT NULL,
    PRIMARY KEY (event)
) STRICT, WITHOUT ROWID;
