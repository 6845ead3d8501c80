-- Timeline: the open condition of each point, its closed intervals, what looks measured, and the daily roll-up.
-- Instants are UTC milliseconds. Points, villages and classes are the codes of the inventory (0001); there is no
-- foreign key, because history outlives the record and a transition may come before an import.

-- The open interval of each point.
CREATE TABLE point_state (
    point TEXT NOT NULL PRIMARY KEY,  -- code of the point
    since_ms BIGINT NOT NULL,         -- start of the open interval
    state TEXT NOT NULL,              -- word of the state; follows from the cause
    cause TEXT,                       -- word of the cause; null when good
    detail TEXT,                      -- what the cause carries: code of the failed link, kind of the exclusion
    provenance TEXT NOT NULL,         -- probe, derived, import or correction
    decided_ms BIGINT NOT NULL,       -- when the change was decided; later than since_ms when back-dated
    evidence TEXT NOT NULL            -- the proof: JSON list of [word, value]
) WITH (fillfactor = 70);  -- each row is updated in place, again and again

-- Closed intervals [start_ms, end_ms). Rows are only inserted, when they close; the end is their idempotency key.
CREATE TABLE interval (
    point TEXT NOT NULL,              -- code of the point
    start_ms BIGINT NOT NULL,         -- first instant inside
    end_ms BIGINT NOT NULL,           -- first instant no longer inside
    state TEXT NOT NULL,              -- word of the state; follows from the cause
    cause TEXT,                       -- word of the cause; null when good
    detail TEXT,                      -- what the cause carries
    provenance TEXT NOT NULL,         -- probe, derived, import or correction
    decided_ms BIGINT NOT NULL,       -- when the change that opened it was decided
    evidence TEXT NOT NULL,           -- the proof of the change that opened it: JSON list of [word, value]
    PRIMARY KEY (point, end_ms),
    CHECK (start_ms < end_ms)
) PARTITION BY RANGE (end_ms);

-- Rows of a month that has no partition yet.
CREATE TABLE interval_rest PARTITION OF interval DEFAULT;

-- Arrival order is the order of the ends, so that a block range is enough to find a span of time.
CREATE INDEX interval_end ON interval USING BRIN (end_ms) WITH (pages_per_range = 32);

-- Makes the partition of the closed intervals that end in [from_ms, to_ms), and moves in what waits in interval_rest.
CREATE FUNCTION add_interval_partition(name TEXT, from_ms BIGINT, to_ms BIGINT) RETURNS BOOLEAN LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass(name) IS NOT NULL THEN
        RETURN FALSE;
    END IF;
    EXECUTE format('CREATE TABLE %I (LIKE interval INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', name);
    EXECUTE format('WITH moved AS (DELETE FROM interval_rest WHERE end_ms >= %s AND end_ms < %s RETURNING *)
                    INSERT INTO %I SELECT * FROM moved', from_ms, to_ms, name);
    EXECUTE format('ALTER TABLE interval ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)', name, from_ms, to_ms);
    RETURN TRUE;
END $$;

-- Drops every partition whose intervals all ended before before_ms; returns how many.
CREATE FUNCTION drop_interval_partitions(before_ms BIGINT) RETURNS BIGINT LANGUAGE plpgsql AS $$
DECLARE
    partition RECORD;
    dropped BIGINT := 0;
BEGIN
    FOR partition IN
        SELECT child.oid::regclass AS name, pg_get_expr(child.relpartbound, child.oid) AS bound
        FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
        WHERE inhparent = 'interval'::regclass
    LOOP
        CONTINUE WHEN partition.bound = 'DEFAULT';
        IF substring(partition.bound FROM $re$TO \('?(-?\d+)'?\)$re$)::BIGINT <= before_ms THEN
            EXECUTE format('DROP TABLE %s', partition.name);
            dropped := dropped + 1;
        END IF;
    END LOOP;
    RETURN dropped;
END $$;

-- What one look at a point measured.
CREATE TABLE observation (
    point TEXT NOT NULL,              -- code of the point
    started_ms BIGINT NOT NULL,       -- when the look began
    ended_ms BIGINT NOT NULL,         -- when it ended
    look TEXT NOT NULL,               -- patrol, light, continuous or manual
    outcome TEXT NOT NULL,            -- video, answered, failed or not_looked
    stage TEXT,                       -- stage that failed
    cause TEXT,                       -- word of the cause of a failed or omitted look
    detail TEXT,                      -- what the cause carries
    status BIGINT,                    -- RTSP status code of a failed look, where one was answered
    stages TEXT NOT NULL,             -- time in each stage that was entered: JSON list of [stage, microseconds]
    measured TEXT,                    -- JSON of the measurement; also what a failed look measured before it failed
    declared TEXT,                    -- JSON of what the session description of an answered light look promised
    PRIMARY KEY (point, started_ms)
);

-- What is measured of a point's stream; a row holds until the next one, and is written when something changed.
CREATE TABLE fact (
    point TEXT NOT NULL,              -- code of the point
    at_ms BIGINT NOT NULL,            -- from when on it was measured so
    codec TEXT NOT NULL,              -- h264, h265 or mjpeg, from the bitstream
    width BIGINT,                     -- pixels, from the bitstream
    height BIGINT,                    -- pixels, from the bitstream
    frames_per_second DOUBLE PRECISION NOT NULL, -- pictures per wall second
    clock TEXT NOT NULL,              -- not_seen, not_a_wall_clock or error_ms
    clock_error_ms BIGINT,            -- device time minus local time
    PRIMARY KEY (point, at_ms)
);

-- Days of the configured zone that have ended and are rolled up. A change inside one of them makes its pair dirty.
CREATE TABLE closed_day (
    day TEXT NOT NULL PRIMARY KEY,    -- 2026-10-31
    start_ms BIGINT NOT NULL,         -- first instant of the day
    end_ms BIGINT NOT NULL UNIQUE     -- first instant of the next day
);

-- Pairs of village and closed day that must be computed (again).
CREATE TABLE dirty_day (
    village TEXT NOT NULL,            -- code of the village
    day TEXT NOT NULL,                -- 2026-10-31
    PRIMARY KEY (village, day)
);

-- Time of the points of one village and class in each measured state on one closed day, in milliseconds.
CREATE TABLE village_day (
    day TEXT NOT NULL,                -- 2026-10-31
    village TEXT NOT NULL,            -- code of the village
    class TEXT NOT NULL,              -- class of the points: 1, 2, 3 or 9
    good_ms BIGINT NOT NULL,          -- raw: exclusions left aside
    degraded_ms BIGINT NOT NULL,
    no_video_ms BIGINT NOT NULL,
    offline_ms BIGINT NOT NULL,
    unreachable_ms BIGINT NOT NULL,
    unknown_ms BIGINT NOT NULL,       -- also time without any interval
    excluded_good_ms BIGINT NOT NULL, -- the part of the raw time above that effective exclusions take out
    excluded_degraded_ms BIGINT NOT NULL,
    excluded_no_video_ms BIGINT NOT NULL,
    excluded_offline_ms BIGINT NOT NULL,
    excluded_unreachable_ms BIGINT NOT NULL,
    excluded_unknown_ms BIGINT NOT NULL,
    PRIMARY KEY (day, village, class)
);

-- Last time that the running service had written everything it knew; open intervals are trusted up to here.
CREATE TABLE heartbeat (
    name TEXT NOT NULL PRIMARY KEY,   -- which service; `all` on a single box
    at_ms BIGINT NOT NULL             -- when
);
