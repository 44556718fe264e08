//! Claims: a pair is taken by renaming it into a folder of its own under `working`, and leaves it for `done` or `failed`.
//!
//! The record of a claim is on disk before its first file moves, so that whatever instant a crash picks, the next start
//! knows what was under way. What stays for others is copied first: from the moment the photo moves, a claim needs nothing
//! that lies outside but its own mask and sidecar. The report is written before the files leave: a claim with a report only
//! has to be tidied.

mod leave;
mod resume;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use cleanplate_pipeline::Frame;
use serde::{Deserialize, Serialize};

use super::hold;
use super::mark::Mark;
use super::scan::Pair;
use super::take::{self, TakeError};
use crate::pairing::path::{ending, fit, join, os, place, split};
use crate::pairing::{DONE, FAILED, WORKING, sequence};

/// What is known of a claim, within its folder.
pub const RECORD: &str = "record.json";
/// The photo of a claim, within its folder.
pub const PHOTO: &str = "photo";
/// Its mask.
pub const MASK: &str = "mask";
/// Its sidecar.
pub const SIDECAR: &str = "sidecar";
/// Report of a claim that left as a folder.
pub const APART: &str = "report.json";
/// What follows the name of a pair in the name of its report.
pub const REPORT: &str = ".report.json";
/// What the sidecars for several photos say.
pub const DEFAULTS: &str = "defaults.json";
/// Endings that a result may have.
const RESULT_ENDINGS: [&str; 6] = ["png", "jpg", "jpeg", "webp", "tif", "tiff"];

/// A pair that is ours.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Claim {
    /// Name of its folder.
    pub id: String,
    /// Name of result and reports, without folder and ending; not used before.
    pub name: String,
    /// Relative path of the photo when it was dropped.
    pub photo: String,
    /// Relative path of the mask when it was dropped.
    pub mask: Option<String>,
    /// Whether the mask stayed in place for others; a copy was taken.
    #[serde(alias = "shared")]
    pub mask_stays: bool,
    /// Relative path of the sidecar when it was dropped.
    pub sidecar: Option<String>,
    /// Whether the sidecar stayed in place for others; a copy was taken.
    #[serde(default)]
    pub sidecar_stays: bool,
    /// Whether what says what to remove is that of its shot.
    #[serde(default)]
    pub of_shot: bool,
    /// Jobs that were started for it.
    pub jobs: Vec<String>,
    /// When it was claimed, ms since 1970.
    pub claimed_at_ms: i64,
}

impl Claim {
    /// Folder of the photo.
    pub fn dir(&self) -> &str {
        split(&self.photo).0
    }

    /// Which frame it is of a shot that says what to remove from all its frames.
    pub fn frame(&self, folder: &str) -> Option<Frame> {
        let (shot, number) = sequence(self.stem()).filter(|_| self.of_shot)?;
        Some(Frame {
            shot: format!("{folder}\n{}", join(self.dir(), shot)),
            number: number.parse().ok()?,
        })
    }

    /// Name of the photo without folder and ending.
    pub fn stem(&self) -> &str {
        ending(split(&self.photo).1).0
    }
}

/// What came of the attempt to take a pair.
pub enum Taken {
    /// It is ours.
    Claim(Box<Claim>),
    /// It was taken away meanwhile.
    Gone,
    /// It cannot be moved; others can.
    Stuck(io::Error),
}

/// The places of a watched folder.
#[derive(Debug, Clone)]
pub struct Places {
    /// Where pairs are dropped.
    pub root: PathBuf,
    /// Where results go.
    pub output: PathBuf,
}

impl Places {
    fn working(&self) -> PathBuf {
        self.root.join(WORKING)
    }

    fn claim(&self, claim: &Claim) -> PathBuf {
        self.working().join(&claim.id)
    }

    fn dropped(&self, relative: &str) -> PathBuf {
        place(&self.root, relative)
    }

    /// Makes the folders within the watched one. A link in place of one of them is refused.
    pub fn prepare(&self) -> io::Result<()> {
        [WORKING, DONE, FAILED]
            .iter()
            .try_for_each(|name| hold::made_within(&self.root, name).map(drop))
    }

    /// Whether results can be written; makes the output folder if its parent is there.
    pub fn check_output(&self) -> io::Result<()> {
        match fs::create_dir(&self.output) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            other => other?,
        }
        take::put(
            &self.output,
            ".cleanplate-check",
            b"can this folder be written?\n",
        )?;
        fs::remove_file(self.output.join(".cleanplate-check"))
    }

    /// Takes a pair. The error is that of the folder, not of the pair.
    pub fn take(
        &self,
        pair: &Pair,
        mark: &Mark,
        taken: impl Fn(&str) -> bool,
        now_ms: i64,
    ) -> io::Result<Taken> {
        let mut claim = Claim {
            id: uuid::Uuid::new_v4().simple().to_string(),
            photo: pair.photo.clone(),
            mask: mark.mask.clone(),
            mask_stays: mark.mask_copy.is_some(),
            sidecar: pair.sidecar.clone(),
            sidecar_stays: mark.sidecar_copy.is_some(),
            of_shot: mark.of_shot,
            claimed_at_ms: now_ms,
            ..Claim::default()
        };
        claim.name = self.free_name(&claim, taken);
        let dir = self.claim(&claim);
        fs::create_dir(&dir)?;
        self.record(&claim)?;
        let copies = [
            (MASK, &mark.mask_copy),
            (SIDECAR, &mark.sidecar_copy),
            (DEFAULTS, &mark.defaults),
        ];
        for (name, bytes) in copies {
            if let Some(bytes) = bytes {
                take::put(&dir, name, bytes)?;
            }
        }
        take::sync(&self.working())?;
        let moved = hold::move_out(&self.root, &claim.photo, &dir.join(PHOTO));
        if let Err(error) = arrived(moved, &dir.join(PHOTO)) {
            clear(&dir, |_| false)?;
            return Ok(if error.kind() == io::ErrorKind::NotFound {
                Taken::Gone
            } else {
                Taken::Stuck(error)
            });
        }
        match self.gather(&claim) {
            Ok(()) => Ok(Taken::Claim(Box::new(claim))),
            Err(error) => {
                self.put_back(&claim)?;
                Ok(Taken::Stuck(error))
            }
        }
    }

    /// Own files of a claim besides the photo: where they lay, and their names in its folder.
    fn own(claim: &Claim) -> impl Iterator<Item = (&String, &'static str)> {
        let mask = claim.mask.as_ref().filter(|_| !claim.mask_stays);
        let sidecar = claim.sidecar.as_ref().filter(|_| !claim.sidecar_stays);
        mask.map(|path| (path, MASK))
            .into_iter()
            .chain(sidecar.map(|path| (path, SIDECAR)))
    }

    /// Brings in what belongs to a claimed photo and still lies outside.
    fn gather(&self, claim: &Claim) -> io::Result<()> {
        let dir = self.claim(claim);
        for (from, to) in Places::own(claim) {
            if dir.join(to).symlink_metadata().is_err() {
                match hold::move_out(&self.root, from, &dir.join(to)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        take::sync(&dir)?;
        // The folder of the photo may have been taken away behind it.
        take::sync(&self.dropped(claim.dir())).or_else(|_| take::sync(&self.root))
    }

    /// Forces the record of a claim to the disk.
    pub fn record(&self, claim: &Claim) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(claim).map_err(io::Error::other)?;
        take::put(&self.claim(claim), RECORD, &text)
    }

    /// Puts a claim back to where it was dropped: its files changed while they were taken. Whoever dropped a new file of
    /// that name meanwhile keeps it; then the error leaves the claim as it is.
    pub fn put_back(&self, claim: &Claim) -> io::Result<()> {
        let dir = self.claim(claim);
        // The photo goes last: with it outside, what is left of the claim counts for nothing.
        let parts: Vec<_> = Places::own(claim).chain([(&claim.photo, PHOTO)]).collect();
        let back = parts.iter().try_for_each(|(to, from)| {
            if dir.join(from).symlink_metadata().is_err() {
                return Ok(());
            }
            hold::move_in(&dir.join(from), &self.root, to)
        });
        match back {
            Ok(()) => fs::remove_dir_all(dir),
            Err(error) => self.gather(claim).and(Err(error)),
        }
    }

    /// The photo of a claim.
    pub fn photo(
        &self,
        claim: &Claim,
        bytes_max: u64,
    ) -> Result<(Vec<u8>, take::Stamp), TakeError> {
        take::read(&self.claim(claim).join(PHOTO), bytes_max)
    }

    /// The mask of a claim; `None` when it has none, or when it vanished.
    pub fn mask(&self, claim: &Claim, bytes_max: u64) -> Result<Option<Vec<u8>>, TakeError> {
        let Some(path) = &claim.mask else {
            return Ok(None);
        };
        let copy = self.part(claim, MASK, bytes_max)?;
        if copy.is_none() && claim.mask_stays {
            // Claims of earlier versions have no copy.
            return absent(hold::read(&self.root, path, bytes_max));
        }
        Ok(copy)
    }

    /// The sidecar of a claim.
    pub fn sidecar(&self, claim: &Claim, bytes_max: u64) -> Result<Option<Vec<u8>>, TakeError> {
        self.part(claim, SIDECAR, bytes_max)
    }

    /// What the sidecars for several photos say.
    pub fn defaults(&self, claim: &Claim, bytes_max: u64) -> Result<Option<Vec<u8>>, TakeError> {
        self.part(claim, DEFAULTS, bytes_max)
    }

    fn part(
        &self,
        claim: &Claim,
        name: &str,
        bytes_max: u64,
    ) -> Result<Option<Vec<u8>>, TakeError> {
        absent(take::read(&self.claim(claim).join(name), bytes_max))
    }

    /// A name that no result, no finished pair and no claim has. `taken` is asked for the path with the folder.
    fn free_name(&self, claim: &Claim, taken: impl Fn(&str) -> bool) -> String {
        let (dir, stem) = (claim.dir(), fit(claim.stem()));
        let (done, output) = (place(&self.root.join(DONE), dir), place(&self.output, dir));
        let used = |name: &str| {
            let there = |path: PathBuf| path.symlink_metadata().is_ok();
            taken(&join(dir, name))
                || there(done.join(os(&report_name(name))))
                || RESULT_ENDINGS
                    .iter()
                    .any(|ending| there(output.join(os(&format!("{name}.{ending}")))))
        };
        let numbered = (2..1000).map(|number| format!("{stem}-{number}"));
        let free = std::iter::once(stem.clone())
            .chain(numbered)
            .find(|name| !used(name));
        free.unwrap_or_else(|| format!("{stem}-{}", uuid::Uuid::new_v4().simple()))
    }
}

/// Removes the folder of a claim that holds no more than records and copies. With `keep`, or anything else in it, an error.
fn clear(dir: &Path, keep: impl Fn(&str) -> bool) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        let ours = [RECORD, DEFAULTS, MASK, SIDECAR, APART].contains(&&*name)
            || (name.starts_with(".cleanplate-") && name.ends_with(".tmp"));
        if !ours || keep(&name) {
            let text = format!(
                "it has no photo, but holds {name:?}: move that out, then remove the folder"
            );
            return Err(io::Error::new(io::ErrorKind::DirectoryNotEmpty, text));
        }
    }
    fs::remove_dir_all(dir)
}

/// What became of a rename. A network file system that asks twice is told the second time that there was nothing to move.
fn arrived(moved: io::Result<()>, to: &Path) -> io::Result<()> {
    moved.or_else(|error| to.symlink_metadata().map(drop).map_err(|_| error))
}

/// Path within `done` or `failed` of the report of a pair that left, by the name under which it is found.
pub fn report_path(name: &str, claim_id: &str) -> String {
    if name == claim_id {
        join(name, APART)
    } else {
        report_name(name)
    }
}

fn report_name(name: &str) -> String {
    format!("{name}{REPORT}")
}

/// The name with a part of the claim's id, which no other has.
pub fn with_id(name: &str, claim_id: &str) -> String {
    format!("{name}-{}", claim_id.chars().take(8).collect::<String>())
}

/// Name in `done` or `failed` of a part of the pair `name`, by the path that it was dropped at.
pub fn part_name(part: &str, name: &str, dropped: &str) -> String {
    let suffix = if part == MASK { "_mask" } else { "" };
    format!("{name}{suffix}.{}", ending(split(dropped).1).1)
}

fn absent(read: Result<(Vec<u8>, take::Stamp), TakeError>) -> Result<Option<Vec<u8>>, TakeError> {
    match read {
        Ok((bytes, _)) => Ok(Some(bytes)),
        Err(TakeError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
