-- The door: how each event's door works, who came in and went out, and the counts of gates. Declared in
-- `store/records/door.rs`; a test compares. What a scan is, stands in docs/door.md.
CREATE TABLE doors (
    event     bigint NOT NULL,
    admission bigint NOT NULL,
    opens_ms  bigint,
    gates     text COLLATE "C" NOT NULL,
    PRIMARY KEY (event),
    CHECK (admission BETWEEN 0 AND 2)
);

CREATE TABLE scans (
    event        bigint NOT NULL,
    order_id     bytea NOT NULL,
    number       bigint NOT NULL,
    turn         bigint NOT NULL,
    goes_out     bigint NOT NULL,
    revision     bigint NOT NULL,
    gate         text COLLATE "C" NOT NULL,
    device       bytea NOT NULL,
    nonce        bytea NOT NULL,
    at_ms        bigint NOT NULL,
    recorded_ms  bigint NOT NULL,
    day          bigint NOT NULL,
    late         bigint NOT NULL,
    admission    bigint NOT NULL,
    visit        bigint,
    objection    text COLLATE "C",
    objection_of bigint,
    undone_by    bytea,
    undone_ms    bigint,
    PRIMARY KEY (event, order_id, number, turn),
    CHECK (turn >= 1),
    CHECK (visit IS NULL OR goes_out = 0),
    CHECK (late = 1 OR objection IS NULL),
    CHECK (admission <> 0 OR visit IS NULL OR visit = 1),
    CHECK (undone_by IS NULL OR undone_ms IS NOT NULL)
);

CREATE TABLE gate_counts (
    event           bigint NOT NULL,
    gate            text COLLATE "C" NOT NULL,
    day             bigint NOT NULL,
    entered         bigint NOT NULL,
    entered_again   bigint NOT NULL,
    went_out        bigint NOT NULL,
    went_out_unseen bigint NOT NULL,
    PRIMARY KEY (event, gate, day),
    CHECK (entered >= 0),
    CHECK (entered_again >= 0),
    CHECK (went_out >= 0),
    CHECK (went_out_unseen >= 0)
);

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
