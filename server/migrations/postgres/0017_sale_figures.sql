-- How a sale goes, by five minutes. Declared in `store/records/sale_figures.rs`; a test compares. The orders of
-- before are counted into it when this step is made (`store/postgres/schema.rs`).
CREATE TABLE sale_figures (
    event            bigint NOT NULL,
    at_ms            bigint NOT NULL,
    ticket_type      bigint NOT NULL,
    currency         text COLLATE "C" NOT NULL,
    sold             bigint NOT NULL,
    refunded         bigint NOT NULL,
    restocked        bigint NOT NULL,
    taken_minor      bigint NOT NULL,
    given_back_minor bigint NOT NULL,
    PRIMARY KEY (event, at_ms, ticket_type, currency)
);

CREATE TABLE payment_tries (
    event   bigint NOT NULL,
    at_ms   bigint NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    number  bigint NOT NULL,
    PRIMARY KEY (event, at_ms, outcome)
);

INSERT INTO payment_tries (event, at_ms, outcome, number)
SELECT o.event, o.placed_ms / 300000 * 300000, substr(coalesce(a.reason, ''), 1, 200), count(*)
FROM attempts a JOIN orders o ON o.event = a.event AND o.id = a.order_id
WHERE a.state IN (2, 3) GROUP BY 1, 2, 3;

-- What a person should look at, of an event.
CREATE INDEX audit_log_alarms ON audit_log (event, id) WHERE action = 'alarm';
