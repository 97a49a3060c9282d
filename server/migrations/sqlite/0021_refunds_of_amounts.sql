-- Whether a sum was asked for, and no tickets.
ALTER TABLE refunds ADD COLUMN of_amount INTEGER NOT NULL DEFAULT 0
    CONSTRAINT known_kind CHECK (of_amount BETWEEN 0 AND 1);
