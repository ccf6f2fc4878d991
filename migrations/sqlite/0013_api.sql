-- The desk for programs. A key of a call names what came of it: an issue, or a draft where somebody else has to release it.
CREATE TABLE new_keys (
    token_id   INTEGER NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    key        TEXT NOT NULL,
    body_hash  BLOB NOT NULL,
    issue_id   INTEGER REFERENCES issues (id) ON DELETE CASCADE,
    draft_id   INTEGER REFERENCES drafts (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (token_id, key),
    CHECK ((issue_id IS NULL) <> (draft_id IS NULL))
) STRICT, WITHOUT ROWID;
INSERT INTO new_keys (token_id, key, body_hash, issue_id, created_at)
SELECT token_id, key, body_hash, issue_id, created_at FROM idempotency_keys;
DROP TABLE idempotency_keys;
ALTER TABLE new_keys RENAME TO idempotency_keys;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
CREATE INDEX idempotency_keys_by_issue ON idempotency_keys (issue_id);
CREATE INDEX idempotency_keys_by_draft ON idempotency_keys (draft_id) WHERE draft_id IS NOT NULL;

-- By the name of a part, the version in which it was last changed; what isn't there was not changed since the first.
ALTER TABLE drafts ADD COLUMN changed TEXT NOT NULL DEFAULT '{}';
