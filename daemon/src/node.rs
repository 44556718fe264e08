//! The name of this process among those that share a store.
//!
//! It has to be the same at every start and nobody else's: jobs, batches and leases of an earlier run are found again by it. The
//! folder that it is kept in has one process at a time.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::Context;
use rand::distr::{Alphanumeric, SampleString};

/// File in the data folder.
const FILE: &str = "name";
/// Characters of the machine's name that are taken.
const HOST_MAX: usize = 60;

/// The configured name, or the one that is kept in this folder; makes one if there is none.
pub fn name(configured: &str, data: &Path) -> anyhow::Result<String> {
    if !configured.is_empty() {
        return Ok(configured.to_string());
    }
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
