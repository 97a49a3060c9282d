-- A ticket type that gets another name is another row, so that what was sold keeps its name. Of one id
-- only one is offered.
CREATE TABLE ticket_types_as_sold (
    event       INTEGER NOT NULL,
    idx         INTEGER NOT NULL,
    id          TEXT NOT NULL,
    name        TEXT NOT NULL,
    pool        INTEGER NOT NULL,
    price_minor INTEGER NOT NULL,
    -- As for pools; NULL: retired.
    rank        INTEGER,
    PRIMARY KEY (event, idx)
) STRICT, WITHOUT ROWID;
INSERT INTO ticket_types_as_sold SELECT event, idx, id, name, pool, price_minor, rank FROM ticket_types;
DROP TABLE ticket_types;
ALTER TABLE ticket_types_as_sold RENAME TO ticket_types;
CREATE UNIQUE INDEX one_ticket_type_of_an_id ON ticket_types (event, id) WHERE rank IS NOT NULL;
