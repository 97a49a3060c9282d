-- Messages that are owed to somebody outside. Declared in `store/records/outbox_rows.rs`; a test compares.
CREATE TABLE outbox (
    id          bytea NOT NULL,
    kind        text COLLATE "C" NOT NULL,
    destination text COLLATE "C" NOT NULL,
    subject     text COLLATE "C" NOT NULL,
    payload     text COLLATE "C" NOT NULL,
    due_ms      bigint NOT NULL,
    tries       bigint NOT NULL,
    last_error  text COLLATE "C",
    state       bigint NOT NULL,
    owner       bigint NOT NULL,
    PRIMARY KEY (id)
);

-- What is to be delivered, and nothing that was given up.
CREATE INDEX outbox_queued ON outbox (kind, due_ms) WHERE state = 0;
