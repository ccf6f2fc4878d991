-- Prepared alerts: the outcomes of a race, of which one will be released, and none before `not_before`. `called_by` is the
-- draft that was; it retires the others, and goes when its release is undone. `topics` is a JSON list of slugs.
CREATE TABLE races (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    public_id  BLOB NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    not_before INTEGER NOT NULL,
    timezone   TEXT NOT NULL,
    topics     TEXT NOT NULL,
    called_by  INTEGER REFERENCES drafts (id),
    closed_at  INTEGER,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL
) STRICT;
CREATE INDEX races_uncalled ON races (not_before) WHERE closed_at IS NULL AND called_by IS NULL;
CREATE INDEX races_called ON races (called_by) WHERE called_by IS NOT NULL;

ALTER TABLE drafts ADD COLUMN race_id INTEGER REFERENCES races (id);
CREATE INDEX drafts_by_race ON drafts (race_id) WHERE race_id IS NOT NULL;
