-- The sizes that decoders gave pictures in, for the figure of high definition: a row when a stream has another one.
CREATE TABLE decoded_size (
    point TEXT NOT NULL,             -- code of the point
    stream TEXT NOT NULL,            -- watched, or main where another one is watched
    at_ms BIGINT NOT NULL,           -- when a key frame of this size was received first
    width BIGINT NOT NULL,           -- pixels
    height BIGINT NOT NULL,          -- pixels
    promised_width BIGINT,           -- pixels, from the bitstream; null where it names none
    promised_height BIGINT,          -- pixels, from the bitstream; null where it names none
    PRIMARY KEY (point, stream, at_ms)
) WITHOUT ROWID;
