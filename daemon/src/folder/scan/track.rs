//! How long each file has been unchanged, and what looking into it has shown.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant};

use super::super::take::Stamp;
use super::list::Listing;

/// What looking into a file that holds still has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It decodes, or is wrong in a way that waiting does not mend.
    Ready,
    /// It does not decode: half written, or broken.
    Incomplete,
}

/// The size of a photo as displayed; none of one that is broken.
pub type PhotoSize = Option<(u32, u32)>;

struct Track {
    stamp: Stamp,
    since: Instant,
    verdict: Option<Verdict>,
    /// Of a photo, once it was asked for.
    size: Option<PhotoSize>,
}

/// Memory of earlier looks.
#[derive(Default)]
pub struct Tracker(HashMap<String, Track>);

impl Tracker {
    /// Forgets files that are gone.
    pub fn retain(&mut self, listing: &Listing) {
        if self.0.is_empty() {
            return;
        }
        let there: HashSet<&str> = listing.files.iter().map(|file| &*file.path).collect();
        self.0.retain(|path, _| there.contains(path.as_str()));
    }

    /// Notes how a file looks; one that changed starts anew. With `aged`, the age of a new file counts as time without
    /// change. Returns how long it has been unchanged.
    pub fn see(&mut self, path: &str, stamp: Stamp, now: Instant, aged: bool) -> Duration {
        let fresh = |since| Track {
            stamp,
            since,
            verdict: None,
            size: None,
        };
        match self.0.get_mut(path) {
            Some(track) if track.stamp == stamp => {}
            Some(track) => *track = fresh(now),
            None => {
                let age = if aged { stamp.age() } else { Duration::ZERO };
                let since = now.checked_sub(age).unwrap_or(now);
                self.0.insert(path.to_string(), fresh(since));
            }
        }
        self.quiet(path, now)
    }

    /// An event says that the file was touched.
    pub fn touch(&mut self, path: &str, now: Instant) {
        if let Some(track) = self.0.get_mut(path) {
            (track.since, track.verdict, track.size) = (now, None, None);
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

    /// The size of a photo, found out once per state of the file: a photo that waits for a mask of its size is seen at each listing.
    pub fn size(
        &mut self,
        path: &str,
        look: impl FnOnce() -> Result<PhotoSize, String>,
    ) -> Result<PhotoSize, String> {
        let track = self.0.get_mut(path);
        if let Some(size) = track.as_ref().and_then(|track| track.size) {
            return Ok(size);
        }
        let found = look()?;
        if let Some(track) = track {
            track.size = Some(found);
        }
        Ok(found)
    }

    /// What is known of its content, found out once per state of the file.
    pub fn verdict(&mut self, path: &str, look: impl FnOnce() -> Verdict) -> Verdict {
        match self.0.get_mut(path) {
            Some(track) => *track.verdict.get_or_insert_with(look),
            None => Verdict::Incomplete,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::list;
    use super::super::tests::{folder, rules};
    use super::*;

    #[test]
    fn a_file_is_quiet_from_its_last_change_on() {
        let dir = folder(&["a.png"]);
        let path = dir.path().join("a.png");
        let (mut tracker, start) = (Tracker::default(), Instant::now());
        let look = |tracker: &mut Tracker, at: u64| {
            let now = start + Duration::from_millis(at);
            tracker
                .see("a.png", Stamp::of(&path).unwrap(), now, false)
                .as_millis()
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
        let size = |tracker: &mut Tracker, width: u32| {
            tracker.size("a.png", || Ok(Some((width, 1)))).unwrap()
        };
        assert!(tracker.size("a.png", || Err(String::new())).is_err());
        assert_eq!(size(&mut tracker, 1), Some((1, 1)));
        assert_eq!(size(&mut tracker, 2), Some((1, 1)), "read once");
        std::fs::write(&path, b"longer than before").unwrap();
        assert_eq!((look(&mut tracker, 600), look(&mut tracker, 700)), (0, 100));
        assert_eq!(tracker.verdict("a.png", || Verdict::Ready), Verdict::Ready);
        assert_eq!(size(&mut tracker, 3), Some((3, 1)), "another state");
        tracker.touch("a.png", start + Duration::from_millis(750));
        assert_eq!(size(&mut tracker, 4), Some((4, 1)), "touched");
        assert_eq!(look(&mut tracker, 800), 50);
        tracker.retain(&list(dir.path(), &rules()).unwrap());
        assert!(tracker.stamp("a.png").is_some());
        std::fs::remove_file(&path).unwrap();
        tracker.retain(&list(dir.path(), &rules()).unwrap());
        assert_eq!(tracker.stamp("a.png"), None);
    }

    #[test]
    fn the_age_of_a_file_counts_where_nothing_came_before() {
        let dir = folder(&["a.png"]);
        let file = std::fs::File::open(dir.path().join("a.png")).unwrap();
        file.set_modified(std::time::SystemTime::now() - Duration::from_secs(60))
            .unwrap();
        let stamp = Stamp::of(&dir.path().join("a.png")).unwrap();
        let now = Instant::now() + Duration::from_secs(100);
        assert!(Tracker::default().see("a.png", stamp, now, true) >= Duration::from_secs(60));
        assert_eq!(
            Tracker::default().see("a.png", stamp, now, false),
            Duration::ZERO
        );
    }
}
