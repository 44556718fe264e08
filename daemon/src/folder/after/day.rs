//! The pairs of a day as CSV, from their reports.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde_json::Value;

use super::super::take;
use crate::pairing::{DONE, FAILED};

/// Longest report that is read.
const REPORT_BYTES_MAX: u64 = 1 << 20;
const DAY_MS: i64 = 86_400_000;
/// Heads of the columns, and where each value stands in a report.
const COLUMNS: [(&str, &str); 16] = [
    ("status", "/status"),
    ("photo", "/photo"),
    ("shot", "/frame/shot"),
    ("frame", "/frame/frame"),
    ("mask", "/mask"),
    ("sidecar", "/sidecar"),
    ("pipeline", "/pipeline"),
    ("width", "/photo_size/0"),
    ("height", "/photo_size/1"),
    ("result", "/result/name"),
    ("result_bytes", "/result/bytes"),
    ("processing_ms", "/result/processing_ms"),
    ("credits", "/credits"),
    ("duplicate", "/duplicate"),
    ("error", "/error/code"),
    ("detail", "/error/detail"),
];

/// Date and time of day, UTC, of ms since 1970.
pub fn date(at_ms: i64) -> (String, String) {
    let (days, ms) = (at_ms.div_euclid(DAY_MS), at_ms.rem_euclid(DAY_MS));
    // Days are counted from the 1st of March of year 0, so that the leap day is the last of its year.
    let shifted = days + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + era * 400 + i64::from(month <= 2);
    let (hours, minutes, seconds) = (ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60);
    (
        format!("{year:04}-{month:02}-{day:02}"),
        format!("{hours:02}:{minutes:02}:{seconds:02}"),
    )
}

/// Writes the pairs of a folder that ended on a day (`2026-11-30`, UTC), in the order in which they ended. Returns how many.
pub fn write(root: &Path, day: &str, out: &mut dyn Write) -> io::Result<usize> {
    let mut reports = Vec::new();
    for home in [DONE, FAILED] {
        read(&root.join(home), day, &mut reports)?;
    }
    reports.sort_by_key(|(ended_at_ms, _)| *ended_at_ms);
    let heads: Vec<&str> = COLUMNS.iter().map(|(head, _)| *head).collect();
    writeln!(out, "date,time,{}", heads.join(","))?;
    for (ended_at_ms, report) in &reports {
        let (date, time) = date(*ended_at_ms);
        let fields: Vec<String> = COLUMNS
            .iter()
            .map(|(_, place)| field(report.pointer(place)))
            .collect();
        writeln!(out, "{date},{time},{}", fields.join(","))?;
    }
    Ok(reports.len())
}

fn read(dir: &Path, day: &str, reports: &mut Vec<(i64, Value)>) -> io::Result<()> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if entry.file_type()?.is_dir() {
            read(&entry.path(), day, reports)?;
        } else if ["report.json", ".released.json"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            let Ok((bytes, _)) = take::read(&entry.path(), REPORT_BYTES_MAX) else {
                continue;
            };
            let report: Value = serde_json::from_slice(&bytes).unwrap_or_default();
            let ended = report["ended_at_ms"].as_i64();
            if let Some(ended) = ended.filter(|ended| date(*ended).0 == day) {
                reports.push((ended, report));
            }
        }
    }
    Ok(())
}

/// A value as spreadsheets read it, and never as a formula: names of files are their droppers' to choose.
fn field(value: Option<&Value>) -> String {
    let text = match value {
        None | Some(Value::Null) => return String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => return other.to_string(),
    };
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text };
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (at_ms, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_399_000, "2000-02-28 23:59:59"),
            (951_782_400_000, "2000-02-29 00:00:00"),
            (1_796_083_199_999, "2026-11-30 23:59:59"),
            (4_107_542_400_000, "2100-03-01 00:00:00"),
            (-1, "1969-12-31 23:59:59"),
        ] {
            let (date, time) = date(at_ms);
            assert_eq!(format!("{date} {time}"), text);
        }
    }

    #[test]
    fn the_pairs_of_a_day_are_listed_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let put = |path: &str, report: Value| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, report.to_string()).unwrap();
        };
        let day = 1_796_083_199_999_i64;
        put(
            "done/a.report.json",
            json!({ "status": "done", "photo": "=cmd(\"x\")", "ended_at_ms": day, "credits": 3,
            "photo_size": [4, 3], "result": { "name": "a, b.png" } }),
        );
        put(
            "failed/sub/b.report.json",
            json!({ "status": "failed", "photo": "b.png", "ended_at_ms": day - 1000,
            "error": { "code": "mask_size", "detail": "two\nlines" } }),
        );
        put(
            "failed/0123/report.json",
            json!({ "status": "failed", "photo": "c.png", "ended_at_ms": day - 2000 }),
        );
        put(
            "done/old.report.json",
            json!({ "status": "done", "photo": "old.png", "ended_at_ms": day + 1 }),
        );
        put("done/broken.report.json", json!(7));
        let mut out = Vec::new();
        assert_eq!(write(dir.path(), "2026-11-30", &mut out).unwrap(), 3);
        let text = String::from_utf8(out).unwrap();
        let wanted = "date,time,status,photo,shot,frame,mask,sidecar,pipeline,width,height,result,result_bytes,processing_ms,credits,duplicate,error,detail\n\
            2026-11-30,23:59:57,failed,c.png,,,,,,,,,,,,,,\n\
            2026-11-30,23:59:58,failed,b.png,,,,,,,,,,,,,mask_size,\"two\nlines\"\n\
            2026-11-30,23:59:59,done,\"'=cmd(\"\"x\"\")\",,,,,,4,3,\"a, b.png\",,,3,,,\n";
        assert_eq!(text, wanted);
    }
}
