//! Named leases, and the processes that take part.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::failure::TxResult;
use super::{SqliteStore, Tx};
use crate::error::Result;
use crate::leases::{LEASE_MS_MAX, Leases, WORKER_KEEP_MS, Worker, WorkerReport};
use crate::{JobId, UnixMs, limits};

/// Whether a recorded end of a lease is over at `now_ms`; nothing recorded is over too.
pub(super) fn is_over(until_ms: Option<UnixMs>, now_ms: UnixMs) -> bool {
    until_ms.is_none_or(|until_ms| until_ms <= now_ms || until_ms > now_ms + LEASE_MS_MAX)
}

impl Leases for SqliteStore {
    fn lease(&self, name: &str, holder: &str, lease_ms: i64) -> Result<bool> {
        const OPERATION: &str = "taking a lease";
        limits::text(OPERATION, "name", name, 200)?;
        limits::text(OPERATION, "holder", holder, 100)?;
        limits::lease_ms(OPERATION, lease_ms)?;
        self.write(OPERATION, |tx| lease(tx, name, holder, lease_ms))
    }

    fn end_lease(&self, name: &str, holder: &str) -> Result<()> {
        self.write("ending a lease", |tx| {
            tx.execute(
                "DELETE FROM lease WHERE name = ?1 AND holder = ?2",
                [name, holder],
            )?;
            Ok(())
        })
    }

    fn report_worker(&self, report: &WorkerReport, lease_ms: i64) -> Result<()> {
        const OPERATION: &str = "reporting a process";
        limits::worker(OPERATION, report)?;
        limits::lease_ms(OPERATION, lease_ms)?;
        self.write(OPERATION, |tx| upsert(tx, report, lease_ms))
    }

    fn retire_worker(&self, name: &str) -> Result<()> {
        self.write("retiring a process", |tx| {
            tx.execute("DELETE FROM worker WHERE name = ?1", [name])?;
            Ok(())
        })
    }

    fn workers(&self) -> Result<Vec<Worker>> {
        let run_ms = self.run_ms();
        self.read("listing processes", |sql| list(sql, run_ms))
    }
}

fn lease(tx: &Tx<'_>, name: &str, holder: &str, lease_ms: i64) -> TxResult<bool> {
    let mut find = tx.prepare_cached("SELECT holder, until_ms FROM lease WHERE name = ?1")?;
    let found: Option<(String, UnixMs)> = find
        .query_row([name], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if found.is_some_and(|(other, until_ms)| other != holder && !is_over(Some(until_ms), tx.run_ms))
    {
        return Ok(false);
    }
    let mut put = tx.prepare_cached(
        "INSERT INTO lease (name, holder, until_ms) VALUES (?1, ?2, ?3)
         ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until_ms = excluded.until_ms",
    )?;
    put.execute(params![name, holder, tx.run_ms.saturating_add(lease_ms)])?;
    Ok(true)
}

fn upsert(tx: &Tx<'_>, report: &WorkerReport, lease_ms: i64) -> TxResult<()> {
    let mut put = tx.prepare_cached(
        "INSERT INTO worker (name, role, device, version, started_at_ms, reported_at_ms, until_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (name) DO UPDATE SET role = excluded.role, device = excluded.device, version = excluded.version,
             reported_at_ms = excluded.reported_at_ms, until_ms = excluded.until_ms",
    )?;
    put.execute(params![
        report.name,
        report.role,
        report.device,
        report.version,
        tx.now_ms,
        tx.run_ms,
        tx.run_ms.saturating_add(lease_ms)
    ])?;
    tx.execute(
        "DELETE FROM worker WHERE reported_at_ms < ?1",
        [tx.run_ms.saturating_sub(WORKER_KEEP_MS)],
    )?;
    Ok(())
}

fn list(sql: &Connection, run_ms: UnixMs) -> TxResult<Vec<Worker>> {
    let mut all = sql.prepare_cached("SELECT * FROM worker ORDER BY name")?;
    let mut workers = all
        .query_map([], |row| worker_row(row, run_ms))?
        .collect::<rusqlite::Result<Vec<Worker>>>()?;
    let mut jobs = sql.prepare_cached(
        "SELECT worker, id FROM job WHERE status = 'processing' AND worker IS NOT NULL ORDER BY seq",
    )?;
    let mut rows = jobs.query([])?;
    while let Some(row) = rows.next()? {
        let (name, job): (String, JobId) = (row.get(0)?, row.get(1)?);
        if let Some(worker) = workers.iter_mut().find(|one| one.report.name == name) {
            worker.jobs.push(job);
        }
    }
    Ok(workers)
}

fn worker_row(row: &Row<'_>, run_ms: UnixMs) -> rusqlite::Result<Worker> {
    Ok(Worker {
        report: WorkerReport {
            name: row.get("name")?,
            role: row.get("role")?,
            device: row.get("device")?,
            version: row.get("version")?,
        },
        started_at_ms: row.get("started_at_ms")?,
        silent_ms: run_ms.saturating_sub(row.get("reported_at_ms")?).max(0),
        alive: !is_over(row.get("until_ms")?, run_ms),
        jobs: Vec::new(),
    })
}
