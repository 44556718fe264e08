//! What several layers need and none owns: taking a lock, guessing a misspelt name. Knows nothing of this program.

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The value behind `mutex`, whether or not somebody panicked while they held it. For values that are whole between any two
/// statements, so that a panic elsewhere says nothing about them: one failed request must not take the rest with it.
pub fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Of the `known` names the one that `name` most likely means, if any is near enough to be worth telling.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|known| (strsim::jaro_winkler(known, name), known))
        // Two letters of a short name in each other's places are one slip, and leave little of that score.
        .filter(|(score, known)| *score > 0.75 || slipped(name, known))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

fn slipped(name: &str, known: &str) -> bool {
    name.len() > 2 && strsim::osa_distance(name, known) == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_finds_its_own_and_a_strange_one_none() {
        let known = ["listen", "data", "listen_backlog", "workers", "red"];
        for (name, meant) in [
            ("lisen", Some("listen")),
            ("worker", Some("workers")),
            ("listen_backlg", Some("listen_backlog")),
            ("dtaa", Some("data")),
            ("rde", Some("red")),
            ("zzz", None),
            ("", None),
        ] {
            assert_eq!(nearest(name, known), meant, "{name:?}");
        }
    }

    #[test]
    fn a_panic_under_the_lock_keeps_nobody_else_out() {
        let mutex = Mutex::new(1);
        let held = std::panic::catch_unwind(|| {
            let mut value = lock(&mutex);
            *value = 2;
            panic!("while it is held");
        });
        assert!(held.is_err() && mutex.is_poisoned());
        assert_eq!(*lock(&mutex), 2);
    }
}
