-- What is counted beside places, in the same table: the tickets of one type, of one price phase, of one code.
-- Their indexes begin at 1000.
CREATE TABLE counted (
    event    INTEGER NOT NULL,
    idx      INTEGER NOT NULL,
    name     TEXT NOT NULL,
    capacity INTEGER NOT NULL,
    held     INTEGER NOT NULL,
    sold     INTEGER NOT NULL,
    -- Its place in what the organiser last said; NULL: no longer named there.
    rank     INTEGER,
    -- 0: a pool; 1: of a ticket type, 2: of a price phase, 3: of a code. These have no rank.
    kind     INTEGER NOT NULL DEFAULT 0 CONSTRAINT known_kind CHECK (kind BETWEEN 0 AND 3),
    PRIMARY KEY (event, idx),
    UNIQUE (event, kind, name),
    CONSTRAINT never_oversold CHECK (held >= 0 AND sold >= 0 AND held + sold <= capacity)
) STRICT, WITHOUT ROWID;
INSERT INTO counted (event, idx, name, capacity, held, sold, rank)
    SELECT event, idx, name, capacity, held, sold, rank FROM pools;
DROP TABLE pools;
ALTER TABLE counted RENAME TO pools;
-- When, how many, at which other prices and to whom a ticket type is sold (JSON); empty: no rules of its own.
ALTER TABLE ticket_types ADD COLUMN rules TEXT NOT NULL DEFAULT '';
-- The codes of an event (JSON); empty: none.
ALTER TABLE events ADD COLUMN codes TEXT NOT NULL DEFAULT '';
