-- What is counted beside places, in the same table: the tickets of one type, of one price phase, of one code.
-- Their indexes begin at 1000. 0: a pool; 1: of a ticket type, 2: of a price phase, 3: of a code. These have
-- no rank.
ALTER TABLE pools ADD COLUMN kind bigint NOT NULL DEFAULT 0
    CONSTRAINT known_kind CHECK (kind BETWEEN 0 AND 3);
ALTER TABLE pools DROP CONSTRAINT one_pool_of_a_name;
ALTER TABLE pools ADD CONSTRAINT one_of_a_name UNIQUE (event, kind, name);
-- When, how many, at which other prices and to whom a ticket type is sold (JSON); empty: no rules of its own.
ALTER TABLE ticket_types ADD COLUMN rules text NOT NULL DEFAULT '';
-- The codes of an event (JSON); empty: none.
ALTER TABLE events ADD COLUMN codes text NOT NULL DEFAULT '';
