-- What is due for a webhook is found by `outbox_of_webhook`: its messages, which may be as many as the orders, need not be
-- in this index as well.
DROP INDEX outbox_queued;
CREATE INDEX outbox_queued ON outbox (kind, lane, due_ms, id) WHERE state = 0 AND kind <> 'webhook';
