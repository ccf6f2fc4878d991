-- The whole way of the data: sign-up to subscriber, post to issue, issue to delivery. Instants are microseconds UTC.
-- The same tables stand in migrations/postgres; a test holds the two against each other.
-- No id is ever given again, also after its row is gone: senders, journals and cursors remember things by them.

CREATE TABLE settings (
    name  TEXT PRIMARY KEY,
    value BLOB NOT NULL
) STRICT;

CREATE TABLE topics (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    slug        TEXT NOT NULL UNIQUE,
    name        TEXT NOT NULL,
    description TEXT NOT NULL,
    provisioned INTEGER NOT NULL
) STRICT;

-- One filled-in form. `new` waits for the decision what to mail.
CREATE TABLE signups (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    public_id    BLOB NOT NULL UNIQUE,
    address      TEXT NOT NULL,
    address_key  TEXT NOT NULL,
    topics       TEXT NOT NULL,
    alerts       INTEGER NOT NULL,
    digest       TEXT NOT NULL CHECK (digest IN ('none', 'daily', 'weekly')),
    origin       TEXT NOT NULL,
    network      TEXT NOT NULL,
    state        TEXT NOT NULL CHECK (state IN ('new', 'mailed', 'withheld', 'confirmed', 'refused')),
    created_at   INTEGER NOT NULL,
    mailed_at    INTEGER,
    confirmed_at INTEGER
) STRICT;
CREATE INDEX signups_new ON signups (id) WHERE state = 'new';
CREATE INDEX signups_by_address ON signups (address_key, mailed_at);
CREATE INDEX signups_by_network ON signups (network, created_at);
CREATE INDEX signups_by_time ON signups (created_at);

CREATE TABLE subscribers (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    public_id       BLOB NOT NULL UNIQUE,
    address         TEXT NOT NULL,
    address_key     TEXT NOT NULL UNIQUE,
    address_hash    BLOB NOT NULL,
    state           TEXT NOT NULL CHECK (state IN ('active', 'unsubscribed')),
    created_at      INTEGER NOT NULL,
    confirmed_at    INTEGER NOT NULL,
    unsubscribed_at INTEGER
) STRICT;
CREATE INDEX subscribers_by_hash ON subscribers (address_hash);
CREATE INDEX subscribers_left ON subscribers (unsubscribed_at) WHERE unsubscribed_at IS NOT NULL;

-- `digest_after` is the watermark: the last post that the reader's digests are past.
CREATE TABLE subscriptions (
    subscriber_id INTEGER NOT NULL REFERENCES subscribers (id) ON DELETE CASCADE,
    topic_id      INTEGER NOT NULL REFERENCES topics (id),
    alerts        INTEGER NOT NULL,
    digest        TEXT NOT NULL CHECK (digest IN ('none', 'daily', 'weekly')),
    digest_after  INTEGER NOT NULL,
    PRIMARY KEY (subscriber_id, topic_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX subscriptions_by_topic ON subscriptions (topic_id);
CREATE INDEX subscriptions_by_digest ON subscriptions (digest, topic_id, digest_after);

-- Who agreed to what, when and how. Rows are added, never changed; erasure empties `detail`.
CREATE TABLE consents (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    subscriber_id INTEGER REFERENCES subscribers (id) ON DELETE SET NULL,
    action        TEXT NOT NULL CHECK (action IN ('confirmed', 'imported', 'changed', 'unsubscribed')),
    detail        TEXT NOT NULL,
    created_at    INTEGER NOT NULL
) STRICT;
CREATE INDEX consents_by_subscriber ON consents (subscriber_id);

-- Keyed hashes of addresses that must not be mailed; the kind says what lifts it.
CREATE TABLE suppressions (
    address_hash BLOB NOT NULL,
    kind         TEXT NOT NULL CHECK (kind IN ('unsubscribed', 'erased', 'complaint', 'undeliverable', 'refused')),
    created_at   INTEGER NOT NULL,
    PRIMARY KEY (address_hash, kind)
) STRICT, WITHOUT ROWID;

CREATE TABLE feeds (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    url             TEXT NOT NULL UNIQUE,
    topic_id        INTEGER NOT NULL REFERENCES topics (id),
    every_micros    INTEGER NOT NULL,
    alert           INTEGER NOT NULL,
    active          INTEGER NOT NULL,
    etag            TEXT,
    last_modified   TEXT,
    baselined_at    INTEGER,
    next_poll_at    INTEGER NOT NULL,
    last_polled_at  INTEGER,
    last_success_at INTEGER,
    failures        INTEGER NOT NULL,
    last_error      TEXT,
    warning         TEXT,
    warned_at       INTEGER
) STRICT;
CREATE INDEX feeds_due ON feeds (next_poll_at) WHERE active;
CREATE INDEX feeds_by_topic ON feeds (topic_id);

-- `silent` posts were there before us (a feed's baseline) and are never mailed.
CREATE TABLE posts (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    public_id     BLOB NOT NULL UNIQUE,
    url           TEXT,
    title         TEXT NOT NULL,
    summary       TEXT NOT NULL,
    html          TEXT NOT NULL,
    author        TEXT,
    image         TEXT,
    categories    TEXT NOT NULL,
    tags          TEXT NOT NULL,
    published_at  INTEGER NOT NULL,
    first_seen_at INTEGER NOT NULL,
    revision      INTEGER NOT NULL,
    silent        INTEGER NOT NULL,
    alert_due     INTEGER NOT NULL,
    alerted_at    INTEGER
) STRICT;

CREATE INDEX posts_to_alert ON posts (id) WHERE alert_due AND alerted_at IS NULL;

-- Under what a post is known: its guid within its source ("feed 3", "api"), its link everywhere ("link").
CREATE TABLE post_keys (
    scope   TEXT NOT NULL,
    key     TEXT NOT NULL,
    post_id INTEGER NOT NULL REFERENCES posts (id) ON DELETE CASCADE,
    PRIMARY KEY (scope, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX post_keys_by_post ON post_keys (post_id);

-- `alert`: some source wants the post mailed at once to the readers of this topic.
CREATE TABLE post_topics (
    post_id  INTEGER NOT NULL REFERENCES posts (id) ON DELETE CASCADE,
    topic_id INTEGER NOT NULL REFERENCES topics (id),
    alert    INTEGER NOT NULL,
    PRIMARY KEY (post_id, topic_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX post_topics_by_topic ON post_topics (topic_id, post_id);

CREATE TABLE schedules (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT NOT NULL UNIQUE,
    cron          TEXT NOT NULL,
    timezone      TEXT NOT NULL,
    digest        TEXT NOT NULL CHECK (digest IN ('daily', 'weekly')),
    active        INTEGER NOT NULL,
    watched_since INTEGER NOT NULL
) STRICT;

-- One occurrence of a schedule; the unique row is what wins it.
CREATE TABLE runs (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    schedule_id INTEGER NOT NULL REFERENCES schedules (id),
    timezone    TEXT NOT NULL,
    local       TEXT NOT NULL,
    at          INTEGER NOT NULL,
    outcome     TEXT NOT NULL CHECK (outcome IN ('published', 'empty', 'late')),
    created_at  INTEGER NOT NULL,
    UNIQUE (schedule_id, timezone, local)
) STRICT;

-- One thing we publish. `next_subscriber` is the fan-out's cursor, `last_subscriber` and `last_post` what it was
-- when the issue was published; `content` is what a digest needs to carry an alert that came too late. Old issues
-- are reduced to their `totals`.
CREATE TABLE issues (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    public_id       BLOB NOT NULL UNIQUE,
    kind            TEXT NOT NULL CHECK (kind IN ('alert', 'digest', 'notice')),
    state           TEXT NOT NULL CHECK (state IN ('publishing', 'sending', 'sent', 'cancelled')),
    subject         TEXT NOT NULL,
    level           TEXT NOT NULL CHECK (level IN ('all', 'major', 'critical')),
    digest          TEXT NOT NULL CHECK (digest IN ('none', 'daily', 'weekly')),
    priority        INTEGER NOT NULL,
    post_id         INTEGER REFERENCES posts (id),
    signup_id       INTEGER REFERENCES signups (id) ON DELETE CASCADE,
    content         TEXT NOT NULL,
    return_path     TEXT NOT NULL,
    link_key        TEXT NOT NULL,
    next_subscriber INTEGER NOT NULL,
    last_subscriber INTEGER NOT NULL,
    last_post       INTEGER NOT NULL,
    audience        INTEGER NOT NULL,
    totals          TEXT,
    created_by      TEXT NOT NULL,
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER,
    ended_at        INTEGER,
    reduced_at      INTEGER
) STRICT;
CREATE INDEX issues_published ON issues (id) WHERE kind <> 'notice';
CREATE INDEX issues_publishing ON issues (priority, id) WHERE state = 'publishing';
CREATE INDEX issues_sending ON issues (id) WHERE state = 'sending';
CREATE INDEX issues_by_post ON issues (post_id) WHERE post_id IS NOT NULL;
CREATE INDEX issues_by_signup ON issues (signup_id) WHERE signup_id IS NOT NULL;
CREATE INDEX issues_by_end ON issues (ended_at) WHERE reduced_at IS NULL;
CREATE INDEX issues_cancelled ON issues (ended_at) WHERE state = 'cancelled' AND totals IS NULL;

CREATE TABLE issue_topics (
    issue_id INTEGER NOT NULL REFERENCES issues (id) ON DELETE CASCADE,
    topic_id INTEGER NOT NULL REFERENCES topics (id),
    PRIMARY KEY (issue_id, topic_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX issue_topics_by_topic ON issue_topics (topic_id);

-- Rendered once per issue, kept until its last delivery ends.
CREATE TABLE fragments (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    issue_id INTEGER NOT NULL REFERENCES issues (id) ON DELETE CASCADE,
    name     TEXT NOT NULL,
    text     TEXT NOT NULL,
    html     TEXT NOT NULL,
    UNIQUE (issue_id, name)
) STRICT;

-- The recipients who get the same list of fragments share a variant.
CREATE TABLE variants (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    issue_id  INTEGER NOT NULL REFERENCES issues (id) ON DELETE CASCADE,
    head      TEXT NOT NULL,
    fragments TEXT NOT NULL,
    UNIQUE (issue_id, fragments)
) STRICT;

-- One issue to one address.
CREATE TABLE deliveries (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    issue_id       INTEGER NOT NULL REFERENCES issues (id) ON DELETE CASCADE,
    subscriber_id  INTEGER REFERENCES subscribers (id) ON DELETE CASCADE,
    address        TEXT NOT NULL,
    variant_id     INTEGER NOT NULL REFERENCES variants (id),
    priority       INTEGER NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('queued', 'sending', 'deferred', 'sent', 'bounced', 'failed', 'cancelled', 'expired')),
    due_at         INTEGER NOT NULL,
    retry_at       INTEGER,
    attempts       INTEGER NOT NULL,
    node           BLOB,
    relay          TEXT,
    reply_code     INTEGER,
    reply_enhanced TEXT,
    reply_text     TEXT,
    carried_by     INTEGER REFERENCES issues (id),
    ended_at       INTEGER,
    UNIQUE (issue_id, address)
) STRICT;
CREATE INDEX deliveries_queued ON deliveries (priority, id) WHERE state = 'queued';
CREATE INDEX deliveries_deferred ON deliveries (retry_at) WHERE state = 'deferred';
CREATE INDEX deliveries_sending ON deliveries (node) WHERE state = 'sending';
CREATE INDEX deliveries_by_issue ON deliveries (issue_id, state);
CREATE INDEX deliveries_in_order ON deliveries (issue_id, id);
CREATE INDEX deliveries_of_readers ON deliveries (issue_id, subscriber_id);
CREATE INDEX deliveries_by_subscriber ON deliveries (subscriber_id, issue_id);
CREATE INDEX deliveries_by_variant ON deliveries (variant_id);
CREATE INDEX deliveries_too_late ON deliveries (subscriber_id, issue_id) WHERE state = 'expired' AND carried_by IS NULL;
CREATE INDEX deliveries_carried ON deliveries (carried_by) WHERE carried_by IS NOT NULL;

-- One try that was not plainly accepted.
CREATE TABLE attempts (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery_id INTEGER NOT NULL REFERENCES deliveries (id) ON DELETE CASCADE,
    at          INTEGER NOT NULL,
    relay       TEXT NOT NULL,
    verdict     TEXT NOT NULL,
    reply_code  INTEGER,
    reply_text  TEXT NOT NULL
) STRICT;
CREATE INDEX attempts_by_delivery ON attempts (delivery_id);

CREATE TABLE tokens (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    name         TEXT NOT NULL,
    role         TEXT NOT NULL CHECK (role IN ('owner', 'editor', 'contributor', 'viewer')),
    hash         BLOB NOT NULL UNIQUE,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER
) STRICT;

CREATE TABLE idempotency_keys (
    token_id   INTEGER NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    key        TEXT NOT NULL,
    body_hash  BLOB NOT NULL,
    status     INTEGER NOT NULL,
    response   TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (token_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);

CREATE TABLE nodes (
    id           BLOB PRIMARY KEY,
    started_at   INTEGER NOT NULL,
    heartbeat_at INTEGER NOT NULL
) STRICT;

-- What a relay that takes no mail said; gone once it takes mail again.
CREATE TABLE relay_troubles (
    relay  TEXT PRIMARY KEY,
    paused INTEGER NOT NULL,
    reason TEXT NOT NULL,
    since  INTEGER NOT NULL,
    until  INTEGER NOT NULL
) STRICT;
