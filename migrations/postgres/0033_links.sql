-- Where the links of drafts lead: an editor is told of a page that isn't there before readers are. A row is what was
-- found last; whoever moves `checked_at` looks next.

CREATE TABLE links (
    url        TEXT PRIMARY KEY,
    checked_at BIGINT NOT NULL,
    -- What is wrong with it, in words; none where the page is there, or nothing can be said.
    fault      TEXT
);
