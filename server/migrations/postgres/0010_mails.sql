-- What is known of a message beyond the first version of the outbox, which nothing was ever put into. Declared
-- in `store/records/outbox_rows.rs` and `store/records/mail_jobs.rs`; a test compares.
DROP TABLE outbox;
CREATE TABLE outbox (
    id          bytea NOT NULL,
    kind        text COLLATE "C" NOT NULL,
    lane        bigint NOT NULL,
    destination text COLLATE "C" NOT NULL,
    subject     text COLLATE "C" NOT NULL,
    payload     text COLLATE "C" NOT NULL,
    order_id    bytea,
    event       bigint,
    made_ms     bigint NOT NULL,
    due_ms      bigint NOT NULL,
    tried_ms    bigint,
    tries       bigint NOT NULL,
    unanswered  bigint NOT NULL,
    last_error  text COLLATE "C",
    state       bigint NOT NULL,
    ended_ms    bigint,
    owner       bigint NOT NULL,
    PRIMARY KEY (id)
);

-- What is to be delivered, in the order in which it is.
CREATE INDEX outbox_queued ON outbox (kind, lane, due_ms, id) WHERE state = 0;
-- What an order's page shows.
CREATE INDEX outbox_order ON outbox (order_id) WHERE order_id IS NOT NULL;
-- What the organiser must see: given up, or refused.
CREATE INDEX outbox_trouble ON outbox (event, id) WHERE state IN (1, 4);
CREATE INDEX outbox_of_no_order ON outbox (destination) WHERE order_id IS NULL;

-- Mails that are owed to all orders of an event at once.
CREATE TABLE mail_jobs (
    id     bytea NOT NULL,
    at_ms  bigint NOT NULL,
    event  bigint NOT NULL,
    letter text COLLATE "C" NOT NULL,
    done   bytea NOT NULL,
    PRIMARY KEY (id)
);
