-- Alerts are committed before their readers are counted: `expected` is that count, none until it is done. A key names
-- the issue that its call published, from which the answer to a repeat follows.
ALTER TABLE issues ADD COLUMN expected INTEGER;
UPDATE issues SET expected = k.response ->> 'audience'
FROM idempotency_keys k WHERE unhex(k.response ->> 'id', '-') = issues.public_id;

CREATE TABLE new_keys (
    token_id   INTEGER NOT NULL REFERENCES tokens (id) ON DELETE CASCADE,
    key        TEXT NOT NULL,
    body_hash  BLOB NOT NULL,
    issue_id   INTEGER NOT NULL REFERENCES issues (id) ON DELETE CASCADE,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (token_id, key)
) STRICT, WITHOUT ROWID;
INSERT INTO new_keys
SELECT k.token_id, k.key, k.body_hash, i.id, k.created_at
FROM idempotency_keys k JOIN issues i ON i.public_id = unhex(k.response ->> 'id', '-');
DROP TABLE idempotency_keys;
ALTER TABLE new_keys RENAME TO idempotency_keys;
CREATE INDEX idempotency_keys_by_age ON idempotency_keys (created_at);
CREATE INDEX idempotency_keys_by_issue ON idempotency_keys (issue_id);
