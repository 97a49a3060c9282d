-- What an event asks between the hold and the payment, as JSON (`store/questions.rs`); empty: nothing.
ALTER TABLE events ADD COLUMN questions TEXT NOT NULL DEFAULT '';

-- How an order is paid: 0 online, 1 given away, 2 in cash, 3 by a card terminal (`Tender`); and what the
-- organiser noted of it.
ALTER TABLE orders ADD COLUMN tender INTEGER NOT NULL DEFAULT 0
    CONSTRAINT known_tender CHECK (tender BETWEEN 0 AND 3);
ALTER TABLE orders ADD COLUMN reference TEXT NOT NULL DEFAULT '';
-- Few orders have a note, and only those are in this index.
CREATE INDEX orders_noted ON orders (event) WHERE reference <> '';
-- What its buyer has answered (`codec::encode_answers`); NULL: nothing.
ALTER TABLE orders ADD COLUMN answers BLOB;
