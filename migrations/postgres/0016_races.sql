-- Prepared alerts: the outcomes of a race, of which one will be released, and none before `not_before`. `called_by` is the
-- draft that was; it retires the others, and goes when its release is undone. `topics` is a JSON list of slugs.
CREATE TABLE races (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id  UUID NOT NULL UNIQUE,
    name       TEXT NOT NULL,
    not_before BIGINT NOT NULL,
    timezone   TEXT NOT NULL,
    topics     TEXT NOT NULL,
    called_by  BIGINT REFERENCES drafts (id),
    closed_at  BIGINT,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL
);
CREATE INDEX races_uncalled ON races (not_before) WHERE closed_at IS NULL AND called_by IS NULL;
CREATE INDEX races_called ON races (called_by) WHERE called_by IS NOT NULL;

ALTER TABLE drafts ADD COLUMN race_id BIGINT REFERENCES races (id);
CREATE INDEX drafts_by_race ON drafts (race_id) WHERE race_id IS NOT NULL;
