-- The size of the main stream where another one is watched: measured once a day, for the figure of high definition.
ALTER TABLE fact ADD COLUMN main_width BIGINT;   -- pixels, from the bitstream; null while it was never measured
ALTER TABLE fact ADD COLUMN main_height BIGINT;  -- pixels, from the bitstream; null while it was never measured
