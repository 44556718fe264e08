//! Folders within a watched one, held open while something is done in them. Whoever may drop files may also put a link in the
//! place of a folder, between a look at it and a move out of it: by its handle a folder stays the one that was looked at.

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
use rustix::io::Errno;

use super::take::{self, Stamp, TakeError};
use crate::pairing::path::{os, split};

/// Where the handles of this process are reached by path: on Linux. Elsewhere a moment remains between look and use.
const HANDLES: &str = "/proc/self/fd";

/// How folders are opened: for what lies in them, not to be listed, and never by a link.
fn flags() -> OFlags {
    let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    #[cfg(target_os = "linux")]
    return flags | OFlags::PATH;
    #[cfg(not(target_os = "linux"))]
    return flags;
}

/// A folder that is held.
#[derive(Debug)]
pub struct HeldFolder {
    handle: OwnedFd,
    place: PathBuf,
}

impl HeldFolder {
    /// The path by which what is in it is reached, as long as it is held.
    pub fn path(&self) -> PathBuf {
        let path = Path::new(HANDLES).join(self.handle.as_raw_fd().to_string());
        match cfg!(target_os = "linux") && path.symlink_metadata().is_ok() {
            true => path,
            false => self.place.clone(),
        }
    }

    /// The place of something in it.
    pub fn at(&self, name: &str) -> PathBuf {
        self.path().join(os(name))
    }
}

/// The folder of a relative path within `root`. A link in place of one of them is an error.
pub fn within(root: &Path, relative: &str) -> io::Result<HeldFolder> {
    descend(root, relative, |_, _| Ok(()))
}

/// The same; folders that are missing are made.
pub fn made_within(root: &Path, relative: &str) -> io::Result<HeldFolder> {
    descend(root, relative, |above, name| {
        match mkdirat(above, name, Mode::from_raw_mode(0o777)) {
            Err(Errno::EXIST) => Ok(()),
            other => other.map_err(io::Error::from),
        }
    })
}

fn descend(
    root: &Path,
    relative: &str,
    before: impl Fn(&OwnedFd, &Path) -> io::Result<()>,
) -> io::Result<HeldFolder> {
    // The watched folder itself may be a link: the administrator named it.
    let mut handle = openat(CWD, root, flags() - OFlags::NOFOLLOW, Mode::empty())?;
    let mut at = root.to_path_buf();
    for part in relative.split('/').filter(|part| !part.is_empty()) {
        if part == "." || part == ".." {
            let text = format!("{relative:?} leads out of {}", root.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        let name = PathBuf::from(os(part));
        at.push(&name);
        before(&handle, &name)?;
        handle = openat(&handle, &name, flags(), Mode::empty()).map_err(|error| match error {
            Errno::NOTDIR | Errno::LOOP => {
                let text = format!("{} is no folder", at.display());
                io::Error::new(io::ErrorKind::NotADirectory, text)
            }
            other => other.into(),
        })?;
    }
    Ok(HeldFolder { handle, place: at })
}

/// How a file looks by its relative path.
pub fn stamp(root: &Path, relative: &str) -> io::Result<Stamp> {
    let (dir, name) = split(relative);
    Stamp::of(&within(root, dir)?.at(name))
}

/// Bytes of a regular file by its relative path, and how it looked once they were read.
pub fn read(root: &Path, relative: &str, bytes_max: u64) -> Result<(Vec<u8>, Stamp), TakeError> {
    let (dir, name) = split(relative);
    take::read(&within(root, dir)?.at(name), bytes_max)
}

/// Moves a file by its relative path to where nothing is.
pub fn move_out(root: &Path, relative: &str, to: &Path) -> io::Result<()> {
    let (dir, name) = split(relative);
    take::move_new(&within(root, dir)?.at(name), to)
}

/// Moves what lies at `from` to a relative path where nothing is; folders that are missing are made.
pub fn move_in(from: &Path, root: &Path, relative: &str) -> io::Result<()> {
    let (dir, name) = split(relative);
    take::move_new(from, &made_within(root, dir)?.at(name))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn folders_are_made_but_links_are_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        fs::create_dir(&root).unwrap();
        let made = |relative: &str| made_within(&root, relative);
        assert!(made("").is_ok() && made("a/b").unwrap().path().is_dir() && made("a/b").is_ok());
        assert!(root.join("a/b").is_dir());
        std::os::unix::fs::symlink(dir.path(), root.join("out")).unwrap();
        let refused = made("out/c").unwrap_err();
        assert!(
            refused.to_string().ends_with("root/out is no folder"),
            "{refused}"
        );
        assert!(!dir.path().join("c").exists());
        for out in ["..", "../c", "a/../../c", "a/./c"] {
            assert!(made(out).is_err() && within(&root, out).is_err(), "{out}");
        }
        assert!(!dir.path().join("c").exists() && !root.join("a/c").exists());
        assert!(within(&root, "a/b").is_ok() && within(&root, "out").is_err());
        let missing = within(&root, "a/none").unwrap_err();
        assert_eq!(missing.kind(), io::ErrorKind::NotFound);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_link_that_takes_the_place_of_a_folder_changes_nothing_for_who_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let (root, elsewhere) = (dir.path().join("root"), dir.path().join("elsewhere"));
        for (place, text) in [(root.join("sub"), "dropped"), (elsewhere.clone(), "secret")] {
            fs::create_dir_all(&place).unwrap();
            fs::write(place.join("a.png"), text).unwrap();
        }
        let held = within(&root, "sub").unwrap();
        fs::rename(root.join("sub"), root.join("away")).unwrap();
        std::os::unix::fs::symlink(&elsewhere, root.join("sub")).unwrap();
        assert_eq!(take::read(&held.at("a.png"), 10).unwrap().0, b"dropped");
        take::move_new(&held.at("a.png"), &root.join("taken")).unwrap();
        take::put(&held.path(), "b.png", b"result").unwrap();
        assert_eq!(fs::read(root.join("taken")).unwrap(), b"dropped");
        assert_eq!(fs::read(root.join("away/b.png")).unwrap(), b"result");
        assert_eq!(fs::read(elsewhere.join("a.png")).unwrap(), b"secret");
        assert!(!elsewhere.join("b.png").exists());
        // And who comes now is refused.
        assert!(stamp(&root, "sub/a.png").is_err() && read(&root, "sub/a.png", 10).is_err());
        assert!(move_out(&root, "sub/a.png", &root.join("other")).is_err());
        assert!(move_in(&root.join("taken"), &root, "sub/c.png").is_err());
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 1);
    }
}
