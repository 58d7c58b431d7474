-- What participants delete can be undone for a while. One row of `trash` is one deletion, its
-- items are its files; an item's file lies in the seat's folder at trash/<id> meanwhile.
CREATE TABLE trash (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    seat       INTEGER NOT NULL REFERENCES seats (number),
    created_at INTEGER NOT NULL
) STRICT;

CREATE INDEX trash_by_seat ON trash (seat, id);
CREATE INDEX trash_by_age ON trash (created_at);

-- `state` tells what a crash cut short: `leaving`, `kept` or `returning`. `name` is where the
-- file was, and while it is returning, where it goes to.
CREATE TABLE trash_items (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    trash  INTEGER NOT NULL REFERENCES trash (id) ON DELETE CASCADE,
    kind   TEXT    NOT NULL,
    folder TEXT    NOT NULL,
    name   TEXT    NOT NULL,
    state  TEXT    NOT NULL DEFAULT 'leaving'
) STRICT;

CREATE INDEX trash_items_by_trash ON trash_items (trash);
CREATE INDEX trash_items_cut_short ON trash_items (trash) WHERE state <> 'kept';

-- A result's row is kept and marked, so that undoing brings back all that was known of it.
ALTER TABLE artifacts ADD COLUMN trash_item INTEGER;
CREATE INDEX artifacts_in_trash ON artifacts (trash_item) WHERE trash_item IS NOT NULL;
CREATE INDEX artifacts_in_gallery ON artifacts (seat, id) WHERE kind = 'output' AND trash_item IS NULL;
