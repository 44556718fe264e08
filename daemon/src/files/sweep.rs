//! Removes results past their time, and files that no job owns.

use std::fs;
use std::path::Path;

use cleanplate_store::{JobId, Store, StoreError};

use super::FilesError;

/// Rows taken per round of [`sweep_expired`].
const ROWS: u32 = 100;

/// Removes the files of expired results, then notes it. Returns how many results went.
pub fn sweep_expired(store: &dyn Store, results: &Path) -> Result<u64, StoreError> {
    let mut swept = 0;
    loop {
        let expired = store.expired_results(ROWS)?;
        let mut progress = false;
        for row in &expired {
            let mut gone = true;
            for name in &row.files {
                if let Err(error) = fs::remove_file(results.join(name))
                    && error.kind() != std::io::ErrorKind::NotFound
                {
                    tracing::error!(job_id = %row.job, file = ?name, %error, "removing an expired result failed; it is tried again");
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

/// Removes files in the results folder that no job owns: a crash lay between their rename and the job's end.
/// Call only while no job runs. Returns how many went.
pub fn remove_orphans(store: &dyn Store, results: &Path) -> anyhow::Result<u64> {
    let mut removed = 0;
    for entry in fs::read_dir(results).map_err(FilesError::io("reading", results))? {
        let path = entry.map_err(FilesError::io("reading", results))?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else {
            continue;
        };
        // Names start with the job's id; anything else was put there by someone and is not ours to remove.
        let Some(job) = name.get(..36).and_then(|id| id.parse::<JobId>().ok()) else {
            continue;
        };
        let owned = store.job(None, job)?.is_some_and(|job| job.owns_file(name));
        if !owned {
            fs::remove_file(&path).map_err(FilesError::io("removing", &path))?;
            removed += 1;
        }
    }
    Ok(removed)
}
