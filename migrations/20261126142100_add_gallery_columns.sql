-- What the gallery filters by, beside each result, so that every filter is answered from an
-- index: what kind of medium it is, the workflow that made it, and whether it is a favourite.
ALTER TABLE artifacts ADD COLUMN media TEXT NOT NULL DEFAULT 'other';
ALTER TABLE artifacts ADD COLUMN workflow TEXT NOT NULL DEFAULT '';
ALTER TABLE artifacts ADD COLUMN is_favourite INTEGER NOT NULL DEFAULT 0;

UPDATE artifacts SET
    media = CASE
        WHEN media_type = 'image/gif' THEN 'animated'
        WHEN media_type LIKE 'image/%' THEN 'image'
        WHEN media_type LIKE 'video/%' THEN 'video'
        WHEN media_type LIKE 'audio/%' THEN 'audio'
        ELSE 'other'
    END,
    workflow = (SELECT coalesce(workflow_id, title) FROM jobs WHERE jobs.id = artifacts.job_id);

CREATE INDEX artifacts_by_media ON artifacts (seat, media, id)
    WHERE kind = 'output' AND trash_item IS NULL;
CREATE INDEX artifacts_by_workflow ON artifacts (seat, workflow, id)
    WHERE kind = 'output' AND trash_item IS NULL;
CREATE INDEX artifacts_favourite ON artifacts (seat, id)
    WHERE kind = 'output' AND trash_item IS NULL AND is_favourite = 1;
CREATE INDEX artifacts_by_day ON artifacts (seat, created_at, id)
    WHERE kind = 'output' AND trash_item IS NULL;
CREATE INDEX artifacts_by_job ON artifacts (job_id);
-- Whether another result has the content of a deleted one.
CREATE INDEX artifacts_by_content ON artifacts (sha256, seat);
