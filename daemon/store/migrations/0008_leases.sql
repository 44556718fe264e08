-- Several processes over one database: who accepted what, who works on what, and until when that counts.

ALTER TABLE job ADD COLUMN origin TEXT; -- process that accepted it
ALTER TABLE job ADD COLUMN lease_until_ms INTEGER; -- of the attempt under way; NULL while processing: begun by an older program
ALTER TABLE batch ADD COLUMN origin TEXT; -- process that answers it
ALTER TABLE webhook ADD COLUMN holder TEXT; -- process that is sending it
ALTER TABLE webhook ADD COLUMN lease_until_ms INTEGER;

CREATE INDEX job_lease ON job (lease_until_ms) WHERE status = 'processing';

-- Work that one process does for all.
CREATE TABLE lease (
    name     TEXT    NOT NULL PRIMARY KEY,
    holder   TEXT    NOT NULL,
    until_ms INTEGER NOT NULL
) STRICT;

-- Processes, the ones of the last days.
CREATE TABLE worker (
    name           TEXT    NOT NULL PRIMARY KEY,
    role           TEXT    NOT NULL,
    device         TEXT,
    version        TEXT    NOT NULL,
    started_at_ms  INTEGER NOT NULL,
    reported_at_ms INTEGER NOT NULL,
    until_ms       INTEGER NOT NULL
) STRICT;
