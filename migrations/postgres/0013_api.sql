-- The desk for programs. A key of a call names what came of it: an issue, or a draft where somebody else has to release it.
ALTER TABLE idempotency_keys ALTER COLUMN issue_id DROP NOT NULL;
ALTER TABLE idempotency_keys ADD COLUMN draft_id BIGINT REFERENCES drafts (id) ON DELETE CASCADE;
ALTER TABLE idempotency_keys ADD CHECK ((issue_id IS NULL) <> (draft_id IS NULL));
CREATE INDEX idempotency_keys_by_draft ON idempotency_keys (draft_id) WHERE draft_id IS NOT NULL;

-- By the name of a part, the version in which it was last changed; what isn't there was not changed since the first.
ALTER TABLE drafts ADD COLUMN changed TEXT NOT NULL DEFAULT '{}';
