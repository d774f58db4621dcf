-- The one break-glass that is under way: a code for one device, and the session that it begins. Gone when it has ended.

CREATE TABLE break_glass (
    one      INTEGER PRIMARY KEY CHECK (one = 1),
    code     TEXT NOT NULL,                   -- SHA-256 of the code, hex
    device   TEXT NOT NULL REFERENCES devices (id),
    begun_at INTEGER NOT NULL,
    ends_at  INTEGER NOT NULL,
    used_at  INTEGER,
    session  TEXT,                            -- that it began
    "by"     TEXT NOT NULL,
    why      TEXT NOT NULL,
    CHECK ((used_at IS NULL) = (session IS NULL))
) STRICT;
