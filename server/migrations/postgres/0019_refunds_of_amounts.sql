-- Whether a sum was asked for, and no tickets.
ALTER TABLE refunds ADD COLUMN of_amount boolean NOT NULL DEFAULT false;
