-- Links with which phones check people in at one gate, and the devices at the door. Declared in
-- `store/records/gate_links.rs`; a test compares.
CREATE TABLE gate_links (
    id       BLOB NOT NULL,
    event    INTEGER NOT NULL,
    gate     TEXT NOT NULL,
    name     TEXT NOT NULL,
    made_by  TEXT NOT NULL,
    made_ms  INTEGER NOT NULL,
    from_ms  INTEGER NOT NULL,
    until_ms INTEGER NOT NULL,
    ended_ms INTEGER,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;

CREATE INDEX gate_links_event ON gate_links (event, made_ms);

CREATE TABLE door_devices (
    event   INTEGER NOT NULL,
    device  BLOB NOT NULL,
    gate    TEXT NOT NULL,
    who     TEXT NOT NULL,
    seen_ms INTEGER NOT NULL,
    unsent  INTEGER NOT NULL,
    PRIMARY KEY (event, device)
) STRICT, WITHOUT ROWID;

-- What was undone since somebody asked.
CREATE INDEX scans_undone ON scans (event, undone_ms, order_id, number, turn) WHERE undone_ms IS NOT NULL;
