-- The public archive: issues that are marked public are listed for everybody. `issue_pages` is what an issue's page says,
-- to nobody in particular; it is kept when the mails are not any more. An issue without one is never listed.
ALTER TABLE topics ADD COLUMN public INTEGER NOT NULL DEFAULT 0;
ALTER TABLE issues ADD COLUMN public INTEGER NOT NULL DEFAULT 0;
CREATE INDEX issues_public ON issues (created_at, id) WHERE public;

CREATE TABLE issue_pages (
    issue_id   INTEGER PRIMARY KEY REFERENCES issues (id) ON DELETE CASCADE,
    title      TEXT NOT NULL,
    excerpt    TEXT NOT NULL,
    html       TEXT NOT NULL,
    changed_at INTEGER NOT NULL
) STRICT;
CREATE INDEX issue_pages_by_change ON issue_pages (changed_at);
