//! Whether a result file is the one that was stored: wrong bytes are never sent.
//!
//! A file is hashed once; then it is taken for the same as long as inode, length and times are. So a download in many
//! ranges costs one pass over the file.

use std::collections::HashMap;
use std::fs::{File, Metadata};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use cleanplate_store::StoredFile;
use sha2::{Digest, Sha256};

use cleanplate_basics::lock;

/// Files remembered at most, about 100 bytes each; then all are hashed anew.
const REMEMBERED_MAX: usize = 10_000;
/// Age of the last change from which on a later one shows in the times, whatever the file system's clock ticks in.
const SETTLED: Duration = Duration::from_secs(2);
/// Bytes hashed at a time.
const CHUNK_BYTES: usize = 256 << 10;

/// What tells one state of a file from another without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl Stamp {
    fn of(meta: &Metadata) -> Stamp {
        Stamp {
            device: meta.dev(),
            inode: meta.ino(),
            bytes: meta.len(),
            modified: (meta.mtime(), meta.mtime_nsec()),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// Whether a change from now on would show.
    fn is_settled(&self) -> bool {
        let now_s = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .map_or(0, |since| since.as_secs() as i64);
        let newest_s = self.modified.0.max(self.changed.0);
        now_s - newest_s > SETTLED.as_secs() as i64
    }
}

/// Files that were hashed, by their stamps.
#[derive(Debug, Default)]
pub struct Intact {
    hashed: Mutex<HashMap<Stamp, [u8; 32]>>,
}

impl Intact {
    /// Opens a result; `None` when it is missing or is not what was stored. Blocks on the disk.
    pub fn open(&self, path: &Path, want: &StoredFile) -> Option<File> {
        let file = File::open(path).ok()?;
        let stamp = Stamp::of(&file.metadata().ok()?);
        if stamp.bytes != want.bytes {
            return None;
        }
        let known = self.lock().get(&stamp).copied();
        let found = match known {
            Some(hash) => hash,
            None => {
                let hash = hash(&file).ok()?;
                self.remember(&file, stamp, hash);
                hash
            }
        };
        (found == want.sha256).then_some(file)
    }

    fn remember(&self, file: &File, stamp: Stamp, hash: [u8; 32]) {
        let unchanged = file.metadata().is_ok_and(|meta| Stamp::of(&meta) == stamp);
        if unchanged && stamp.is_settled() {
            let mut hashed = self.lock();
            if hashed.len() >= REMEMBERED_MAX {
                hashed.clear();
            }
            hashed.insert(stamp, hash);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Stamp, [u8; 32]>> {
        // Every change is one insertion, or everything forgotten.
        lock(&self.hashed)
    }
}

fn hash(mut file: &File) -> std::io::Result<[u8; 32]> {
    let (mut hash, mut buffer) = (Sha256::new(), vec![0u8; CHUNK_BYTES]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hash.finalize().into()),
            n => hash.update(&buffer[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::FileTimes;

    use super::*;

    fn stored(content: &[u8]) -> StoredFile {
        StoredFile {
            name: "a.png".to_string(),
            sha256: Sha256::digest(content).into(),
            bytes: content.len() as u64,
            media_type: "image/png".to_string(),
        }
    }

    #[test]
    fn a_file_is_hashed_once_and_again_after_every_change() {
        let dir = tempfile::tempdir().unwrap();
        let (path, intact) = (dir.path().join("a.png"), Intact::default());
        std::fs::write(&path, b"result").unwrap();
        let want = stored(b"result");
        assert!(intact.open(&path, &want).is_some());
        assert_eq!(
            intact.lock().len(),
            0,
            "what was just written is not trusted yet"
        );
        // Time itself: how old the file has to be.
        std::thread::sleep(SETTLED + Duration::from_millis(1100));
        assert!(intact.open(&path, &want).is_some());
        assert_eq!(intact.lock().len(), 1);
        // Proof that it is not read again: a wrong hash is believed.
        intact.lock().values_mut().for_each(|hash| hash[0] ^= 1);
        assert!(intact.open(&path, &want).is_none());
        intact.lock().values_mut().for_each(|hash| hash[0] ^= 1);
        // The same length and the same time of modification: the time of change tells.
        let old = std::fs::metadata(&path).unwrap().modified().unwrap();
        std::fs::write(&path, b"resulT").unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.set_times(FileTimes::new().set_modified(old)).unwrap();
        assert!(intact.open(&path, &want).is_none());
        assert!(intact.open(&path, &stored(b"longer")).is_none());
        assert!(intact.open(&dir.path().join("none"), &want).is_none());
    }
}
