-- Lanes and relays that a person stopped by hand, until a person resumes them.
-- The same table stands in migrations/sqlite.
CREATE TABLE pauses (
    kind   TEXT NOT NULL CHECK (kind IN ('lane', 'relay')),
    name   TEXT NOT NULL,
    reason TEXT NOT NULL,
    since  BIGINT NOT NULL,
    PRIMARY KEY (kind, name)
);
