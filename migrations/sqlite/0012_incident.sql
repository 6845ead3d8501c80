-- Incidents: one for each highest failed cause, from the first failure to the verified recovery.
-- Instants are UTC milliseconds.

-- An incident. What it was opened with never changes; below that stands what came of its events, for lists.
CREATE TABLE incident (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- number, never given twice
    kind TEXT NOT NULL,               -- kind of what failed: own_network, link, credential, device, site, point
    code TEXT NOT NULL,               -- its code, name or address; empty for own_network
    since_ms BIGINT NOT NULL,         -- when the first failure was seen
    opened_ms BIGINT NOT NULL,        -- when it was opened
    first_cause TEXT NOT NULL,        -- cause when it was opened
    first_detail TEXT,                -- what that cause carries
    first_members TEXT NOT NULL,      -- JSON list of the points that failed when it was opened
    first_level TEXT NOT NULL,        -- whose turn it was first: grid, village, ..
    first_deadline_ms BIGINT NOT NULL, -- how long the repair might take when it was opened
    class TEXT NOT NULL,              -- strictest class among the points
    division TEXT NOT NULL,           -- smallest division that holds the points; empty across provinces
    revision BIGINT NOT NULL,         -- number of its last event; 0 before the first
    live BIGINT NOT NULL,             -- 1 while the desk follows it
    stage TEXT NOT NULL,              -- open, acknowledged, .., closed
    cause TEXT NOT NULL,              -- cause now
    level TEXT NOT NULL,              -- whose turn it is
    assignee TEXT,                    -- who was sent
    members BIGINT NOT NULL,          -- points that it took down
    restored BIGINT NOT NULL,         -- of them, those that are proven again
    due_ms BIGINT,                    -- when its deadline passes; null while its clock stands
    overdue BIGINT NOT NULL,          -- 1 once its deadline passed
    restored_ms BIGINT,               -- since when every point is proven again
    ended_ms BIGINT,                  -- when it was closed, merged or called a false alarm
    merged_into BIGINT                -- number of the incident that it is part of
);
CREATE INDEX incident_live ON incident (live, id);

-- What happened to each incident, in order. A row is never changed.
CREATE TABLE incident_event (
    incident BIGINT NOT NULL,         -- number of the incident
    seq BIGINT NOT NULL,              -- 1, 2, ..
    at_ms BIGINT NOT NULL,            -- when
    actor TEXT NOT NULL,              -- who: name of a token, local; empty for the service itself
    what TEXT NOT NULL,               -- joined, recovered, acknowledged, ..
    detail TEXT NOT NULL,             -- what the event carries, JSON
    note TEXT NOT NULL,               -- what the person said about it
    PRIMARY KEY (incident, seq)
) WITHOUT ROWID;
