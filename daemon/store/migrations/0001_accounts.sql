-- Accounts, their API keys, and what administrators did.
-- Credits are whole numbers; times are milliseconds since 1970-01-01 UTC.

CREATE TABLE account (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    name          TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    available     INTEGER NOT NULL DEFAULT 0 CHECK (available >= 0),
    held          INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
    created_at_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE api_key (
    id                  INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id          INTEGER NOT NULL REFERENCES account (id),
    hash                BLOB    NOT NULL UNIQUE CHECK (length(hash) = 32),
    name                TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    shown_prefix        TEXT    NOT NULL,
    shown_suffix        TEXT    NOT NULL,
    removals_per_minute INTEGER CHECK (removals_per_minute >= 0),
    batches_per_minute  INTEGER CHECK (batches_per_minute >= 0),
    pipelines           TEXT CHECK (pipelines IS NULL OR json_valid(pipelines)), -- array of names, NULL = all
    expires_at_ms       INTEGER,
    revoked_at_ms       INTEGER,
    created_at_ms       INTEGER NOT NULL,
    last_used_at_ms     INTEGER,
    url_epoch           INTEGER NOT NULL DEFAULT 0 CHECK (url_epoch >= 0)
) STRICT;

CREATE INDEX api_key_account ON api_key (account_id, id);

CREATE TABLE audit (
    id            INTEGER PRIMARY KEY AUTOINCREMENT,
    actor         TEXT    NOT NULL CHECK (length(actor) BETWEEN 1 AND 100),
    action        TEXT    NOT NULL CHECK (length(action) BETWEEN 1 AND 100),
    target        TEXT    NOT NULL CHECK (length(target) BETWEEN 1 AND 100),
    detail        TEXT    NOT NULL CHECK (json_valid(detail)),
    created_at_ms INTEGER NOT NULL
) STRICT;

CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
BEGIN
    SELECT raise(ABORT, 'the audit table is append-only');
END;

CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
BEGIN
    SELECT raise(ABORT, 'the audit table is append-only');
END;
