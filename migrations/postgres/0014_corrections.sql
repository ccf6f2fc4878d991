-- A correction goes to those who got another issue, or may have.
ALTER TABLE issues DROP CONSTRAINT issues_kind_check;
ALTER TABLE issues ADD CONSTRAINT issues_kind_check CHECK (kind IN ('alert', 'correction', 'digest', 'notice'));
ALTER TABLE issues ADD COLUMN corrects BIGINT REFERENCES issues (id);
CREATE INDEX issues_corrections ON issues (corrects) WHERE corrects IS NOT NULL;
