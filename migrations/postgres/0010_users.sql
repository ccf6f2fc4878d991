-- Who may: the people of the newsroom, how they show who they are, and who changed what. Secrets that are only ever
-- compared stand here as hashes. The same tables stand in migrations/sqlite.

-- Without a password: invited and not there yet. `totp_step` is the last step whose code was used.
CREATE TABLE users (
    id                BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id         UUID NOT NULL UNIQUE,
    email             TEXT NOT NULL,
    email_key         TEXT NOT NULL UNIQUE,
    name              TEXT NOT NULL,
    role              TEXT NOT NULL CHECK (role IN ('owner', 'editor', 'contributor', 'viewer')),
    password_hash     TEXT,
    totp_secret       BYTEA,
    totp_confirmed_at BIGINT,
    totp_step         BIGINT NOT NULL,
    created_at        BIGINT NOT NULL,
    disabled_at       BIGINT
);

CREATE TABLE recovery_codes (
    user_id BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash    BYTEA NOT NULL,
    used_at BIGINT,
    PRIMARY KEY (user_id, hash)
);

-- Kept for a while after its end: where somebody signed in before, nobody else's failures stand in the way.
CREATE TABLE sessions (
    id            BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id     UUID NOT NULL UNIQUE,
    user_id       BIGINT NOT NULL REFERENCES users (id) ON DELETE CASCADE,
    hash          BYTEA NOT NULL UNIQUE,
    second_factor BOOLEAN NOT NULL,
    network       TEXT NOT NULL,
    browser       TEXT NOT NULL,
    created_at    BIGINT NOT NULL,
    seen_at       BIGINT NOT NULL,
    expires_at    BIGINT NOT NULL,
    ended_at      BIGINT
);
CREATE INDEX sessions_by_user ON sessions (user_id, network);
CREATE INDEX sessions_by_age ON sessions (expires_at);

-- What was mailed or printed: each works once. The first owner's has no user yet.
CREATE TABLE user_links (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id    BIGINT REFERENCES users (id) ON DELETE CASCADE,
    purpose    TEXT NOT NULL CHECK (purpose IN ('invitation', 'reset', 'first owner')),
    hash       BYTEA NOT NULL UNIQUE,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX user_links_by_user ON user_links (user_id, purpose);
CREATE INDEX user_links_by_age ON user_links (expires_at);

-- Somebody says that they forgot their password: appended whoever it is, then decided upon.
CREATE TABLE reset_requests (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email_key  TEXT NOT NULL,
    network    TEXT NOT NULL,
    created_at BIGINT NOT NULL
);

-- One try to show who one is. `account` is a hash of what was tried, whether there is such an account or not.
CREATE TABLE login_attempts (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account BYTEA NOT NULL,
    network TEXT NOT NULL,
    at      BIGINT NOT NULL
);
CREATE INDEX login_attempts_by_account ON login_attempts (account, network, at);
CREATE INDEX login_attempts_by_network ON login_attempts (network, at);
CREATE INDEX login_attempts_by_age ON login_attempts (at);

-- Who changed what: rows are added, never changed. `before` and `after` are JSON.
CREATE TABLE audit_log (
    id           BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at           BIGINT NOT NULL,
    actor_kind   TEXT NOT NULL CHECK (actor_kind IN ('user', 'token', 'command', 'visitor', 'service')),
    actor        TEXT NOT NULL,
    action       TEXT NOT NULL,
    subject_kind TEXT NOT NULL,
    subject      TEXT NOT NULL,
    before       TEXT,
    after        TEXT,
    network      TEXT NOT NULL
);
CREATE INDEX audit_log_by_subject ON audit_log (subject_kind, subject, id);

-- What a token may be used for, as JSON words; empty for all that its role may.
ALTER TABLE tokens ADD COLUMN scope TEXT NOT NULL DEFAULT '[]';
