-- A deleted model's row leaves `seat_models`, so that no selector offers it, and is kept here
-- (JSON of its columns) until undoing brings it back.
ALTER TABLE trash_items ADD COLUMN model TEXT;
