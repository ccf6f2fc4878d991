-- A newsletter written by hand.
ALTER TABLE issues DROP CONSTRAINT issues_kind_check;
ALTER TABLE issues ADD CONSTRAINT issues_kind_check CHECK (kind IN ('alert', 'correction', 'digest', 'broadcast', 'notice'));
