//! Notifications of the system about changes in a folder: hints that a look is worth while, never more.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, EventKind};
use notify::{ErrorKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::config::HotFolder;
use crate::pairing::path::{place, shown};

/// Notes kept; more are dropped, the scan they ask for comes anyway.
const NOTES_MAX: usize = 4096;

/// The system's notes about one folder, if it gives any.
#[derive(Default)]
pub struct Notifications(Option<Notes>);

struct Notes {
    watcher: RecommendedWatcher,
    receiver: Receiver<Vec<PathBuf>>,
    /// Folders within the watched one.
    dirs: HashSet<String>,
}

impl Notifications {
    /// Pause between scans of a folder that was to give notes and cannot.
    pub const WITHOUT: Duration = Duration::from_secs(5);

    /// Asks for notes, unless the folder is polled.
    pub fn of(folder: &HotFolder) -> Notifications {
        if folder.rules.poll.is_some() {
            return Notifications(None);
        }
        match Notifications::ask(folder) {
            Ok(notes) => notes,
            Err(error) => {
                tracing::warn!(folder = folder.name, %error, "the system gives no notes of changes; the folder is scanned every 5 s");
                Notifications(None)
            }
        }
    }

    fn ask(folder: &HotFolder) -> notify::Result<Notifications> {
        let (sender, receiver) = sync_channel(NOTES_MAX);
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                let paths = match event {
                    Ok(event) if !is_change(event.kind) => return,
                    Ok(event) => event.paths,
                    // An error may hide changes: ask for a look.
                    Err(_) => Vec::new(),
                };
                // A full channel asks for a look already.
                drop(sender.try_send(paths));
            })?;
        watcher.watch(&folder.path, RecursiveMode::NonRecursive)?;
        Ok(Notifications(Some(Notes {
            watcher,
            receiver,
            dirs: HashSet::new(),
        })))
    }

    /// Asks for notes about these folders below `root` as well, and no longer about others. When the system gives no more,
    /// there are none at all: a folder that is forgotten would be the worse surprise. Whether it is a new one: what came into
    /// that between a listing and now, nobody was told of.
    pub fn follow(&mut self, root: &Path, dirs: &[String]) -> bool {
        let Some(notes) = &mut self.0 else {
            return false;
        };
        let mut added = false;
        let wanted: HashSet<&String> = dirs.iter().filter(|dir| !dir.is_empty()).collect();
        let watcher = &mut notes.watcher;
        notes.dirs.retain(|dir| {
            let stays = wanted.contains(dir);
            if !stays {
                // It is gone, and with it the notes about it.
                drop(watcher.unwatch(&place(root, dir)));
            }
            stays
        });
        for dir in wanted {
            if notes.dirs.contains(dir) {
                continue;
            }
            match watcher.watch(&place(root, dir), RecursiveMode::NonRecursive) {
                Ok(()) => {
                    added |= notes.dirs.insert(dir.clone());
                }
                // It went meanwhile.
                Err(error) if matches!(error.kind, ErrorKind::PathNotFound) => {}
                Err(error) if !place(root, dir).is_dir() => drop(error),
                Err(error) => {
                    tracing::warn!(path = %root.display(), dir = shown(dir), %error, "the system gives no more notes of changes; the folder is scanned every 5 s");
                    self.0 = None;
                    return false;
                }
            }
        }
        added
    }

    /// Whether there are notes.
    pub fn are_on(&self) -> bool {
        self.0.is_some()
    }

    /// Waits for notes, at most `time`, and returns the paths they name. Without notes it sleeps.
    pub fn wait(&self, time: Duration) -> Vec<PathBuf> {
        let Some(Notes { receiver, .. }) = &self.0 else {
            std::thread::sleep(time);
            return Vec::new();
        };
        let mut paths = receiver.recv_timeout(time).unwrap_or_default();
        paths.extend(receiver.try_iter().flatten());
        paths
    }
}

/// Reading a file, ourselves above all, changes nothing.
fn is_change(kind: EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_folder_asks_for_another_look() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("sub")).unwrap();
        let mut notes = Notifications(Some(Notes {
            watcher: notify::recommended_watcher(|_| {}).unwrap(),
            receiver: sync_channel(1).1,
            dirs: HashSet::new(),
        }));
        let dirs = [String::new(), "sub".to_string()];
        assert!(notes.follow(dir.path(), &dirs));
        assert!(!notes.follow(dir.path(), &dirs));
        assert!(!notes.follow(dir.path(), &["gone".to_string()]));
        assert!(!Notifications(None).follow(dir.path(), &dirs));
    }
}
