-- How many mails a relay accepted in an hour since 1970, over all nodes: what is left of its day follows.
CREATE TABLE relay_hours (
    relay    TEXT NOT NULL,
    hour     INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    PRIMARY KEY (hour, relay)
) STRICT, WITHOUT ROWID;
