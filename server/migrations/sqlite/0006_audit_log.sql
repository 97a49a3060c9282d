-- Who did what to which event or order, and when. Declared in `store/records/audit_log.rs`; a test
-- compares. It is written in the commit of what it tells, and never changed.
CREATE TABLE audit_log (
    id       BLOB NOT NULL,
    at_ms    INTEGER NOT NULL,
    actor    TEXT NOT NULL,
    action   TEXT NOT NULL,
    event    INTEGER,
    order_id BLOB,
    detail   TEXT NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;

CREATE INDEX audit_log_of_event ON audit_log (event, id) WHERE event IS NOT NULL;
CREATE INDEX audit_log_of_order ON audit_log (order_id, id) WHERE order_id IS NOT NULL;
