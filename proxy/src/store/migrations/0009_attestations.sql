-- Keys that were proved to be in a TPM. A key that is not here is in a file, for all that anybody knows.

CREATE TABLE attestations (
    authority   TEXT NOT NULL,
    key         TEXT NOT NULL,               -- as in `device_keys`
    device      TEXT NOT NULL REFERENCES devices (id),
    endorsement TEXT NOT NULL,               -- SHA-256 of the TPM's endorsement key: which TPM it is
    at          INTEGER NOT NULL,
    PRIMARY KEY (authority, key)
) STRICT;
CREATE INDEX attestations_of ON attestations (device);
CREATE INDEX attestations_by ON attestations (endorsement, device);
