-- Deliveries refer to their issue and reader without the database's looking at each row: on PostgreSQL the two foreign keys
-- were a tenth of what a mail costs. Issues are never deleted; who erases a reader deletes their deliveries, and
-- store::subscribers keeps the two apart.
CREATE TABLE new_deliveries (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    issue_id       INTEGER NOT NULL,
    subscriber_id  INTEGER,
    address        TEXT NOT NULL,
    variant_id     INTEGER NOT NULL,
    priority       INTEGER NOT NULL,
    state          TEXT NOT NULL CHECK (state IN ('queued', 'sending', 'deferred', 'sent', 'bounced', 'failed', 'cancelled', 'expired')),
    due_at         INTEGER NOT NULL,
    retry_at       INTEGER,
    attempts       INTEGER NOT NULL,
    node           BLOB,
    relay          TEXT,
    reply_code     INTEGER,
    reply_enhanced TEXT,
    reply_text     TEXT,
    carried_by     INTEGER REFERENCES issues (id),
    ended_at       INTEGER
) STRICT;
INSERT INTO new_deliveries
SELECT id, issue_id, subscriber_id, address, variant_id, priority, state, due_at, retry_at, attempts, node, relay,
       reply_code, reply_enhanced, reply_text, carried_by, ended_at
FROM deliveries;
CREATE TABLE new_attempts (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery_id INTEGER NOT NULL REFERENCES new_deliveries (id) ON DELETE CASCADE,
    at          INTEGER NOT NULL,
    relay       TEXT NOT NULL,
    verdict     TEXT NOT NULL,
    reply_code  INTEGER,
    reply_text  TEXT NOT NULL
) STRICT;
INSERT INTO new_attempts SELECT id, delivery_id, at, relay, verdict, reply_code, reply_text FROM attempts;
-- No id is given again, also not one of a row that has gone.
DELETE FROM sqlite_sequence WHERE name IN ('new_deliveries', 'new_attempts');
INSERT INTO sqlite_sequence SELECT 'new_' || name, seq FROM sqlite_sequence WHERE name IN ('deliveries', 'attempts');
DROP TABLE attempts;
DROP TABLE deliveries;
ALTER TABLE new_deliveries RENAME TO deliveries;
ALTER TABLE new_attempts RENAME TO attempts;
CREATE INDEX attempts_by_delivery ON attempts (delivery_id);
CREATE INDEX deliveries_queued ON deliveries (priority, id) WHERE state = 'queued';
CREATE INDEX deliveries_deferred ON deliveries (retry_at) WHERE state = 'deferred';
CREATE INDEX deliveries_sending ON deliveries (node) WHERE state = 'sending';
CREATE INDEX deliveries_by_issue ON deliveries (issue_id, state);
CREATE INDEX deliveries_in_order ON deliveries (issue_id, id);
CREATE UNIQUE INDEX deliveries_of_readers ON deliveries (issue_id, subscriber_id);
CREATE INDEX deliveries_by_subscriber ON deliveries (subscriber_id, issue_id);
CREATE INDEX deliveries_too_late ON deliveries (subscriber_id, issue_id) WHERE state = 'expired' AND carried_by IS NULL;
CREATE INDEX deliveries_carried ON deliveries (carried_by) WHERE carried_by IS NOT NULL;
