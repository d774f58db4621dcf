-- When the provider last said what stands in a session, and whether the gate can ask it again. Both change with use and are no facts about
-- the person, so they stand beside those. Of sessions from before, what is known is when they began.

ALTER TABLE sessions ADD COLUMN confirmed_at INTEGER;
ALTER TABLE sessions ADD COLUMN refreshable INTEGER NOT NULL DEFAULT 0;
