-- What follows a job through all logs, over retries and restarts: the trace id of W3C Trace
-- Context, 32 hexadecimal digits. Jobs from before are followed by their own id.
ALTER TABLE jobs ADD COLUMN trace_id TEXT NOT NULL DEFAULT '';
UPDATE jobs SET trace_id = replace(id, '-', '');
