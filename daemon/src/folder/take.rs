//! Reading and writing files among strangers: only regular files are opened, only whole files appear.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sha2::{Digest, Sha256};

use crate::hex::hex;
use crate::pairing::path;

/// Longest record or report that is read back.
const JSON_BYTES_MAX: u64 = 1 << 20;
/// Names that are tried for a file whose own is taken.
const NUMBER_MAX: u32 = 999;

/// What a file looks like from outside; a change of any part means that someone is writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Whether it is a regular file: no link, pipe, device or folder.
    pub regular: bool,
    /// Bytes.
    pub len: u64,
    modified_ns: i128,
    inode: (u64, u64),
}

impl Stamp {
    /// Of the directory entry itself; links are not followed.
    pub fn of(path: &Path) -> io::Result<Stamp> {
        fs::symlink_metadata(path).map(|meta| Stamp::from(&meta))
    }

    /// Time since the last change by the wall clock; none for a change in the future.
    pub fn age(&self) -> Duration {
        let now_ns = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_nanos() as i128);
        Duration::from_nanos(u64::try_from(now_ns - self.modified_ns).unwrap_or(0))
    }

    fn from(meta: &Metadata) -> Stamp {
        let modified_ns = i128::from(meta.mtime()) * 1_000_000_000 + i128::from(meta.mtime_nsec());
        Stamp {
            regular: meta.is_file(),
            len: meta.len(),
            modified_ns,
            inode: (meta.dev(), meta.ino()),
        }
    }
}

/// Why a file was not read.
#[derive(Debug, thiserror::Error)]
pub enum TakeError {
    /// A link, pipe, device or folder.
    #[error("it is not a regular file; links, pipes and devices are never opened")]
    NotRegular,
    /// More than allowed.
    #[error("it has {bytes} bytes, at most {bytes_max} are accepted")]
    TooLarge {
        /// Found.
        bytes: u64,
        /// Allowed.
        bytes_max: u64,
    },
    /// The system refused.
    #[error("reading failed: {0}")]
    Io(#[from] io::Error),
    /// Not what the daemon writes.
    #[error("it is no JSON of the daemon: {0}")]
    Json(#[from] serde_json::Error),
}

/// Bytes of a regular file and how it looked once they were read.
pub fn read(path: &Path, bytes_max: u64) -> Result<(Vec<u8>, Stamp), TakeError> {
    // O_NONBLOCK: opening a pipe that took the file's place must not wait for its writer.
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path);
    let file = opened.map_err(|error| {
        if error.raw_os_error() == Some(libc::ELOOP) {
            TakeError::NotRegular
        } else {
            TakeError::Io(error)
        }
    })?;
    let before = Stamp::from(&file.metadata()?);
    if !before.regular {
        return Err(TakeError::NotRegular);
    }
    if before.len > bytes_max {
        return Err(TakeError::TooLarge {
            bytes: before.len,
            bytes_max,
        });
    }
    let mut bytes = Vec::with_capacity(before.len as usize);
    (&file).take(bytes_max + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > bytes_max {
        return Err(TakeError::TooLarge {
            bytes: bytes.len() as u64,
            bytes_max,
        });
    }
    Ok((bytes, Stamp::from(&file.metadata()?)))
}

/// A record or report that the daemon wrote, or somebody in its name.
pub fn read_json<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, TakeError> {
    let (bytes, _) = read(path, JSON_BYTES_MAX)?;
    Ok(serde_json::from_slice(&bytes)?)
}

/// Puts `bytes` into `dir` as `name`: hidden temporary name, fsync, rename, fsync of the folder. Writes over what is there.
pub fn put(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    write_and(dir, name, bytes, |fresh, place| fs::rename(fresh, place))
}

/// The same for a name that nobody has. What has it stays: an error of kind `AlreadyExists`, unless it is of the same bytes.
pub fn put_new(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let place = dir.join(path::os(name));
    if let Ok(there) = place.symlink_metadata() {
        let same = there.len() == bytes.len() as u64
            && read(&place, there.len()).is_ok_and(|(there, _)| there == bytes);
        return if same {
            Ok(())
        } else {
            Err(io::ErrorKind::AlreadyExists.into())
        };
    }
    write_and(dir, name, bytes, move_new)
}

/// The same under the first name that nobody has: `name.html`, `name-2.html` and so on. Returns that name.
pub fn put_numbered(dir: &Path, name: &str, extension: &str, bytes: &[u8]) -> io::Result<String> {
    for number in 1..=NUMBER_MAX {
        let name = match number {
            1 => format!("{name}.{extension}"),
            number => format!("{name}-{number}.{extension}"),
        };
        match put_new(dir, &name, bytes) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => return other.map(|()| name),
        }
    }
    let text = format!(
        "all names from {name}.{extension} to {name}-{NUMBER_MAX}.{extension} are taken in {}; move some of them away",
        dir.display()
    );
    Err(io::Error::new(io::ErrorKind::AlreadyExists, text))
}

fn write_and(
    dir: &Path,
    name: &str,
    bytes: &[u8],
    finish: impl Fn(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    let name = path::os(name);
    // Short whatever the name is, and the same at the next attempt, which writes over it.
    let mark = hex(&Sha256::digest(name.as_encoded_bytes()));
    let fresh = dir.join(format!(".cleanplate-{}.tmp", &mark[..16]));
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        finish(&fresh, &dir.join(&name))?;
        sync(dir)
    };
    write().inspect_err(|_| {
        // Best effort: the next attempt writes over it.
        drop(fs::remove_file(&fresh));
    })
}

/// Renames what nobody may lose: never over something else, which is an error of kind `AlreadyExists`.
pub fn move_new(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS | rustix::io::Errno::NOTSUP) => {
            // Some network file systems cannot: there, a moment remains between the look and the move.
            match to.symlink_metadata() {
                Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
                Err(_) => fs::rename(from, to),
            }
        }
        other => other.map_err(io::Error::from),
    }
}

/// Forces renames in a folder to the disk.
pub fn sync(dir: &Path) -> io::Result<()> {
    match File::open(dir)?.sync_all() {
        // Some network file systems cannot; they are as durable as their server.
        Err(error)
            if error.kind() == io::ErrorKind::InvalidInput
                || error.kind() == io::ErrorKind::Unsupported =>
        {
            Ok(())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn links_pipes_folders_and_devices_are_not_opened() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("secret"), b"x").unwrap();
        std::os::unix::fs::symlink(at("secret"), at("link")).unwrap();
        assert!(
            Command::new("mkfifo")
                .arg(at("pipe"))
                .status()
                .unwrap()
                .success()
        );
        for path in [
            at("link"),
            at("pipe"),
            dir.path().to_path_buf(),
            "/dev/zero".into(),
        ] {
            assert!(
                matches!(read(&path, 10), Err(TakeError::NotRegular)),
                "{}",
                path.display()
            );
        }
        assert_eq!(read(&at("secret"), 1).unwrap().0, b"x");
        assert!(matches!(
            read(&at("secret"), 0),
            Err(TakeError::TooLarge {
                bytes: 1,
                bytes_max: 0
            })
        ));
        assert_eq!(
            read(&at("secret"), 1).unwrap().1,
            Stamp::of(&at("secret")).unwrap()
        );
    }

    #[test]
    fn what_appears_is_whole() {
        let dir = tempfile::tempdir().unwrap();
        put(dir.path(), "a.png", b"abc").unwrap();
        put(dir.path(), "a.png", b"abcd").unwrap();
        assert_eq!(fs::read(dir.path().join("a.png")).unwrap(), b"abcd");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn nothing_is_written_or_moved_over_what_is_there() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        put_new(dir.path(), "a.png", b"abc").unwrap();
        put_new(dir.path(), "a.png", b"abc").unwrap();
        for other in [b"abd".as_slice(), b"abcd"] {
            let error = put_new(dir.path(), "a.png", other).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        }
        fs::write(at("b.png"), b"b").unwrap();
        let error = move_new(&at("b.png"), &at("a.png")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(at("a.png")).unwrap(), b"abc");
        move_new(&at("b.png"), &at("c.png")).unwrap();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
        // The longest name that there is leaves room for nothing.
        put_new(dir.path(), &"x".repeat(255), b"long").unwrap();
    }
}
