-- A frozen month is given out again as it was: its documents, not only their hash.
-- Both are empty where a month was reported before they were kept; it is issued anew when it is asked for.
ALTER TABLE month_report ADD COLUMN json TEXT NOT NULL DEFAULT ''; -- the report as JSON
ALTER TABLE month_report ADD COLUMN csv TEXT NOT NULL DEFAULT '';  -- the report as CSV
