//! Jobs: the trait on top of accepting, claiming and ending; listings.

use cleanplate_basics::lock;
use rusqlite::{Connection, ToSql};

use super::failure::TxResult;
use super::job_row::job_row;
use super::{SqliteStore, Tx, accept, claims, contains, job_row, recovery, resolve, results};
use crate::error::Result;
use crate::jobs::{
    Accept, Completion, Ended, ExpiredResult, Failure, Inquiry, Job, JobCounts, JobFilter, Jobs,
    NewJob, QueueLimits,
};
use crate::leases::Heartbeat;
use crate::maintenance::Recovered;
use crate::rules::{accepting, ending};
use crate::{AccountId, JobId, Page, PageRequest, Reply, limits};

impl SqliteStore {
    /// Notes when a job was claimed.
    fn claimed(&self, claim: Result<Option<Job>>) -> Result<Option<Job>> {
        if let Ok(Some(job)) = &claim {
            let mut claimed = lock(&self.claimed);
            claimed.insert(job.id, self.clock.steady_ms());
        }
        claim
    }
}

impl Jobs for SqliteStore {
    fn accept(&self, new: &NewJob, bounds: &QueueLimits) -> Result<Accept> {
        const OPERATION: &str = "accepting a job";
        limits::new_job(OPERATION, new)?;
        self.write_jobs(
            OPERATION,
            |tx| accept::accept(tx, new, bounds),
            accepting::changed,
        )
    }

    fn foresee(&self, inquiry: &Inquiry, bounds: &QueueLimits) -> Result<Option<Accept>> {
        const OPERATION: &str = "foreseeing a job";
        self.read(OPERATION, |sql| {
            accept::foresee(sql, OPERATION, inquiry, bounds)
        })
    }

    fn record_failed(&self, new: &NewJob, failure: &Failure) -> Result<Job> {
        const OPERATION: &str = "noting a failed job";
        limits::new_job(OPERATION, new)?;
        self.write_jobs(
            OPERATION,
            |tx| accept::record_failed(tx, new, failure),
            |job| vec![job],
        )
    }

    fn claim(&self, worker: &str, lease_ms: i64) -> Result<Option<Job>> {
        const OPERATION: &str = "claiming a job";
        limits::claim(OPERATION, worker, lease_ms)?;
        self.claimed(self.write_jobs(
            OPERATION,
            |tx| claims::claim_next(tx, worker, lease_ms),
            |job| job.iter().collect(),
        ))
    }

    fn claim_job(&self, job: JobId, worker: &str, lease_ms: i64) -> Result<Option<Job>> {
        const OPERATION: &str = "claiming a job";
        limits::claim(OPERATION, worker, lease_ms)?;
        let body = |tx: &Tx<'_>| {
            job_row::existing(tx, OPERATION, None, job)?;
            claims::claim(tx, job, worker, lease_ms)
        };
        self.claimed(self.write_jobs(OPERATION, body, |job| job.iter().collect()))
    }

    fn heartbeat(&self, job: JobId, attempt: u32, lease_ms: i64) -> Result<Heartbeat> {
        const OPERATION: &str = "renewing the lease of a job";
        limits::lease_ms(OPERATION, lease_ms)?;
        self.write(OPERATION, |tx| {
            claims::heartbeat(tx, job, attempt, lease_ms)
        })
    }

    fn reclaim_expired(&self, attempts_max: u32) -> Result<Recovered> {
        let (recovered, _) = self.write_jobs(
            "reclaiming jobs",
            |tx| recovery::reclaim(tx, attempts_max),
            |(_, jobs)| jobs.iter().collect(),
        )?;
        Ok(recovered)
    }

    fn finish(&self, job: JobId, attempt: u32, completion: &Completion) -> Result<Ended> {
        const OPERATION: &str = "finishing a job";
        limits::completion(OPERATION, completion)?;
        self.write_jobs(
            OPERATION,
            |tx| resolve::finish(tx, job, attempt, completion),
            ending::changed,
        )
    }

    fn fail(
        &self,
        job: JobId,
        attempt: u32,
        failure: &Failure,
        reply: Option<&Reply>,
    ) -> Result<Ended> {
        const OPERATION: &str = "failing a job";
        limits::reply_if_any(OPERATION, reply)?;
        self.write_jobs(
            OPERATION,
            |tx| resolve::fail(tx, job, attempt, failure, reply),
            ending::changed,
        )
    }

    fn cancel(&self, account: Option<AccountId>, job: JobId, failure: &Failure) -> Result<Ended> {
        self.write_jobs(
            "cancelling a job",
            |tx| resolve::cancel(tx, account, job, failure),
            ending::changed,
        )
    }

    fn requeue(&self, job: JobId, attempt: u32) -> Result<bool> {
        const OPERATION: &str = "requeueing a job";
        let body = |tx: &Tx<'_>| {
            let requeued = claims::requeue(tx, job, attempt)?;
            requeued
                .then(|| job_row::existing(tx, OPERATION, None, job))
                .transpose()
        };
        Ok(self
            .write_jobs(OPERATION, body, |job| job.iter().collect())?
            .is_some())
    }

    fn job(&self, account: Option<AccountId>, job: JobId) -> Result<Option<Job>> {
        self.read("reading a job", |sql| job_row::find(sql, account, job))
    }

    fn list_jobs(&self, filter: &JobFilter, request: &PageRequest) -> Result<Page<Job>> {
        self.read("listing jobs", |sql| list(sql, filter, request))
    }

    fn job_counts(&self) -> Result<JobCounts> {
        self.read("counting jobs", count)
    }

    fn expired_results(&self, rows_max: u32) -> Result<Vec<ExpiredResult>> {
        let now_ms = self.clock.now_ms();
        self.read("listing expired results", |sql| {
            results::expired(sql, now_ms, rows_max)
        })
    }

    fn mark_swept(&self, job: JobId) -> Result<()> {
        self.write("noting swept files", |tx| results::mark_swept(tx, job))
    }
}

fn list(sql: &Connection, filter: &JobFilter, request: &PageRequest) -> TxResult<Page<Job>> {
    let (conditions, values) = conditions(filter, request);
    // The text varies with the filter's shape only; values are always bound.
    let text = format!(
        "SELECT * FROM job WHERE {} ORDER BY seq DESC LIMIT {}",
        conditions.join(" AND "),
        request.rows() + 1
    );
    let mut statement = sql.prepare_cached(&text)?;
    let values = values.iter().map(AsRef::as_ref);
    let rows = statement.query_map(rusqlite::params_from_iter(values), |row| {
        Ok((row.get("seq")?, job_row(row)?))
    })?;
    Ok(Page::of(
        request.rows(),
        rows.collect::<rusqlite::Result<_>>()?,
    ))
}

fn conditions(filter: &JobFilter, request: &PageRequest) -> (Vec<String>, Vec<Box<dyn ToSql>>) {
    let JobFilter {
        account,
        key,
        batch,
        status,
        pipeline,
        code,
        created_from_ms,
        created_before_ms,
        text,
    } = filter.clone();
    let mut conditions = vec!["seq < ?".to_string()];
    let mut values: Vec<Box<dyn ToSql>> =
        vec![Box::new(request.after.map_or(i64::MAX, |cursor| cursor.0))];
    let mut add = |condition: &str, value: Option<Box<dyn ToSql>>| {
        if let Some(value) = value {
            conditions.push(condition.to_string());
            values.push(value);
        }
    };
    add("account_id = ?", account.map(|value| Box::new(value) as _));
    add("key_id = ?", key.map(|value| Box::new(value) as _));
    add("batch_id = ?", batch.map(|value| Box::new(value) as _));
    add("status = ?", status.map(|value| Box::new(value) as _));
    add("pipeline = ?", pipeline.map(|value| Box::new(value) as _));
    add("error_code = ?", code.map(|value| Box::new(value) as _));
    add(
        "created_at_ms >= ?",
        created_from_ms.map(|value| Box::new(value) as _),
    );
    add(
        "created_at_ms < ?",
        created_before_ms.map(|value| Box::new(value) as _),
    );
    if let Some(text) = text {
        let found = contains(&["input_filename", "error_code", "error_detail"]);
        conditions.push(format!("({found} OR instr(id, lower(?)) = 1)"));
        values.extend((0..4).map(|_| Box::new(text.clone()) as Box<dyn ToSql>));
    }
    (conditions, values)
}

fn count(sql: &Connection) -> TxResult<JobCounts> {
    let mut counts = JobCounts::default();
    let mut statement = sql.prepare_cached("SELECT status, count(*) FROM job GROUP BY status")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let number = row.get::<_, super::convert::Natural>(1)?.0;
        counts.set(row.get(0)?, number);
    }
    Ok(counts)
}
