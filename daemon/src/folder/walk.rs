//! Everything below a folder, one open folder at a time however deep it goes.

use std::fs::{self, DirEntry, ReadDir};
use std::io;
use std::path::{Path, PathBuf};

use crate::pairing::path::{join, place, text};

/// A file or folder below another.
pub struct Below {
    /// Relative path of the folder that it lies in.
    pub dir: String,
    /// Its name.
    pub name: String,
    /// Whether it is a folder; what is in it comes later.
    pub is_dir: bool,
    /// The entry itself.
    pub entry: DirEntry,
}

/// Files and folders below a folder, in no order. Folders that are gone are empty, links are not followed; the error of one
/// that cannot be read names it.
pub struct Walk {
    root: PathBuf,
    todo: Vec<String>,
    open: Option<(String, ReadDir)>,
}

impl Walk {
    /// Below this folder.
    pub fn new(root: &Path) -> Walk {
        Walk {
            root: root.to_path_buf(),
            todo: vec![String::new()],
            open: None,
        }
    }

    fn named(&self, dir: &str, error: &io::Error) -> io::Error {
        let path = place(&self.root, dir);
        io::Error::new(error.kind(), format!("{}: {error}", path.display()))
    }

    fn below(&mut self, dir: &str, entry: DirEntry) -> io::Result<Below> {
        let name = text(&entry.file_name());
        let is_dir = entry.file_type()?.is_dir();
        if is_dir {
            self.todo.push(join(dir, &name));
        }
        Ok(Below {
            dir: dir.to_string(),
            name,
            is_dir,
            entry,
        })
    }
}

impl Iterator for Walk {
    type Item = io::Result<Below>;

    fn next(&mut self) -> Option<io::Result<Below>> {
        loop {
            if let Some((dir, mut listed)) = self.open.take()
                && let Some(entry) = listed.next()
            {
                let below = entry.and_then(|entry| self.below(&dir, entry));
                let below = below.map_err(|error| self.named(&dir, &error));
                self.open = Some((dir, listed));
                return Some(below);
            }
            let dir = self.todo.pop()?;
            match fs::read_dir(place(&self.root, &dir)) {
                Ok(listed) => self.open = Some((dir, listed)),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Some(Err(self.named(&dir, &error))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_walk_holds_one_folder_open_and_comes_by_everything() {
        let dir = tempfile::tempdir().unwrap();
        let deep = "a/".repeat(200) + "end";
        fs::create_dir_all(dir.path().join(&deep)).unwrap();
        fs::write(dir.path().join(&deep).join("x"), b"x").unwrap();
        fs::write(dir.path().join("y"), b"y").unwrap();
        std::os::unix::fs::symlink(dir.path(), dir.path().join("loop")).unwrap();
        let open = || {
            let own = fs::read_dir("/proc/self/fd").unwrap().flatten();
            own.filter(|fd| fs::read_link(fd.path()).is_ok_and(|to| to.starts_with(dir.path())))
                .count()
        };
        let mut found = Vec::new();
        for below in Walk::new(dir.path()) {
            let below = below.unwrap();
            assert!(open() <= 1, "{}", open());
            if !below.is_dir {
                found.push(join(&below.dir, &below.name));
            }
        }
        found.sort();
        assert_eq!(found, [format!("{deep}/x"), "loop".into(), "y".into()]);
        assert!(Walk::new(&dir.path().join("none")).next().is_none());
        let error = Walk::new(&dir.path().join("y")).next().unwrap();
        assert!(error.is_err_and(|error| error.to_string().contains("/y: ")));
    }
}
