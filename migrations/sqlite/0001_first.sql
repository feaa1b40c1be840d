-- The first schema. An applied file is never edited: what changes comes in a new one.

-- Single facts about this store: what made it, versions that count.
CREATE TABLE facts (
    name  TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO facts (name, value) VALUES ('policy_version', '0'), ('ring_version', '0'), ('probe', '0');

-- The policy. `document` is the object as the admin API shows it.
CREATE TABLE resources (
    uri      TEXT PRIMARY KEY NOT NULL,
    version  INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;
-- Keys stand for scopes and clients in limits; AUTOINCREMENT never gives one twice.
CREATE TABLE scopes (
    key      INTEGER PRIMARY KEY AUTOINCREMENT,
    name     TEXT NOT NULL UNIQUE,
    version  INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE TABLE clients (
    key      INTEGER PRIMARY KEY AUTOINCREMENT,
    id       TEXT NOT NULL UNIQUE,
    version  INTEGER NOT NULL,
    document TEXT NOT NULL
) STRICT;
CREATE TABLE client_secrets (
    secret_id  TEXT PRIMARY KEY NOT NULL,
    client     TEXT NOT NULL REFERENCES clients (id),
    selector   INTEGER NOT NULL,
    phc        TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT;
CREATE INDEX client_secrets_by_client ON client_secrets (client);

-- The key ring. `sealed` is a key's private half under the KEK, gone once it no longer signs. Times are microseconds.
CREATE TABLE signing_keys (
    kid                   TEXT PRIMARY KEY NOT NULL,
    position              INTEGER NOT NULL UNIQUE,
    alg                   TEXT NOT NULL,
    public                TEXT NOT NULL,
    sealed                BLOB,
    state                 TEXT NOT NULL,
    created_at            INTEGER NOT NULL,
    published_at          INTEGER,
    activated_at          INTEGER,
    passive_at            INTEGER,
    removed_at            INTEGER,
    revoked_at            INTEGER,
    rotation_requested_at INTEGER,
    retain                INTEGER NOT NULL,
    reason                TEXT
) STRICT;

-- The issuance log: one row. `size` and `root` are those of the tree over log_entries.
CREATE TABLE log (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    origin     TEXT NOT NULL,
    vkey       TEXT NOT NULL,
    sealed_key BLOB NOT NULL,
    size       INTEGER NOT NULL,
    root       BLOB NOT NULL,
    checkpoint TEXT
) STRICT;
CREATE TABLE log_entries (
    idx  INTEGER PRIMARY KEY,
    leaf BLOB NOT NULL
) STRICT;
-- Full tiles of level 0, and of the levels above it each as far as it goes.
CREATE TABLE log_tiles (
    level  INTEGER NOT NULL,
    n      INTEGER NOT NULL,
    hashes BLOB NOT NULL,
    PRIMARY KEY (level, n)
) STRICT;
-- Bodies and the look-up by jti lie in one table each a month, log_bodies_YYYYMM and
-- log_jtis_YYYYMM, made by the writer, so that retention drops whole tables.
