-- Who may use the office. Declared in `store/records/accounts.rs`, `sessions.rs` and `api_keys.rs`; a test compares.

-- Whoever may sign in to the office.
CREATE TABLE accounts (
    id         BLOB NOT NULL,
    email      TEXT NOT NULL,
    name       TEXT NOT NULL,
    password   TEXT,
    totp       BLOB,
    totp_step  INTEGER NOT NULL,
    claim      BLOB,
    made_ms    INTEGER NOT NULL,
    removed_ms INTEGER,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;

-- Which roles accounts and API keys have; event 0: for all events and the shop.
CREATE TABLE grants (
    holder  BLOB NOT NULL,
    event   INTEGER NOT NULL,
    role    TEXT NOT NULL,
    made_by TEXT NOT NULL,
    at_ms   INTEGER NOT NULL,
    PRIMARY KEY (holder, event)
) STRICT, WITHOUT ROWID;

-- Codes that stand for an authenticator that is lost.
CREATE TABLE recovery_codes (
    account BLOB NOT NULL,
    hash    BLOB NOT NULL,
    used_ms INTEGER,
    claim   BLOB,
    PRIMARY KEY (account, hash)
) STRICT, WITHOUT ROWID;

-- Browsers that are signed in.
CREATE TABLE sessions (
    id        BLOB NOT NULL,
    account   BLOB NOT NULL,
    begun_ms  INTEGER NOT NULL,
    seen_ms   INTEGER NOT NULL,
    proved_ms INTEGER NOT NULL,
    device    TEXT NOT NULL,
    address   TEXT NOT NULL,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
CREATE INDEX sessions_account ON sessions (account);

-- Links that work once: invitations, and those that sign in.
CREATE TABLE one_time_links (
    id      BLOB NOT NULL,
    purpose TEXT NOT NULL,
    account BLOB,
    email   TEXT NOT NULL,
    role    TEXT,
    event   INTEGER,
    goes_to TEXT NOT NULL,
    made_by TEXT NOT NULL,
    made_ms INTEGER NOT NULL,
    ends_ms INTEGER NOT NULL,
    used_ms INTEGER,
    claim   BLOB,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;

-- Keys of programs.
CREATE TABLE api_keys (
    id       BLOB NOT NULL,
    hash     BLOB NOT NULL,
    name     TEXT NOT NULL,
    made_by  TEXT NOT NULL,
    made_ms  INTEGER NOT NULL,
    seen_ms  INTEGER,
    ended_ms INTEGER,
    PRIMARY KEY (id)
) STRICT, WITHOUT ROWID;
