-- The outbox: what is told about incidents, over which channel, and what became of it. Instants are UTC milliseconds.
CREATE TABLE notification (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- entries of one incident are told in this order
    incident BIGINT NOT NULL,         -- number of the incident
    message_key TEXT COLLATE "C" NOT NULL, -- key of the message: incident-17-problem
    channel TEXT COLLATE "C" NOT NULL, -- name of the channel in the settings
    kind TEXT NOT NULL,               -- problem, escalated, overdue, recovery, merged, false_alarm
    message TEXT NOT NULL,            -- the message, JSON
    queued_ms BIGINT NOT NULL,        -- when it was queued, together with what it tells of
    due_ms BIGINT NOT NULL,           -- not before this
    state TEXT NOT NULL,              -- queued, sent, dropped or dead
    failures BIGINT NOT NULL,         -- how often sending failed
    why TEXT NOT NULL,                -- why it failed last, or was given up
    settled_ms BIGINT,                -- when it was sent (last), dropped or given up
    UNIQUE (message_key, channel)
);
CREATE INDEX notification_waiting ON notification (channel, state, id);
CREATE INDEX notification_incident ON notification (incident, channel, id);
