-- What the people on duty enter: silences, and the sheets of their hand-overs. Instants are UTC milliseconds.
CREATE TABLE silence (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    root_kind TEXT NOT NULL,          -- kind of the root that is muted; empty for every incident of the division
    root_code TEXT NOT NULL,          -- its code
    division TEXT NOT NULL,           -- division code; empty for the whole network
    begins_ms BIGINT NOT NULL,        -- mutes from then on
    ends_ms BIGINT NOT NULL,          -- and up to then
    reason TEXT NOT NULL,             -- why
    entered_by TEXT NOT NULL,         -- who entered it
    entered_ms BIGINT NOT NULL,       -- when
    ended_by TEXT,                    -- who ended it early
    ended_ms BIGINT                   -- when
);
CREATE INDEX silence_ends ON silence (ends_ms);

CREATE TABLE handover (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    division TEXT NOT NULL,           -- division code that the shift looks after; empty for the whole network
    sheet TEXT NOT NULL,              -- what was handed over, JSON; never changed
    given_by TEXT NOT NULL,           -- who handed over
    given_actor TEXT NOT NULL,        -- with which token
    given_ms BIGINT NOT NULL,         -- when
    given_note TEXT NOT NULL,         -- in words
    taken_by TEXT,                    -- who took over: another person
    taken_actor TEXT,                 -- with which token
    taken_ms BIGINT,                  -- when
    taken_note TEXT                   -- in words
);
CREATE INDEX handover_division ON handover (division, id);
-- One sheet at a time waits to be taken.
CREATE UNIQUE INDEX handover_waiting ON handover (division) WHERE taken_ms IS NULL;

ALTER TABLE incident ADD COLUMN acknowledged_by TEXT; -- who takes care: the name of a token, or local
UPDATE incident SET acknowledged_by = (SELECT actor FROM incident_event
    WHERE incident_event.incident = incident.id AND what = 'acknowledged' ORDER BY seq DESC LIMIT 1);
