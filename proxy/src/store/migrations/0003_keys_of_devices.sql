-- All devices are read with their keys at each start: the index has what is asked for, so that nothing is looked up beside it.

DROP INDEX device_keys_of;
CREATE INDEX device_keys_of ON device_keys (device, rank, fingerprint);
