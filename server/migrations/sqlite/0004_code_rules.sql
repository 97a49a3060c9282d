-- From what a ticket's code is derived: 0, its event and its serial; 1, its order as well. Tickets
-- that were issued before keep the code that their buyers have.
ALTER TABLE tickets ADD COLUMN code_rule INTEGER NOT NULL DEFAULT 0
    CONSTRAINT known_code_rule CHECK (code_rule BETWEEN 0 AND 1);
