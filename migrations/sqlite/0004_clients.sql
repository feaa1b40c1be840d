-- When a secret opened the door last, late by some minutes at most; when its owner was last reminded to
-- replace it. Microseconds, NULL for never.
ALTER TABLE client_secrets ADD COLUMN last_used_at INTEGER;
ALTER TABLE client_secrets ADD COLUMN reminded_at INTEGER;

-- Identifiers of clients that are gone: never given again, since their `sub` lives on in other
-- systems. Only a hash is kept, so that an erased client is named nowhere.
CREATE TABLE deleted_clients (
    id_hash BLOB PRIMARY KEY NOT NULL
) STRICT, WITHOUT ROWID;

-- Client assertions that were used, by a hash over client and jti. Kept until no clock would
-- take the assertion again; microseconds. RFC 7523 section 3.
CREATE TABLE used_assertions (
    id_hash BLOB PRIMARY KEY NOT NULL,
    until   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX used_assertions_by_end ON used_assertions (until);
-- How far the forgetting went: what would be remembered for no longer than this may have been used.
-- One row.
CREATE TABLE forgotten_assertions (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    until INTEGER NOT NULL
) STRICT;
INSERT INTO forgotten_assertions (id, until) VALUES (1, 0);

-- Tokens that were revoked, kept until they would have ended anyway; microseconds. RFC 7009.
CREATE TABLE revoked_tokens (
    jti   TEXT PRIMARY KEY NOT NULL,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX revoked_tokens_by_end ON revoked_tokens (until);
-- Tokens issued before `not_before` are good no longer: of one client, or ('') of all. It only grows.
CREATE TABLE token_floors (
    client     TEXT PRIMARY KEY NOT NULL,
    not_before INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- How far the forgetting of these went: a token that would have been kept until `until` or less, or that was
-- issued before `not_before`, may have been revoked. One row.
CREATE TABLE forgotten_revocations (
    id         INTEGER PRIMARY KEY CHECK (id = 1),
    until      INTEGER NOT NULL,
    not_before INTEGER NOT NULL
) STRICT;
INSERT INTO forgotten_revocations (id, until, not_before) VALUES (1, 0, 0);

-- Answers to requests with an Idempotency-Key, without their secrets, for a day; microseconds. `id_hash` is
-- over caller and key, `caller` over the caller alone, `request` over route and body. `answer` is NULL once it
-- was erased with a client that it named: that the act was done is still known.
CREATE TABLE idempotent_answers (
    id_hash BLOB PRIMARY KEY NOT NULL,
    caller  BLOB NOT NULL,
    request BLOB NOT NULL,
    answer  TEXT,
    bytes   INTEGER NOT NULL,
    until   INTEGER NOT NULL
) STRICT;
CREATE INDEX idempotent_answers_by_end ON idempotent_answers (until);
CREATE INDEX idempotent_answers_by_caller ON idempotent_answers (caller, until, bytes);
-- The clients that an answer names, by the hash that `deleted_clients` has too. It goes with the answer.
CREATE TABLE answered_clients (
    client BLOB NOT NULL,
    answer BLOB NOT NULL REFERENCES idempotent_answers (id_hash) ON DELETE CASCADE,
    PRIMARY KEY (client, answer)
) STRICT, WITHOUT ROWID;
CREATE INDEX answered_clients_by_answer ON answered_clients (answer);
