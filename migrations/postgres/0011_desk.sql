-- The desk: alerts that people write, and their release. An issue that was released is held for a while, in which it can
-- be undone; nobody gets it before that is over.
ALTER TABLE issues DROP CONSTRAINT issues_state_check;
ALTER TABLE issues ADD CONSTRAINT issues_state_check CHECK (state IN ('held', 'publishing', 'sending', 'sent', 'cancelled'));
ALTER TABLE issues ADD COLUMN held_until BIGINT;
CREATE INDEX issues_held ON issues (held_until) WHERE state = 'held';

-- `text` is JSON; each save that changes it moves `version` on. `asked_by` asks for a release. Released, the draft stays
-- with its issue; undone, it is open again.
CREATE TABLE drafts (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id  UUID NOT NULL UNIQUE,
    state      TEXT NOT NULL CHECK (state IN ('open', 'released', 'thrown-away')),
    version    BIGINT NOT NULL,
    text       TEXT NOT NULL,
    post_id    BIGINT REFERENCES posts (id) ON DELETE SET NULL,
    issue_id   BIGINT REFERENCES issues (id),
    authors    TEXT NOT NULL,
    asked_by   TEXT,
    note       TEXT,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    updated_by TEXT NOT NULL
);
CREATE INDEX drafts_open ON drafts (updated_at) WHERE state = 'open';
CREATE INDEX drafts_by_post ON drafts (post_id);
CREATE INDEX drafts_by_issue ON drafts (issue_id) WHERE issue_id IS NOT NULL;

-- Who has a draft open, and when their page last said so.
CREATE TABLE draft_visits (
    draft_id BIGINT NOT NULL REFERENCES drafts (id) ON DELETE CASCADE,
    who      TEXT NOT NULL,
    at       BIGINT NOT NULL,
    PRIMARY KEY (draft_id, who)
);
