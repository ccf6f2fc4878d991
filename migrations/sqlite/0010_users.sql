-- Who may: the people of the newsroom, how they show who they are, and who changed what. Secrets that are only ever
-- compared stand here as hashes. The same tables stand in migrations/postgres.

-- Without a password: invited and not there yet. `totp_step` is the last step whose code was used.
CREATE TABLE users (
    id                INTEGER PRIMARY KEY AUTOINCREMENT,
    public_id         BLOB NOT NULL UNIQUE,
    email             TEXT NOT NULL,
    email_key         TEXT NOT NULL UNIQUE,
    name              TEXT NOT NULL,
    role              TEXT NOT NULL CHECK (role IN ('owner', 'editor', 'contributor', 'viewer')),
    password_hash     TEXT,
    totp_secret       BLOB,
    totp_confirmed_at INTEGER,
    totp_step         INTEGER NOT NULL,
    created_at        INTEGER NOT NULL,
    disabled_at       INTEGER
) STRICT;

CREATE TABLE recovery_codes (
    user_id INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash    BLOB NOT NULL,
    used_at INTEGER,
    PRIMARY KEY (user_id, hash)
) STRICT, WITHOUT ROWID;

-- Kept for a while after its end: where somebody signed in before, nobody else's failures stand in the way.
CREATE TABLE sessions (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    public_id     BLOB NOT NULL UNIQUE,
    user_id       INTEGER NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash          BLOB NOT NULL UNIQUE,
    second_factor INTEGER NOT NULL,
    network       TEXT NOT NULL,
    browser       TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    seen_at       INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    ended_at      INTEGER
) STRICT;
CREATE INDEX sessions_by_user ON sessions (user_id, network);
CREATE INDEX sessions_by_age ON sessions (expires_at);

-- What was mailed or printed: each works once. The first owner's has no user yet.
CREATE TABLE user_links (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    user_id    INTEGER REFERENCES users (id) ON DELETE CASCADE,
    purpose    TEXT NOT NULL CHECK (purpose IN ('invitation', 'reset', 'first owner')),
    hash       BLOB NOT NULL UNIQUE,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
CREATE INDEX user_links_by_user ON user_links (user_id, purpose);
CREATE INDEX user_links_by_age ON user_links (expires_at);

-- Somebody says that they forgot their password: appended whoever it is, then decided upon.
CREATE TABLE reset_requests (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    email_key  TEXT NOT NULL,
    network    TEXT NOT NULL,
    created_at INTEGER NOT NULL
) STRICT;

-- One try to show who one is. `account` is a hash of what was tried, whether there is such an account or not.
CREATE TABLE login_attempts (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    account BLOB NOT NULL,
    network TEXT NOT NULL,
    at      INTEGER NOT NULL
) STRICT;
CREATE INDEX login_attempts_by_account ON login_attempts (account, network, at);
CREATE INDEX login_attempts_by_network ON login_attempts (network, at);
CREATE INDEX login_attempts_by_age ON login_attempts (at);

-- Who changed what: rows are added, never changed. `before` and `after` are JSON.
CREATE TABLE audit_log (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    at           INTEGER NOT NULL,
    actor_kind   TEXT NOT NULL CHECK (actor_kind IN ('user', 'token', 'command', 'visitor', 'service')),
    actor        TEXT NOT NULL,
    action       TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject      TEXT NOT NULL,
    before       TEXT,
    after        TEXT,
    network      TEXT NOT NULL
) STRICT;
CREATE INDEX audit_log_by_subject ON audit_log (subject_kind, subject, id);

-- What a token may be used for, as JSON words; empty for all that its role may.
ALTER TABLE tokens ADD COLUMN scope TEXT NOT NULL DEFAULT '[]';
