-- Webhooks: one row per ended job whose client wants to be told. Triggers write it in the transaction that ends the job,
-- however it ends, so that no crash can lose it.

CREATE TABLE webhook (
    job_id          TEXT    NOT NULL PRIMARY KEY REFERENCES job (id),
    url             TEXT    NOT NULL CHECK (length(url) BETWEEN 1 AND 2000),
    attempts        INTEGER NOT NULL DEFAULT 0 CHECK (attempts >= 0),
    next_at_ms      INTEGER, -- NULL: delivered or given up
    delivered_at_ms INTEGER,
    last_error      TEXT,
    created_at_ms   INTEGER NOT NULL,
    CHECK (delivered_at_ms IS NULL OR next_at_ms IS NULL)
) STRICT;

CREATE INDEX webhook_due ON webhook (next_at_ms) WHERE next_at_ms IS NOT NULL;

CREATE TRIGGER webhook_job_ended AFTER UPDATE OF status ON job
WHEN NEW.status IN ('completed', 'failed') AND json_extract(NEW.request, '$.webhook.url') IS NOT NULL
BEGIN
    INSERT INTO webhook (job_id, url, next_at_ms, created_at_ms)
    VALUES (NEW.id, json_extract(NEW.request, '$.webhook.url'), NEW.finished_at_ms, NEW.finished_at_ms);
END;

CREATE TRIGGER webhook_job_refused AFTER INSERT ON job
WHEN NEW.status = 'failed' AND json_extract(NEW.request, '$.webhook.url') IS NOT NULL
BEGIN
    INSERT INTO webhook (job_id, url, next_at_ms, created_at_ms)
    VALUES (NEW.id, json_extract(NEW.request, '$.webhook.url'), NEW.finished_at_ms, NEW.finished_at_ms);
END;
