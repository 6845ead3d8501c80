-- The inventory: what the network is said to consist of. Written by imports only; every instant is UTC milliseconds.

-- Administrative divisions, the tree of accountability; a parent's code is a prefix of its children's.
CREATE TABLE division (
    code TEXT NOT NULL PRIMARY KEY,    -- national statistical code: 2, 4, 6, 9 or 12 digits
    name TEXT NOT NULL,                -- Chinese name
    assessed BOOLEAN NOT NULL,         -- counted in the figures; farms, forests, mines and prisons are not
    households BIGINT,                 -- households, known for villages
    has_centre BOOLEAN NOT NULL,       -- a governance centre exists here
    valid_from_ms BIGINT,              -- valid from this instant
    valid_to_ms BIGINT                 -- no longer valid from this instant on
);

-- Grids, the accountable cells inside one village or community.
CREATE TABLE grid (
    code TEXT NOT NULL PRIMARY KEY,    -- unique, opaque
    name TEXT NOT NULL,                -- name
    village TEXT NOT NULL REFERENCES division (code), -- the village or community it belongs to
    kind TEXT NOT NULL,                -- urban, rural, dedicated
    households BIGINT,                 -- households
    leader_name TEXT,                  -- grid leader of now
    leader_phone TEXT,                 -- telephone of the leader
    leader_from_ms BIGINT,             -- leader in office from
    leader_to_ms BIGINT                -- leader in office until
);
CREATE INDEX grid_village ON grid (village);

-- Who led a grid when; the row without an end is the leader of now.
CREATE TABLE grid_leader (
    grid TEXT NOT NULL REFERENCES grid (code), -- the grid
    from_ms BIGINT NOT NULL,           -- in office from; the import that first named the leader, when no date was given
    to_ms BIGINT,                      -- in office until
    name TEXT NOT NULL,                -- name
    phone TEXT,                        -- telephone
    PRIMARY KEY (grid, from_ms)
);

-- Links, the nodes of the network path from a site up to the county.
CREATE TABLE link (
    code TEXT NOT NULL PRIMARY KEY,    -- unique, opaque
    name TEXT NOT NULL,                -- name
    kind TEXT NOT NULL,                -- access, village, township, county
    division TEXT NOT NULL REFERENCES division (code), -- the division it serves
    parents TEXT,                      -- codes of the links above, in order, separated by one blank
    redundancy TEXT NOT NULL,          -- all: every parent is needed; any: one parent carries it
    budget_kbps BIGINT,                -- kbit/s that the watching may use
    budget_sessions BIGINT,            -- sessions that the watching may hold at once
    target TEXT                        -- what to probe: tcp://host:port or icmp://address
);

-- Places that must be covered.
CREATE TABLE place (
    code TEXT NOT NULL PRIMARY KEY,    -- unique, opaque
    name TEXT NOT NULL,                -- name
    village TEXT NOT NULL REFERENCES division (code), -- the village or community it lies in
    kind TEXT NOT NULL,                -- village_entrance, main_junction, committee, school, ...
    required BOOLEAN NOT NULL          -- cover is required; others are listed only
);
CREATE INDEX place_village ON place (village);

-- Sites, the poles and walls that cameras hang on.
CREATE TABLE site (
    code TEXT NOT NULL PRIMARY KEY,    -- unique, opaque
    name TEXT NOT NULL,                -- name
    village TEXT NOT NULL REFERENCES division (code), -- the village or community it stands in
    longitude DOUBLE PRECISION,        -- degrees, WGS-84
    latitude DOUBLE PRECISION,         -- degrees, WGS-84
    datum TEXT,                        -- coordinate system of the source: wgs84, gcj02, bd09
    raw_longitude DOUBLE PRECISION,    -- degrees as written in the source
    raw_latitude DOUBLE PRECISION,     -- degrees as written in the source
    mount TEXT,                        -- pole, borrowed pole, wall, ground
    power TEXT,                        -- who supplies the power
    link TEXT REFERENCES link (code)   -- the first step of its path
);
CREATE INDEX site_link ON site (link);

-- Points, one camera channel each; the unit of every figure.
CREATE TABLE point (
    code TEXT NOT NULL PRIMARY KEY,    -- national code, GB/T 28181 annex D
    name TEXT NOT NULL,                -- name
    village TEXT NOT NULL REFERENCES division (code), -- the village or community that answers for it
    grid TEXT REFERENCES grid (code),  -- the grid that answers for it, inside the village
    site TEXT REFERENCES site (code),  -- the pole or wall it hangs on
    place TEXT REFERENCES place (code), -- the place it covers
    class TEXT NOT NULL,               -- 1, 2, 3 or 9
    status TEXT NOT NULL,              -- in_use, repair, removed
    commissioned_ms BIGINT NOT NULL,   -- counted from this instant on
    retired_ms BIGINT,                 -- no longer counted from this instant on
    watch TEXT NOT NULL,               -- patrol, continuous, off
    sub_stream TEXT,                   -- rtsp address without user and password, preferred for watching
    main_stream TEXT,                  -- rtsp address without user and password
    credential TEXT,                   -- name of an entry of `credential`, never the secret
    expected_width BIGINT,             -- pixels of the watched stream
    expected_height BIGINT,            -- pixels of the watched stream
    expected_frames_per_second DOUBLE PRECISION, -- pictures per second of the watched stream
    maintainer TEXT,                   -- who maintains it
    maintainer_phone TEXT,             -- telephone of the maintainer
    manufacturer TEXT,                 -- GB/T 28181 Manufacturer
    model TEXT,                        -- GB/T 28181 Model
    address TEXT,                      -- GB/T 28181 Address
    longitude DOUBLE PRECISION,        -- degrees, WGS-84; the site's position stands in
    latitude DOUBLE PRECISION,         -- degrees, WGS-84
    datum TEXT,                        -- coordinate system of the source: wgs84, gcj02, bd09
    raw_longitude DOUBLE PRECISION,    -- degrees as written in the source
    raw_latitude DOUBLE PRECISION,     -- degrees as written in the source
    register_way TEXT,                 -- GB/T 28181 RegisterWay, 1-4
    security_level TEXT,               -- GB/T 28181 SecurityLevelCode, A, B or C of GB 35114
    secrecy TEXT,                      -- GB/T 28181 Secrecy, 0 or 1
    camera_type TEXT,                  -- GB/T 28181 PTZType, 1-7
    imaging_type TEXT,                 -- GB/T 28181 PhotoelectricImagingType
    capture_position_type TEXT,        -- GB/T 28181 CapturePositionType, 7 digits of annex O
    room_type TEXT,                    -- GB/T 28181 RoomType, 1 or 2
    supply_light_type TEXT,            -- GB/T 28181 SupplyLightType
    direction TEXT,                    -- GB/T 28181 DirectionType, 1-8
    grassroots_code TEXT,              -- GB/T 28181 GrassrootsCode, 6 digits
    install_time_ms BIGINT,            -- GB/T 28181 InstallTime
    management_unit TEXT,              -- GB/T 28181 ManagementUnit
    contact TEXT,                      -- GB/T 28181 ContactInfo
    record_save_days BIGINT,           -- GB/T 28181 RecordSaveDays
    ip_address TEXT,                   -- for the record only: identity is the code
    mac_address TEXT                   -- GB/T 28181 MAC
);
CREATE INDEX point_village ON point (village);
CREATE INDEX point_grid ON point (grid);

-- Every version that a record ever had, so that a closed month is computed from the inventory of its own days.
CREATE TABLE record_version (
    kind TEXT NOT NULL,                -- divisions, grids, links, places, sites, points
    code TEXT NOT NULL,                -- code of the record
    from_ms BIGINT NOT NULL,           -- valid from: the import that wrote it
    to_ms BIGINT NOT NULL,             -- valid until; 9223372036854775807 for the version of now
    earliest BOOLEAN NOT NULL,         -- the first version; stands in for the time before it
    body TEXT NOT NULL,                -- the record as a JSON object, columns of its table as keys
    PRIMARY KEY (kind, code, from_ms)
);
CREATE INDEX record_version_from ON record_version (from_ms);

-- One row: grows with each import that changed something; cheap to poll.
CREATE TABLE inventory_version (
    one BIGINT NOT NULL PRIMARY KEY CHECK (one = 1), -- keeps it one row
    version BIGINT NOT NULL,           -- 0 before the first import
    changed_ms BIGINT NOT NULL         -- instant of the last change; the next one is later
);
INSERT INTO inventory_version (one, version, changed_ms) VALUES (1, 0, 0);

-- Imports that were applied or refused; rehearsals leave nothing.
CREATE TABLE import_run (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, -- number of the run
    at_ms BIGINT NOT NULL,             -- when
    imported_by TEXT NOT NULL,         -- who
    files TEXT NOT NULL,               -- names of the files, separated by line feeds
    version BIGINT,                    -- inventory version it led to; null when it was refused
    new_count BIGINT NOT NULL,         -- records that were new
    changed_count BIGINT NOT NULL,     -- records that changed
    unchanged_count BIGINT NOT NULL,   -- records that were the same
    missing_count BIGINT NOT NULL,     -- records of the imported kinds that the files did not name; kept
    fault_count BIGINT NOT NULL        -- faults; none when it was applied
);

-- Camera credentials, sealed; the key lies in a file outside the database.
CREATE TABLE credential (
    name TEXT NOT NULL PRIMARY KEY,    -- what points call it
    sealed BYTEA NOT NULL              -- key id byte, 24-byte nonce, XChaCha20-Poly1305 ciphertext bound to the name
);
