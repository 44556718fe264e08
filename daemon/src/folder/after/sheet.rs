//! Contact sheets: one page of photos, masks and results for whoever looks through a batch.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cleanplate_pictures::{EncodeOptions, Format, ImageError};

use super::super::read::Bounds;
use super::super::take;
use super::day::date;
use crate::picture::reduced;

/// Longer side of the pictures of a sheet.
const SIDE_PX: usize = 320;
/// Rows of one sheet; a longer batch has several.
const ROWS_MAX: usize = 100;
/// Rows that are kept while the sheet cannot be written.
const ROWS_KEPT_MAX: usize = 2 * ROWS_MAX;
/// Pause after an attempt to write it that failed.
const RETRY: Duration = Duration::from_secs(30);
/// Time without a pair after which a batch is over.
const QUIET: Duration = Duration::from_secs(10);
const HEAD: &str = "<!doctype html>\n<meta charset=\"utf-8\">\n<title>Contact sheet</title>\n<style>\
body{background:#222;color:#ddd;font:14px sans-serif}td{padding:4px;vertical-align:top}img{max-width:320px}\
</style>\n<table>\n<tr><th>before<th>mask<th>after</tr>\n";

/// The sheet of the batch under way.
#[derive(Default)]
pub struct Sheet {
    rows: Vec<String>,
    last: Option<Instant>,
    /// Not written before this time: the last attempt failed.
    next_try: Option<Instant>,
}

impl Sheet {
    /// Adds a pair: photo, mask and result. What cannot be shown says why in its cell.
    pub fn add(&mut self, name: &str, pictures: [Result<&[u8], String>; 3], bounds: &Bounds) {
        let cells = pictures.map(|bytes| {
            let cell = bytes.and_then(|bytes| cell(bytes, bounds).map_err(|e| e.to_string()));
            cell.unwrap_or_else(|why| format!("<td>cannot be shown: {}", escape(&why)))
        });
        let name = escape(name);
        // While it cannot be written, the oldest pairs make room.
        let excess = (self.rows.len() + 1).saturating_sub(ROWS_KEPT_MAX);
        self.rows.drain(..excess);
        self.last = Some(Instant::now());
        self.rows.push(format!(
            "<tr>{}</tr>\n<tr><td colspan=3>{name}</tr>\n",
            cells.concat()
        ));
    }

    /// Whether it is to be written: it is full, or nothing is left to do and nothing came for so long that the batch is over.
    pub fn is_due(&self, now: Instant, through: impl FnOnce() -> bool) -> bool {
        if self.rows.is_empty() || self.next_try.is_some_and(|at| at > now) {
            return false;
        }
        let over = |last: Instant| now.saturating_duration_since(last) > QUIET;
        self.rows.len() >= ROWS_MAX || (self.last.is_some_and(over) && through())
    }

    /// Writes what there is into the output folder and begins a new one.
    pub fn write(&mut self, output: &Path, now_ms: i64) -> io::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        self.next_try = Some(Instant::now() + RETRY);
        let text = format!("{HEAD}{}</table>\n", self.rows.concat());
        let (day, time) = date(now_ms);
        let stem = format!("contact-sheet-{day}-{}", time.replace(':', ""));
        take::put_numbered(output, &stem, "html", text.as_bytes())?;
        self.rows.clear();
        self.next_try = None;
        Ok(())
    }
}

fn cell(bytes: &[u8], bounds: &Bounds) -> Result<String, ImageError> {
    let header = cleanplate_pictures::probe(bytes, &bounds.image)?;
    let _room = bounds.memory.take(header.need.decode_bytes_max, || false);
    let photo = reduced(&cleanplate_pictures::decode(bytes, &bounds.image)?, SIDE_PX);
    let jpeg = photo.encode(&EncodeOptions {
        format: Some(Format::Jpeg),
        quality: Some(85),
    })?;
    let data = STANDARD.encode(jpeg);
    Ok(format!("<td><img src=\"data:image/jpeg;base64,{data}\">"))
}

fn escape(text: &str) -> String {
    let text = crate::telemetry::escaped(text);
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::ByteBudget;
    use cleanplate_pictures::{Limits, Mask};

    #[test]
    fn a_sheet_shows_each_pair_under_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let picture = crate::picture::mask_png(&Mask::empty(8, 6)).unwrap();
        let bounds = Bounds {
            bytes_max: 1 << 20,
            points_max: 1,
            image: Limits::default(),
            memory: std::sync::Arc::new(ByteBudget::new(1 << 30)),
        };
        let mut sheet = Sheet::default();
        sheet.write(dir.path(), 0).unwrap();
        for _ in 0..2 {
            let shown = || Ok(picture.as_slice());
            sheet.add("<b>&\u{1b}.png", [shown(), shown(), shown()], &bounds);
            let gone = || Err("it <is> gone".to_string());
            sheet.add("broken.png", [Ok(b"x"), gone(), shown()], &bounds);
            sheet.write(dir.path(), 0).unwrap();
        }
        let first =
            std::fs::read_to_string(dir.path().join("contact-sheet-1970-01-01-000000.html"))
                .unwrap();
        // What can be shown of the broken pair is.
        assert_eq!(first.matches("data:image/jpeg;base64,/9j/").count(), 4);
        assert_eq!(first.matches("<td>cannot be shown: ").count(), 2);
        assert!(
            first.contains("&lt;b&gt;&amp;\\u{1b}.png")
                && first.contains(">broken.png<")
                && first.contains("cannot be shown: it &lt;is&gt; gone<"),
            "{first}"
        );
        // The same content under the same name is the same sheet.
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_sheet_whose_names_are_all_taken_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let stem = "contact-sheet-1970-01-01-000000";
        for number in 2..1000 {
            std::fs::write(dir.path().join(format!("{stem}-{number}.html")), b"").unwrap();
        }
        std::fs::write(dir.path().join(format!("{stem}.html")), b"").unwrap();
        let mut sheet = Sheet {
            rows: vec![String::new()],
            ..Sheet::default()
        };
        let error = sheet.write(dir.path(), 0).unwrap_err();
        assert!(error.to_string().contains("are taken"), "{error}");
        assert_eq!(sheet.rows.len(), 1);
        sheet.write(dir.path(), 1000).unwrap();
        assert!(sheet.rows.is_empty());
        assert!(
            dir.path()
                .join("contact-sheet-1970-01-01-000001.html")
                .exists()
        );
    }

    #[test]
    fn a_sheet_that_cannot_be_written_waits_and_stays_small() {
        let dir = tempfile::tempdir().unwrap();
        let mut sheet = Sheet {
            rows: vec![String::new(); ROWS_MAX],
            ..Sheet::default()
        };
        let now = Instant::now();
        assert!(sheet.is_due(now, || false));
        assert!(sheet.write(&dir.path().join("none"), 0).is_err());
        assert!(!sheet.is_due(now, || true));
        let later = Instant::now() + RETRY;
        assert!(sheet.is_due(later, || false));
        let bounds = Bounds {
            bytes_max: 1,
            points_max: 1,
            image: Limits::default(),
            memory: std::sync::Arc::new(ByteBudget::new(1)),
        };
        for number in 0..=ROWS_KEPT_MAX {
            sheet.add(
                &format!("{number}.png"),
                [Ok(b""), Ok(b""), Ok(b"")],
                &bounds,
            );
        }
        assert_eq!(sheet.rows.len(), ROWS_KEPT_MAX);
        assert!(sheet.rows[0].contains(">1.png<"), "{}", sheet.rows[0]);
        sheet.write(dir.path(), 0).unwrap();
        assert!(sheet.rows.is_empty() && sheet.next_try.is_none());
    }
}
