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

-- One delivery of an issue per reader: by the reader, who are written in order, and not by their address, whose index took
-- each row to another page. Variants go when the last delivery of their issue has gone, so nothing need look for a
-- variant's deliveries.
ALTER TABLE deliveries DROP CONSTRAINT deliveries_issue_id_address_key;
ALTER TABLE deliveries DROP CONSTRAINT deliveries_variant_id_fkey;
DROP INDEX deliveries_by_variant;
DROP INDEX deliveries_of_readers;
CREATE UNIQUE INDEX deliveries_of_readers ON deliveries (issue_id, subscriber_id);
