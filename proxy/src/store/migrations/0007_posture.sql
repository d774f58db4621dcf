-- Who says what about a device, and since when. What counts of it stands in `devices` (posture, posture_at, managed, platform), so that
-- nothing more is read at a start.

CREATE TABLE device_facts (
    device  TEXT NOT NULL REFERENCES devices (id),
    name    TEXT NOT NULL,                   -- `managed`, `platform`, or a fact of its posture
    source  TEXT NOT NULL,                   -- `operator`, `enrolment`, a posture source, or `certificate:` and an authority
    value   TEXT NOT NULL,                   -- JSON: a flag, a number or a text
    at      INTEGER NOT NULL,                -- when it was like that; written without a change while the value stays
    ends_at INTEGER,                         -- until then it counts; NULL: for good
    ended   INTEGER NOT NULL DEFAULT 0,      -- it does not count any more
    PRIMARY KEY (device, name, source)
) STRICT, WITHOUT ROWID;
CREATE INDEX facts_that_end ON device_facts (ends_at) WHERE ended = 0 AND ends_at IS NOT NULL;
CREATE INDEX facts_of_source ON device_facts (source);

CREATE TABLE fact_sources (                  -- how long what each posture source says counts, as it was when the gate ran last
    source  TEXT PRIMARY KEY,
    max_age INTEGER NOT NULL                 -- -1: it says so of each fact
) STRICT, WITHOUT ROWID;

CREATE TABLE device_aliases (                -- what a source calls a device
    source  TEXT NOT NULL,
    alias   TEXT NOT NULL,
    device  TEXT NOT NULL REFERENCES devices (id),
    PRIMARY KEY (source, alias)
) STRICT, WITHOUT ROWID;
CREATE INDEX aliases_of ON device_aliases (device);
