-- Models that participants brought. The files lie in the seat's own folder; the hash is kept so
-- that neither a selector nor a claim has to read gigabytes, `metadata` so that the header is not
-- read again (its `__metadata__`, as JSON).
CREATE TABLE seat_models (
    seat       INTEGER NOT NULL REFERENCES seats (number),
    folder     TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    bytes      INTEGER NOT NULL,
    sha256     TEXT    NOT NULL,
    metadata   TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (seat, folder, name)
) STRICT, WITHOUT ROWID;
