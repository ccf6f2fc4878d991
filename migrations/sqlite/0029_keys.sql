-- An Idempotency-Key also names what else a call made, by its id in the API: somebody who was invited, a token, a race.
CREATE TABLE new_keys (
    token_id   INTEGER NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    key        TEXT NOT NULL,
    body_hash  BLOB NOT NULL,
    issue_id   INTEGER REFERENCES issues (id) ON DELETE CASCADE,
    draft_id   INTEGER REFERENCES drafts (id) ON DELETE CASCADE,
    made       TEXT,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (token_id, key),
    CHECK ((issue_id IS NOT NULL) + (draft_id IS NOT NULL) + (made IS NOT NULL) = 1)
) STRICT, WITHOUT ROWID;
INSERT INTO new_keys (token_id, key, body_hash, issue_id, draft_id, created_at)
SELECT token_id, key, body_hash, issue_id, draft_id, created_at FROM idempotency_keys;
DROP TABLE idempotency_keys;
ALTER TABLE new_keys RENAME TO idempotency_keys;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
CREATE INDEX idempotency_keys_by_issue ON idempotency_keys (issue_id);
CREATE INDEX idempotency_keys_by_draft ON idempotency_keys (draft_id) WHERE draft_id IS NOT NULL;
