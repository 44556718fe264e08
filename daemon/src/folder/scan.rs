//! One look at a watched folder: photos, masks and sidecars, and how long each has been unchanged.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use super::take::Stamp;
use crate::config::Rules;
use crate::pairing::{is_ignored, photo_stem};

/// Most entries of one look; more are seen once these are done.
const ENTRIES_MAX: usize = 200_000;

/// Files of a watched folder by relative path.
pub type Listing = BTreeMap<String, Stamp>;

/// Lists what may be a photo, a mask or a sidecar. Folders are not entered but for those of the pairing patterns.
pub fn list(root: &Path, rules: &Rules) -> io::Result<Listing> {
    let mut listing = Listing::new();
    list_dir(root, "", rules, &mut listing)?;
    let mut dirs: Vec<&str> = rules
        .pairing
        .iter()
        .filter_map(|pattern| pattern.dir())
        .collect();
    dirs.sort_unstable();
    dirs.dedup();
    for dir in dirs {
        // A link to a folder is not a folder here.
        if root
            .join(dir)
            .symlink_metadata()
            .is_ok_and(|meta| meta.is_dir())
        {
            list_dir(&root.join(dir), &format!("{dir}/"), rules, &mut listing)?;
        }
    }
    Ok(listing)
}

fn list_dir(dir: &Path, prefix: &str, rules: &Rules, listing: &mut Listing) -> io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let wanted = photo_stem(&name).is_some() || (prefix.is_empty() && name.ends_with(".json"));
        if !wanted || is_ignored(&name, &rules.ignore) || listing.len() >= ENTRIES_MAX {
            continue;
        }
        match entry.metadata() {
            // A folder named like a photo is somebody's folder.
            Ok(meta) if meta.is_dir() => {}
            Ok(_) => {
                if let Ok(stamp) = Stamp::of(&entry.path()) {
                    listing.insert(format!("{prefix}{name}"), stamp);
                }
            }
            // It was moved away meanwhile.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// What looking into a file that holds still has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It decodes, or is wrong in a way that waiting does not mend.
    Ready,
    /// It does not decode: half written, or broken.
    Incomplete,
}

struct Track {
    stamp: Stamp,
    since: Instant,
    verdict: Option<Verdict>,
    told: bool,
}

/// Memory of earlier looks.
#[derive(Default)]
pub struct Tracker(HashMap<String, Track>);

impl Tracker {
    /// Takes a new look: files that changed start anew, files that are gone are forgotten. With `aged`, the age of a new
    /// file counts as time without change.
    pub fn update(&mut self, listing: &Listing, now: Instant, aged: bool) {
        self.0.retain(|path, _| listing.contains_key(path));
        for (path, stamp) in listing {
            match self.0.get_mut(path) {
                Some(track) if track.stamp == *stamp => {}
                Some(track) => {
                    *track = Track {
                        stamp: *stamp,
                        since: now,
                        verdict: None,
                        told: track.told,
                    }
                }
                None => {
                    let since = if aged {
                        now.checked_sub(stamp.age()).unwrap_or(now)
                    } else {
                        now
                    };
                    self.0.insert(
                        path.clone(),
                        Track {
                            stamp: *stamp,
                            since,
                            verdict: None,
                            told: false,
                        },
                    );
                }
            }
        }
    }

    /// An event says that the file was touched.
    pub fn touch(&mut self, path: &str, now: Instant) {
        if let Some(track) = self.0.get_mut(path) {
            (track.since, track.verdict) = (now, None);
        }
    }

    /// How long a file has been unchanged.
    pub fn quiet(&self, path: &str, now: Instant) -> Duration {
        self.0.get(path).map_or(Duration::ZERO, |track| {
            now.saturating_duration_since(track.since)
        })
    }

    /// How the file looked last.
    pub fn stamp(&self, path: &str) -> Option<Stamp> {
        self.0.get(path).map(|track| track.stamp)
    }

    /// What is known of its content, found out once per state of the file.
    pub fn verdict(&mut self, path: &str, look: impl FnOnce() -> Verdict) -> Verdict {
        match self.0.get_mut(path) {
            Some(track) => *track.verdict.get_or_insert_with(look),
            None => Verdict::Incomplete,
        }
    }

    /// True once per file: for log lines.
    pub fn tell_once(&mut self, path: &str) -> bool {
        self.0
            .get_mut(path)
            .is_some_and(|track| !std::mem::replace(&mut track.told, true))
    }
}

/// A photo with what says what to remove from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// Name of the photo.
    pub photo: String,
    /// Its name without ending.
    pub stem: String,
    /// Relative path of its mask.
    pub mask: Option<String>,
    /// Whether the mask serves other photos too.
    pub shared: bool,
    /// Name of its sidecar; a mask wins over it.
    pub sidecar: Option<String>,
}

impl Pair {
    /// A photo that is no file and needs no mask to be refused.
    pub fn alone(photo: &str) -> Pair {
        let stem = photo_stem(photo).unwrap_or(photo).to_string();
        Pair {
            photo: photo.to_string(),
            stem,
            mask: None,
            shared: false,
            sidecar: None,
        }
    }

    /// Relative paths of all its files.
    pub fn files(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.photo)
            .chain(&self.mask)
            .chain(&self.sidecar)
    }
}

/// Pairs, and photos that wait for a mask.
pub fn pair(listing: &Listing, rules: &Rules) -> (Vec<Pair>, Vec<String>) {
    let (mut pairs, mut waiting) = (Vec::new(), Vec::new());
    for path in listing.keys() {
        let Some(stem) = photo_stem(path) else {
            continue;
        };
        if path.contains('/') || rules.pairing.iter().any(|pattern| pattern.fits(path)) {
            continue;
        }
        let found = rules
            .pairing
            .iter()
            .find(|pattern| listing.contains_key(&pattern.mask_of(stem)));
        let (own, common) = match found {
            Some(pattern) if !pattern.is_shared() => (Some(pattern), None),
            other => (None, other),
        };
        let sidecar = Some(format!("{stem}.json")).filter(|name| listing.contains_key(name));
        // The photo's own mask, then its own sidecar, then the mask for all.
        let common = common.filter(|_| sidecar.is_none());
        if let Some(pattern) = own.or(common) {
            let (mask, shared) = (Some(pattern.mask_of(stem)), pattern.is_shared());
            pairs.push(Pair {
                photo: path.clone(),
                stem: stem.to_string(),
                mask,
                shared,
                sidecar,
            });
        } else if sidecar.is_some() {
            pairs.push(Pair {
                photo: path.clone(),
                stem: stem.to_string(),
                mask: None,
                shared: false,
                sidecar,
            });
        } else {
            waiting.push(path.clone());
        }
    }
    (pairs, waiting)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pairing::Pattern;

    fn rules() -> Rules {
        let pairing = [
            "{stem}_mask.png",
            "{stem}.mask.png",
            "masks/{stem}.png",
            "_mask.png",
        ];
        Rules {
            pipeline: None,
            format: None,
            mask_channel: Default::default(),
            pairing: pairing
                .iter()
                .map(|text| Pattern::parse(text).unwrap())
                .collect(),
            ignore: vec!["draft*".to_string()],
            settle: Duration::from_millis(100),
            incomplete_max: Duration::from_secs(1),
            mask_wait: Duration::from_secs(1),
            scan: Duration::from_secs(300),
            poll: None,
            in_flight_max: 1,
        }
    }

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for file in files {
            let path = dir.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, file).unwrap();
        }
        dir
    }

    #[test]
    fn photos_find_their_masks_in_order() {
        let dir = folder(&[
            "a.jpg",
            "a_mask.png",
            "a.mask.png",
            "b.PNG",
            "masks/b.png",
            "c.webp",
            "c.json",
            "d.png",
            "e.txt",
            ".f.png",
            "draft.png",
            "done/g.png",
        ]);
        let listing = list(dir.path(), &rules()).unwrap();
        let (pairs, waiting) = pair(&listing, &rules());
        let found: Vec<_> = pairs
            .iter()
            .map(|p| {
                (
                    p.photo.as_str(),
                    p.mask.as_deref(),
                    p.sidecar.as_deref(),
                    p.shared,
                )
            })
            .collect();
        assert_eq!(
            found,
            [
                ("a.jpg", Some("a_mask.png"), None, false),
                ("b.PNG", Some("masks/b.png"), None, false),
                ("c.webp", None, Some("c.json"), false)
            ]
        );
        assert_eq!(waiting, ["d.png"]);

        std::fs::write(dir.path().join("_mask.png"), b"x").unwrap();
        let (pairs, waiting) = pair(&list(dir.path(), &rules()).unwrap(), &rules());
        assert!(waiting.is_empty() && pairs.iter().any(|p| p.photo == "d.png" && p.shared));
        assert!(
            pairs
                .iter()
                .any(|p| p.photo == "c.webp" && p.mask.is_none()),
            "a photo's own sidecar stands over the mask for all"
        );
    }

    #[test]
    fn a_file_is_quiet_from_its_last_change_on() {
        let dir = folder(&["a.png"]);
        let (mut tracker, start) = (Tracker::default(), Instant::now());
        let look = |tracker: &mut Tracker, at: u64| {
            let now = start + Duration::from_millis(at);
            tracker.update(&list(dir.path(), &rules()).unwrap(), now, false);
            tracker.quiet("a.png", now).as_millis()
        };
        assert_eq!((look(&mut tracker, 0), look(&mut tracker, 500)), (0, 500));
        assert_eq!(
            tracker.verdict("a.png", || Verdict::Incomplete),
            Verdict::Incomplete
        );
        assert_eq!(
            tracker.verdict("a.png", || Verdict::Ready),
            Verdict::Incomplete,
            "one state of a file is looked into once"
        );
        std::fs::write(dir.path().join("a.png"), b"longer than before").unwrap();
        assert_eq!((look(&mut tracker, 600), look(&mut tracker, 700)), (0, 100));
        assert_eq!(tracker.verdict("a.png", || Verdict::Ready), Verdict::Ready);
        tracker.touch("a.png", start + Duration::from_millis(750));
        assert_eq!(look(&mut tracker, 800), 50);
        assert!(tracker.tell_once("a.png") && !tracker.tell_once("a.png"));
        std::fs::remove_file(dir.path().join("a.png")).unwrap();
        assert_eq!(look(&mut tracker, 900), 0);
    }
}
