-- An invitation that somebody made for themselves is as good as the device that they made it on.

ALTER TABLE invitations ADD COLUMN made_on TEXT REFERENCES devices (id); -- NULL: an administrator made it
