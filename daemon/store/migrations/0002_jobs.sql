-- Batches, jobs and the ledger that pays for them.

CREATE TABLE batch (
    id             TEXT    NOT NULL PRIMARY KEY CHECK (length(id) = 36),
    account_id     INTEGER NOT NULL REFERENCES account (id),
    key_id         INTEGER REFERENCES api_key (id),
    pairs          INTEGER NOT NULL CHECK (pairs > 0),
    asynchronous   INTEGER NOT NULL CHECK (asynchronous IN (0, 1)),
    created_at_ms  INTEGER NOT NULL,
    answered_at_ms INTEGER,
    interrupted    INTEGER NOT NULL DEFAULT 0 CHECK (interrupted IN (0, 1))
) STRICT;

CREATE INDEX batch_unanswered ON batch (id) WHERE answered_at_ms IS NULL;

CREATE TABLE job (
    seq               INTEGER PRIMARY KEY AUTOINCREMENT,
    id                TEXT    NOT NULL UNIQUE CHECK (length(id) = 36),
    account_id        INTEGER NOT NULL REFERENCES account (id),
    key_id            INTEGER REFERENCES api_key (id),
    batch_id          TEXT REFERENCES batch (id),
    batch_index       INTEGER,
    service           TEXT    NOT NULL,
    pipeline          TEXT    NOT NULL,
    asynchronous      INTEGER NOT NULL CHECK (asynchronous IN (0, 1)),
    status            TEXT    NOT NULL CHECK (status IN ('pending', 'processing', 'completed', 'failed')),
    attempt           INTEGER NOT NULL DEFAULT 0 CHECK (attempt >= 0),
    price             INTEGER NOT NULL CHECK (price >= 0),
    reserved          INTEGER NOT NULL CHECK (reserved IN (0, 1)), -- 0: failed before its price was held
    lane              INTEGER NOT NULL, -- who takes turns: the key, or minus the account where there is no key
    turn              INTEGER NOT NULL, -- place in the queue: the n-th job of every lane before the n+1-th of any
    input_filename    TEXT,
    original_width    INTEGER NOT NULL,
    original_height   INTEGER NOT NULL,
    request           TEXT    NOT NULL CHECK (json_valid(request)),
    worker            TEXT,
    created_at_ms     INTEGER NOT NULL,
    started_at_ms     INTEGER,
    finished_at_ms    INTEGER,
    error_code        TEXT,
    error_detail      TEXT,
    output_name       TEXT,
    output_sha256     BLOB,
    output_bytes      INTEGER,
    output_media_type TEXT,
    mask_name         TEXT,
    mask_sha256       BLOB,
    mask_bytes        INTEGER,
    mask_media_type   TEXT,
    output_width      INTEGER,
    output_height     INTEGER,
    credits           INTEGER,
    processing_ms     REAL,
    timings           TEXT,
    models            TEXT,
    device            TEXT,
    warnings          TEXT,
    expires_at_ms     INTEGER,
    swept_at_ms       INTEGER,
    CHECK ((batch_id IS NULL) = (batch_index IS NULL)),
    CHECK (reserved = 1 OR status = 'failed'),
    CHECK ((status IN ('completed', 'failed')) = (finished_at_ms IS NOT NULL)),
    CHECK ((status = 'failed') = (error_code IS NOT NULL)),
    CHECK ((status = 'failed') = (error_detail IS NOT NULL)),
    CHECK ((status = 'completed') = (output_name IS NOT NULL)),
    CHECK (output_name IS NULL OR (
        output_sha256 IS NOT NULL AND length(output_sha256) = 32
        AND output_bytes IS NOT NULL AND output_bytes > 0
        AND output_media_type IS NOT NULL
        AND output_width IS NOT NULL AND output_height IS NOT NULL
        AND credits IS NOT NULL AND credits BETWEEN 0 AND price
        AND processing_ms IS NOT NULL
        AND timings IS NOT NULL AND models IS NOT NULL AND device IS NOT NULL AND warnings IS NOT NULL
        AND expires_at_ms IS NOT NULL)),
    CHECK (mask_name IS NULL OR (
        mask_sha256 IS NOT NULL AND length(mask_sha256) = 32
        AND mask_bytes IS NOT NULL AND mask_bytes > 0
        AND mask_media_type IS NOT NULL))
) STRICT;

CREATE INDEX job_queue ON job (turn, seq) WHERE status = 'pending';
CREATE INDEX job_in_flight ON job (lane, turn) WHERE status IN ('pending', 'processing');
CREATE INDEX job_account ON job (account_id, seq);
CREATE INDEX job_key ON job (key_id, seq) WHERE key_id IS NOT NULL;
CREATE INDEX job_status ON job (status, seq);
CREATE UNIQUE INDEX job_slot ON job (batch_id, batch_index) WHERE batch_id IS NOT NULL AND status <> 'failed';
CREATE INDEX job_batch ON job (batch_id, seq) WHERE batch_id IS NOT NULL;
CREATE INDEX job_expiry ON job (expires_at_ms) WHERE expires_at_ms IS NOT NULL AND swept_at_ms IS NULL;

CREATE TRIGGER job_final_once BEFORE UPDATE OF status ON job WHEN OLD.status IN ('completed', 'failed')
BEGIN
    SELECT raise(ABORT, 'a job ends only once');
END;

-- One row: the turn of the job that was claimed last.
CREATE TABLE queue (
    one  INTEGER PRIMARY KEY CHECK (one = 1),
    turn INTEGER NOT NULL
) STRICT;

INSERT INTO queue (one, turn) VALUES (1, 0);

-- Every change of credits. An account's balance is the sum of its rows.
CREATE TABLE ledger (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id       INTEGER NOT NULL REFERENCES account (id),
    kind             TEXT    NOT NULL,
    job_id           TEXT REFERENCES job (id),
    audit_id         INTEGER REFERENCES audit (id),
    available_change INTEGER NOT NULL,
    held_change      INTEGER NOT NULL,
    available_after  INTEGER NOT NULL CHECK (available_after >= 0),
    held_after       INTEGER NOT NULL CHECK (held_after >= 0),
    created_at_ms    INTEGER NOT NULL,
    CHECK (CASE kind
        WHEN 'top_up' THEN available_change > 0 AND held_change = 0
        WHEN 'correct' THEN available_change <> 0 AND held_change = 0
        WHEN 'reserve' THEN held_change >= 0 AND available_change = -held_change
        WHEN 'settle' THEN held_change <= 0 AND available_change BETWEEN 0 AND -held_change
        WHEN 'release' THEN held_change <= 0 AND available_change = -held_change
        ELSE 0 END),
    CHECK (CASE
        WHEN kind IN ('top_up', 'correct') THEN audit_id IS NOT NULL AND job_id IS NULL
        ELSE job_id IS NOT NULL AND audit_id IS NULL END)
) STRICT;

CREATE INDEX ledger_account ON ledger (account_id, id);
CREATE UNIQUE INDEX ledger_reserved_once ON ledger (job_id) WHERE kind = 'reserve';
CREATE UNIQUE INDEX ledger_resolved_once ON ledger (job_id) WHERE kind IN ('settle', 'release');

CREATE TRIGGER ledger_resolves_its_hold BEFORE INSERT ON ledger
WHEN NEW.kind IN ('settle', 'release') AND NOT EXISTS (
    SELECT 1 FROM ledger
    WHERE kind = 'reserve' AND job_id = NEW.job_id AND account_id = NEW.account_id AND held_change = -NEW.held_change)
BEGIN
    SELECT raise(ABORT, 'no hold of this job, account and amount');
END;

CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger
BEGIN
    SELECT raise(ABORT, 'the ledger is append-only');
END;

CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger
BEGIN
    SELECT raise(ABORT, 'the ledger is append-only');
END;
