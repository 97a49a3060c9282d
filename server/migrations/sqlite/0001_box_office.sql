-- The box office. Rows lie in the order in which they were made: the id of an order is the high 64
-- bits of its UUIDv7, which rise and are unique by construction; the low 64 bits stand beside it.
-- A random key is indexed nowhere but in `buyers`, which only events with a limit per buyer use.

-- How far we have come. One row, written by every batch.
CREATE TABLE progress (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    -- The number of the last batch: tells after a fault whether it is recorded.
    batch     INTEGER NOT NULL,
    -- Counts the store's own commits, which make safe what was read before them.
    barrier   INTEGER NOT NULL,
    -- The highest of the high 64 bits of all ids ever used.
    last_high INTEGER NOT NULL
) STRICT;

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    id              INTEGER PRIMARY KEY,
    slug            TEXT NOT NULL UNIQUE,
    name            TEXT NOT NULL,
    place           TEXT NOT NULL,
    starts_ms       INTEGER NOT NULL,
    zone            TEXT NOT NULL,
    currency        TEXT NOT NULL,
    limit_per_order INTEGER NOT NULL,
    limit_per_buyer INTEGER,
    hold_ms         INTEGER NOT NULL,
    sale_opens_ms   INTEGER,
    sale_closes_ms  INTEGER,
    -- How many tickets were ever issued.
    serials         INTEGER NOT NULL
) STRICT;

CREATE TABLE pools (
    event    INTEGER NOT NULL,
    idx      INTEGER NOT NULL,
    name     TEXT NOT NULL,
    capacity INTEGER NOT NULL,
    held     INTEGER NOT NULL,
    sold     INTEGER NOT NULL,
    -- Its place in what the organiser last said; NULL: no longer named there.
    rank     INTEGER,
    PRIMARY KEY (event, idx),
    UNIQUE (event, name),
    CONSTRAINT never_oversold CHECK (held >= 0 AND sold >= 0 AND held + sold <= capacity)
) STRICT, WITHOUT ROWID;

CREATE TABLE ticket_types (
    event       INTEGER NOT NULL,
    idx         INTEGER NOT NULL,
    id          TEXT NOT NULL,
    name        TEXT NOT NULL,
    pool        INTEGER NOT NULL,
    price_minor INTEGER NOT NULL,
    -- As for pools; NULL: retired.
    rank        INTEGER,
    PRIMARY KEY (event, idx),
    UNIQUE (event, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE orders (
    id           INTEGER PRIMARY KEY,
    low          INTEGER NOT NULL,
    event        INTEGER NOT NULL,
    state        INTEGER NOT NULL CONSTRAINT known_state CHECK (state BETWEEN 0 AND 8),
    lines        BLOB NOT NULL,
    name         TEXT NOT NULL,
    email        TEXT NOT NULL,
    buyer_key    BLOB NOT NULL,
    currency     TEXT NOT NULL,
    placed_ms    INTEGER NOT NULL,
    until_ms     INTEGER NOT NULL,
    due_ms       INTEGER,
    tries        INTEGER NOT NULL,
    trouble      TEXT,
    -- Its tickets lie between these serials of its event; NULL: none were issued.
    first_serial INTEGER,
    last_serial  INTEGER
) STRICT;

CREATE INDEX orders_due ON orders (due_ms) WHERE due_ms IS NOT NULL;

-- One payment for each order: the key says so.
CREATE TABLE payments (
    order_id INTEGER PRIMARY KEY,
    id       BLOB NOT NULL,
    intent   TEXT,
    live     INTEGER NOT NULL,
    action   TEXT
) STRICT;

CREATE TABLE attempts (
    order_id INTEGER NOT NULL,
    number   INTEGER NOT NULL,
    token    TEXT NOT NULL,
    state    INTEGER NOT NULL CONSTRAINT known_attempt_state CHECK (state BETWEEN 0 AND 4),
    -- Why it was declined.
    reason   TEXT,
    PRIMARY KEY (order_id, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE refunds (
    order_id     INTEGER NOT NULL,
    number       INTEGER NOT NULL,
    id           BLOB NOT NULL,
    amount_minor INTEGER NOT NULL,
    quantities   BLOB NOT NULL,
    restock      INTEGER NOT NULL,
    state        INTEGER NOT NULL CONSTRAINT known_refund_state CHECK (state BETWEEN 0 AND 2),
    -- The provider's id of it, or its reason against it.
    detail       TEXT,
    PRIMARY KEY (order_id, number),
    UNIQUE (order_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE tickets (
    event    INTEGER NOT NULL,
    serial   INTEGER NOT NULL,
    order_id INTEGER NOT NULL,
    line     INTEGER NOT NULL,
    state    INTEGER NOT NULL CONSTRAINT known_ticket_state CHECK (state BETWEEN 0 AND 1),
    PRIMARY KEY (event, serial)
) STRICT, WITHOUT ROWID;

CREATE TABLE buyers (
    event      INTEGER NOT NULL,
    key        BLOB NOT NULL,
    places     INTEGER NOT NULL,
    order_high INTEGER NOT NULL,
    order_low  INTEGER NOT NULL,
    PRIMARY KEY (event, key)
) STRICT, WITHOUT ROWID;

-- Answered requests. Their keys are random, so they are looked up in memory, never by an index.
CREATE TABLE requests (
    seq         INTEGER PRIMARY KEY,
    key         BLOB NOT NULL,
    fingerprint INTEGER NOT NULL,
    at_ms       INTEGER NOT NULL,
    reply       BLOB NOT NULL
) STRICT;
