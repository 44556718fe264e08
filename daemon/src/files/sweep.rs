//! Removes results past their time, and files that no job owns.

use std::time::Duration;

use cleanplate_store::{Store, StoreError};

use super::blobs::{Blobs, Kind};
use super::refuse_foreign_results;

/// Rows taken per round of [`sweep_expired`].
const ROWS: u32 = 100;

/// Removes the files of expired results, then notes it. Returns how many results went.
pub fn sweep_expired(store: &dyn Store, blobs: &Blobs) -> Result<u64, StoreError> {
    let mut swept = 0;
    loop {
        let expired = store.expired_results(ROWS)?;
        let mut progress = false;
        for row in &expired {
            let mut gone = true;
            for name in &row.files {
                if let Err(error) = blobs.remove(Kind::Results, name) {
                    tracing::error!(job_id = %row.job, file = ?name, %error, "removing an expired result failed; it is tried again");
                    if error.is_away() {
                        // The others would wait for it as long.
                        return Ok(swept);
                    }
                    gone = false;
                }
            }
            if gone {
                store.mark_swept(row.job)?;
                (swept, progress) = (swept + 1, true);
            }
        }
        if !progress || expired.len() < ROWS as usize {
            return Ok(swept);
        }
    }
}

/// Removes results that no job owns: a crash, or the loss of a job to another attempt, lay between their writing and the job's
/// end. Those younger than `age_min` may belong to a job that has not ended. Returns how many went.
pub fn remove_orphans(store: &dyn Store, blobs: &Blobs, age_min: Duration) -> anyhow::Result<u64> {
    refuse_foreign_results(store, blobs)?;
    let mut removed = 0;
    blobs.list(Kind::Results, &mut |file| {
        let Some(job) = file.job().filter(|_| file.age >= age_min) else {
            return Ok(());
        };
        let owned = store
            .job(None, job)?
            .is_some_and(|job| job.owns_file(&file.name));
        if !owned {
            removed += u64::from(blobs.remove(Kind::Results, &file.name)?);
        }
        Ok(())
    })?;
    Ok(removed)
}
