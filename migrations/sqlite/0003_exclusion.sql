-- Exclusions: approved windows that leave the denominators, and the months that were reported.
-- Instants are UTC milliseconds.

-- Requested, approved and withdrawn exclusions. A row is never deleted.
CREATE TABLE exclusion (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- number, never given twice
    kind TEXT NOT NULL,               -- word of the kind: planned_maintenance, power_cut, ..
    scope TEXT NOT NULL,              -- points, site, division or link
    codes TEXT NOT NULL,              -- JSON list of the codes of the scope; more than one for points only
    start_ms BIGINT NOT NULL,         -- first instant that leaves
    end_ms BIGINT NOT NULL,           -- first instant that no longer leaves
    reason TEXT NOT NULL,             -- why, in words
    evidence TEXT NOT NULL,           -- where the proof lies: file number, notice, picture
    applicant TEXT NOT NULL,          -- who asked
    entered_ms BIGINT NOT NULL,       -- when it was entered
    approver TEXT,                    -- who approved, never the applicant
    approved_ms BIGINT,               -- when it was approved
    withdrawn_ms BIGINT,              -- when it was withdrawn
    withdrawn_by TEXT,                -- who withdrew it
    CHECK (start_ms < end_ms),
    CHECK (approver IS NULL OR approver <> applicant),
    CHECK ((approver IS NULL) = (approved_ms IS NULL))
);

-- What a closed month was reported as. The newest revision is what holds; older ones stay.
CREATE TABLE month_report (
    month TEXT NOT NULL,              -- 2026-10
    division TEXT NOT NULL,           -- code of the division; empty for the whole inventory
    revision BIGINT NOT NULL,         -- 1, then one more each time that the figures changed
    hash TEXT NOT NULL,               -- SHA-256 of the JSON report, in hex
    targets TEXT NOT NULL,            -- version of the targets
    reported_ms BIGINT NOT NULL,      -- when this revision was first reported
    PRIMARY KEY (month, division, revision)
) WITHOUT ROWID;
