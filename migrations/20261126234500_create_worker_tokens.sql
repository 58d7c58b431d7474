-- A token of each worker's own, so that one machine can be shut out and the others go on. Only
-- the token's hash is kept.
CREATE TABLE worker_tokens (
    name TEXT PRIMARY KEY,
    sha256 TEXT NOT NULL UNIQUE,
    created_at INTEGER NOT NULL
) STRICT;
