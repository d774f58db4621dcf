-- What the identity provider calls the sign-in (`sid`), by which it can end it: no fact about the person, so it stands beside those.

ALTER TABLE sessions ADD COLUMN sid TEXT;
CREATE INDEX sessions_of_sid ON sessions (provider, sid) WHERE sid IS NOT NULL;
