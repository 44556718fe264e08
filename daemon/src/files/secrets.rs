//! Keys that sign result addresses: a private text file, one key per line. The first signs, all verify.
//!
//! To rotate, put a new line of 64 hexadecimal characters first and send SIGHUP; remove the old line once the addresses it
//! signed have expired.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use rand::TryRngCore;
use rand::rngs::OsRng;

use super::FilesError;
use crate::hex::{hex, unhex};

/// Signing keys, newest first; never empty. Clones share them.
#[derive(Clone)]
pub struct UrlKeys(Arc<RwLock<Vec<[u8; 32]>>>);

impl std::fmt::Debug for UrlKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "UrlKeys({} hidden)", self.keys().len())
    }
}

impl UrlKeys {
    /// Reads the file, or makes one with a new key. A file that others can read is made private.
    pub fn load(path: &Path) -> Result<UrlKeys, FilesError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return UrlKeys::create(path);
            }
            Err(error) => return Err(FilesError::io("reading", path)(error)),
        };
        fs::set_permissions(path, fs::Permissions::from_mode(0o600))
            .map_err(FilesError::io("making private", path))?;
        let mut keys = Vec::new();
        for (at, line) in text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'))
        {
            keys.push(unhex(line.trim()).ok_or_else(|| FilesError::Secret {
                path: path.to_path_buf(),
                line: at + 1,
            })?);
        }
        if keys.is_empty() {
            UrlKeys::create(path)
        } else {
            Ok(UrlKeys::of(keys))
        }
    }

    /// The keys of the file, or a new one that is written nowhere: for those that are kept elsewhere.
    pub fn kept_or_new(path: &Path) -> Result<Vec<[u8; 32]>, FilesError> {
        if path.exists() {
            return Ok(UrlKeys::load(path)?.verifying());
        }
        Ok(vec![draw(path)?])
    }

    /// These, newest first; at least one.
    pub fn of(keys: Vec<[u8; 32]>) -> UrlKeys {
        UrlKeys(Arc::new(RwLock::new(keys)))
    }

    fn keys(&self) -> RwLockReadGuard<'_, Vec<[u8; 32]>> {
        // It is replaced as a whole.
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the file once more; returns how many keys there are now. An error leaves them as they are.
    pub fn read_again(&self, path: &Path) -> Result<usize, FilesError> {
        Ok(self.replace(UrlKeys::load(path)?.verifying()))
    }

    /// Takes these from now on, unless there are none; returns how many keys there are.
    pub fn replace(&self, keys: Vec<[u8; 32]>) -> usize {
        let mut held = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if !keys.is_empty() {
            *held = keys;
        }
        held.len()
    }

    fn create(path: &Path) -> Result<UrlKeys, FilesError> {
        let key = draw(path)?;
        UrlKeys::write(path, &[key])?;
        Ok(UrlKeys::of(vec![key]))
    }

    /// Writes a file with these keys, newest first, that only its owner can read.
    pub fn write(path: &Path, keys: &[[u8; 32]]) -> Result<(), FilesError> {
        let mut text =
            String::from("# Keys that sign result addresses. The first signs, all verify.\n");
        for key in keys {
            text.push_str(&hex(key));
            text.push('\n');
        }
        let fresh = path.with_extension("new");
        let write = || -> std::io::Result<()> {
            let mut file = fs::OpenOptions::new()
                .write(true)
                .create(true)
                .truncate(true)
                .mode(0o600)
                .open(&fresh)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()?;
            fs::rename(&fresh, path)
        };
        write().map_err(FilesError::io("writing", path))
    }

    /// The key that signs.
    pub fn signing(&self) -> [u8; 32] {
        self.keys()[0]
    }

    /// Every key that verifies.
    pub fn verifying(&self) -> Vec<[u8; 32]> {
        self.keys().clone()
    }

    #[cfg(test)]
    pub fn from_keys(keys: &[[u8; 32]]) -> UrlKeys {
        UrlKeys::of(keys.to_vec())
    }
}

/// A new key from the random source of the operating system.
pub fn draw(path: &Path) -> Result<[u8; 32], FilesError> {
    let mut key = [0u8; 32];
    OsRng
        .try_fill_bytes(&mut key)
        .map_err(|error| FilesError::io("drawing a key for", path)(std::io::Error::other(error)))?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_private_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("url-keys");
        let made = UrlKeys::load(&path).unwrap();
        let read = UrlKeys::load(&path).unwrap();
        assert_eq!(made.signing(), read.signing());
        assert_eq!(
            fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(format!("{made:?}"), "UrlKeys(1 hidden)");
    }

    #[test]
    fn several_keys_are_read_in_order_and_broken_lines_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("url-keys");
        fs::write(
            &path,
            format!(
                "# newest first\n{}\n\n{}\n",
                "ab".repeat(32),
                "01".repeat(32)
            ),
        )
        .unwrap();
        let keys = UrlKeys::load(&path).unwrap();
        assert_eq!(keys.verifying(), [[0xab; 32], [1; 32]]);
        fs::write(&path, format!("{}\n", "cd".repeat(32))).unwrap();
        assert_eq!(keys.read_again(&path).unwrap(), 1);
        assert_eq!(keys.clone().signing(), [0xcd; 32]);
        fs::write(&path, format!("{}\nxyz\n", "ab".repeat(32))).unwrap();
        assert!(keys.read_again(&path).is_err());
        assert_eq!(keys.signing(), [0xcd; 32], "a broken file changes nothing");
        assert!(
            UrlKeys::load(&path)
                .unwrap_err()
                .to_string()
                .contains("url-keys:2: ")
        );
    }
}
