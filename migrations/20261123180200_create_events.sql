-- What happened, for the instructor and for replaying a fault. Never prompts or secrets.
CREATE TABLE events (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      INTEGER NOT NULL,
    kind    TEXT    NOT NULL,
    seat    INTEGER,
    job_id  TEXT,
    worker  TEXT,
    attempt INTEGER,
    detail  TEXT
) STRICT;

CREATE INDEX events_by_job ON events (job_id) WHERE job_id IS NOT NULL;
