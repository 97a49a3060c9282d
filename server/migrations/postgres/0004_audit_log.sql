-- Who did what to which event or order, and when. Declared in `store/records/audit_log.rs`; a test
-- compares. It is written in the commit of what it tells, and never changed.
CREATE TABLE audit_log (
    id       bytea NOT NULL,
    at_ms    bigint NOT NULL,
    actor    text COLLATE "C" NOT NULL,
    action   text COLLATE "C" NOT NULL,
    event    bigint,
    order_id bytea,
    detail   text COLLATE "C" NOT NULL,
    PRIMARY KEY (id)
);

CREATE INDEX audit_log_of_event ON audit_log (event, id) WHERE event IS NOT NULL;
CREATE INDEX audit_log_of_order ON audit_log (order_id, id) WHERE order_id IS NOT NULL;
