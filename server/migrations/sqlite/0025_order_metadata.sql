-- What a program keeps with an order, as a JSON object of strings (`codec::encode_metadata`); NULL: nothing.
ALTER TABLE orders ADD COLUMN metadata TEXT;
