-- Times are milliseconds since the Unix epoch. Every change of a row has its row in `changes`, in the same transaction.

CREATE TABLE feed (
    one        INTEGER PRIMARY KEY CHECK (one = 1),
    last       INTEGER NOT NULL,             -- sequence of the newest change; the one place that gives them out
    key_check  BLOB                          -- sealed with secret.key, so that another key is noticed at start
) STRICT;
INSERT INTO feed (one, last) VALUES (1, 0);

CREATE TABLE changes (
    seq        INTEGER PRIMARY KEY,          -- without gaps
    kind       TEXT NOT NULL,
    id         TEXT NOT NULL,
    what       TEXT NOT NULL,
    at         INTEGER NOT NULL,
    "by"       TEXT NOT NULL,
    why        TEXT NOT NULL
) STRICT;
CREATE INDEX changes_of ON changes (kind, id, seq);

CREATE TABLE devices (
    id             TEXT PRIMARY KEY,         -- never deleted, so never given again
    authority      TEXT NOT NULL,
    status         TEXT NOT NULL CHECK (status IN ('pending', 'active', 'quarantined', 'retired')),
    owner_provider TEXT,
    owner_subject  TEXT,
    owner_email    TEXT,                     -- until its person signs in for the first time
    shared         INTEGER NOT NULL,
    managed        INTEGER NOT NULL,
    platform       TEXT NOT NULL,
    key_protection TEXT NOT NULL,
    enrolled_at    INTEGER NOT NULL,
    posture        TEXT NOT NULL,            -- JSON object
    posture_at     INTEGER,
    CHECK ((owner_provider IS NULL) = (owner_subject IS NULL)),
    CHECK (owner_provider IS NULL OR owner_email IS NULL)
) STRICT;

CREATE TABLE device_keys (
    authority   TEXT NOT NULL,
    fingerprint TEXT NOT NULL,               -- SHA-256 of the SubjectPublicKeyInfo, hex
    device      TEXT NOT NULL REFERENCES devices (id),
    rank        INTEGER NOT NULL,            -- higher is newer
    PRIMARY KEY (authority, fingerprint)
) STRICT;
CREATE INDEX device_keys_of ON device_keys (device, rank);

CREATE TABLE invitations (
    id         TEXT PRIMARY KEY,
    code       TEXT NOT NULL UNIQUE,         -- SHA-256 of the code, hex
    details    TEXT NOT NULL,                -- JSON: whose device, of which authority, …
    made_at    INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    used_at    INTEGER,
    device     TEXT REFERENCES devices (id), -- the device that it made
    CHECK ((used_at IS NULL) = (device IS NULL))
) STRICT;

CREATE TABLE sessions (
    id         TEXT PRIMARY KEY,
    provider   TEXT NOT NULL,
    subject    TEXT NOT NULL,
    device     TEXT NOT NULL REFERENCES devices (id),
    expires_at INTEGER NOT NULL,
    last_used  INTEGER NOT NULL,             -- written in batches, without a change
    facts      TEXT NOT NULL,                -- JSON
    kept       BLOB                          -- sealed: tokens of the identity provider
) STRICT;
CREATE INDEX sessions_of_user ON sessions (provider, subject);
CREATE INDEX sessions_of_device ON sessions (device);

CREATE TABLE cookies (
    token    TEXT PRIMARY KEY,               -- SHA-256 of the token, hex
    session  TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    host     TEXT NOT NULL,
    made_at  INTEGER NOT NULL
) STRICT;
CREATE INDEX cookies_of ON cookies (session, host);

CREATE TABLE suspensions (
    provider TEXT NOT NULL,
    subject  TEXT NOT NULL,
    at       INTEGER NOT NULL,
    PRIMARY KEY (provider, subject)
) STRICT;

CREATE TABLE people (                        -- who has signed in, so that operators can name them by e-mail
    provider     TEXT NOT NULL,
    subject      TEXT NOT NULL,
    email        TEXT,
    name         TEXT,
    last_sign_in INTEGER NOT NULL,
    PRIMARY KEY (provider, subject)
) STRICT;
CREATE INDEX people_by_email ON people (email);
