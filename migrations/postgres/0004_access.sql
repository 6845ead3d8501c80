-- API tokens. The secret is never kept.
CREATE TABLE token (
    name       TEXT PRIMARY KEY NOT NULL,      -- who or what uses it
    hash       TEXT NOT NULL UNIQUE,           -- lower-case hex of the SHA-256 of the secret
    role       TEXT NOT NULL,                  -- read, operate, admin
    division   TEXT,                           -- division code that it may see; everything when null
    created_ms BIGINT NOT NULL,                -- when it was made, UTC ms
    revoked_ms BIGINT                          -- when it was made useless, UTC ms
);

-- Who did what. Insert-only; each row holds the hash of the one before.
CREATE TABLE audit (
    seq           BIGINT PRIMARY KEY NOT NULL, -- number, from 1, without a gap
    at_ms         BIGINT NOT NULL,             -- when, UTC ms
    actor         TEXT NOT NULL,               -- name of the token, cli or local
    action        TEXT NOT NULL,               -- what, as exclusion.approve
    subject       TEXT NOT NULL,               -- on what: a code or number
    body          TEXT NOT NULL,               -- the request as JSON, without secrets
    previous_hash TEXT NOT NULL,               -- hash of the row before; empty for the first
    hash          TEXT NOT NULL                -- SHA-256 over the length-prefixed fields, lower-case hex
);
