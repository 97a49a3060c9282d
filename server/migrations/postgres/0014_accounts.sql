-- Who may use the office. Declared in `store/records/accounts.rs`, `sessions.rs` and `api_keys.rs`; a test compares.

-- Whoever may sign in to the office.
CREATE TABLE accounts (
    id         bytea NOT NULL,
    email      text COLLATE "C" NOT NULL,
    name       text COLLATE "C" NOT NULL,
    password   text COLLATE "C",
    totp       bytea,
    totp_step  bigint NOT NULL,
    claim      bytea,
    made_ms    bigint NOT NULL,
    removed_ms bigint,
    PRIMARY KEY (id)
);

-- Which roles accounts and API keys have; event 0: for all events and the shop.
CREATE TABLE grants (
    holder  bytea NOT NULL,
    event   bigint NOT NULL,
    role    text COLLATE "C" NOT NULL,
    made_by text COLLATE "C" NOT NULL,
    at_ms   bigint NOT NULL,
    PRIMARY KEY (holder, event)
);

-- Codes that stand for an authenticator that is lost.
CREATE TABLE recovery_codes (
    account bytea NOT NULL,
    hash    bytea NOT NULL,
    used_ms bigint,
    claim   bytea,
    PRIMARY KEY (account, hash)
);

-- Browsers that are signed in.
CREATE TABLE sessions (
    id        bytea NOT NULL,
    account   bytea NOT NULL,
    begun_ms  bigint NOT NULL,
    seen_ms   bigint NOT NULL,
    proved_ms bigint NOT NULL,
    device    text COLLATE "C" NOT NULL,
    address   text COLLATE "C" NOT NULL,
    PRIMARY KEY (id)
);
CREATE INDEX sessions_account ON sessions (account);

-- Links that work once: invitations, and those that sign in.
CREATE TABLE one_time_links (
    id      bytea NOT NULL,
    purpose text COLLATE "C" NOT NULL,
    account bytea,
    email   text COLLATE "C" NOT NULL,
    role    text COLLATE "C",
    event   bigint,
    goes_to text COLLATE "C" NOT NULL,
    made_by text COLLATE "C" NOT NULL,
    made_ms bigint NOT NULL,
    ends_ms bigint NOT NULL,
    used_ms bigint,
    claim   bytea,
    PRIMARY KEY (id)
);

-- Keys of programs.
CREATE TABLE api_keys (
    id       bytea NOT NULL,
    hash     bytea NOT NULL,
    name     text COLLATE "C" NOT NULL,
    made_by  text COLLATE "C" NOT NULL,
    made_ms  bigint NOT NULL,
    seen_ms  bigint,
    ended_ms bigint,
    PRIMARY KEY (id)
);
