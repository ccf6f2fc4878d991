-- Who made a token, so that nobody is the second person to what their own program wrote; and the log of changes is only
-- added to, whoever tries.

ALTER TABLE tokens ADD COLUMN made_by TEXT;

CREATE FUNCTION audit_log_is_only_added_to() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'the log of changes is only added to'; END $$;

CREATE TRIGGER audit_log_is_not_changed BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_log
FOR EACH STATEMENT EXECUTE FUNCTION audit_log_is_only_added_to();
