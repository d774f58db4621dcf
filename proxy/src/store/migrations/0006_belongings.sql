-- What people see and do of what is theirs: names that they give to devices, and invitations that they made for themselves.

CREATE TABLE device_labels (
    device TEXT PRIMARY KEY REFERENCES devices (id),
    label  TEXT NOT NULL,                    -- for its owner alone: no policy sees it
    at     INTEGER NOT NULL
) STRICT;

ALTER TABLE invitations ADD COLUMN owner_provider TEXT; -- who made it for themselves; NULL: an administrator made it
ALTER TABLE invitations ADD COLUMN owner_subject TEXT;
ALTER TABLE invitations ADD COLUMN withdrawn_at INTEGER;
CREATE INDEX invitations_of ON invitations (owner_provider, owner_subject) WHERE owner_provider IS NOT NULL;

CREATE INDEX devices_of_owner ON devices (owner_provider, owner_subject) WHERE owner_provider IS NOT NULL;
-- Addresses are compared as policies compare them, without regard to case.
CREATE INDEX devices_of_address ON devices (owner_email COLLATE NOCASE) WHERE owner_email IS NOT NULL;
