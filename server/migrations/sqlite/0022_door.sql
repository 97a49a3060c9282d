-- The door: how each event's door works, who came in and went out, and the counts of gates. Declared in
-- `store/records/door.rs`; a test compares. What a scan is, stands in docs/door.md.
CREATE TABLE doors (
    event     INTEGER NOT NULL,
    admission INTEGER NOT NULL,
    opens_ms  INTEGER,
    gates     TEXT NOT NULL,
    PRIMARY KEY (event),
    CHECK (admission BETWEEN 0 AND 2)
) STRICT, WITHOUT ROWID;

CREATE TABLE scans (
    event        INTEGER NOT NULL,
    order_id     BLOB NOT NULL,
    number       INTEGER NOT NULL,
    turn         INTEGER NOT NULL,
    goes_out     INTEGER NOT NULL,
    revision     INTEGER NOT NULL,
    gate         TEXT NOT NULL,
    device       BLOB NOT NULL,
    nonce        BLOB NOT NULL,
    at_ms        INTEGER NOT NULL,
    recorded_ms  INTEGER NOT NULL,
    day          INTEGER NOT NULL,
    late         INTEGER NOT NULL,
    admission    INTEGER NOT NULL,
    visit        INTEGER,
    objection    TEXT,
    objection_of INTEGER,
    undone_by    BLOB,
    undone_ms    INTEGER,
    PRIMARY KEY (event, order_id, number, turn),
    CHECK (turn >= 1),
    CHECK (visit IS NULL OR goes_out = 0),
    CHECK (late = 1 OR objection IS NULL),
    CHECK (admission <> 0 OR visit IS NULL OR visit = 1),
    CHECK (undone_by IS NULL OR undone_ms IS NOT NULL)
) STRICT, WITHOUT ROWID;

CREATE TABLE gate_counts (
    event           INTEGER NOT NULL,
    gate            TEXT NOT NULL,
    day             INTEGER NOT NULL,
    entered         INTEGER NOT NULL,
    entered_again   INTEGER NOT NULL,
    went_out        INTEGER NOT NULL,
    went_out_unseen INTEGER NOT NULL,
    PRIMARY KEY (event, gate, day),
    CHECK (entered >= 0),
    CHECK (entered_again >= 0),
    CHECK (went_out >= 0),
    CHECK (went_out_unseen >= 0)
) STRICT, WITHOUT ROWID;

-- A device uses a nonce once, so a scan that is reported again is found.
CREATE UNIQUE INDEX scans_by_name ON scans (device, nonce, event);
-- A visit takes place once, whatever two processes decide at one moment.
CREATE UNIQUE INDEX scans_visits ON scans (event, order_id, number, visit)
    WHERE undone_ms IS NULL AND visit IS NOT NULL;
-- Where a ticket admits once a day, once on each day.
CREATE UNIQUE INDEX scans_days ON scans (event, order_id, number, day)
    WHERE undone_ms IS NULL AND visit IS NOT NULL AND admission = 2;
-- What was recorded last, and what has changed since somebody asked.
CREATE INDEX scans_recorded ON scans (event, recorded_ms, order_id, number, turn);
-- What a person should look at.
CREATE INDEX scans_objected ON scans (event, recorded_ms, order_id, number, turn)
    WHERE objection IS NOT NULL AND undone_ms IS NULL;
