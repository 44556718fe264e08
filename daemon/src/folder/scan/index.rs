//! Files found by their names as people mean them.

use std::collections::HashMap;

use super::list::Listing;
use crate::config::Rules;
use crate::pairing::path::{ending, join, split};
use crate::pairing::{Pattern, TEMPLATES, fold, sidecar_stem};

/// What a file is, by its name.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// A photo.
    Photo,
    /// A mask by one of the patterns.
    Mask,
    /// A mask by size.
    Template,
    /// A sidecar.
    Sidecar,
}

/// A file under its folds.
pub struct Named<'a> {
    /// Relative path, as written.
    pub path: &'a str,
    /// Fold of its folder.
    pub dir: String,
    /// Fold of its name without ending.
    pub name: String,
    /// The same as written.
    pub stem: &'a str,
    /// Ending, as written.
    pub ending: &'a str,
    /// By its name.
    pub what: What,
}

impl<'a> Named<'a> {
    fn of(path: &'a str, rules: &Rules) -> Named<'a> {
        let (dir, file) = split(path);
        let (stem, ending) = ending(file);
        let (dir, name) = (fold(dir), fold(stem));
        let fits = |pattern: &Pattern| pattern.fits(&dir, &name, ending);
        let what = if sidecar_stem(file).is_some() {
            What::Sidecar
        } else if dir == TEMPLATES || dir.ends_with(&format!("/{TEMPLATES}")) {
            What::Template
        } else if rules.pairing.iter().any(fits) {
            What::Mask
        } else {
            What::Photo
        };
        Named {
            path,
            dir,
            name,
            stem,
            ending,
            what,
        }
    }
}

/// All files by folds.
pub struct Index<'a> {
    /// In the order of the listing.
    pub files: Vec<Named<'a>>,
    places: HashMap<String, Vec<usize>>,
}

impl<'a> Index<'a> {
    /// Files of a listing.
    pub fn of(listing: &'a Listing, rules: &Rules) -> Index<'a> {
        let files: Vec<Named> = listing
            .files
            .iter()
            .map(|file| Named::of(&file.path, rules))
            .collect();
        let mut places: HashMap<String, Vec<usize>> = HashMap::with_capacity(files.len());
        for (at, file) in files.iter().enumerate() {
            places
                .entry(join(&file.dir, &file.name))
                .or_default()
                .push(at);
        }
        Index { files, places }
    }

    /// The file of this kind and name, by preference one that is written just so, then a PNG.
    fn find(
        &self,
        what: What,
        dir: &str,
        name: &str,
        written: &str,
        takes: impl Fn(&str) -> bool,
    ) -> Option<usize> {
        let there = self.places.get(&join(dir, name))?;
        let fits = |at: &&usize| self.files[**at].what == what && takes(self.files[**at].ending);
        let rank = |at: &&usize| {
            let file = &self.files[**at];
            (
                file.stem != written,
                !file.ending.eq_ignore_ascii_case("png"),
            )
        };
        there.iter().filter(fits).min_by_key(rank).copied()
    }

    /// The sidecar of this name.
    pub fn sidecar(&self, dir: &str, name: &str, written: &str) -> Option<usize> {
        self.find(What::Sidecar, dir, name, written, |_| true)
    }

    /// The mask that a pattern names for a photo, or for a shot, of a folder.
    pub fn mask(&self, pattern: &Pattern, dir: &str, name: &str, written: &str) -> Option<usize> {
        let key = pattern.key(name);
        let look = |dir: &str| {
            let takes = |ending: &str| pattern.takes(ending);
            self.find(What::Mask, dir, &key, &pattern.name(written), takes)
        };
        let Some(own) = pattern.dir() else {
            return if pattern.is_shared() {
                upwards(dir).find_map(look)
            } else {
                look(dir)
            };
        };
        // Beside the photo, or further up in folders named like the photo's.
        upwards(dir).find_map(|over| {
            let rest = dir[over.len()..].trim_start_matches('/');
            let masks = join(over, own);
            let mirrored = if rest.is_empty() || pattern.is_shared() {
                masks
            } else {
                join(&masks, rest)
            };
            look(&mirrored)
        })
    }
}

/// A folder and those it lies in, up to the watched one.
pub fn upwards(dir: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(dir), |dir| (!dir.is_empty()).then(|| split(dir).0))
}
