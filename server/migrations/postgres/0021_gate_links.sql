-- Links with which phones check people in at one gate, and the devices at the door. Declared in
-- `store/records/gate_links.rs`; a test compares.
CREATE TABLE gate_links (
    id       bytea NOT NULL,
    event    bigint NOT NULL,
    gate     text COLLATE "C" NOT NULL,
    name     text COLLATE "C" NOT NULL,
    made_by  text COLLATE "C" NOT NULL,
    made_ms  bigint NOT NULL,
    from_ms  bigint NOT NULL,
    until_ms bigint NOT NULL,
    ended_ms bigint,
    PRIMARY KEY (id)
);

CREATE INDEX gate_links_event ON gate_links (event, made_ms);

CREATE TABLE door_devices (
    event   bigint NOT NULL,
    device  bytea NOT NULL,
    gate    text COLLATE "C" NOT NULL,
    who     text COLLATE "C" NOT NULL,
    seen_ms bigint NOT NULL,
    unsent  bigint NOT NULL,
    PRIMARY KEY (event, device)
);

-- What was undone since somebody asked.
CREATE INDEX scans_undone ON scans (event, undone_ms, order_id, number, turn) WHERE undone_ms IS NOT NULL;
