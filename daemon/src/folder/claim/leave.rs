//! How a claim leaves `working`: its result into the output folder, its files into `done` or `failed`.

use std::fs;
use std::io;

use serde_json::Value;

use super::super::hold;
use super::super::report::Report;
use super::{APART, Claim, PHOTO, Places, part_name, report_name, take, with_id};
use crate::pairing::path::{fit, join, os, place};
use crate::pairing::{DONE, FAILED};

/// Where the report of a claim lies.
pub enum Reported {
    /// In this folder below the watched one, in `done` or `failed`, under this name.
    Named(String, String),
    /// In the claim's own folder, which is to move there as it is.
    Apart(&'static str),
}

impl Places {
    /// Puts a result into the output folder and returns its path there. A name that is in use, or that cannot be written, is
    /// changed; the error is that of the folder.
    pub fn deliver(
        &self,
        claim: &Claim,
        name: &str,
        extension: &str,
        bytes: &[u8],
    ) -> io::Result<String> {
        let named = || -> io::Result<String> {
            let dir = hold::made_within(&self.output, claim.dir())?;
            let name = take::put_numbered(&dir.path(), name, extension, bytes)?;
            Ok(join(claim.dir(), &name))
        };
        named().or_else(|error| {
            let plain = format!("{}.{extension}", claim.id);
            take::put(&self.output, &plain, bytes).map_err(|_| error)?;
            Ok(plain)
        })
    }

    /// Ends a claim: report first, then the files leave `working`. What cannot get a name of its own leaves as a folder; the
    /// error is that of the disk. Returns the path within `done` or `failed` under which the pair is found.
    pub fn settle(&self, claim: &Claim, report: &Report) -> io::Result<String> {
        let text = serde_json::to_vec_pretty(report).map_err(io::Error::other)?;
        let home = match report.error {
            None => DONE,
            Some(_) => FAILED,
        };
        let named = || -> io::Result<String> {
            let held = hold::made_within(&self.root, &join(home, claim.dir()))?;
            let dir = held.path();
            let name = match report.error {
                None => claim.name.clone(),
                Some(_) => self.failed_name(claim),
            };
            take::put(&dir, &report_name(&name), &text)?;
            self.tidy(claim, &dir, &name)?;
            Ok(join(claim.dir(), &name))
        };
        named().or_else(|error| {
            let apart = take::put(&self.claim(claim), APART, &text)
                .and_then(|()| self.leave(claim, &Reported::Apart(home)));
            apart.map_err(|_| error).map(|()| claim.id.clone())
        })
    }

    /// Moves the files of a claim that has a report.
    pub fn leave(&self, claim: &Claim, report: &Reported) -> io::Result<()> {
        match report {
            Reported::Named(dir, name) => {
                let dir = hold::within(&self.root, dir)?;
                self.tidy(claim, &dir.path(), name)
            }
            Reported::Apart(home) => {
                take::move_new(&self.claim(claim), &self.root.join(home).join(&claim.id))?;
                take::sync(&self.root.join(home))?;
                take::sync(&self.working())
            }
        }
    }

    /// Where the report of a claim lies, if it was written.
    pub fn reported(&self, claim: &Claim) -> Option<Reported> {
        if let Ok(report) = take::read_json::<Value>(&self.claim(claim).join(APART)) {
            let home = if report["error"].is_null() {
                DONE
            } else {
                FAILED
            };
            return Some(Reported::Apart(home));
        }
        let stem = fit(claim.stem());
        let tries = [
            (DONE, claim.name.clone()),
            (FAILED, stem.clone()),
            (FAILED, with_id(&stem, &claim.id)),
        ];
        tries
            .into_iter()
            .map(|(home, name)| (join(home, claim.dir()), name))
            .find(|(dir, name)| report_is_of(&place(&self.root, dir), name, claim))
            .map(|(dir, name)| Reported::Named(dir, name))
    }

    fn failed_name(&self, claim: &Claim) -> String {
        let stem = fit(claim.stem());
        let dir = place(&self.root.join(FAILED), claim.dir());
        let used = [report_name(&stem), part_name(PHOTO, &stem, &claim.photo)]
            .iter()
            .any(|name| dir.join(os(name)).symlink_metadata().is_ok());
        if used && !report_is_of(&dir, &stem, claim) {
            with_id(&stem, &claim.id)
        } else {
            stem
        }
    }

    fn tidy(&self, claim: &Claim, dir: &std::path::Path, name: &str) -> io::Result<()> {
        let from = self.claim(claim);
        for (dropped, part) in Places::own(claim).chain([(&claim.photo, PHOTO)]) {
            let to = |name: &str| dir.join(os(&part_name(part, name, dropped)));
            let moved = match take::move_new(&from.join(part), &to(name)) {
                // Somebody's own file has the name.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    take::move_new(&from.join(part), &to(&with_id(name, &claim.id)))
                }
                other => other,
            };
            match moved {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        take::sync(dir)?;
        // What names the claim goes last.
        fs::remove_dir_all(&from)?;
        take::sync(&self.working())
    }
}

fn report_is_of(dir: &std::path::Path, name: &str, claim: &Claim) -> bool {
    take::read_json::<Value>(&dir.join(os(&report_name(name))))
        .is_ok_and(|report| report["claim"] == claim.id.as_str())
}
