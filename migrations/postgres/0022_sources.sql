-- Topics, feeds and schedules that the newsroom makes, beside those of config.toml. What is retired stays: a topic with its
-- subscriptions, a feed with its posts, a schedule with its runs. `origin` says whose a schedule is: the file's, the usual
-- one where neither file nor newsroom says anything, or the newsroom's. One schedule runs for each digest.
ALTER TABLE topics ADD COLUMN retired BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE topics SET retired = TRUE WHERE NOT provisioned;
ALTER TABLE feeds ADD COLUMN provisioned BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE feeds SET provisioned = active;
ALTER TABLE schedules ADD COLUMN origin TEXT NOT NULL DEFAULT 'file' CHECK (origin IN ('file', 'usual', 'newsroom'));
ALTER TABLE schedules ADD COLUMN public BOOLEAN NOT NULL DEFAULT FALSE;
CREATE UNIQUE INDEX schedules_running ON schedules (digest) WHERE active;
