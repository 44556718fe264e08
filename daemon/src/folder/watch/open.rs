//! Whether the folder is there, ours, and can be worked on.

use std::fs::File;
use std::io;
use std::time::Instant;

use super::super::failed;
use super::super::notifications::Notifications;
use super::{FolderWatch, State};
use crate::pairing::WORKING;
use crate::pairing::path::shown;

impl FolderWatch {
    /// Makes sure that the folder is there and ours, and its output takes results; on the first time takes up what lies in `working`.
    pub(super) fn open(&mut self, now: Instant) -> io::Result<()> {
        let named = |what: &str, path: &std::path::Path| {
            let text = format!("{what} {}", path.display());
            move |error: io::Error| io::Error::new(error.kind(), format!("{text}: {error}"))
        };
        let root = self.places.root.clone();
        if let Err(error) = std::fs::read_dir(&root) {
            // Whatever comes back in its place is looked at anew.
            self.opened = false;
            return Err(named("reading", &root)(error));
        }
        self.places.prepare().map_err(named("preparing", &root))?;
        if !self.lock.as_ref().is_some_and(|lock| self.is_same(lock)) {
            self.lock = Some(self.take_lock()?);
            self.opened = false;
        }
        // By now a pause can be shown beside the pairs.
        if let Some(why) = self.setup.executor.closed() {
            return Err(io::Error::other(why));
        }
        self.places
            .check_output()
            .map_err(named("writing into the output folder", &self.places.output))?;
        if let Some((_, text)) =
            crate::config::misplaced(std::slice::from_ref(&self.setup.folder)).pop()
        {
            return Err(io::Error::other(text));
        }
        if !self.opened {
            self.held
                .retain(|held| matches!(held.state, State::Running(_)));
            for claim in self
                .places
                .resume()
                .map_err(named("taking up what lies in", &root.join(WORKING)))?
            {
                if self.held.iter().all(|held| held.claim.id != claim.id) {
                    tracing::info!(
                        folder = self.setup.folder.name,
                        photo = shown(&claim.photo),
                        "taking up a pair of an earlier run"
                    );
                    self.hold(claim, None);
                }
            }
            self.notifications = Notifications::of(&self.setup.folder);
            self.setup.board.known(failed::recent(&root));
            self.next_scan = now;
            self.opened = true;
        }
        Ok(())
    }

    fn lock_path(&self) -> std::path::PathBuf {
        self.places.root.join(WORKING).join(".lock")
    }

    /// Whether the lock that we hold is the file in the folder: a share may have been mounted anew.
    fn is_same(&self, lock: &File) -> bool {
        use std::os::unix::fs::MetadataExt;
        let there = self
            .lock_path()
            .symlink_metadata()
            .map(|meta| (meta.dev(), meta.ino()))
            .ok();
        there.is_some() && there == lock.metadata().map(|meta| (meta.dev(), meta.ino())).ok()
    }

    fn take_lock(&self) -> io::Result<File> {
        use std::os::unix::fs::OpenOptionsExt;
        let path = self.lock_path();
        let lock = File::options()
            .write(true)
            .create(true)
            .truncate(false)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path)?;
        match lock.try_lock() {
            Ok(()) => Ok(lock),
            Err(std::fs::TryLockError::WouldBlock) => Err(io::Error::other(format!(
                "{} is watched by another process",
                self.places.root.display()
            ))),
            Err(std::fs::TryLockError::Error(error)) => {
                tracing::warn!(folder = self.setup.folder.name, %error, "this file system has no locks; see to it that nobody else watches the folder");
                Ok(lock)
            }
        }
    }
}
