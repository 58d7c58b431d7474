-- A join link opens its seat in one browser: each claim has a number, and a session that names
-- an earlier one is told that the seat is in use elsewhere. Several browsers share a claim where
-- somebody said so.
ALTER TABLE seats ADD COLUMN session_claim INTEGER NOT NULL DEFAULT 0;
ALTER TABLE seats ADD COLUMN is_claim_shared INTEGER NOT NULL DEFAULT 0;
