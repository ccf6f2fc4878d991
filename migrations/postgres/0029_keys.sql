-- An Idempotency-Key also names what else a call made, by its id in the API: somebody who was invited, a token, a race.
ALTER TABLE idempotency_keys ADD COLUMN made TEXT;
ALTER TABLE idempotency_keys DROP CONSTRAINT idempotency_keys_check;
ALTER TABLE idempotency_keys ADD CHECK (num_nonnulls(issue_id, draft_id, made) = 1);
