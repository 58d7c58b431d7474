-- A participant's place. `join_token` is the secret part of its join link; raising
-- `session_generation` ends every session that was begun with an earlier link.
CREATE TABLE seats (
    number             INTEGER PRIMARY KEY CHECK (number BETWEEN 1 AND 500),
    join_token         TEXT    NOT NULL UNIQUE,
    session_generation INTEGER NOT NULL DEFAULT 1,
    created_at         INTEGER NOT NULL,
    last_active_at     INTEGER
) STRICT;
