-- Topics that are a test: what is published on them reaches nobody but the test addresses of the configuration. A stored
-- mail keeps that it was a test, whatever becomes of its topic: also a digest that tells a story of such a topic.
ALTER TABLE topics ADD COLUMN test INTEGER NOT NULL DEFAULT 0;
ALTER TABLE variants ADD COLUMN test INTEGER NOT NULL DEFAULT 0;
