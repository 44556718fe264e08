//! `[hot_folders]` and `[[hot_folder]]`: options of all watched folders, and the folders.

use std::path::{Path, PathBuf};
use std::time::Duration;

use cleanplate_pictures::{Format, MaskChannel};
use cleanplate_store::AccountId;

use super::finish::{self, Finish};
use super::reader::Reader;
use crate::pairing::{OUTPUT, Pattern};

/// Most folders of one configuration; each has a thread.
const FOLDERS_MAX: usize = 64;
/// Options that a folder has beside those of `[hot_folders]`.
pub const OWN: [&str; 4] = ["path", "output", "name", "account"];

/// Who pays for a folder, as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payer {
    /// The account of this number.
    Id(AccountId),
    /// The one account of this name, looked up when it is needed.
    Name(String),
}

/// One watched folder.
#[derive(Debug, Clone, PartialEq)]
pub struct HotFolder {
    /// Name in reports, log lines and metrics, and the scope of duplicates.
    pub name: String,
    /// Where pairs are dropped.
    pub path: PathBuf,
    /// Where results go.
    pub output: PathBuf,
    /// Who pays; `None` for work without a store.
    pub account: Option<Payer>,
    /// What applies to every folder unless it says otherwise.
    pub rules: Rules,
}

/// How a folder is watched and its pairs are worked on.
#[derive(Debug, Clone, PartialEq)]
pub struct Rules {
    /// Pipeline; `None` = the default one.
    pub pipeline: Option<String>,
    /// Format of results; `None` = that of the photo.
    pub format: Option<Format>,
    /// What of a mask removes.
    pub mask_channel: MaskChannel,
    /// Where the mask of a photo is looked for, in order.
    pub pairing: Vec<Pattern>,
    /// Names that are left alone, with `*` and `?`.
    pub ignore: Vec<String>,
    /// How deep folders within the watched one are looked into; 0: not at all.
    pub subfolder_depth_max: usize,
    /// Time without change after which a file may be complete.
    pub settle: Duration,
    /// Time without change after which a file that does not decode is broken rather than incomplete.
    pub incomplete_max: Duration,
    /// Time after which a photo without a mask is logged.
    pub mask_wait: Duration,
    /// Pause between scans of a folder that tells its changes.
    pub scan: Duration,
    /// Pause between scans of a folder that does not; `None` = it tells.
    pub poll: Option<Duration>,
    /// Pairs claimed at a time.
    pub in_flight_max: usize,
    /// What becomes of results.
    pub finish: Finish,
}

/// Reads the options of all folders, then every folder.
pub fn read(r: &mut Reader<'_>) -> (Rules, Vec<HotFolder>) {
    let common = rules(r, None);
    let count = r.entries("hot_folder");
    if count > FOLDERS_MAX {
        r.problem(
            "hot_folder.0.path",
            format!("{count} hot folders, at most {FOLDERS_MAX} are watched"),
        );
    }
    let folders: Vec<HotFolder> = (0..count.min(FOLDERS_MAX))
        .filter_map(|at| folder(r, at))
        .collect();
    if folders.len() == count {
        for (at, text) in misplaced(&folders) {
            r.problem(&format!("hot_folder.{at}.path"), text);
        }
    }
    (common, folders)
}

fn folder(r: &mut Reader<'_>, at: usize) -> Option<HotFolder> {
    let own = |option: &str| format!("hot_folder.{at}.{option}");
    let written = |r: &mut Reader<'_>, option: &str| {
        if r.has(&own(option)) {
            r.text(&own(option))
        } else {
            String::new()
        }
    };
    let (path, output, name) = (written(r, "path"), written(r, "output"), written(r, "name"));
    let account = if r.has(&own("account")) {
        payer(r, &own("account"))
    } else {
        None
    };
    let rules = rules(r, Some(at));
    let first = r.first_of(&format!("hot_folder.{at}."));
    let (false, Some(account)) = (path.is_empty(), account) else {
        let text = "a hot folder needs `path`, and `account`: number or name of the account that pays (`cleanplate accounts list`)";
        r.problem(&first, text.to_string());
        return None;
    };
    // Fails only for an empty path, which was refused.
    let path = std::path::absolute(&path).unwrap_or_else(|_| PathBuf::from(&path));
    let output = if output.is_empty() {
        path.join(OUTPUT)
    } else {
        std::path::absolute(&output).unwrap_or_else(|_| PathBuf::from(&output))
    };
    let name = if name.is_empty() {
        path.file_name().map_or("folder".to_string(), |name| {
            name.to_string_lossy().into_owned()
        })
    } else {
        name
    };
    if name.chars().count() > 100 || name.chars().any(char::is_control) {
        r.problem(
            &own("name"),
            "a hot folder's name has 1 to 100 characters and no control characters; set `name`"
                .to_string(),
        );
    }
    Some(HotFolder {
        name,
        path,
        output,
        account: Some(account),
        rules,
    })
}

fn payer(r: &mut Reader<'_>, path: &str) -> Option<Payer> {
    let (number, name) = r.number_or_text(path, 1..=i64::MAX)?;
    Some(number.map_or_else(|| Payer::Name(name), |number| Payer::Id(AccountId(number))))
}

fn rules(r: &mut Reader<'_>, at: Option<usize>) -> Rules {
    let place = |r: &Reader<'_>, option: &str| {
        let own = at.map(|at| format!("hot_folder.{at}.{option}"));
        own.filter(|own| r.has(own))
            .unwrap_or_else(|| format!("hot_folders.{option}"))
    };
    let seconds = |r: &mut Reader<'_>, option: &str, least: i64, most: i64| {
        let path = place(r, option);
        Duration::from_secs(r.whole(&path, least..=most) as u64)
    };
    let pipeline = r.text(&place(r, "pipeline"));
    let path = place(r, "format");
    let format = r.parsed(&path, None, |text| match text {
        "" => Ok(None),
        text => text
            .parse()
            .map(Some)
            .map_err(|_| "empty, \"jpeg\", \"png\", \"webp\" or \"tiff\"".to_string()),
    });
    let path = place(r, "mask_channel");
    let mask_channel = r.parsed(&path, MaskChannel::Auto, |text| {
        text.parse()
            .map_err(|_| "\"auto\", \"luma\" or \"alpha\"".to_string())
    });
    let path = place(r, "settle_ms");
    let settle = Duration::from_millis(r.whole(&path, 50..=3_600_000) as u64);
    let path = place(r, "in_flight_max");
    let in_flight_max = r.whole(&path, 1..=64) as usize;
    let path = place(r, "subfolder_depth_max");
    let subfolder_depth_max = r.whole(&path, 0..=32) as usize;
    let poll = seconds(r, "poll_s", 0, 86_400);
    Rules {
        pipeline: (!pipeline.is_empty()).then_some(pipeline),
        format,
        mask_channel,
        pairing: pairing(r, &place(r, "pairing")),
        ignore: r.list(&place(r, "ignore")),
        subfolder_depth_max,
        settle,
        incomplete_max: seconds(r, "incomplete_s_max", 1, 86_400),
        mask_wait: seconds(r, "mask_wait_s", 1, 86_400),
        scan: seconds(r, "scan_s", 1, 86_400),
        poll: (!poll.is_zero()).then_some(poll),
        in_flight_max,
        finish: finish::read(r, place),
    }
}

fn pairing(r: &mut Reader<'_>, path: &str) -> Vec<Pattern> {
    let mut patterns = Vec::new();
    for text in r.list(path) {
        match Pattern::parse(&text) {
            Ok(pattern) => patterns.push(pattern),
            Err(wants) => r.problem(path, format!("pairing pattern {text:?}: {wants}")),
        }
    }
    patterns
}

/// Folders whose places would make loops or mix their files: position and what is wrong.
pub fn misplaced(folders: &[HotFolder]) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let real: Vec<(PathBuf, PathBuf)> = folders
        .iter()
        .map(|folder| (resolve(&folder.path), resolve(&folder.output)))
        .collect();
    for (at, (path, output)) in real.iter().enumerate() {
        let shown = folders[at].path.display();
        for (other, (watched, results)) in real.iter().enumerate() {
            if at != other && path.starts_with(watched) {
                found.push((
                    at,
                    format!(
                        "hot folder {shown} lies in hot folder {}; folders must be apart",
                        folders[other].path.display()
                    ),
                ));
            }
            // Within its own folder only the place that is never scanned is safe.
            if output.starts_with(watched) && !(at == other && *output == watched.join(OUTPUT)) {
                let own = folders[at].output.display();
                found.push((
                    at,
                    format!(
                        "output {own} lies in the watched folder {}; choose one outside, or leave `output` empty",
                        folders[other].path.display()
                    ),
                ));
            }
            if at < other && output == results {
                found.push((
                    other,
                    format!(
                        "two hot folders share the output {}; give each its own",
                        folders[at].output.display()
                    ),
                ));
            }
            if at < other && folders[at].name == folders[other].name {
                found.push((
                    other,
                    format!(
                        "two hot folders are named {:?}; set `name`",
                        folders[at].name
                    ),
                ));
            }
        }
    }
    found
}

/// The path with symbolic links of its existing part followed.
fn resolve(path: &Path) -> PathBuf {
    match (path.canonicalize(), path.parent(), path.file_name()) {
        (Ok(real), _, _) => real,
        (Err(_), Some(parent), Some(name)) => resolve(parent).join(name),
        _ => path.to_path_buf(),
    }
}
