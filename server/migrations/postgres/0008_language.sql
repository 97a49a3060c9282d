-- In which language an order's buyer is written to: two letters (ISO 639-1). Those of before get English.
ALTER TABLE orders ADD COLUMN language text NOT NULL DEFAULT 'en';
