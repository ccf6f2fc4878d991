-- The watch: what should have happened and didn't is told once, over a channel of its own. An incident is one row while it
-- lasts; `calm_since` says since when nothing is seen of it any more.
-- The same tables stand in migrations/postgres.
CREATE TABLE incidents (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    public_id  BLOB NOT NULL UNIQUE,
    kind       TEXT NOT NULL CHECK (kind IN ('alert.missing', 'alert.slow', 'feed.silent', 'relay.paused')),
    subject    TEXT NOT NULL,
    title      TEXT NOT NULL,
    what       TEXT NOT NULL,
    todo       TEXT NOT NULL,
    link       TEXT NOT NULL,
    since      INTEGER NOT NULL,
    begun_at   INTEGER NOT NULL,
    calm_since INTEGER,
    ended_at   INTEGER
) STRICT;
CREATE UNIQUE INDEX incidents_open ON incidents (kind, subject) WHERE ended_at IS NULL;
CREATE INDEX incidents_ended ON incidents (ended_at) WHERE ended_at IS NOT NULL;

-- A call of a webhook, written down before it is made. All calls of one event have its `message_id`.
CREATE TABLE webhook_calls (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    message_id BLOB NOT NULL,
    url        TEXT NOT NULL,
    body       TEXT NOT NULL,
    state      TEXT NOT NULL CHECK (state IN ('waiting', 'taken', 'given-up')),
    attempts   INTEGER NOT NULL,
    due_at     INTEGER NOT NULL,
    answer     TEXT,
    created_at INTEGER NOT NULL,
    ended_at   INTEGER,
    UNIQUE (message_id, url)
) STRICT;
CREATE INDEX webhook_calls_waiting ON webhook_calls (due_at) WHERE state = 'waiting';
CREATE INDEX webhook_calls_ended ON webhook_calls (ended_at) WHERE ended_at IS NOT NULL;

-- Webhooks that answered 410: they are not called any more.
CREATE TABLE gone_webhooks (
    url     TEXT PRIMARY KEY,
    gone_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- Since when a post is wanted as an alert, a release is asked for, an alert was accepted by as many as should be, and
-- a feed brought nothing new (at first: since it was made).
ALTER TABLE posts ADD COLUMN wanted_at INTEGER;
CREATE INDEX posts_wanted ON posts (wanted_at) WHERE wanted_at IS NOT NULL;
ALTER TABLE drafts ADD COLUMN asked_at INTEGER;
CREATE INDEX drafts_asked ON drafts (asked_at) WHERE state = 'open' AND asked_by IS NOT NULL;
ALTER TABLE issues ADD COLUMN reached_at INTEGER;
CREATE INDEX issues_unreached ON issues (created_at) WHERE kind = 'alert' AND reached_at IS NULL;
ALTER TABLE feeds ADD COLUMN heard_at INTEGER NOT NULL DEFAULT 0;
UPDATE feeds SET heard_at = coalesce(
    (SELECT max(p.first_seen_at) FROM post_keys k JOIN posts p ON p.id = k.post_id WHERE k.scope = 'feed ' || CAST(feeds.id AS TEXT)),
    baselined_at, last_polled_at, next_poll_at);
