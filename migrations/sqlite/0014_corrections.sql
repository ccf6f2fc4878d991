-- A correction goes to those who got another issue, or may have. (The check is changed in the schema's text, as in 0011.)
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'IN (''alert'', ''digest''', 'IN (''alert'', ''correction'', ''digest''')
WHERE type = 'table' AND name = 'issues';
PRAGMA writable_schema = RESET;
ALTER TABLE issues ADD COLUMN corrects INTEGER REFERENCES issues (id);
CREATE INDEX issues_corrections ON issues (corrects) WHERE corrects IS NOT NULL;
