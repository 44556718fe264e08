-- Details of old jobs are forgotten: rows of jobs that ended, as long as they have any.
CREATE INDEX job_details ON job (finished_at_ms) WHERE finished_at_ms IS NOT NULL AND request <> '{}';
