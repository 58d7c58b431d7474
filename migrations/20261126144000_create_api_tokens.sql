-- What a seat's own programs show instead of a session. Kept is the SHA-256 of the token:
-- it has the entropy of a key, so that whoever reads the database cannot use it. A token is
-- void once the seat's `session_generation` is another: a new join link ends all of them.
CREATE TABLE api_tokens (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,
    seat               INTEGER NOT NULL REFERENCES seats (number),
    session_generation INTEGER NOT NULL,
    name               TEXT    NOT NULL,
    sha256             TEXT    NOT NULL UNIQUE,
    created_at         INTEGER NOT NULL,
    last_used_at       INTEGER
) STRICT;

CREATE INDEX api_tokens_by_seat ON api_tokens (seat, id);
