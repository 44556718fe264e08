//! The name of this process among those that share a store.
//!
//! It has to be the same at every start and nobody else's: jobs, batches and leases of an earlier run are found again by it. The
//! folder that it is kept in has one process at a time.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use cleanplate_store::{Store, StoreError};
use rand::distr::{Alphanumeric, SampleString};

/// File in the data folder.
const FILE: &str = "name";
/// Characters of the machine's name that are taken.
const HOST_MAX: usize = 60;
/// Pause between looks whether a name is free.
const PAUSE: Duration = Duration::from_secs(1);

/// The configured name, or the one that is kept in this folder.
pub fn name(configured: &str, data: &Path) -> anyhow::Result<String> {
    if configured.is_empty() {
        kept(data)
    } else {
        Ok(configured.to_string())
    }
}

/// The name that is kept in this folder, which no other folder has; makes one if there is none.
fn kept(data: &Path) -> anyhow::Result<String> {
    let path = data.join(FILE);
    match fs::read_to_string(&path) {
        Ok(text) if is_name(text.trim()) => return Ok(text.trim().to_string()),
        Ok(_) => {
            tracing::warn!(path = %path.display(), "holds no name of a process; a new one is made")
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("reading {}", path.display())),
    }
    let name = fresh();
    let write = || -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(data)?;
        io::Write::write_all(&mut file, name.as_bytes())?;
        file.as_file().sync_all()?;
        file.persist(&path).map_err(|error| error.error)?;
        fs::File::open(data)?.sync_all()
    };
    write().with_context(|| format!("writing {}", path.display()))?;
    Ok(name)
}

/// Who has a name: by the folder that only one process uses at a time.
#[derive(Debug, Clone)]
pub struct Holder {
    lease: String,
    folder: String,
    lease_ms: i64,
}

impl Holder {
    /// Takes `name` for the process of this folder, and waits while another may only have died with it. `lease`: for how long that
    /// is.
    pub fn take(
        store: &dyn Store,
        name: &str,
        data: &Path,
        lease: Duration,
    ) -> anyhow::Result<Holder> {
        let holder = Holder {
            lease: format!("name {name}"),
            folder: kept(data)?,
            lease_ms: lease.as_millis() as i64,
        };
        let until = Instant::now() + lease + PAUSE;
        let mut told = false;
        while !holder.renew(store)? {
            ensure!(
                Instant::now() < until,
                "another process named {name:?} (server.name) works on this database from another data folder, and each would take the \
                 other's jobs for its own: give this one another name, or none, or stop the other"
            );
            if !told {
                tracing::warn!(
                    name,
                    "another process has this name; waiting whether it still lives"
                );
                told = true;
            }
            std::thread::sleep(PAUSE);
        }
        Ok(holder)
    }

    /// Keeps the name; `false` when another has it.
    pub fn renew(&self, store: &dyn Store) -> Result<bool, StoreError> {
        store.lease(&self.lease, &self.folder, self.lease_ms)
    }

    /// Gives the name back.
    pub fn end(&self, store: &dyn Store) -> Result<(), StoreError> {
        store.end_lease(&self.lease, &self.folder)
    }
}

/// Refuses a process whose files no other finds, beside others that would be given its jobs.
pub fn refuse_beside_others(store: &dyn Store, name: &str) -> anyhow::Result<()> {
    let others = store.workers()?;
    let other = others
        .iter()
        .find(|other| other.alive && other.report.name != name);
    if let Some(other) = other {
        bail!(
            "{:?} works on this database, too, and the files of jobs lie in the data folder of this process, where it does not find them: set \
             files.url to a bucket or to a folder that all have mounted, or stop it first",
            other.report.name
        );
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    (1..=100).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
}

/// The machine's name and a random part.
fn fresh() -> String {
    let host = rustix::system::uname();
    let host = host.nodename().to_string_lossy();
    let host: String = host
        .chars()
        .filter(char::is_ascii_graphic)
        .take(HOST_MAX)
        .collect();
    let random = Alphanumeric.sample_string(&mut rand::rng(), 6);
    format!("{host}-{random}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_kept_and_a_broken_one_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let first = name("", dir.path()).unwrap();
        assert!(is_name(&first), "{first}");
        assert_eq!(name("", dir.path()).unwrap(), first);
        assert_eq!(name("gpu-1", dir.path()).unwrap(), "gpu-1");
        let other = tempfile::tempdir().unwrap();
        assert_ne!(name("", other.path()).unwrap(), first);
        fs::write(dir.path().join(FILE), "two words\n").unwrap();
        let second = name("", dir.path()).unwrap();
        assert!(is_name(&second) && second != first);
        assert_eq!(name("", dir.path()).unwrap(), second);
    }
}
