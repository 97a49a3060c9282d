-- Every order has the key of its buyer from now on, also of an event without a limit per buyer, and an
-- address has one key however it is written: the program makes the keys anew after this, and counts
-- the buyers of events with a limit by them (`schema.rs`).

-- Whether `name+tag@host` is the same buyer as `name@host`.
ALTER TABLE events ADD COLUMN ignore_email_tags boolean NOT NULL DEFAULT false;

-- A buyer's row changes in place: its key does not, so there need be no new entry in the index.
ALTER TABLE buyers SET (fillfactor = 80);
