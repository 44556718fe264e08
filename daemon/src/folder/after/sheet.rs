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
}

impl Sheet {
    /// Adds a pair.
    pub fn add(&mut self, name: &str, photo: &[u8], mask: &[u8], result: &[u8], bounds: &Bounds) {
        let cells: Result<Vec<String>, ImageError> = [photo, mask, result]
            .into_iter()
            .map(|bytes| cell(bytes, bounds))
            .collect();
        let name = escape(name);
        self.last = Some(Instant::now());
        self.rows.push(match cells {
            Ok(cells) => format!(
                "<tr>{}</tr>\n<tr><td colspan=3>{name}</tr>\n",
                cells.concat()
            ),
            Err(error) => format!(
                "<tr><td colspan=3>{name}: {}</tr>\n",
                escape(&error.to_string())
            ),
        });
    }

    /// Whether it is to be written before more comes.
    pub fn is_full(&self) -> bool {
        self.rows.len() >= ROWS_MAX
    }

    /// Whether nothing came for so long that the batch is over.
    pub fn is_over(&self) -> bool {
        self.last.is_some_and(|last| last.elapsed() > QUIET)
    }

    /// Writes what there is into the output folder and begins a new one.
    pub fn write(&mut self, output: &Path, now_ms: i64) -> io::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let text = format!("{HEAD}{}</table>\n", self.rows.concat());
        let (day, time) = date(now_ms);
        let stem = format!("contact-sheet-{day}-{}", time.replace(':', ""));
        let names = (1..1000).map(|number| match number {
            1 => format!("{stem}.html"),
            number => format!("{stem}-{number}.html"),
        });
        for name in names {
            match take::put_new(output, &name, text.as_bytes()) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                other => {
                    other?;
                    break;
                }
            }
        }
        self.rows.clear();
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
            sheet.add("<b>&\u{1b}.png", &picture, &picture, &picture, &bounds);
            sheet.add("broken.png", b"x", &picture, &picture, &bounds);
            sheet.write(dir.path(), 0).unwrap();
        }
        let first =
            std::fs::read_to_string(dir.path().join("contact-sheet-1970-01-01-000000.html"))
                .unwrap();
        assert_eq!(first.matches("data:image/jpeg;base64,/9j/").count(), 3);
        assert!(
            first.contains("&lt;b&gt;&amp;\\u{1b}.png") && first.contains("broken.png: "),
            "{first}"
        );
        // The same content under the same name is the same sheet.
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
