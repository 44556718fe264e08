//! Jobs: the trait on top of accepting, claiming and ending; listings.

use postgres::types::ToSql;

use super::convert::{column, natural};
use super::failure::PgResult;
use super::job_row::{self, job_columns, job_row};
use super::session::Sql;
use super::{PgStore, accept, claims, contains, recovery, resolve, results};
use crate::error::Result;
use crate::jobs::{
    Accept, Completion, Ended, ExpiredResult, Failure, Inquiry, Job, JobCounts, JobFilter, Jobs,
    NewJob, QueueLimits,
};
use crate::leases::Heartbeat;
use crate::maintenance::Recovered;
use crate::rules::{accepting, ending};
use crate::{AccountId, JobId, Page, PageRequest, Reply, limits};

impl Jobs for PgStore {
    fn accept(&self, new: &NewJob, bounds: &QueueLimits) -> Result<Accept> {
        const OPERATION: &str = "accepting a job";
        limits::new_job(OPERATION, new)?;
        self.write_jobs(
            OPERATION,
            |sql| accept::accept(sql, new, bounds),
            accepting::changed,
        )
    }

    fn foresee(&self, inquiry: &Inquiry, bounds: &QueueLimits) -> Result<Option<Accept>> {
        self.snapshot("foreseeing a job", |sql| {
            accept::foresee(sql, inquiry, bounds)
        })
    }

    fn record_failed(&self, new: &NewJob, failure: &Failure) -> Result<Job> {
        const OPERATION: &str = "noting a failed job";
        limits::new_job(OPERATION, new)?;
        self.write_jobs(
            OPERATION,
            |sql| accept::record_failed(sql, new, failure),
            |job| vec![job],
        )
    }

    fn claim(&self, worker: &str, lease_ms: i64) -> Result<Option<Job>> {
        const OPERATION: &str = "claiming a job";
        limits::claim(OPERATION, worker, lease_ms)?;
        self.write_idle(
            OPERATION,
            |sql| claims::claim_next(sql, worker, lease_ms),
            |job| job.iter().collect(),
        )
    }

    fn claim_job(&self, job: JobId, worker: &str, lease_ms: i64) -> Result<Option<Job>> {
        const OPERATION: &str = "claiming a job";
        limits::claim(OPERATION, worker, lease_ms)?;
        let body = |sql: &Sql<'_>| {
            let claimed = claims::claim(sql, job, worker, lease_ms)?;
            if claimed.is_none() {
                job_row::existing(sql, job)?;
            }
            Ok(claimed)
        };
        self.write_jobs(OPERATION, body, |job| job.iter().collect())
    }

    fn heartbeat(&self, job: JobId, attempt: u32, lease_ms: i64) -> Result<Heartbeat> {
        const OPERATION: &str = "renewing the lease of a job";
        limits::lease_ms(OPERATION, lease_ms)?;
        self.write(OPERATION, |sql| {
            claims::heartbeat(sql, job, attempt, lease_ms)
        })
    }

    fn reclaim_expired(&self, attempts_max: u32) -> Result<Recovered> {
        let (recovered, _) = self.write_idle(
            "reclaiming jobs",
            |sql| recovery::reclaim(sql, attempts_max),
            |(_, jobs)| jobs.iter().collect(),
        )?;
        Ok(recovered)
    }

    fn finish(&self, job: JobId, attempt: u32, completion: &Completion) -> Result<Ended> {
        const OPERATION: &str = "finishing a job";
        limits::completion(OPERATION, completion)?;
        self.write_jobs(
            OPERATION,
            |sql| resolve::finish(sql, job, attempt, completion),
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
            |sql| resolve::fail(sql, job, attempt, failure, reply),
            ending::changed,
        )
    }

    fn cancel(&self, account: Option<AccountId>, job: JobId, failure: &Failure) -> Result<Ended> {
        self.write_jobs(
            "cancelling a job",
            |sql| resolve::cancel(sql, account, job, failure),
            ending::changed,
        )
    }

    fn requeue(&self, job: JobId, attempt: u32) -> Result<bool> {
        let requeued = self.write_jobs(
            "requeueing a job",
            |sql| claims::requeue(sql, job, attempt),
            |job| job.iter().collect(),
        )?;
        Ok(requeued.is_some())
    }

    fn job(&self, account: Option<AccountId>, job: JobId) -> Result<Option<Job>> {
        self.read("reading a job", |sql| job_row::find(sql, account, job))
    }

    fn list_jobs(&self, filter: &JobFilter, request: &PageRequest) -> Result<Page<Job>> {
        let (conditions, mut values) = conditions(filter, request);
        // The text varies with the filter's shape only, for each is kept prepared; values are always bound.
        values.push(Box::new(i64::from(request.rows()) + 1));
        let query = format!(
            concat!(
                "SELECT ",
                job_columns!(),
                " FROM job WHERE {} ORDER BY seq DESC LIMIT ${}"
            ),
            conditions.join(" AND "),
            values.len()
        );
        let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(AsRef::as_ref).collect();
        self.read("listing jobs", |sql| {
            let rows = sql.all(&query, &values)?;
            let found = rows
                .iter()
                .map(|row| Ok((column(row, "seq")?, job_row(row)?)));
            Ok(Page::of(request.rows(), found.collect::<PgResult<_>>()?))
        })
    }

    fn job_counts(&self) -> Result<JobCounts> {
        self.snapshot("counting jobs", count)
    }

    fn expired_results(&self, rows_max: u32) -> Result<Vec<ExpiredResult>> {
        self.snapshot("listing expired results", |sql| {
            results::expired(sql, rows_max)
        })
    }

    fn mark_swept(&self, job: JobId) -> Result<()> {
        self.write("noting swept files", |sql| results::mark_swept(sql, job))
    }
}

fn conditions(
    filter: &JobFilter,
    request: &PageRequest,
) -> (Vec<String>, Vec<Box<dyn ToSql + Sync>>) {
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
    let mut conditions = vec!["seq < $1".to_string()];
    let mut values: Vec<Box<dyn ToSql + Sync>> =
        vec![Box::new(request.after.map_or(i64::MAX, |cursor| cursor.0))];
    let mut add = |condition: &str, value: Option<Box<dyn ToSql + Sync>>| {
        if let Some(value) = value {
            values.push(value);
            conditions.push(format!("{condition} ${}", values.len()));
        }
    };
    let clean = |text: String| text.replace('\0', "\u{FFFD}");
    add("account_id =", account.map(|value| Box::new(value) as _));
    add("key_id =", key.map(|value| Box::new(value) as _));
    add("batch_id =", batch.map(|value| Box::new(value) as _));
    add("status =", status.map(|value| Box::new(value) as _));
    add(
        "pipeline =",
        pipeline.map(|value| Box::new(clean(value)) as _),
    );
    add(
        "error_code =",
        code.map(|value| Box::new(clean(value)) as _),
    );
    add(
        "created_at_ms >=",
        created_from_ms.map(|value| Box::new(value) as _),
    );
    add(
        "created_at_ms <",
        created_before_ms.map(|value| Box::new(value) as _),
    );
    if let Some(text) = text {
        values.push(Box::new(clean(text)));
        let at = values.len();
        let found = contains(&["input_filename", "error_code", "error_detail"], at);
        conditions.push(format!(
            "({found} OR starts_with(id::text, lower(${at}::text COLLATE \"C\")))"
        ));
    }
    (conditions, values)
}

fn count(sql: &Sql<'_>) -> PgResult<JobCounts> {
    let mut counts = JobCounts::default();
    // Reads every job, which may take longer than an ordinary statement may.
    sql.execute("SET LOCAL statement_timeout = 0", &[])?;
    for row in &sql.all(
        "SELECT status, count(*) AS number FROM job GROUP BY status",
        &[],
    )? {
        let number = natural(row, "number")?;
        counts.set(column(row, "status")?, number);
    }
    Ok(counts)
}
