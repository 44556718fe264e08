//! The pairs in `failed`: which there are, and what an administrator does about one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cleanplate_api::FolderFailure;
use serde_json::Value;

use super::claim::{APART, DEFAULTS, MASK, PHOTO, RECORD, REPORT, SIDECAR, part_name, with_id};
use super::hold;
use super::report::Dropped;
use super::take;
use super::walk::Walk;
use crate::pairing::FAILED;
use crate::pairing::path::{is_inside, join, os, place, shown, split};

/// Failures that are shown.
pub const SHOWN_MAX: usize = 50;
/// Most entries of `failed` that are looked at.
const ENTRIES_MAX: usize = 200_000;
/// Ending of the report of a pair that was let go.
const RELEASED: &str = ".released.json";

/// A report in `failed`.
struct Found {
    /// Folder of its files, within `failed`.
    dir: String,
    /// Their name, or none for a pair that lies in a folder of its own.
    name: Option<String>,
}

impl Found {
    /// The report behind the name that [`FolderFailure`] has for it.
    fn named(root: &Path, name: &str) -> Option<Found> {
        if !is_inside(name) {
            return None;
        }
        let (dir, file) = split(name);
        let named = Found {
            dir: dir.to_string(),
            name: Some(file.to_string()),
        };
        let apart = Found {
            dir: name.to_string(),
            name: None,
        };
        [named, apart]
            .into_iter()
            .find(|found| found.report(root).symlink_metadata().is_ok())
    }

    fn home(&self, root: &Path) -> PathBuf {
        place(&root.join(FAILED), &self.dir)
    }

    fn report(&self, root: &Path) -> PathBuf {
        self.home(root).join(os(&self.report_name()))
    }

    fn report_name(&self) -> String {
        let name = self.name.as_ref();
        name.map_or(APART.to_string(), |name| format!("{name}{REPORT}"))
    }

    fn read(&self, root: &Path) -> Option<Value> {
        take::read_json(&self.report(root)).ok()
    }

    /// Where in its folder, which is `home`, a file of the pair lies: its own name, or the one with a part of the claim's id.
    fn file(&self, home: &Path, claim: &str, part: &str, dropped: &str) -> Option<PathBuf> {
        let Some(name) = &self.name else {
            return Some(home.join(part)).filter(|path| path.symlink_metadata().is_ok());
        };
        [&with_id(name, claim), name]
            .map(|name| home.join(os(&part_name(part, name, dropped))))
            .into_iter()
            .find(|path| path.symlink_metadata().is_ok())
    }

    fn failure(&self, report: &Value) -> FolderFailure {
        let of = |value: &Value| value.as_str().unwrap_or_default().to_string();
        FolderFailure {
            name: self
                .name
                .as_ref()
                .map_or(self.dir.clone(), |name| join(&self.dir, name)),
            report: shown(&join(FAILED, &join(&self.dir, &self.report_name()))),
            photo: of(&report["photo"]),
            code: of(&report["error"]["code"]),
            detail: of(&report["error"]["detail"]),
            job_id: report["job_id"].as_str().map(str::to_string),
            ended_at_ms: report["ended_at_ms"].as_i64().unwrap_or(0),
        }
    }
}

/// The newest failures, the last one first.
pub fn recent(root: &Path) -> Vec<FolderFailure> {
    let mut found: Vec<(SystemTime, Found)> = Vec::new();
    // What cannot be read is not shown; it lies there all the same.
    for below in Walk::new(&root.join(FAILED)).take(ENTRIES_MAX).flatten() {
        let stem = below.name.strip_suffix(REPORT).map(str::to_string);
        if below.is_dir || (stem.is_none() && below.name != APART) {
            continue;
        }
        let at = below.entry.metadata().and_then(|meta| meta.modified());
        found.push((
            at.unwrap_or(SystemTime::UNIX_EPOCH),
            Found {
                dir: below.dir,
                name: stem,
            },
        ));
    }
    found.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
    found.truncate(SHOWN_MAX);
    let read = |(_, found): (SystemTime, Found)| {
        let report = found.read(root)?;
        (!report["error"].is_null()).then(|| found.failure(&report))
    };
    found.into_iter().filter_map(read).collect()
}

/// Puts the files of a failed pair back to where they were dropped, so that it is taken again. The error says why not.
pub fn retry(root: &Path, name: &str) -> Result<(), String> {
    let found = Found::named(root, name).ok_or_else(|| gone(name))?;
    let report = found.read(root).ok_or_else(|| gone(name))?;
    let claim = report["claim"].as_str().unwrap_or_default();
    let dropped: Dropped =
        serde_json::from_value(report["dropped"].clone()).map_err(|_| unknown(name))?;
    // Whoever may drop a photo may write a report, too.
    let is_claim = !claim.is_empty() && claim.bytes().all(|byte| byte.is_ascii_hexdigit());
    let dropped_all = [&dropped.photo, &dropped.mask, &dropped.sidecar];
    if !is_claim
        || !dropped_all
            .into_iter()
            .flatten()
            .all(|path| is_inside(path))
    {
        return Err(format!(
            "the report of {:?} was not written by the daemon: it names a place outside of the folder, or no claim",
            shown(name)
        ));
    }
    let home = hold::within(root, &join(FAILED, &found.dir))
        .map_err(|error| format!("the pair cannot be put back: {error}"))?;
    let home = home.path();
    let parts = [
        (SIDECAR, &dropped.sidecar),
        (MASK, &dropped.mask),
        // Last: with it the pair may be taken again.
        (PHOTO, &dropped.photo),
    ];
    let mut moved: Vec<(PathBuf, &str)> = Vec::new();
    let mut back = || -> io::Result<()> {
        for (part, dropped) in parts {
            let Some(dropped) = dropped else { continue };
            let Some(from) = found.file(&home, claim, part, dropped) else {
                let text = format!("{} is no longer in `failed`", shown(dropped));
                return Err(io::Error::new(io::ErrorKind::NotFound, text));
            };
            hold::move_in(&from, root, dropped).map_err(|error| {
                let text = format!("{}: {error}", shown(dropped));
                io::Error::new(error.kind(), text)
            })?;
            moved.push((from, dropped));
        }
        Ok(())
    };
    if let Err(error) = back() {
        for (from, dropped) in moved.iter().rev() {
            // Best effort: what does not go back waits in the folder, where it is seen.
            drop(hold::move_out(root, dropped, from));
        }
        return Err(format!("the pair cannot be put back: {error}"));
    }
    // The pair is on its way; without its files the report would only name what is gone.
    drop(fs::remove_file(home.join(os(&found.report_name()))));
    if found.name.is_none() {
        // Copies of what stayed in place; a folder that holds anything else stays.
        for name in [RECORD, DEFAULTS, MASK, SIDECAR] {
            drop(fs::remove_file(home.join(name)));
        }
        drop(fs::remove_dir(found.home(root)));
    }
    Ok(())
}

/// Lets a failed pair go: it is no longer shown, its files stay in `failed`.
pub fn release(root: &Path, name: &str) -> Result<(), String> {
    let found = Found::named(root, name).ok_or_else(|| gone(name))?;
    let file = found.name.as_deref().unwrap_or("report");
    let renamed = hold::within(root, &join(FAILED, &found.dir)).and_then(|home| {
        // One of an earlier failure of the same name has had its time.
        let to = home.at(&format!("{file}{RELEASED}"));
        fs::rename(home.at(&found.report_name()), to)
    });
    renamed.map_err(|error| format!("the report cannot be renamed: {error}"))
}

fn gone(name: &str) -> String {
    format!("{:?} is no longer in `failed`", shown(name))
}

fn unknown(name: &str) -> String {
    format!(
        "the report of {:?} is of an earlier version and does not say where its files lay: move them back by hand",
        shown(name)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLAIM: &str = "0123456789abcdef0123456789abcdef";

    fn fail(root: &Path, report: &str, claim: &str, dropped: &str) {
        let text = serde_json::json!({ "error": { "code": "x" }, "claim": claim, "dropped": { "photo": dropped } });
        let file = root.join(FAILED).join(report);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text.to_string()).unwrap();
    }

    #[test]
    fn a_forged_report_moves_nothing_out_of_the_folder() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("in");
        let other = dir.path().join("other");
        fs::create_dir(&other).unwrap();
        for (claim, dropped) in [
            (CLAIM, "../other/x.sh"),
            (CLAIM, "sub/../../other/x.sh"),
            (CLAIM, "/other/x.sh"),
            (CLAIM, ".hidden/x.sh"),
            ("../../../", "x.sh"),
            ("", "x.sh"),
        ] {
            fail(&root, "x.report.json", claim, dropped);
            let file = root.join(FAILED).join("x.sh");
            fs::write(&file, b"x").unwrap();
            let error = retry(&root, "x").unwrap_err();
            assert!(error.contains("not written by the daemon"), "{error}");
            assert!(file.exists() && fs::read_dir(&other).unwrap().count() == 0);
        }
        // Nor is anything moved in from behind a link.
        fail(&root, "sub/y.report.json", CLAIM, "y.png");
        fs::rename(root.join(FAILED).join("sub"), other.join("sub")).unwrap();
        fs::write(other.join("sub/y.png"), b"y").unwrap();
        std::os::unix::fs::symlink(other.join("sub"), root.join(FAILED).join("sub")).unwrap();
        assert!(retry(&root, "sub/y").is_err() && other.join("sub/y.png").exists());
    }

    #[test]
    fn a_pair_apart_goes_back_and_leaves_what_is_not_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fail(root, "sub/b.report.json", CLAIM, "sub/b.png");
        for (stray, stays) in [(None, false), (Some("notes.txt"), true)] {
            let home = root.join(FAILED).join(CLAIM);
            fail(root, &format!("{CLAIM}/{APART}"), CLAIM, "sub/a.png");
            for name in [PHOTO, MASK, RECORD].into_iter().chain(stray) {
                fs::write(home.join(name), name).unwrap();
            }
            let mut reports = recent(root);
            reports.sort_by(|a, b| a.report.cmp(&b.report));
            let shown = reports.iter().map(|one| (&*one.name, one.report.clone()));
            assert!(shown.eq([
                (CLAIM, format!("failed/{CLAIM}/report.json")),
                ("sub/b", "failed/sub/b.report.json".to_string()),
            ]));
            retry(root, CLAIM).unwrap();
            let back = root.join("sub/a.png");
            assert_eq!(fs::read(&back).unwrap(), PHOTO.as_bytes());
            fs::remove_file(back).unwrap();
            assert_eq!(home.exists(), stays);
        }
        let kept = root.join(FAILED).join(CLAIM).join("notes.txt");
        assert!(kept.exists());
    }
}
