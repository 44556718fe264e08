//! The pairs of a day as CSV, from their reports.

use std::io::{self, Write};
use std::path::Path;

use cleanplate_models::store::rfc3339;
use serde_json::Value;

use super::super::scan::Left;
use super::super::take;
use super::super::walk::Walk;
use crate::pairing::path::join;
use crate::pairing::{DONE, FAILED};

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
    let text = rfc3339(at_ms.div_euclid(1000));
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    (date.to_string(), time.trim_end_matches('Z').to_string())
}

/// Writes the pairs of a folder that ended on a day (`2026-11-30`, UTC), in the order in which they ended. Returns how many,
/// and the reports that could not be read: whether they are of that day is not known.
pub fn write(root: &Path, day: &str, out: &mut dyn Write) -> io::Result<(usize, Left)> {
    let (mut reports, mut left) = (Vec::new(), Left::default());
    for home in [DONE, FAILED] {
        for below in Walk::new(&root.join(home)) {
            let below = below?;
            let is_report = |end: &&str| below.name.ends_with(end);
            if below.is_dir || !["report.json", ".released.json"].iter().any(is_report) {
                continue;
            }
            match read(&below.entry.path()) {
                Ok((ended_at_ms, report)) if date(ended_at_ms).0 == day => {
                    reports.push((ended_at_ms, report));
                }
                Ok(_) => {}
                Err(why) => left.add(&join(home, &join(&below.dir, &below.name)), why),
            }
        }
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
    Ok((reports.len(), left))
}

/// A report and when its pair ended.
fn read(path: &Path) -> Result<(i64, Value), String> {
    let report: Value = take::read_json(path).map_err(|error| error.to_string())?;
    let ended_at_ms = report["ended_at_ms"].as_i64();
    let ended_at_ms = ended_at_ms.ok_or("it does not say in `ended_at_ms` when its pair ended")?;
    Ok((ended_at_ms, report))
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
    use std::fs;

    use serde_json::json;

    use super::*;

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
        fs::write(dir.path().join("failed/cut.report.json"), b"{\"st").unwrap();
        let large = fs::File::create(dir.path().join("failed/sub/large.report.json")).unwrap();
        large.set_len(2 << 20).unwrap();
        let mut out = Vec::new();
        let (count, left) = write(dir.path(), "2026-11-30", &mut out).unwrap();
        assert_eq!((count, left.count), (3, 3));
        for (name, why) in [
            ("done/broken.report.json", "`ended_at_ms`"),
            ("failed/cut.report.json", "no JSON"),
            ("failed/sub/large.report.json", "bytes, at most"),
        ] {
            let told = left.first.iter().find(|file| file.name == name);
            assert!(told.is_some_and(|file| file.why.contains(why)), "{left:?}");
        }
        let text = String::from_utf8(out).unwrap();
        let wanted = "date,time,status,photo,shot,frame,mask,sidecar,pipeline,width,height,result,result_bytes,processing_ms,credits,duplicate,error,detail\n\
            2026-11-30,23:59:57,failed,c.png,,,,,,,,,,,,,,\n\
            2026-11-30,23:59:58,failed,b.png,,,,,,,,,,,,,mask_size,\"two\nlines\"\n\
            2026-11-30,23:59:59,done,\"'=cmd(\"\"x\"\")\",,,,,,4,3,\"a, b.png\",,,3,,,\n";
        assert_eq!(text, wanted);
    }
}
