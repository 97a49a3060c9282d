-- Webhooks: addresses of other programs that are told what happens, and how the last try of each message went.
-- Declared in `store/records/webhooks.rs`; a test compares. The messages are rows of the outbox.
CREATE TABLE webhooks (
    id           bytea NOT NULL,
    address      text COLLATE "C" NOT NULL,
    kinds        text COLLATE "C" NOT NULL,
    event        bigint,
    is_on        bigint NOT NULL,
    off_because  text COLLATE "C",
    failing_ms   bigint,
    secret       bigint NOT NULL,
    old_until_ms bigint,
    made_by      text COLLATE "C" NOT NULL,
    made_ms      bigint NOT NULL,
    PRIMARY KEY (id)
);

CREATE TABLE webhook_tries (
    message bytea NOT NULL,
    webhook bytea NOT NULL,
    at_ms   bigint NOT NULL,
    took_ms bigint NOT NULL,
    status  bigint,
    answer  text COLLATE "C" NOT NULL,
    PRIMARY KEY (message)
);

-- What is to be delivered to each of them, and what was.
CREATE INDEX outbox_of_webhook ON outbox (destination, due_ms, id) WHERE kind = 'webhook' AND state = 0;
CREATE INDEX outbox_to_webhook ON outbox (destination, id) WHERE kind = 'webhook';
CREATE INDEX webhook_tries_of ON webhook_tries (webhook, message);

-- A message to a webhook is about no order as well. What looks for mails about none does not come by it.
DROP INDEX outbox_of_no_order;
CREATE INDEX outbox_of_no_order ON outbox (destination) WHERE order_id IS NULL AND kind <> 'webhook';
CREATE INDEX outbox_ended ON outbox (kind, ended_ms) WHERE order_id IS NULL AND kind <> 'webhook' AND state <> 0;
