//! Files that appear whole or not at all, and hashes of files.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

/// Prefix of files that are being written.
const TEMPORARY: &str = ".writing-";
/// Age after which a temporary file was left by a process that died.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// A file under a temporary name in its final folder. It is removed unless [`Pending::commit`] ran.
pub struct Pending {
    temporary: PathBuf,
    target: PathBuf,
    file: Option<File>,
}

impl Pending {
    /// Starts writing what will become `target`.
    pub fn create(target: &Path) -> io::Result<Self> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let temporary = folder(target).join(format!("{TEMPORARY}{}-{number}", std::process::id()));
        let file = File::options()
            .write(true)
            .create_new(true)
            .open(&temporary)?;
        Ok(Pending {
            temporary,
            target: target.to_path_buf(),
            file: Some(file),
        })
    }

    /// Everything written so far is on disk after this.
    pub fn sync(&mut self) -> io::Result<()> {
        self.file.take().map_or(Ok(()), |file| file.sync_all())
    }

    /// Gives the file its final name.
    pub fn commit(mut self) -> io::Result<()> {
        self.sync()?;
        fs::rename(&self.temporary, &self.target)?;
        sync_folder(folder(&self.target))
    }
}

impl Write for Pending {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.file {
            Some(file) => file.write(bytes),
            None => Err(io::Error::other("the file was finished before")),
        }
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        // After a commit there is nothing under the temporary name.
        let _ = fs::remove_file(&self.temporary);
    }
}

fn folder(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("."))
}

/// Makes renames and removals in a folder durable.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    #[cfg(unix)]
    File::open(folder)?.sync_all()?;
    #[cfg(not(unix))]
    let _ = folder;
    Ok(())
}

/// Removes a file that may not exist.
pub fn remove_if_present(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// Removes temporary files of processes that died long ago. Those of a live process are younger.
pub fn sweep(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let ours = entry.file_name().to_string_lossy().starts_with(TEMPORARY);
        let modified = entry
            .metadata()
            .and_then(|m| m.modified())
            .unwrap_or_else(|_| SystemTime::now());
        if ours && modified.elapsed().is_ok_and(|age| age > ABANDONED) {
            remove_if_present(&entry.path())?;
        }
    }
    Ok(())
}

/// SHA-256 (lower-case hexadecimal) and length of everything that `reader` gives; `seen` is called with the bytes so far.
pub fn hash(mut reader: impl Read, mut seen: impl FnMut(u64)) -> io::Result<(String, u64)> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0u8; 1 << 20];
    let mut total = 0u64;
    loop {
        let count = reader.read(&mut buffer)?;
        if count == 0 {
            return Ok((format!("{:x}", hasher.finalize()), total));
        }
        hasher.update(&buffer[..count]);
        total += count as u64;
        seen(total);
    }
}

/// Passes bytes on to a writer and hashes them on the way.
pub struct Hashing<W> {
    inner: W,
    hasher: Sha256,
}

impl<W: Write> Hashing<W> {
    /// Wraps a writer.
    pub fn new(inner: W) -> Self {
        Hashing {
            inner,
            hasher: Sha256::new(),
        }
    }

    /// The writer and the SHA-256 of what went through, lower-case hexadecimal.
    pub fn finish(self) -> (W, String) {
        (self.inner, format!("{:x}", self.hasher.finalize()))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
