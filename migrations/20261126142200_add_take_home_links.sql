-- The secret part of each seat's take-home link. Apart from the join link: it only hands out
-- the seat's files, so it may be kept and passed on when the workshop is over.
ALTER TABLE seats ADD COLUMN take_home_token TEXT;
CREATE UNIQUE INDEX seats_by_take_home_token ON seats (take_home_token);
