//! Care of the store as a whole.

use std::path::Path;

use super::convert::column;
use super::{PgStore, invariants, recovery, results};
use crate::error::{Result, StoreError};
use crate::maintenance::{Breach, Health, Invariant, Maintenance, Recovered};
use crate::{JobId, limits};

impl Maintenance for PgStore {
    fn recover(&self, worker: &str, attempts_max: u32) -> Result<Recovered> {
        const OPERATION: &str = "recovering unfinished jobs";
        limits::text(OPERATION, "worker", worker, 100)?;
        let (recovered, _) = self.write_jobs(
            OPERATION,
            |sql| recovery::recover(sql, worker, attempts_max),
            |(_, jobs)| jobs.iter().collect(),
        )?;
        Ok(recovered)
    }

    fn expire_holds(&self, worker: &str, processing_ms_max: i64) -> Result<Vec<JobId>> {
        const OPERATION: &str = "expiring holds";
        limits::text(OPERATION, "worker", worker, 100)?;
        limits::keep_ms(OPERATION, processing_ms_max)?;
        let jobs = self.write_idle(
            OPERATION,
            |sql| recovery::expire_holds(sql, worker, processing_ms_max),
            |jobs| jobs.iter().collect(),
        )?;
        Ok(jobs.into_iter().map(|job| job.id).collect())
    }

    fn forget_details(&self, keep_ms: i64, rows_max: u32) -> Result<u32> {
        const OPERATION: &str = "forgetting details of old jobs";
        limits::keep_ms(OPERATION, keep_ms)?;
        self.write(OPERATION, |sql| {
            results::forget_details(sql, sql.now_ms.saturating_sub(keep_ms), rows_max)
        })
    }

    fn invariants(&self) -> Result<Vec<Breach>> {
        self.snapshot("checking the invariants", invariants::check)
    }

    fn integrity(&self) -> Result<Vec<Breach>> {
        let mut breaches = self.invariants()?;
        match self.snapshot("reading the whole database", invariants::read_all) {
            Ok(()) => {}
            Err(StoreError::Corrupt { detail, .. }) => breaches.push(Breach {
                invariant: Invariant::FileSound,
                detail,
            }),
            Err(error) => return Err(error),
        }
        Ok(breaches)
    }

    fn health(&self) -> Result<Health> {
        const OPERATION: &str = "checking the store";
        let (schema_version, bytes, read_only) = self.read(OPERATION, |sql| {
            let row = sql.one(
                "SELECT (SELECT version FROM cleanplate_schema) AS version, pg_database_size(current_database()) AS bytes,
                        pg_is_in_recovery() OR current_setting('transaction_read_only')::boolean AS read_only",
                &[],
            )?;
            Ok((column(&row, "version")?, column::<i64>(&row, "bytes")?, column::<bool>(&row, "read_only")?))
        })?;
        if read_only {
            return Err(StoreError::Unavailable {
                operation: OPERATION,
                detail: "the server takes no writes: it is a copy that is only read".into(),
            });
        }
        Ok(Health {
            schema_version,
            database_bytes: bytes.unsigned_abs(),
            log_bytes: 0,
        })
    }

    /// The server's own matter.
    fn keep_room(&self) -> Result<()> {
        Ok(())
    }

    /// Nothing is to be made good: the server keeps what was committed.
    fn settle(&self) -> Result<()> {
        Ok(())
    }

    fn backup(&self, to: &Path) -> Result<()> {
        self.copy_to_file(to)
    }
}
