-- Priority classes and demonstrations, why a job came back, and what its graph is like
-- (JSON of store::JobShape), from which durations are learnt.
ALTER TABLE jobs ADD COLUMN priority TEXT NOT NULL DEFAULT 'normal';
ALTER TABLE jobs ADD COLUMN interrupts INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN shape TEXT;
ALTER TABLE jobs ADD COLUMN return_reason TEXT;
UPDATE jobs SET return_reason = 'worker_stopped' WHERE is_returned = 1;
ALTER TABLE jobs DROP COLUMN is_returned;

-- The forecast counts what was submitted lately.
CREATE INDEX jobs_by_arrival ON jobs (created_at);

-- What the instructor decided about a seat, and what it has had of the GPU
-- (scheduler::Service, durations in milliseconds).
ALTER TABLE seats ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE seats ADD COLUMN is_paused INTEGER NOT NULL DEFAULT 0;
ALTER TABLE seats ADD COLUMN is_demo INTEGER NOT NULL DEFAULT 0;
ALTER TABLE seats ADD COLUMN message TEXT;
ALTER TABLE seats ADD COLUMN last_served INTEGER NOT NULL DEFAULT 0;
ALTER TABLE seats ADD COLUMN account_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE seats ADD COLUMN floor_ms INTEGER NOT NULL DEFAULT 0;

-- A worker that takes nothing more finishes what it has.
ALTER TABLE workers ADD COLUMN is_draining INTEGER NOT NULL DEFAULT 0;

-- How the queue is shared. One row.
CREATE TABLE policy (
    id                   INTEGER PRIMARY KEY CHECK (id = 1),
    mode                 TEXT    NOT NULL DEFAULT 'fifo',
    is_paused            INTEGER NOT NULL DEFAULT 0,
    max_queued_per_seat  INTEGER,
    max_running_per_seat INTEGER,
    announcement         TEXT
) STRICT;
INSERT INTO policy (id) VALUES (1);
