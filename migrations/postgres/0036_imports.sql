-- Imports of lists: how far each is, and what came of it (JSON). One without an end of which nothing was heard for two minutes
-- broke off with its service; one that ended without a report failed.
-- The same table stands in migrations/sqlite.
CREATE TABLE imports (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id  UUID NOT NULL UNIQUE,
    file       TEXT NOT NULL,
    created_by TEXT NOT NULL,
    rows_all   BIGINT NOT NULL,
    rows_done  BIGINT NOT NULL,
    begun_at   BIGINT NOT NULL,
    heard_at   BIGINT NOT NULL,
    ended_at   BIGINT,
    report     TEXT
);
CREATE INDEX imports_begun ON imports (begun_at);
