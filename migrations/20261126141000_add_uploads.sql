-- Uploads that come in pieces: they outlive cut connections and restarts. How much has
-- arrived is the length of the file on disk; `received` is what was last known of it.
-- `outcome` (JSON of store::UploadOutcome) is set once, when all bytes are there.
CREATE TABLE uploads (
    id         TEXT    PRIMARY KEY,
    seat       INTEGER NOT NULL REFERENCES seats (number),
    kind       TEXT    NOT NULL,
    folder     TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    bytes      INTEGER NOT NULL,
    received   INTEGER NOT NULL DEFAULT 0,
    sha256     TEXT,
    metadata   TEXT    NOT NULL,
    outcome    TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;
CREATE INDEX uploads_by_seat ON uploads (seat, created_at);
