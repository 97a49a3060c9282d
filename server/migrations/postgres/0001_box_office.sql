-- The box office, for any number of processes on one database.
--
-- What is one event's has a key that begins with the event, so that an engine which spreads rows
-- over machines keeps an event together. Ids are UUIDv7: rows of an event lie in the order in which
-- they were made, and no sequence is asked for anything. Numbers are bigint, for they are read and
-- written as arrays of one kind; those without a sign are stored with the same bits.

-- What is true of the whole database: that it is ours, the version of its schema, its secret.
CREATE TABLE meta (
    key   text PRIMARY KEY,
    value text NOT NULL
);

-- Who writes. One row for each writer, written by each of its batches.
CREATE TABLE writers (
    id      bigint PRIMARY KEY,
    -- Drawn anew whenever the writer begins or recovers: whatever an older connection of it still
    -- has to say is refused from then on.
    epoch   bigint NOT NULL,
    -- The number of its last batch: tells after a fault whether it is recorded.
    batch   bigint NOT NULL,
    seen_ms bigint NOT NULL
) WITH (fillfactor = 50);

-- Whoever changes anything of an event locks its row here first, and events in the order of their
-- ids: so nobody waits for somebody who waits for him.
CREATE TABLE events (
    id              bigint PRIMARY KEY,
    slug            text NOT NULL,
    name            text NOT NULL,
    place           text NOT NULL,
    starts_ms       bigint NOT NULL,
    zone            text NOT NULL,
    currency        text NOT NULL,
    limit_per_order bigint NOT NULL,
    limit_per_buyer bigint,
    hold_ms         bigint NOT NULL,
    sale_opens_ms   bigint,
    sale_closes_ms  bigint,
    -- How many tickets were ever issued.
    serials         bigint NOT NULL,
    CONSTRAINT events_slug UNIQUE (slug)
) WITH (fillfactor = 50);

CREATE TABLE pools (
    event    bigint NOT NULL,
    idx      bigint NOT NULL,
    name     text NOT NULL,
    capacity bigint NOT NULL,
    held     bigint NOT NULL,
    sold     bigint NOT NULL,
    -- Its place in what the organiser last said; NULL: no longer named there.
    rank     bigint,
    PRIMARY KEY (event, idx),
    CONSTRAINT one_pool_of_a_name UNIQUE (event, name),
    CONSTRAINT never_oversold CHECK (held >= 0 AND sold >= 0 AND held + sold <= capacity)
) WITH (fillfactor = 50);

CREATE TABLE ticket_types (
    event       bigint NOT NULL,
    idx         bigint NOT NULL,
    id          text NOT NULL,
    name        text NOT NULL,
    pool        bigint NOT NULL,
    price_minor bigint NOT NULL,
    -- As for pools; NULL: retired.
    rank        bigint,
    PRIMARY KEY (event, idx),
    CONSTRAINT one_ticket_type_of_an_id UNIQUE (event, id)
);

CREATE TABLE orders (
    event         bigint NOT NULL,
    id            uuid NOT NULL,
    state         smallint NOT NULL CONSTRAINT known_state CHECK (state BETWEEN 0 AND 8),
    lines         bytea NOT NULL,
    name          text NOT NULL,
    email         text NOT NULL,
    buyer_key     uuid NOT NULL,
    currency      text NOT NULL,
    placed_ms     bigint NOT NULL,
    until_ms      bigint NOT NULL,
    due_ms        bigint,
    tries         bigint NOT NULL,
    trouble       text,
    -- Its tickets lie between these serials of its event; NULL: none were issued.
    first_serial  bigint,
    last_serial   bigint,
    -- The process that looks after it: the one that changed it last, or one that took it over.
    keeper        bigint NOT NULL,
    -- Before this nobody else takes it over.
    kept_until_ms bigint NOT NULL,
    PRIMARY KEY (event, id),
    CONSTRAINT one_order_of_an_id UNIQUE (id)
) WITH (fillfactor = 80);

CREATE INDEX orders_holds ON orders (due_ms) WHERE due_ms IS NOT NULL AND state = 0;
CREATE INDEX orders_owed ON orders (due_ms) WHERE due_ms IS NOT NULL AND state > 0;

CREATE TABLE payments (
    event          bigint NOT NULL,
    order_id       uuid NOT NULL,
    id             uuid NOT NULL,
    intent         text,
    live           boolean NOT NULL,
    action         text,
    -- The newest dispute: the provider's id of it, its amount and its state; all or none.
    dispute        text,
    dispute_minor  bigint,
    dispute_status text,
    CONSTRAINT one_payment_of_an_order PRIMARY KEY (event, order_id),
    CONSTRAINT whole_dispute CHECK ((dispute_minor IS NULL) = (dispute IS NULL)
                                    AND (dispute_status IS NULL) = (dispute IS NULL))
);

CREATE TABLE attempts (
    event    bigint NOT NULL,
    order_id uuid NOT NULL,
    number   bigint NOT NULL,
    token    text NOT NULL,
    begun_ms bigint NOT NULL,
    state    smallint NOT NULL CONSTRAINT known_attempt_state CHECK (state BETWEEN 0 AND 4),
    -- Why it was declined.
    reason   text,
    PRIMARY KEY (event, order_id, number)
);

CREATE TABLE refunds (
    event        bigint NOT NULL,
    order_id     uuid NOT NULL,
    number       bigint NOT NULL,
    id           uuid NOT NULL,
    amount_minor bigint NOT NULL,
    quantities   bytea NOT NULL,
    restock      boolean NOT NULL,
    state        smallint NOT NULL CONSTRAINT known_refund_state CHECK (state BETWEEN 0 AND 2),
    -- The provider's id of it, or its reason against it.
    detail       text,
    -- Whether somebody made it in the provider's own desk.
    by_hand      boolean NOT NULL,
    PRIMARY KEY (event, order_id, number),
    CONSTRAINT one_refund_of_an_id UNIQUE (event, order_id, id)
);

CREATE TABLE tickets (
    event    bigint NOT NULL,
    serial   bigint NOT NULL,
    order_id uuid NOT NULL,
    line     bigint NOT NULL,
    state    smallint NOT NULL CONSTRAINT known_ticket_state CHECK (state BETWEEN 0 AND 1),
    CONSTRAINT one_ticket_of_a_serial PRIMARY KEY (event, serial)
);

CREATE TABLE buyers (
    event    bigint NOT NULL,
    key      uuid NOT NULL,
    places   bigint NOT NULL,
    order_id uuid NOT NULL,
    PRIMARY KEY (event, key)
);

-- Answered requests. The key is the fence between processes: of two that answer the same request
-- at the same time, the second waits here for the first, and then finds its answer. The keys are
-- random, so this is the one index that grows at random places; rows go after a day.
CREATE TABLE requests (
    key         uuid NOT NULL,
    fingerprint bigint NOT NULL,
    at_ms       bigint NOT NULL,
    reply       bytea NOT NULL,
    CONSTRAINT answered_once PRIMARY KEY (key)
);

CREATE INDEX requests_age ON requests (at_ms);
