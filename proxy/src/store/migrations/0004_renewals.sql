-- Which key of a device came after which. A key is renewed once; its row stays, so that a copy of it is noticed whenever it is shown.

CREATE TABLE renewals (
    authority TEXT NOT NULL,
    key       TEXT NOT NULL,                 -- the key that was renewed, as in `device_keys`
    device    TEXT NOT NULL REFERENCES devices (id),
    successor TEXT NOT NULL,                 -- the key that came after it
    at        INTEGER NOT NULL,
    leaves_at INTEGER NOT NULL,              -- until then it proves to be the device beside its successor
    left_at   INTEGER,                       -- since then it does not, and is no longer in `device_keys`
    PRIMARY KEY (authority, key)
) STRICT;
CREATE INDEX keys_that_leave ON renewals (leaves_at) WHERE left_at IS NULL;
CREATE INDEX renewals_of ON renewals (device) WHERE left_at IS NULL;

-- A used code that somebody shows again with another key counts once.
ALTER TABLE invitations ADD COLUMN shown_again_at INTEGER;
