-- Alerts are committed before their readers are counted: `expected` is that count, none until it is done. A key names
-- the issue that its call published, from which the answer to a repeat follows.
ALTER TABLE issues ADD COLUMN expected BIGINT;
UPDATE issues SET expected = (k.response::JSONB ->> 'audience')::BIGINT
FROM idempotency_keys k WHERE (k.response::JSONB ->> 'id')::UUID = issues.public_id;

ALTER TABLE idempotency_keys ADD COLUMN issue_id BIGINT REFERENCES issues (id) ON DELETE CASCADE;
UPDATE idempotency_keys SET issue_id = i.id FROM issues i WHERE i.public_id = (response::JSONB ->> 'id')::UUID;
DELETE FROM idempotency_keys WHERE issue_id IS NULL;
ALTER TABLE idempotency_keys ALTER COLUMN issue_id SET NOT NULL;
ALTER TABLE idempotency_keys DROP COLUMN status;
ALTER TABLE idempotency_keys DROP COLUMN response;
CREATE INDEX idempotency_keys_by_issue ON idempotency_keys (issue_id);
