//! Claims: a pair is taken by renaming it into a folder of its own under `working`, and leaves it for `done` or `failed`.
//!
//! The record of a claim is on disk before its first file moves, so that whatever instant a crash picks, the next start
//! knows what was under way. The report is written before the files leave: a claim with a report only has to be tidied.

#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::report::Report;
use super::scan::Pair;
use super::take::{self, TakeError};
use crate::pairing::{DONE, FAILED, WORKING};

const RECORD: &str = "record.json";
const PHOTO: &str = "photo";
const MASK: &str = "mask";
const SIDECAR: &str = "sidecar";
/// Endings that a result may have.
const RESULT_ENDINGS: [&str; 6] = ["png", "jpg", "jpeg", "webp", "tif", "tiff"];
/// Longest record or report that is read back.
const RECORD_BYTES_MAX: u64 = 1 << 20;

/// A pair that is ours.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claim {
    /// Name of its folder.
    pub id: String,
    /// Name of result and reports, without ending; not used before.
    pub name: String,
    /// Name of the photo when it was dropped.
    pub photo: String,
    /// Relative path of the mask when it was dropped.
    pub mask: Option<String>,
    /// Whether the mask stayed in place for others.
    pub shared: bool,
    /// Name of the sidecar when it was dropped.
    pub sidecar: Option<String>,
    /// Jobs that were started for it.
    pub jobs: Vec<String>,
    /// When it was claimed, ms since 1970.
    pub claimed_at_ms: i64,
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

    /// Makes the folders within the watched one. A link in place of one of them is refused.
    pub fn prepare(&self) -> io::Result<()> {
        for name in [WORKING, DONE, FAILED] {
            let dir = self.root.join(name);
            match fs::create_dir(&dir) {
                Err(error)
                    if error.kind() == io::ErrorKind::AlreadyExists
                        && dir.symlink_metadata()?.is_dir() => {}
                other => other?,
            }
        }
        Ok(())
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

    /// Takes a pair. `None` when its photo was taken away meanwhile.
    pub fn take(
        &self,
        pair: &Pair,
        taken: impl Fn(&str) -> bool,
        now_ms: i64,
    ) -> io::Result<Option<Claim>> {
        let mut claim = Claim {
            id: uuid::Uuid::new_v4().simple().to_string(),
            name: self.free_name(&pair.stem, taken),
            photo: pair.photo.clone(),
            mask: pair.mask.clone(),
            shared: pair.shared,
            sidecar: pair.sidecar.clone(),
            jobs: Vec::new(),
            claimed_at_ms: now_ms,
        };
        fs::create_dir(self.claim(&claim))?;
        self.record(&claim)?;
        take::sync(&self.working())?;
        match fs::rename(self.root.join(&claim.photo), self.claim(&claim).join(PHOTO)) {
            Ok(()) => {}
            Err(error) => {
                fs::remove_dir_all(self.claim(&claim))?;
                return if error.kind() == io::ErrorKind::NotFound {
                    Ok(None)
                } else {
                    Err(error)
                };
            }
        }
        self.gather(&mut claim)?;
        Ok(Some(claim))
    }

    /// Brings in what belongs to a claimed photo and still lies outside.
    fn gather(&self, claim: &mut Claim) -> io::Result<()> {
        let dir = self.claim(claim);
        let own = [
            (claim.mask.as_ref().filter(|_| !claim.shared), MASK),
            (claim.sidecar.as_ref(), SIDECAR),
        ];
        for (from, to) in own.into_iter().filter_map(|(from, to)| Some((from?, to))) {
            if dir.join(to).symlink_metadata().is_err() {
                match fs::rename(self.root.join(from), dir.join(to)) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        take::sync(&dir)?;
        take::sync(&self.root)
    }

    /// Forces the record of a claim to the disk.
    pub fn record(&self, claim: &Claim) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(claim).map_err(io::Error::other)?;
        take::put(&self.claim(claim), RECORD, &text)
    }

    /// Puts a claim back to where it was dropped: its files changed while they were taken.
    pub fn put_back(&self, claim: &Claim) -> io::Result<()> {
        let dir = self.claim(claim);
        let own = claim
            .mask
            .as_ref()
            .filter(|_| !claim.shared)
            .map(|path| (MASK, path));
        let files = [
            claim.sidecar.as_ref().map(|path| (SIDECAR, path)),
            own,
            Some((PHOTO, &claim.photo)),
        ];
        for (from, to) in files.into_iter().flatten() {
            let to = self.root.join(to);
            // Whoever dropped a new file of that name meanwhile keeps it; ours then stays for the next start.
            if dir.join(from).symlink_metadata().is_ok() && to.symlink_metadata().is_err() {
                fs::rename(dir.join(from), to)?;
            }
        }
        if dir.join(PHOTO).symlink_metadata().is_err() {
            fs::remove_dir_all(dir)
        } else {
            Ok(())
        }
    }

    /// What an earlier run left under `working`. Claims that were done are tidied; the others are returned.
    pub fn resume(&self) -> io::Result<Vec<Claim>> {
        let mut claims = Vec::new();
        for entry in fs::read_dir(self.working())? {
            let dir = entry?.path();
            if !dir.symlink_metadata()?.is_dir() {
                continue;
            }
            let Some(mut claim) = self.read_record(&dir) else {
                // Nothing is moved before the record is whole: only a folder without files can lack one.
                if dir.join(PHOTO).symlink_metadata().is_ok() {
                    tracing::error!(path = %dir.display(), "a claimed pair has no readable record; it is left for someone to look at");
                } else {
                    fs::remove_dir_all(&dir)?;
                }
                continue;
            };
            if let Some((home, name)) = self.reported(&claim) {
                self.tidy(&claim, &home, &name)?;
            } else if dir.join(PHOTO).symlink_metadata().is_err() {
                fs::remove_dir_all(&dir)?;
            } else {
                self.gather(&mut claim)?;
                claims.push(claim);
            }
        }
        claims.sort_by_key(|claim| claim.claimed_at_ms);
        Ok(claims)
    }

    fn read_record(&self, dir: &Path) -> Option<Claim> {
        let (bytes, _) = take::read(&dir.join(RECORD), RECORD_BYTES_MAX).ok()?;
        let claim: Claim = serde_json::from_slice(&bytes).ok()?;
        let plain = |name: &str| !name.is_empty() && !name.contains('/') && !name.starts_with('.');
        let inside = |path: &String| path.split('/').count() <= 2 && path.split('/').all(plain);
        let named = dir.file_name().is_some_and(|name| *name == *claim.id);
        let fits = named
            && plain(&claim.photo)
            && plain(&claim.name)
            && claim.mask.iter().chain(&claim.sidecar).all(inside);
        fits.then_some(claim)
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
    pub fn mask(
        &self,
        claim: &Claim,
        bytes_max: u64,
    ) -> Result<Option<(Vec<u8>, take::Stamp)>, TakeError> {
        let Some(path) = &claim.mask else {
            return Ok(None);
        };
        let place = if claim.shared {
            self.root.join(path)
        } else {
            self.claim(claim).join(MASK)
        };
        absent(take::read(&place, bytes_max))
    }

    /// The sidecar of a claim.
    pub fn sidecar(&self, claim: &Claim, bytes_max: u64) -> Result<Option<Vec<u8>>, TakeError> {
        if claim.sidecar.is_none() {
            return Ok(None);
        }
        Ok(
            absent(take::read(&self.claim(claim).join(SIDECAR), bytes_max))?
                .map(|(bytes, _)| bytes),
        )
    }

    /// Ends a claim: report first, then the files leave `working`.
    pub fn settle(&self, claim: &Claim, report: &Report) -> io::Result<()> {
        let (home, name) = match report.error {
            None => (DONE, claim.name.clone()),
            Some(_) => (FAILED, self.failed_name(claim)),
        };
        let home = self.root.join(home);
        let text = serde_json::to_vec_pretty(report).map_err(io::Error::other)?;
        take::put(&home, &report_name(&name), &text)?;
        self.tidy(claim, &home, &name)
    }

    /// Where the report of a claim lies, if it was written.
    fn reported(&self, claim: &Claim) -> Option<(PathBuf, String)> {
        let stem = claim
            .photo
            .rsplit_once('.')
            .map_or(claim.photo.as_str(), |(stem, _)| stem);
        let tries = [
            (DONE, claim.name.clone()),
            (FAILED, stem.to_string()),
            (FAILED, with_id(stem, claim)),
        ];
        tries
            .into_iter()
            .map(|(home, name)| (self.root.join(home), name))
            .find(|(home, name)| self.report_is_of(home, name, claim))
    }

    fn report_is_of(&self, home: &Path, name: &str, claim: &Claim) -> bool {
        let read = take::read(&home.join(report_name(name)), RECORD_BYTES_MAX).ok();
        let report =
            read.and_then(|(bytes, _)| serde_json::from_slice::<serde_json::Value>(&bytes).ok());
        report.is_some_and(|report| report["claim"] == claim.id.as_str())
    }

    fn failed_name(&self, claim: &Claim) -> String {
        let stem = claim
            .photo
            .rsplit_once('.')
            .map_or(claim.photo.as_str(), |(stem, _)| stem);
        let home = self.root.join(FAILED);
        let used = [report_name(stem), claim.photo.clone()]
            .iter()
            .any(|name| home.join(name).symlink_metadata().is_ok());
        if used && !self.report_is_of(&home, stem, claim) {
            with_id(stem, claim)
        } else {
            stem.to_string()
        }
    }

    fn tidy(&self, claim: &Claim, home: &Path, name: &str) -> io::Result<()> {
        let dir = self.claim(claim);
        let ending = |path: &str| {
            path.rsplit_once('.')
                .map_or("png".to_string(), |(_, ending)| ending.to_string())
        };
        let mask = claim.mask.as_deref().map(ending).unwrap_or_default();
        let files = [
            (MASK, format!("{name}_mask.{mask}")),
            (SIDECAR, format!("{name}.json")),
            (PHOTO, format!("{name}.{}", ending(&claim.photo))),
        ];
        for (from, to) in files {
            match fs::rename(dir.join(from), home.join(to)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        take::sync(home)?;
        fs::remove_dir_all(&dir)?;
        take::sync(&self.working())
    }

    /// A name that no result, no finished pair and no claim has.
    fn free_name(&self, stem: &str, taken: impl Fn(&str) -> bool) -> String {
        let used = |name: &str| {
            let there = |path: PathBuf| path.symlink_metadata().is_ok();
            taken(name)
                || there(self.root.join(DONE).join(report_name(name)))
                || RESULT_ENDINGS
                    .iter()
                    .any(|ending| there(self.output.join(format!("{name}.{ending}"))))
        };
        let numbered = (2..1000).map(|number| format!("{stem}-{number}"));
        let free = std::iter::once(stem.to_string())
            .chain(numbered)
            .find(|name| !used(name));
        free.unwrap_or_else(|| format!("{stem}-{}", uuid::Uuid::new_v4().simple()))
    }
}

fn report_name(name: &str) -> String {
    format!("{name}.report.json")
}

fn with_id(stem: &str, claim: &Claim) -> String {
    format!("{stem}-{}", claim.id.chars().take(8).collect::<String>())
}

fn absent<T>(read: Result<T, TakeError>) -> Result<Option<T>, TakeError> {
    match read {
        Err(TakeError::Io(error)) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}
