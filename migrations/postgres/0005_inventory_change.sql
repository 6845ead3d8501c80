-- When a record became another one than before: figures ask for it often, and an import writes 600 000 first versions.
CREATE INDEX record_version_change ON record_version (from_ms) WHERE NOT earliest;
