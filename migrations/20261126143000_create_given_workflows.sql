-- Which version of which workflow of the operator's folder a seat was given, so that what the
-- participant changed, renamed or deleted since is left as it is.
CREATE TABLE given_workflows (
    seat INTEGER NOT NULL REFERENCES seats (number),
    path TEXT NOT NULL, -- below the operator's folder, and below the seat's workflows
    sha256 TEXT NOT NULL,
    given_at INTEGER NOT NULL,
    PRIMARY KEY (seat, path)
) STRICT, WITHOUT ROWID;
