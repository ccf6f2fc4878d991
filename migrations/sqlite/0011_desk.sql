-- The desk: alerts that people write, and their release. An issue that was released is held for a while, in which it can
-- be undone; nobody gets it before that is over.
-- (A check alone is changed in the schema's text, as SQLite's documentation of ALTER TABLE describes: making the table anew
-- would take along what refers to it.)
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'IN (''publishing'', ''sending''', 'IN (''held'', ''publishing'', ''sending''')
WHERE type = 'table' AND name = 'issues';
PRAGMA writable_schema = RESET;
ALTER TABLE issues ADD COLUMN held_until INTEGER;
CREATE INDEX issues_held ON issues (held_until) WHERE state = 'held';

-- `text` is JSON; each save that changes it moves `version` on. `asked_by` asks for a release. Released, the draft stays
-- with its issue; undone, it is open again.
CREATE TABLE drafts (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    public_id  BLOB NOT NULL UNIQUE,
    state      TEXT NOT NULL CHECK (state IN ('open', 'released', 'thrown-away')),
    version    INTEGER NOT NULL,
    text       TEXT NOT NULL,
    post_id    INTEGER REFERENCES posts (id) ON DELETE SET NULL,
    issue_id   INTEGER REFERENCES issues (id),
    authors    TEXT NOT NULL,
    asked_by   TEXT,
    note       TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    updated_by TEXT NOT NULL
) STRICT;
CREATE INDEX drafts_open ON drafts (updated_at) WHERE state = 'open';
CREATE INDEX drafts_by_post ON drafts (post_id);
CREATE INDEX drafts_by_issue ON drafts (issue_id) WHERE issue_id IS NOT NULL;

-- Who has a draft open, and when their page last said so.
CREATE TABLE draft_visits (
    draft_id INTEGER NOT NULL REFERENCES drafts (id) ON DELETE CASCADE,
    who      TEXT NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (draft_id, who)
) STRICT, WITHOUT ROWID;
