-- Idempotency keys. A row without reply whose job or batch has not ended is in flight.

CREATE TABLE idempotency (
    scope         TEXT    NOT NULL CHECK (length(scope) BETWEEN 1 AND 300),
    key           TEXT    NOT NULL CHECK (length(key) BETWEEN 1 AND 255),
    request_hash  BLOB    NOT NULL CHECK (length(request_hash) = 32),
    job_id        TEXT UNIQUE REFERENCES job (id),
    batch_id      TEXT UNIQUE REFERENCES batch (id) ON DELETE CASCADE,
    reply_status  INTEGER CHECK (reply_status BETWEEN 100 AND 599),
    reply_body    BLOB,
    created_at_ms INTEGER NOT NULL,
    expires_at_ms INTEGER NOT NULL,
    PRIMARY KEY (scope, key),
    CHECK ((job_id IS NULL) <> (batch_id IS NULL)),
    CHECK ((reply_status IS NULL) = (reply_body IS NULL))
) STRICT;

CREATE INDEX idempotency_expiry ON idempotency (expires_at_ms);
