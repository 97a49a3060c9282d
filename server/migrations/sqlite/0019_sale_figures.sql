-- How a sale goes, by five minutes. Declared in `store/records/sale_figures.rs`; a test compares. The orders of
-- before are counted into it when this step is made (`store/sqlite/file.rs`).
CREATE TABLE sale_figures (
    event            INTEGER NOT NULL,
    at_ms            INTEGER NOT NULL,
    ticket_type      INTEGER NOT NULL,
    currency         TEXT NOT NULL,
    sold             INTEGER NOT NULL,
    refunded         INTEGER NOT NULL,
    restocked        INTEGER NOT NULL,
    taken_minor      INTEGER NOT NULL,
    given_back_minor INTEGER NOT NULL,
    PRIMARY KEY (event, at_ms, ticket_type, currency)
) STRICT, WITHOUT ROWID;

CREATE TABLE payment_tries (
    event   INTEGER NOT NULL,
    at_ms   INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    number  INTEGER NOT NULL,
    PRIMARY KEY (event, at_ms, outcome)
) STRICT, WITHOUT ROWID;

INSERT INTO payment_tries (event, at_ms, outcome, number)
SELECT o.event, o.placed_ms / 300000 * 300000, substr(coalesce(a.reason, ''), 1, 200), count(*)
FROM attempts a JOIN orders o ON o.id = a.order_id WHERE a.state IN (2, 3) GROUP BY 1, 2, 3;

-- What a person should look at, of an event.
CREATE INDEX audit_log_alarms ON audit_log (event, id) WHERE action = 'alarm';
