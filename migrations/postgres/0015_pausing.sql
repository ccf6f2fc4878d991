-- An issue that a person paused, until a person resumes it. Its mail is put by as deferred, with no time at which it is
-- tried again; `resuming` says that such mail is being queued again.
ALTER TABLE issues ADD COLUMN paused_at BIGINT;
ALTER TABLE issues ADD COLUMN resuming BOOLEAN NOT NULL DEFAULT FALSE;
CREATE INDEX issues_paused ON issues (id) WHERE paused_at IS NOT NULL;
CREATE INDEX issues_resuming ON issues (id) WHERE resuming;
