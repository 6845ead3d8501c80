-- 1 once a try to send it ended unclear: the receiver may have it.
ALTER TABLE notification ADD COLUMN perhaps BIGINT NOT NULL DEFAULT 0;
-- What waits, is held back or was given up, and incidents that go on: few of all that there ever were.
CREATE INDEX notification_unsettled ON notification (state) WHERE state IN ('queued', 'held', 'dead');
CREATE INDEX incident_going_on ON incident (id) WHERE ended_ms IS NULL;
-- Which ended first, so that the oldest go.
CREATE INDEX incident_over ON incident (ended_ms) WHERE live = 0;
