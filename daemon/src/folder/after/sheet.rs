//! Contact sheets: photos, masks and results for whoever looks through a batch, as a page and as one picture.

use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cleanplate_pictures::{EncodeOptions, Format, ImageError, Samples};

use super::super::read::Bounds;
use super::super::take;
use super::day::date;
use crate::picture::{of_rgb8, reduced};

/// Longer side of the pictures of a page.
const SIDE_PX: usize = 320;
/// Longer side of those in the picture of a sheet.
const SMALL_PX: usize = 160;
/// Pixels between them.
const GAP_PX: usize = 8;
/// Most rows of the picture below each other; more stand beside them. A full sheet has 2,024 x 4,208 pixels, one that had to
/// wait up to twice as many.
const LINES_MAX: usize = 25;
/// What is behind the pictures, and in place of what cannot be shown.
const GROUND: u8 = 0x22;
/// Rows of one sheet; a longer batch has several.
const ROWS_MAX: usize = 100;
/// Rows that are kept while the sheet cannot be written.
const ROWS_KEPT_MAX: usize = 2 * ROWS_MAX;
/// How small pictures are written.
const JPEG: EncodeOptions = EncodeOptions {
    format: Some(Format::Jpeg),
    quality: Some(85),
};
/// Pause after an attempt to write it that failed.
const RETRY: Duration = Duration::from_secs(30);
/// Time without a pair after which a batch is over.
const QUIET: Duration = Duration::from_secs(10);
const HEAD: &str = "<!doctype html>\n<meta charset=\"utf-8\">\n<title>Contact sheet</title>\n<style>\
body{background:#222;color:#ddd;font:14px sans-serif}td{padding:4px;vertical-align:top}img{max-width:320px}\
</style>\n<table>\n<tr><th>before<th>mask<th>after</tr>\n";

/// A pair: its photo, mask and result as small JPEGs, or why they cannot be shown.
#[derive(Clone)]
struct Row {
    name: String,
    cells: [Result<Vec<u8>, String>; 3],
}

/// The sheet of the batch under way.
#[derive(Default)]
pub struct Sheet {
    rows: Vec<Row>,
    last: Option<Instant>,
    /// Not written before this time: the last attempt failed.
    next_try: Option<Instant>,
}

impl Sheet {
    /// Adds a pair: photo, mask and result. What cannot be shown says why in its cell.
    pub fn add(&mut self, name: &str, pictures: [Result<&[u8], String>; 3], bounds: &Bounds) {
        let cells = pictures
            .map(|bytes| bytes.and_then(|bytes| cell(bytes, bounds).map_err(|e| e.to_string())));
        // While it cannot be written, the oldest pairs make room.
        let excess = (self.rows.len() + 1).saturating_sub(ROWS_KEPT_MAX);
        self.rows.drain(..excess);
        self.last = Some(Instant::now());
        let name = name.to_string();
        self.rows.push(Row { name, cells });
    }

    /// Whether it is to be written: it is full, or nothing is left to do and nothing came for so long that the batch is over.
    pub fn is_due(&self, now: Instant, through: impl FnOnce() -> bool) -> bool {
        if self.rows.is_empty() || self.next_try.is_some_and(|at| at > now) {
            return false;
        }
        let over = |last: Instant| now.saturating_duration_since(last) > QUIET;
        self.rows.len() >= ROWS_MAX || (self.last.is_some_and(over) && through())
    }

    /// Writes what there is into the output folder, as a page and as a picture, and begins a new one.
    pub fn write(&mut self, output: &Path, now_ms: i64, bounds: &Bounds) -> io::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        self.next_try = Some(Instant::now() + RETRY);
        let rows: String = self.rows.iter().map(Row::html).collect();
        let text = format!("{HEAD}{rows}</table>\n");
        let (day, time) = date(now_ms);
        let stem = format!("contact-sheet-{day}-{}", time.replace(':', ""));
        let picture = picture(&self.rows, bounds).map_err(io::Error::other)?;
        let page = take::put_numbered(output, &stem, "html", text.as_bytes())?;
        if let Err(error) = take::put_numbered(output, &stem, "jpg", &picture) {
            // Both or none: the next attempt has another name. What cannot be removed either is told by the error above.
            let _ = std::fs::remove_file(output.join(page));
            return Err(error);
        }
        self.rows.clear();
        self.next_try = None;
        Ok(())
    }
}

impl Row {
    fn html(&self) -> String {
        let cell = |cell: &Result<Vec<u8>, String>| match cell {
            Ok(jpeg) => {
                let data = STANDARD.encode(jpeg);
                format!("<td><img src=\"data:image/jpeg;base64,{data}\">")
            }
            Err(why) => format!("<td>cannot be shown: {}", escape(why)),
        };
        let (cells, name) = (self.cells.each_ref().map(cell).concat(), escape(&self.name));
        format!("<tr>{cells}</tr>\n<tr><td colspan=3>{name}</tr>\n")
    }
}

/// All rows as a JPEG: photo, mask and result beside each other, in the order of the page, down and then to the right.
fn picture(rows: &[Row], bounds: &Bounds) -> Result<Vec<u8>, ImageError> {
    let lines = rows.len().min(LINES_MAX);
    let beside = 3 * rows.len().div_ceil(LINES_MAX);
    let size = [beside, lines].map(|count| count * (SMALL_PX + GAP_PX) + GAP_PX);
    // The canvas, and as much again while it is written.
    let bytes = 6 * (size[0] * size[1]) as u64;
    let _room = bounds.memory.take(bytes, || false)?;
    let mut canvas = vec![GROUND; 3 * size[0] * size[1]];
    let cells = rows.iter().flat_map(|row| &row.cells).enumerate();
    for (at, cell) in cells {
        let Ok(jpeg) = cell else { continue };
        let photo = reduced(&cleanplate_pictures::decode(jpeg, &bounds.image)?, SMALL_PX);
        let (row, column) = (at / 3, at % 3 + at / 3 / LINES_MAX * 3);
        let corner = |count: usize, length: usize| {
            count * (SMALL_PX + GAP_PX) + GAP_PX + (SMALL_PX - length) / 2
        };
        let (left, top) = (
            corner(column, photo.width),
            corner(row % LINES_MAX, photo.height),
        );
        let Samples::U8(samples) = &photo.samples else {
            continue;
        };
        for (y, line) in samples.chunks_exact(3 * photo.width).enumerate() {
            canvas[3 * ((top + y) * size[0] + left)..][..line.len()].copy_from_slice(line);
        }
    }
    of_rgb8((size[0], size[1]), canvas).encode(&JPEG)
}

fn cell(bytes: &[u8], bounds: &Bounds) -> Result<Vec<u8>, ImageError> {
    let header = cleanplate_pictures::probe(bytes, &bounds.image)?;
    let bytes_max = header.need.decode_bytes_max;
    let _room = bounds.memory.take(bytes_max, || false)?;
    let photo = reduced(&cleanplate_pictures::decode(bytes, &bounds.image)?, SIDE_PX);
    photo.encode(&JPEG)
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

    fn bounds() -> Bounds {
        Bounds {
            bytes_max: 1 << 20,
            points_max: 1,
            image: Limits::default(),
            memory: std::sync::Arc::new(ByteBudget::new(1 << 30)),
        }
    }

    fn row(name: &str) -> Row {
        Row {
            name: name.to_string(),
            cells: [const { Err(String::new()) }; 3],
        }
    }

    #[test]
    fn a_sheet_shows_each_pair_under_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let picture = crate::picture::mask_png(&Mask::empty(8, 6)).unwrap();
        let bounds = bounds();
        let mut sheet = Sheet::default();
        sheet.write(dir.path(), 0, &bounds).unwrap();
        for _ in 0..2 {
            let shown = || Ok(picture.as_slice());
            sheet.add("<b>&\u{1b}.png", [shown(), shown(), shown()], &bounds);
            let gone = || Err("it <is> gone".to_string());
            sheet.add("broken.png", [Ok(b"x"), gone(), shown()], &bounds);
            sheet.write(dir.path(), 0, &bounds).unwrap();
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
        // The same content under the same name is the same sheet: a page and a picture.
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
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
            rows: vec![row("")],
            ..Sheet::default()
        };
        let error = sheet.write(dir.path(), 0, &bounds()).unwrap_err();
        assert!(error.to_string().contains("are taken"), "{error}");
        assert_eq!(sheet.rows.len(), 1);
        sheet.write(dir.path(), 1000, &bounds()).unwrap();
        assert!(sheet.rows.is_empty());
        assert!(
            dir.path()
                .join("contact-sheet-1970-01-01-000001.html")
                .exists()
        );
    }

    #[test]
    fn a_sheet_whose_picture_cannot_be_written_leaves_no_page_at_each_attempt() {
        let dir = tempfile::tempdir().unwrap();
        let mut sheet = Sheet {
            rows: vec![row("")],
            ..Sheet::default()
        };
        let stem = |second: i64| format!("contact-sheet-1970-01-01-00000{second}");
        for second in 0..2 {
            for number in 1..1000 {
                let name = match number {
                    1 => format!("{}.jpg", stem(second)),
                    _ => format!("{}-{number}.jpg", stem(second)),
                };
                std::fs::write(dir.path().join(name), b"").unwrap();
            }
            let error = sheet.write(dir.path(), second * 1000, &bounds());
            assert!(error.unwrap_err().to_string().contains("are taken"));
            assert_eq!(sheet.rows.len(), 1);
        }
        sheet.write(dir.path(), 2000, &bounds()).unwrap();
        let pages: Vec<_> = std::fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter(|name| name.ends_with(".html"))
            .collect();
        assert_eq!(pages, [format!("{}.html", stem(2))]);
    }

    #[test]
    fn a_sheet_that_cannot_be_written_waits_and_stays_small() {
        let dir = tempfile::tempdir().unwrap();
        let mut sheet = Sheet {
            rows: vec![row(""); ROWS_MAX],
            ..Sheet::default()
        };
        let now = Instant::now();
        assert!(sheet.is_due(now, || false));
        assert!(sheet.write(&dir.path().join("none"), 0, &bounds()).is_err());
        assert!(!sheet.is_due(now, || true));
        let later = Instant::now() + RETRY;
        assert!(sheet.is_due(later, || false));
        let bounds = bounds();
        for number in 0..=ROWS_KEPT_MAX {
            sheet.add(
                &format!("{number}.png"),
                [Ok(b""), Ok(b""), Ok(b"")],
                &bounds,
            );
        }
        assert_eq!(sheet.rows.len(), ROWS_KEPT_MAX);
        assert_eq!(sheet.rows[0].name, "1.png");
        sheet.write(dir.path(), 0, &bounds).unwrap();
        assert!(sheet.rows.is_empty() && sheet.next_try.is_none());
    }

    #[test]
    fn the_picture_of_a_sheet_has_every_row_in_its_place_and_a_bounded_size() {
        let bounds = bounds();
        let picture = |rows: &[Row]| {
            let jpeg = super::picture(rows, &bounds).unwrap();
            cleanplate_pictures::decode(&jpeg, &bounds.image).unwrap()
        };
        let bright = of_rgb8((320, 160), vec![200; 3 * 320 * 160])
            .encode(&JPEG)
            .unwrap();
        let mut rows = vec![row(""); ROWS_KEPT_MAX];
        rows[LINES_MAX + 1].cells[2] = Ok(bright);
        let all = picture(&rows[..ROWS_MAX]);
        assert_eq!((all.width, all.height), (12 * 168 + 8, 25 * 168 + 8));
        let at = |column: usize, line: usize| {
            all.pixel_f32(8 + column * 168 + 80, 8 + line * 168 + 80)[0] * 255.0
        };
        assert!((at(5, 1) - 200.0).abs() < 3.0 && (at(4, 1) - 34.0).abs() < 3.0);
        assert!((at(5, 0) - 34.0).abs() < 3.0 && (at(8, 1) - 34.0).abs() < 3.0);
        let few = picture(&rows[..2]);
        assert_eq!((few.width, few.height), (3 * 168 + 8, 2 * 168 + 8));
    }
}
