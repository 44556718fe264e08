//! Care of the store as a whole.

use std::path::Path;

use cleanplate_basics::lock;

use super::failure::store_error;
use super::open::log_file;
use super::pool::open_reader;
use super::{SqliteStore, backup, invariants, migrate, recovery, results, room};
use crate::error::{Result, StoreError};
use crate::maintenance::{Breach, Health, Invariant, Maintenance, Recovered};
use crate::{JobId, limits};

impl Maintenance for SqliteStore {
    fn recover(&self, worker: &str, attempts_max: u32) -> Result<Recovered> {
        const OPERATION: &str = "recovering unfinished jobs";
        limits::text(OPERATION, "worker", worker, 100)?;
        let (recovered, _) = self.write_jobs(
            OPERATION,
            |tx| recovery::recover(tx, worker, attempts_max),
            |(_, jobs)| jobs.iter().collect(),
        )?;
        Ok(recovered)
    }

    fn expire_holds(&self, worker: &str, processing_ms_max: i64) -> Result<Vec<JobId>> {
        const OPERATION: &str = "expiring holds";
        limits::text(OPERATION, "worker", worker, 100)?;
        limits::keep_ms(OPERATION, processing_ms_max)?;
        let steady_ms = self.clock.steady_ms();
        let mut claimed = lock(&self.claimed);
        let jobs = self.write_jobs(
            OPERATION,
            |tx| {
                let times = (steady_ms, processing_ms_max);
                recovery::expire_holds(tx, worker, &mut claimed, times)
            },
            |jobs| jobs.iter().collect(),
        )?;
        Ok(jobs.into_iter().map(|job| job.id).collect())
    }

    fn forget_details(&self, keep_ms: i64, rows_max: u32) -> Result<u32> {
        const OPERATION: &str = "forgetting details of old jobs";
        limits::keep_ms(OPERATION, keep_ms)?;
        self.write(OPERATION, |tx| {
            results::forget_details(tx, tx.now_ms.saturating_sub(keep_ms), rows_max)
        })
    }

    fn invariants(&self) -> Result<Vec<Breach>> {
        const OPERATION: &str = "checking the invariants";
        let mut reader = open_reader(&self.path).map_err(|error| store_error(OPERATION, error))?;
        let snapshot = reader
            .transaction()
            .map_err(|error| store_error(OPERATION, error))?;
        invariants::check(&snapshot).map_err(|error| error.named(OPERATION))
    }

    fn integrity(&self) -> Result<Vec<Breach>> {
        const OPERATION: &str = "checking the database file";
        let mut breaches = self.invariants()?;
        let reader = open_reader(&self.path).map_err(|error| store_error(OPERATION, error))?;
        let problems =
            invariants::file_problems(&reader).map_err(|error| store_error(OPERATION, error))?;
        breaches.extend(problems.into_iter().map(|detail| Breach {
            invariant: Invariant::FileSound,
            detail,
        }));
        Ok(breaches)
    }

    fn health(&self) -> Result<Health> {
        const OPERATION: &str = "checking the store";
        // A transaction without a change writes nothing, but needs the lock that a change would need.
        let schema_version = self.write(OPERATION, |tx| {
            tx.query_row("SELECT turn FROM queue", [], |row| row.get::<_, i64>(0))?;
            Ok(migrate::pragma(tx, "user_version")?)
        })?;
        let length = |path: &Path| std::fs::metadata(path).map_or(0, |found| found.len());
        Ok(Health {
            schema_version,
            database_bytes: length(&self.path),
            log_bytes: length(&log_file(&self.path)),
        })
    }

    fn keep_room(&self) -> Result<()> {
        room::keep(self)
    }

    fn settle(&self) -> Result<()> {
        const OPERATION: &str = "folding the log into the database";
        let writer = lock(&self.writer);
        let busy: bool = writer
            .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
            .map_err(|error| store_error(OPERATION, error))?;
        if busy {
            return Err(StoreError::Busy {
                operation: OPERATION,
            });
        }
        Ok(())
    }

    fn backup(&self, to: &Path) -> Result<()> {
        backup::backup(self, to)
    }
}
