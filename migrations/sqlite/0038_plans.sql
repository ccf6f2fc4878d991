-- What SQLite measured of a database with three readers made it read whole tables when there were 30,000. Without figures its plans are
-- the same on the first day as with a million, and those are tested. (The first line makes their table where there is none.)
ANALYZE settings;
DELETE FROM sqlite_stat1;
-- And the connection that did this forgets them as well.
ANALYZE sqlite_schema;
