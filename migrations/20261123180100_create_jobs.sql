-- The record of every prompt. Times are Unix milliseconds. `phase` and the lease columns
-- hold the state machine of crates/domain/src/job.rs; which columns are set follows from the phase.
CREATE TABLE jobs (
    id                  TEXT    PRIMARY KEY,
    seat                INTEGER NOT NULL REFERENCES seats (number),
    sequence            INTEGER NOT NULL UNIQUE,
    number              INTEGER NOT NULL,
    is_front            INTEGER NOT NULL,
    client_id           TEXT,
    title               TEXT    NOT NULL,
    workflow_id         TEXT,
    created_at          INTEGER NOT NULL,
    phase               TEXT    NOT NULL,
    attempt             INTEGER NOT NULL DEFAULT 0,
    failures            INTEGER NOT NULL DEFAULT 0,
    engine_deaths       INTEGER NOT NULL DEFAULT 0,
    cancel_requested_at INTEGER,
    is_returned         INTEGER NOT NULL DEFAULT 0,
    lease_token         TEXT,
    lease_worker        TEXT,
    lease_expires_at    INTEGER,
    started_at          INTEGER,
    finished_at         INTEGER,
    failure             TEXT,
    removed_at          INTEGER
) STRICT;

-- The scheduler, the lease check and every "status" read only what is active.
CREATE INDEX jobs_active ON jobs (sequence) WHERE phase IN ('queued', 'leased', 'running');
CREATE INDEX jobs_by_seat ON jobs (seat, sequence);
CREATE INDEX jobs_ended ON jobs (finished_at) WHERE finished_at IS NOT NULL;

-- Apart from the jobs, so that listing them does not read megabytes of graphs.
CREATE TABLE job_graphs (
    job_id             TEXT PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    prompt             TEXT NOT NULL,
    extra_data         TEXT NOT NULL,
    outputs_to_execute TEXT NOT NULL
) STRICT;

CREATE TABLE job_results (
    job_id   TEXT PRIMARY KEY REFERENCES jobs (id) ON DELETE CASCADE,
    outputs  TEXT NOT NULL,
    meta     TEXT NOT NULL,
    messages TEXT NOT NULL
) STRICT;

-- One file that a job made. A second attempt at the same job overwrites the same row and file,
-- so that no result is ever seen twice.
CREATE TABLE artifacts (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id     TEXT    NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    seat       INTEGER NOT NULL REFERENCES seats (number),
    attempt    INTEGER NOT NULL,
    node       TEXT    NOT NULL,
    output_key TEXT    NOT NULL,
    position   INTEGER NOT NULL,
    filename   TEXT    NOT NULL,
    subfolder  TEXT    NOT NULL,
    kind       TEXT    NOT NULL,
    media_type TEXT    NOT NULL,
    bytes      INTEGER NOT NULL,
    sha256     TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    UNIQUE (job_id, node, output_key, position)
) STRICT;

CREATE INDEX artifacts_by_seat ON artifacts (seat, id);
