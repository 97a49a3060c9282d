-- What is due, in two lists. In one, whoever looked for holds that have run out stepped over all who
-- stood in line to pay, and the other way round.
DROP INDEX orders_due;
CREATE INDEX orders_holds ON orders (due_ms) WHERE due_ms IS NOT NULL AND state = 0;
CREATE INDEX orders_owed ON orders (due_ms) WHERE due_ms IS NOT NULL AND state > 0;
