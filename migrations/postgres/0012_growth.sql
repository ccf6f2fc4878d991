-- Who came and who left, by the day: the newsroom's picture of the readers over time. The same index stands in
-- migrations/sqlite.
CREATE INDEX consents_by_time ON consents (created_at, action);
