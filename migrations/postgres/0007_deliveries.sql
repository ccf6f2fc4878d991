-- Deliveries refer to their issue and reader without the database's looking at each row: the two foreign keys were a tenth
-- of what a mail costs there. Issues are never deleted; who erases a reader deletes their deliveries, and
-- store::subscribers keeps the two apart.
ALTER TABLE deliveries DROP CONSTRAINT deliveries_issue_id_fkey;
ALTER TABLE deliveries DROP CONSTRAINT deliveries_subscriber_id_fkey;
