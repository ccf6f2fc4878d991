-- What signs an issue's mails by DKIM, fixed when it is made, so that a second copy after a change of keys is the first:
-- the selectors and the domain, as in "news-2026a,news-2026b@example.org"; empty for mails that leave unsigned.
ALTER TABLE issues ADD COLUMN signing TEXT NOT NULL DEFAULT '';
