//! One look at a watched folder and the folders in it: names only, no file is touched.

use std::fs::{DirEntry, FileType};
use std::io;
use std::path::Path;

use cleanplate_api::FolderFile;

use crate::config::Rules;
use crate::pairing::path::{join, place, shown, split, text};
use crate::pairing::{TEMPLATES, fold, is_ignored, is_own, natural, photo_stem, sidecar_stem};

/// Most entries of one look; more are seen once these are done.
const ENTRIES_MAX: usize = 200_000;
/// Names of files left where they are that are kept; the others are counted.
pub const NAMES_MAX: usize = 100;

/// A file that may be a photo, a mask or a sidecar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Relative path.
    pub path: String,
    /// Whether it is a regular file: no link, pipe or device.
    pub regular: bool,
}

/// Files that stay where they are, and why.
#[derive(Debug, Clone, Default)]
pub struct Left {
    /// The first of them.
    pub first: Vec<FolderFile>,
    /// All of them.
    pub count: u64,
}

impl Left {
    /// Notes one.
    pub fn add(&mut self, path: &str, why: impl Into<String>) {
        self.count += 1;
        if self.first.len() < NAMES_MAX {
            self.first.push(FolderFile {
                name: shown(path),
                why: why.into(),
            });
        }
    }

    /// Notes several. Of those that are only counted, nothing is worked out: there may be a hundred thousand.
    pub fn add_all(&mut self, files: impl ExactSizeIterator<Item = FolderFile>) {
        self.count += files.len() as u64;
        let room = NAMES_MAX.saturating_sub(self.first.len());
        self.first.extend(files.take(room));
    }
}

/// What lies in a watched folder.
#[derive(Debug, Default)]
pub struct Listing {
    /// Files that may be taken, in the order of people: numbers count as numbers.
    pub files: Vec<File>,
    /// Folders that were looked into; the watched one itself is empty.
    pub dirs: Vec<String>,
    /// What is none of them.
    pub left: Left,
}

/// Lists the folder and those in it, as deep as the rules say.
pub fn list(root: &Path, rules: &Rules) -> io::Result<Listing> {
    let mut listing = Listing::default();
    let mut todo = vec![String::new()];
    while let Some(dir) = todo.pop() {
        match listing.read(root, &dir, rules) {
            Ok(folders) => todo.extend(folders),
            Err(error) if dir.is_empty() => return Err(error),
            // It was taken away meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => listing
                .left
                .add(&dir, format!("cannot be looked into: {error}")),
        }
        listing.dirs.push(dir);
    }
    listing.files.sort_by(|a, b| natural(&a.path, &b.path));
    Ok(listing)
}

impl Listing {
    /// Reads one folder and returns those in it that are to be read.
    fn read(&mut self, root: &Path, dir: &str, rules: &Rules) -> io::Result<Vec<String>> {
        let mut folders = Vec::new();
        for entry in std::fs::read_dir(place(root, dir))? {
            let entry = entry?;
            let name = text(&entry.file_name());
            if is_ignored(&name, &rules.ignore) || (dir.is_empty() && is_own(&name)) {
                continue;
            }
            let path = join(dir, &name);
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.folder(path, rules, &mut folders),
                Ok(kind) => self.file(path, &name, kind, &entry),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(folders)
    }

    fn folder(&mut self, path: String, rules: &Rules, folders: &mut Vec<String>) {
        let max = rules.subfolder_depth_max;
        if depth(&path, rules) <= max {
            folders.push(path);
        } else if max == 0 {
            self.left.add(&path, "a folder; `subfolder_depth_max` is 0");
        } else {
            let why = format!("a folder deeper than `subfolder_depth_max`, {max}");
            self.left.add(&path, why);
        }
    }

    fn file(&mut self, path: String, name: &str, kind: FileType, entry: &DirEntry) {
        if photo_stem(name).is_none() && sidecar_stem(name).is_none() {
            let is_dir = kind.is_symlink() && entry.path().is_dir();
            let why = if is_dir {
                "a link to a folder; links are not followed".to_string()
            } else {
                format!(
                    "not of a type that is read: {}",
                    cleanplate_pictures::ACCEPTED
                )
            };
            self.left.add(&path, why);
        } else if self.files.len() >= ENTRIES_MAX {
            let why = format!("more than {ENTRIES_MAX} files; seen once others are done");
            self.left.add(&path, why);
        } else {
            let regular = kind.is_file();
            self.files.push(File { path, regular });
        }
    }
}

/// How deep the photos beside which this folder's files count lie: folders for masks do not count.
fn depth(path: &str, rules: &Rules) -> usize {
    let (over, by_size) = split(TEMPLATES);
    let parts: Vec<String> = path.split('/').map(fold).collect();
    let is_template = |at: usize| at > 0 && parts[at] == by_size && parts[at - 1] == over;
    let masks = |part: &String| {
        *part == over
            || rules
                .pairing
                .iter()
                .filter_map(|pattern| pattern.dir())
                .any(|dir| dir == part)
    };
    (0..parts.len())
        .filter(|at| !masks(&parts[*at]) && !is_template(*at))
        .count()
}

#[cfg(test)]
mod tests {
    use super::super::tests::{folder, rules};
    use super::*;

    fn why<'a>(listing: &'a Listing, name: &str) -> &'a str {
        let found = listing.left.first.iter().find(|file| file.name == name);
        found.map_or("", |file| &file.why)
    }

    #[test]
    fn files_that_are_only_counted_cost_nothing_else() {
        let mut left = Left::default();
        left.add("first.png", "why");
        let told = std::cell::Cell::new(0);
        left.add_all((0..5000).map(|number| {
            told.set(told.get() + 1);
            FolderFile {
                name: number.to_string(),
                why: String::new(),
            }
        }));
        left.add("last.png", "why");
        assert_eq!((told.get(), left.first.len()), (NAMES_MAX - 1, NAMES_MAX));
        assert_eq!((left.count, &*left.first[1].name), (5002, "0"));
    }

    #[test]
    fn everything_that_lies_there_is_listed_or_told() {
        let dir = folder(&[
            "a.jpg",
            "a.gif",
            "notes.txt",
            ".hidden.png",
            "draft.png",
            "Thumbs.db",
            "done/b.png",
            "masks/a.png",
            "masks/by-size/4x3.png",
            "one/c.png",
            "one/two/d.png",
            "one/two/masks/d.png",
            "one/two/three/e.png",
            "one/done/f.png",
            "x.png/g.png",
        ]);
        std::os::unix::fs::symlink(dir.path().join("one"), dir.path().join("loop")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link.png")).unwrap();
        let mut rules = rules();
        rules.subfolder_depth_max = 2;
        let listing = list(dir.path(), &rules).unwrap();
        let paths: Vec<(&str, bool)> = listing
            .files
            .iter()
            .map(|f| (f.path.as_str(), f.regular))
            .collect();
        assert_eq!(
            paths,
            [
                ("a.jpg", true),
                ("link.png", false),
                ("masks/a.png", true),
                ("masks/by-size/4x3.png", true),
                ("one/c.png", true),
                ("one/done/f.png", true),
                ("one/two/d.png", true),
                ("one/two/masks/d.png", true),
                ("x.png/g.png", true),
            ]
        );
        assert!(
            why(&listing, "a.gif").contains("JPEG") && why(&listing, "notes.txt").contains("type")
        );
        assert!(why(&listing, "one/two/three").contains("deeper"));
        assert!(why(&listing, "loop").contains("link to a folder"));
        assert_eq!(listing.left.count, 4);
        rules.subfolder_depth_max = 0;
        let listing = list(dir.path(), &rules).unwrap();
        let paths: Vec<&str> = listing.files.iter().map(|f| f.path.as_str()).collect();
        assert_eq!(
            paths,
            ["a.jpg", "link.png", "masks/a.png", "masks/by-size/4x3.png"]
        );
        assert!(why(&listing, "one").contains("subfolder_depth_max"));
    }
}
