-- Who made a token, so that nobody is the second person to what their own program wrote; and the log of changes is only
-- added to, whoever tries.

ALTER TABLE tokens ADD COLUMN made_by TEXT;

CREATE TRIGGER audit_log_is_not_changed BEFORE UPDATE ON audit_log
BEGIN SELECT RAISE(ABORT, 'the log of changes is only added to'); END;

CREATE TRIGGER audit_log_is_not_shortened BEFORE DELETE ON audit_log
BEGIN SELECT RAISE(ABORT, 'the log of changes is only added to'); END;
