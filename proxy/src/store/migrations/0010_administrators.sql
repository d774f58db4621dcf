-- Who is in the group `sekisho-administrators`, which policies see where the gate itself is administered. Said at the admin socket only:
-- no identity provider puts anybody into it.

CREATE TABLE administrators (
    provider TEXT NOT NULL,
    subject  TEXT NOT NULL,
    at       INTEGER NOT NULL,
    "by"     TEXT NOT NULL,
    why      TEXT NOT NULL,
    PRIMARY KEY (provider, subject)
) STRICT;
