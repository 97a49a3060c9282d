-- Whether the organiser of an event has paused its sale (1) or cancelled the event (2).
ALTER TABLE events ADD COLUMN sale bigint NOT NULL DEFAULT 0
    CONSTRAINT sale_known CHECK (sale BETWEEN 0 AND 2);

-- Cancelled events, and how far it is that everybody has the money back. Declared in
-- `store/records/cancellations.rs`; a test compares.
CREATE TABLE cancellations (
    event        bigint NOT NULL,
    at_ms        bigint NOT NULL,
    actor        text COLLATE "C" NOT NULL,
    places       bigint NOT NULL,
    pass         bigint NOT NULL,
    done         bytea NOT NULL,
    settled      bytea NOT NULL,
    released     bigint NOT NULL,
    refunded     bigint NOT NULL,
    amount_minor bigint NOT NULL,
    failed       bigint NOT NULL,
    finished_ms  bigint,
    PRIMARY KEY (event)
);

-- What the owner says of the shop, which terms buyers have accepted, and pictures. Declared in
-- `store/records/shop.rs`; a test compares.
CREATE TABLE shop (
    id bigint NOT NULL,
    name text COLLATE "C" NOT NULL,
    accent text COLLATE "C" NOT NULL,
    logo bytea,
    logo_alt text COLLATE "C" NOT NULL,
    imprint text COLLATE "C" NOT NULL,
    terms text COLLATE "C" NOT NULL,
    terms_version bigint NOT NULL,
    privacy text COLLATE "C" NOT NULL,
    changed_ms bigint NOT NULL,
    PRIMARY KEY (id)
);
CREATE TABLE terms (
    version bigint NOT NULL,
    since_ms bigint NOT NULL,
    text text COLLATE "C" NOT NULL,
    PRIMARY KEY (version)
);
CREATE TABLE terms_accepted (
    order_id bytea NOT NULL,
    version bigint NOT NULL,
    at_ms bigint NOT NULL,
    PRIMARY KEY (order_id)
);
CREATE TABLE pictures (
    id bytea NOT NULL,
    media_type text COLLATE "C" NOT NULL,
    width bigint NOT NULL,
    height bigint NOT NULL,
    bytes bytea NOT NULL,
    at_ms bigint NOT NULL,
    PRIMARY KEY (id)
);
CREATE TABLE event_pictures (
    event bigint NOT NULL,
    picture bytea NOT NULL,
    alt text COLLATE "C" NOT NULL,
    width bigint NOT NULL,
    height bigint NOT NULL,
    PRIMARY KEY (event)
);
