-- How long issues were paused before, in microseconds: what a person held back is neither late nor given up for that.
ALTER TABLE issues ADD COLUMN paused_for BIGINT NOT NULL DEFAULT 0;
DROP INDEX issues_unreached;
CREATE INDEX issues_unreached ON issues ((created_at + paused_for)) WHERE kind = 'alert' AND reached_at IS NULL;
