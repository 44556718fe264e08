//! Results without their database: every one of them would count as a file that no job owns, and be removed.

use std::fs;

use anyhow::{Context, ensure};
use cleanplate_store::{DATABASE_FILE, JobFilter, JobId, PageRequest, Store};

use super::blobs::{Blobs, Kind};
use super::{Dirs, FilesError};

/// Refuses a data folder that has results, but no database. Call before the store is opened, which would make one.
pub fn refuse_lost_database(dirs: &Dirs) -> anyhow::Result<()> {
    let path = dirs.data.join(DATABASE_FILE);
    ensure!(
        !path.is_dir(),
        "{} is a folder, and the database has to be a file: move the folder away, and put the newest backup in its place if \
         there was a database",
        path.display()
    );
    let there = fs::metadata(&path).is_ok_and(|meta| meta.len() > 0);
    ensure!(
        there || results(dirs)? == 0,
        remedy(dirs, "is missing or empty")?
    );
    Ok(())
}

/// Refuses a database that knows of no job beside results of jobs. Call before anything is removed.
/// `server`: the address of a database that is not in the folder.
pub fn refuse_foreign_database(
    store: &dyn Store,
    dirs: &Dirs,
    server: Option<&str>,
) -> anyhow::Result<()> {
    ensure!(
        !knows_of_none(store)? || results(dirs)? == 0,
        match server {
            None => remedy(dirs, "knows of no job")?,
            Some(server) => format!(
                "{server} knows of no job, but {} has files of jobs: this is another database than before, or it lost its content; \
                 restore it, or, to begin with no accounts, choose another data folder",
                dirs.results.display()
            ),
        }
    );
    Ok(())
}

/// The same for results that lie outside of the data folder.
pub fn refuse_foreign_results(store: &dyn Store, blobs: &Blobs) -> anyhow::Result<()> {
    if blobs.is_private() || !knows_of_none(store)? {
        return Ok(());
    }
    let place = blobs.place(Kind::Results, "");
    blobs.list(Kind::Results, &mut |file| {
        ensure!(
            file.job().is_none(),
            "{place} has results of jobs ({}), and the database knows of no job: they belong to another database, or \
             the database is lost; put its newest backup in its place, or choose another folder or prefix in files.url",
            file.name
        );
        Ok(())
    })
}

fn knows_of_none(store: &dyn Store) -> anyhow::Result<bool> {
    let one = PageRequest {
        after: None,
        rows: 1,
    };
    // Counting them would read all.
    let any = store.list_jobs(&JobFilter::default(), &one);
    Ok(any.context("looking for jobs")?.items.is_empty())
}

fn remedy(dirs: &Dirs, what: &str) -> anyhow::Result<String> {
    let (data, results) = (dirs.data.display(), results(dirs)?);
    Ok(format!(
        "{data}/{DATABASE_FILE} {what}, but {data}/results has {results} files of jobs: the database with all accounts \
         and credits is lost; put its newest backup in its place and remove {DATABASE_FILE}-wal and {DATABASE_FILE}-shm, \
         or, to begin with no accounts, choose another data folder"
    ))
}

/// Files in the results folder that are named after a job.
fn results(dirs: &Dirs) -> anyhow::Result<usize> {
    let entries = match fs::read_dir(&dirs.results) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        entries => entries.map_err(FilesError::io("reading", &dirs.results))?,
    };
    let named = |entry: &fs::DirEntry| {
        let name = entry.file_name();
        name.to_str()
            .and_then(|name| name.get(..36)?.parse::<JobId>().ok())
            .is_some()
    };
    Ok(entries.flatten().filter(named).count())
}
