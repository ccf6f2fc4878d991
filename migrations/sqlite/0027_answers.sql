-- What the relay called the mail that a correction's delivery answers, as far as its reply told; empty where it didn't. It is
-- written when the correction is first taken for sending, so that a second copy names the same.
ALTER TABLE deliveries ADD COLUMN answers TEXT;
