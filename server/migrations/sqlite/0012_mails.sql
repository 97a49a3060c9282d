-- What is known of a message beyond the first version of the outbox, which nothing was ever put into. Declared
-- in `store/records/outbox_rows.rs` and `store/records/mail_jobs.rs`; a test compares.
DROP TABLE outbox;
CREATE TABLE outbox (
    id          BLOB NOT NULL,
    kind        TEXT NOT NULL,
    lane        INTEGER NOT NULL,
    destination TEXT NOT NULL,
    subject     TEXT NOT NULL,
    payload     TEXT NOT NULL,
    order_id    BLOB,
    event       INTEGER,
    made_ms     INTEGER NOT NULL,
    due_ms      INTEGER NOT NULL,
    tried_ms    INTEGER,
    tries       INTEGER NOT NULL,
    unanswered  INTEGER NOT NULL,
    last_error  TEXT,
    state       INTEGER NOT NULL,
    ended_ms    INTEGER,
    owner       INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;

-- What is to be delivered, in the order in which it is.
CREATE INDEX outbox_queued ON outbox (kind, lane, due_ms, id) WHERE state = 0;
-- What an order's page shows.
CREATE INDEX outbox_order ON outbox (order_id) WHERE order_id IS NOT NULL;
-- What the organiser must see: given up, or refused.
CREATE INDEX outbox_trouble ON outbox (event, id) WHERE state IN (1, 4);
CREATE INDEX outbox_of_no_order ON outbox (destination) WHERE order_id IS NULL;

-- Mails that are owed to all orders of an event at once.
CREATE TABLE mail_jobs (
    id     BLOB NOT NULL,
    at_ms  INTEGER NOT NULL,
    event  INTEGER NOT NULL,
    letter TEXT NOT NULL,
    done   BLOB NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
