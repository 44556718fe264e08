//! Which photo, mask and sidecar belong together.

use std::collections::HashMap;

use super::index::{Index, Named, What, upwards};
use super::list::{Left, Listing};
use crate::config::Rules;
use crate::pairing::path::{join, split};
use crate::pairing::{
    FOR_ALL, Pattern, TEMPLATES, fold, photo_stem, sequence, sidecar_stem, template_size,
};

/// A photo with what may say what to remove from it. Relative paths.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pair {
    /// The photo.
    pub photo: String,
    /// Its own mask.
    pub mask: Option<String>,
    /// Its own sidecar; a mask wins over its prompts.
    pub sidecar: Option<String>,
    /// Another photo has the same mask or the same sidecar.
    pub twin: bool,
    /// The mask for its shot, or for all photos; it stays.
    pub common: Option<String>,
    /// Sidecars for its shot and for its folder, the nearest first; they stay.
    pub defaults: Vec<String>,
    /// Whether its shot has a mask, or a sidecar, of its own.
    pub of_shot: bool,
    /// The folder with masks by size.
    pub templates: Option<String>,
    /// Path of a mask that it could have.
    pub wanted: String,
    /// It is no file; nothing is needed to refuse it.
    pub refused: bool,
}

impl Pair {
    /// Relative paths of all its files.
    pub fn files(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.photo)
            .chain(&self.mask)
            .chain(&self.sidecar)
            .chain(&self.common)
            .chain(&self.defaults)
    }

    fn is_marked(&self) -> bool {
        self.mask.is_some()
            || self.sidecar.is_some()
            || self.common.is_some()
            || !self.defaults.is_empty()
            || self.templates.is_some()
    }
}

/// A photo that waits for its mask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    /// The photo.
    pub photo: String,
    /// Path of a mask that it could have.
    pub wanted: String,
}

/// What a look has shown.
#[derive(Debug, Default)]
pub struct Sorted {
    /// Photos with something that may say what to remove.
    pub pairs: Vec<Pair>,
    /// Photos without.
    pub waiting: Vec<Waiting>,
    /// Everything else.
    pub left: Left,
}

/// What marks a photo, as places in the index.
#[derive(Default)]
struct Marks {
    mask: Option<usize>,
    sidecar: Option<usize>,
    common: Option<usize>,
    defaults: Vec<usize>,
    of_shot: bool,
}

impl Marks {
    fn of(photo: &Named<'_>, index: &Index<'_>, rules: &Rules) -> Marks {
        let mut marks = Marks {
            sidecar: index.sidecar(&photo.dir, &photo.name, photo.stem),
            ..Marks::default()
        };
        // The order of the patterns decides between a photo's own mask and one for all.
        for pattern in &rules.pairing {
            let Some(found) = index.mask(pattern, &photo.dir, &photo.name, photo.stem) else {
                continue;
            };
            if !pattern.is_shared() {
                marks.mask = Some(found);
            } else if marks.common.is_none() {
                marks.common = Some(found);
                continue;
            }
            break;
        }
        if let Some((shot, _)) = sequence(photo.stem) {
            let key = fold(shot);
            let own = rules.pairing.iter().filter(|pattern| !pattern.is_shared());
            let mut found = own.map(|pattern| index.mask(pattern, &photo.dir, &key, shot));
            let mask = found.find_map(|mask| mask);
            let sidecar = index.sidecar(&photo.dir, &key, shot);
            marks.of_shot = mask.is_some() || sidecar.is_some();
            marks.common = mask.or(marks.common);
            marks.defaults.extend(sidecar);
        }
        let all = sidecar_stem(FOR_ALL).unwrap_or(FOR_ALL);
        let mut dirs = upwards(&photo.dir);
        marks
            .defaults
            .extend(dirs.find_map(|dir| index.sidecar(dir, all, all)));
        marks
    }

    /// A pair of the photo at this place; `users` counts the photos of which a file is the own mask or sidecar.
    fn pair(&self, at: usize, index: &Index<'_>, users: &[u32], rules: &Rules) -> Pair {
        let path = |at: usize| index.files[at].path.to_string();
        let file = &index.files[at];
        let (dir, _) = split(file.path);
        let wanted = rules.pairing.first();
        let wanted = wanted.map(|pattern| pattern.wanted(file.stem));
        // What is for the shot by its name, and another photo's own, is not for this one.
        let free = |at: &&usize| users[**at] == 0;
        let mut own = self.mask.iter().chain(&self.sidecar);
        Pair {
            photo: path(at),
            mask: self.mask.map(path),
            sidecar: self.sidecar.map(path),
            twin: own.any(|at| users[*at] > 1),
            common: self.common.as_ref().filter(free).map(|at| path(*at)),
            defaults: self
                .defaults
                .iter()
                .filter(free)
                .map(|at| path(*at))
                .collect(),
            of_shot: self.of_shot,
            wanted: wanted.map_or(String::new(), |wanted| join(dir, &wanted)),
            ..Pair::default()
        }
    }
}

/// Sorts what lies in a folder.
pub fn sort(listing: Listing, rules: &Rules) -> Sorted {
    let index = Index::of(&listing, rules);
    let photos = index.files.iter().enumerate();
    let photos: Vec<(usize, Marks)> = photos
        .filter(|(_, file)| file.what == What::Photo)
        .map(|(at, file)| (at, Marks::of(file, &index, rules)))
        .collect();
    let mut users = vec![0u32; index.files.len()];
    let mut stay = vec![false; index.files.len()];
    for (_, marks) in &photos {
        let own = marks.mask.iter().chain(&marks.sidecar);
        own.for_each(|at| users[*at] += 1);
        let common = marks.common.iter().chain(&marks.defaults);
        common.for_each(|at| stay[*at] = true);
    }
    let templates = templates(&index);
    let mut sorted = Sorted::default();
    for (at, marks) in photos {
        let mut pair = marks.pair(at, &index, &users, rules);
        pair.templates = upwards(&index.files[at].dir)
            .find_map(|dir| templates.get(join(dir, TEMPLATES).as_str()))
            .map(|dir| dir.to_string());
        pair.refused = !listing.files[at].regular;
        if pair.is_marked() || pair.refused {
            sorted.pairs.push(pair);
        } else {
            let Pair { photo, wanted, .. } = pair;
            sorted.waiting.push(Waiting { photo, wanted });
        }
    }
    sorted.left = listing.left.clone();
    for (at, file) in index.files.iter().enumerate() {
        if users[at] == 0 && !stay[at] {
            orphan(file, rules, &mut sorted.left);
        }
    }
    sorted
}

/// Folders with masks by size, by their folds.
fn templates<'a>(index: &'a Index<'a>) -> HashMap<&'a str, &'a str> {
    let is_one =
        |file: &&Named| file.what == What::Template && template_size(split(file.path).1).is_some();
    let files = index.files.iter().filter(is_one);
    files
        .map(|file| (file.dir.as_str(), split(file.path).0))
        .collect()
}

/// Tells of a mask or sidecar without a photo. What is for several photos waits for them.
fn orphan(file: &Named<'_>, rules: &Rules, left: &mut Left) {
    let shared = |pattern: &&Pattern| pattern.fits(&file.dir, &file.name, file.ending);
    let name = split(file.path).1;
    match file.what {
        What::Mask
            if !rules
                .pairing
                .iter()
                .find(shared)
                .is_some_and(Pattern::is_shared) =>
        {
            left.add(file.path, "a mask; its photo is not here");
        }
        What::Sidecar if fold(name) != FOR_ALL => {
            left.add(file.path, "a sidecar; its photo is not here");
        }
        What::Template if template_size(name).is_none() => {
            left.add(
                file.path,
                "a mask by size; its name is to be WIDTHxHEIGHT.png",
            );
        }
        _ => {}
    }
    debug_assert!(file.what == What::Sidecar || photo_stem(name).is_some());
}
