-- Messages that are owed to somebody outside. Declared in `store/records/outbox_rows.rs`; a test compares.
CREATE TABLE outbox (
    id          BLOB NOT NULL,
    kind        TEXT NOT NULL,
    destination TEXT NOT NULL,
    subject     TEXT NOT NULL,
    payload     TEXT NOT NULL,
    due_ms      INTEGER NOT NULL,
    tries       INTEGER NOT NULL,
    last_error  TEXT,
    state       INTEGER NOT NULL,
    owner       INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;

-- What is to be delivered, and nothing that was given up.
CREATE INDEX outbox_queued ON outbox (kind, due_ms) WHERE state = 0;
