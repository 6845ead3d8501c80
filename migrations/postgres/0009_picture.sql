-- Pictures: what each point's picture looks like when it is well, what is believed of it, and what people say about it.
-- Instants are UTC milliseconds.

-- Versions of a point's baselines; each word of a person makes the next one. Older ones stay.
CREATE TABLE picture_version (
    point TEXT COLLATE "C" NOT NULL,               -- code of the point
    version BIGINT NOT NULL,          -- from 1
    origin TEXT NOT NULL,             -- first, accepted or reset
    since_ms BIGINT NOT NULL,         -- since when it holds
    PRIMARY KEY (point, version)
);

-- The baselines of a version, one for each light.
CREATE TABLE picture_baseline (
    point TEXT COLLATE "C" NOT NULL,               -- code of the point
    version BIGINT NOT NULL,          -- of picture_version
    light TEXT COLLATE "C" NOT NULL,               -- day, grey_day, night or infrared
    stage TEXT NOT NULL,              -- learning, or known: then it never changes
    since_ms BIGINT NOT NULL,         -- when its first picture was seen
    document TEXT NOT NULL,           -- JSON: numbers and coarse grids, no picture
    PRIMARY KEY (point, version, light)
);

-- What is believed of each item of a point's picture now; an item without a row was not checked yet.
CREATE TABLE picture_item (
    point TEXT COLLATE "C" NOT NULL,               -- code of the point
    item TEXT COLLATE "C" NOT NULL,                -- word of the item: blank, frozen, ..
    grade TEXT NOT NULL,              -- normal, warning or abnormal
    since_ms BIGINT NOT NULL,         -- since when
    PRIMARY KEY (point, item)
);

-- What a person set for a point's picture.
CREATE TABLE picture_framing (
    point TEXT COLLATE "C" NOT NULL PRIMARY KEY,   -- code of the point
    document TEXT NOT NULL,           -- JSON: areas left out, privacy masks, waivers
    changed_ms BIGINT NOT NULL        -- when it was set
);

-- What people called false alarms. A row is never deleted.
CREATE TABLE picture_false_alarm (
    point TEXT COLLATE "C" NOT NULL,               -- code of the point
    at_ms BIGINT NOT NULL,            -- when it was said
    item TEXT COLLATE "C" NOT NULL,                -- word of the item
    value DOUBLE PRECISION,           -- what was measured then; null where nothing was
    threshold DOUBLE PRECISION,       -- the limit that it was held against
    reporter TEXT NOT NULL,           -- who said so
    note TEXT NOT NULL,               -- in words; may be empty
    PRIMARY KEY (point, at_ms, item)
);
