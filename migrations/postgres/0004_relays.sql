-- How many mails a relay accepted in an hour since 1970, over all nodes: what is left of its day follows.
CREATE TABLE relay_hours (
    relay    TEXT NOT NULL,
    hour     BIGINT NOT NULL,
    accepted BIGINT NOT NULL,
    PRIMARY KEY (hour, relay)
);
