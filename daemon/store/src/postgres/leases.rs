//! Named leases, and the processes that take part.

use postgres::Row;

use super::PgStore;
use super::convert::{Text, column};
use super::failure::PgResult;
use super::session::Sql;
use crate::error::Result;
use crate::leases::{LEASE_MS_MAX, Leases, WORKER_KEEP_MS, Worker, WorkerReport};
use crate::{JobId, UnixMs, limits};

impl Leases for PgStore {
    fn lease(&self, name: &str, holder: &str, lease_ms: i64) -> Result<bool> {
        const OPERATION: &str = "taking a lease";
        limits::text(OPERATION, "name", name, 200)?;
        limits::text(OPERATION, "holder", holder, 100)?;
        limits::lease_ms(OPERATION, lease_ms)?;
        self.write(OPERATION, |sql| {
            let taken = sql.execute(
                "INSERT INTO lease (name, holder, until_ms) VALUES ($1, $2, $4)
                 ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_ms = excluded.until_ms
                 WHERE lease.holder = excluded.holder OR lease.until_ms <= $3 OR lease.until_ms > $3 + $5",
                &[
                    &Text(name),
                    &Text(holder),
                    &sql.run_ms,
                    &sql.run_ms.saturating_add(lease_ms),
                    &LEASE_MS_MAX,
                ],
            )?;
            Ok(taken == 1)
        })
    }

    fn end_lease(&self, name: &str, holder: &str) -> Result<()> {
        self.write("ending a lease", |sql| {
            sql.execute(
                "DELETE FROM lease WHERE name = $1 AND holder = $2",
                &[&Text(name), &Text(holder)],
            )?;
            Ok(())
        })
    }

    fn report_worker(&self, report: &WorkerReport, lease_ms: i64) -> Result<()> {
        const OPERATION: &str = "reporting a process";
        limits::worker(OPERATION, report)?;
        limits::lease_ms(OPERATION, lease_ms)?;
        self.write(OPERATION, |sql| {
            sql.execute(
                "INSERT INTO worker (name, role, device, version, started_at_ms, reported_at_ms, until_ms)
                 VALUES ($1, $2, $3, $4, $5, $6, $7)
                 ON CONFLICT (name) DO UPDATE SET role = excluded.role, device = excluded.device, version = excluded.version,
                     reported_at_ms = excluded.reported_at_ms, until_ms = excluded.until_ms",
                &[
                    &Text(&report.name),
                    &Text(&report.role),
                    &report.device.as_deref().map(Text),
                    &Text(&report.version),
                    &sql.now_ms,
                    &sql.run_ms,
                    &sql.run_ms.saturating_add(lease_ms),
                ],
            )?;
            sql.execute(
                "DELETE FROM worker WHERE reported_at_ms < $1",
                &[&sql.run_ms.saturating_sub(WORKER_KEEP_MS)],
            )?;
            Ok(())
        })
    }

    fn retire_worker(&self, name: &str) -> Result<()> {
        self.write("retiring a process", |sql| {
            sql.execute("DELETE FROM worker WHERE name = $1", &[&Text(name)])?;
            Ok(())
        })
    }

    fn workers(&self) -> Result<Vec<Worker>> {
        self.snapshot("listing processes", list)
    }
}

fn list(sql: &Sql<'_>) -> PgResult<Vec<Worker>> {
    let rows = sql.all(
        "SELECT name, role, device, version, started_at_ms, reported_at_ms, until_ms FROM worker ORDER BY name COLLATE \"C\"",
        &[],
    )?;
    let mut workers = rows
        .iter()
        .map(|row| worker_row(row, sql.run_ms))
        .collect::<PgResult<Vec<Worker>>>()?;
    let jobs = sql.all(
        "SELECT worker, id FROM job WHERE status = 'processing' AND worker IS NOT NULL ORDER BY seq",
        &[],
    )?;
    for row in &jobs {
        let (name, job): (&str, JobId) = (column(row, "worker")?, column(row, "id")?);
        if let Some(worker) = workers.iter_mut().find(|one| one.report.name == name) {
            worker.jobs.push(job);
        }
    }
    Ok(workers)
}

fn worker_row(row: &Row, run_ms: UnixMs) -> PgResult<Worker> {
    let until_ms: UnixMs = column(row, "until_ms")?;
    let silent_ms = run_ms.saturating_sub(column(row, "reported_at_ms")?);
    Ok(Worker {
        report: WorkerReport {
            name: column(row, "name")?,
            role: column(row, "role")?,
            device: column(row, "device")?,
            version: column(row, "version")?,
        },
        started_at_ms: column(row, "started_at_ms")?,
        silent_ms: silent_ms.max(0),
        alive: (run_ms + 1..=run_ms + LEASE_MS_MAX).contains(&until_ms),
        jobs: Vec::new(),
    })
}
