-- A ticket type that gets another name is another row, so that what was sold keeps its name. Of one id
-- only one is offered.
ALTER TABLE ticket_types DROP CONSTRAINT one_ticket_type_of_an_id;
CREATE UNIQUE INDEX one_offered_of_an_id ON ticket_types (event, id) WHERE rank IS NOT NULL;
