-- Webhooks: addresses of other programs that are told what happens, and how the last try of each message went.
-- Declared in `store/records/webhooks.rs`; a test compares. The messages are rows of the outbox.
CREATE TABLE webhooks (
    id           BLOB NOT NULL,
    address      TEXT NOT NULL,
    kinds        TEXT NOT NULL,
    event        INTEGER,
    is_on        INTEGER NOT NULL,
    off_because  TEXT,
    failing_ms   INTEGER,
    secret       INTEGER NOT NULL,
    old_until_ms INTEGER,
    made_by      TEXT NOT NULL,
    made_ms      INTEGER NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;

CREATE TABLE webhook_tries (
    message BLOB NOT NULL,
    webhook BLOB NOT NULL,
    at_ms   INTEGER NOT NULL,
    took_ms INTEGER NOT NULL,
    status  INTEGER,
    answer  TEXT NOT NULL,
    PRIMARY KEY (message)
) STRICT, WITHOUT ROWID;

-- What is to be delivered to each of them, and what was.
CREATE INDEX outbox_of_webhook ON outbox (destination, due_ms, id) WHERE kind = 'webhook' AND state = 0;
CREATE INDEX outbox_to_webhook ON outbox (destination, id) WHERE kind = 'webhook';
CREATE INDEX webhook_tries_of ON webhook_tries (webhook, message);

-- A message to a webhook is about no order as well. What looks for mails about none does not come by it.
DROP INDEX outbox_of_no_order;
CREATE INDEX outbox_of_no_order ON outbox (destination) WHERE order_id IS NULL AND kind <> 'webhook';
CREATE INDEX outbox_ended ON outbox (kind, ended_ms) WHERE order_id IS NULL AND kind <> 'webhook' AND state <> 0;
