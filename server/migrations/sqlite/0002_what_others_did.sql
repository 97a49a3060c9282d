-- What a provider can tell of a payment beside its state, and since when an attempt is owed.

-- While an attempt is pending, its order's clock stands still at this moment. Of those that there
-- are nobody wrote it down. Who begins to pay has five minutes, so the last five minutes of the
-- order's time had not begun: with this, whoever waits now has at least those when it is answered.
ALTER TABLE attempts ADD COLUMN begun_ms INTEGER NOT NULL DEFAULT 0;
UPDATE attempts SET begun_ms =
    (SELECT max(placed_ms, until_ms - 300000) FROM orders WHERE orders.id = attempts.order_id);

-- Whether somebody made it in the provider's own desk.
ALTER TABLE refunds ADD COLUMN by_hand INTEGER NOT NULL DEFAULT 0
    CONSTRAINT known_maker CHECK (by_hand BETWEEN 0 AND 1);

-- The newest dispute: the provider's id of it, its amount and its state; all or none.
ALTER TABLE payments ADD COLUMN dispute TEXT;
ALTER TABLE payments ADD COLUMN dispute_minor INTEGER
    CONSTRAINT whole_dispute CHECK ((dispute_minor IS NULL) = (dispute IS NULL));
ALTER TABLE payments ADD COLUMN dispute_status TEXT
    CONSTRAINT told_dispute CHECK ((dispute_status IS NULL) = (dispute IS NULL));
