CREATE TABLE workers (
    name            TEXT    PRIMARY KEY,
    slots           INTEGER NOT NULL,
    comfyui_version TEXT,
    last_seen_at    INTEGER NOT NULL
) STRICT;

-- What the engine offers (JSON of queue::report::Catalog), kept so that the editor opens
-- while the GPU machine is away. One row: the latest.
CREATE TABLE catalog (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    body        TEXT    NOT NULL,
    received_at INTEGER NOT NULL
) STRICT;
