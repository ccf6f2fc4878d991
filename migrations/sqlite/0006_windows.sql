-- A topic's readers in order: an alert goes through them window by window, however many others there are between them.
DROP INDEX subscriptions_by_topic;
CREATE INDEX subscriptions_by_topic ON subscriptions (topic_id, subscriber_id);
