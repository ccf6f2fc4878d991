-- Imports of lists: how far each is, and what came of it (JSON). One without an end of which nothing was heard for two minutes
-- broke off with its service; one that ended without a report failed.
-- The same table stands in migrations/postgres.
CREATE TABLE imports (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    public_id  BLOB NOT NULL UNIQUE,
    file       TEXT NOT NULL,
    created_by TEXT NOT NULL,
    rows_all   INTEGER NOT NULL,
    rows_done  INTEGER NOT NULL,
    begun_at   INTEGER NOT NULL,
    heard_at   INTEGER NOT NULL,
    ended_at   INTEGER,
    report     TEXT
) STRICT;
CREATE INDEX imports_begun ON imports (begun_at);
