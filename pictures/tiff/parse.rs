//! Reads the directory of a TIFF and holds it against the file and the limits; no pixel is looked at.

use std::ops::Range;

use super::layout::{Alpha, Coding, Layout, Photometric};
use super::tag;
use crate::colour::Cmyk;
use crate::limits::Tally;
use crate::structure::{Directory, Entry, Tiff};
use crate::{Format, ImageError, Limits};

const F: Format = Format::Tiff;
/// Most directories of pages that are counted.
const PAGES_MAX: usize = 1024;
/// Most entries read of a directory below the first.
const ENTRIES_MAX: usize = 4096;
/// Most samples of a pixel.
const SAMPLES_MAX: usize = 8;
/// A tile may be larger than the picture, but not without bound: pixels up to which it may always be.
const TILE_PIXELS_FREE: u64 = 1 << 20;
/// Photometric interpretations of camera sensors.
const SENSOR: [u32; 2] = [32_803, 34_892];
/// Compressions of camera makers: Sony, Nikon, Pentax.
const SENSOR_CODINGS: [u32; 3] = [32_767, 34_713, 65_535];

impl TiffFile<'_> {
    /// The way from inks to colours, of a file of inks.
    pub fn cmyk(&self) -> Option<Cmyk> {
        self.layout.is_cmyk().then(|| Cmyk::of(self.profile()).0)
    }

    /// The colour profile.
    pub fn profile(&self) -> Option<&[u8]> {
        let entry = self.directory.entries.iter().find(|e| e.tag == tag::ICC)?;
        self.tiff.bytes.get(entry.value.clone()?)
    }
}

/// What the directory says.
pub(crate) struct TiffFile<'a> {
    pub tiff: Tiff<'a>,
    /// The directory of the photo.
    pub directory: Directory,
    pub layout: Layout,
    /// Bytes of all values of the directory but for those of the picture.
    pub metadata_bytes: usize,
    /// The directory is followed by thumbnails or masks of it.
    pub thumbnails: bool,
}

/// Entries of one directory as numbers.
struct Numbers<'a, 'd> {
    tiff: &'d Tiff<'a>,
    directory: &'d Directory,
}

/// Walks the directories. Refuses sizes over the limits before anything that depends on them is read.
pub(crate) fn parse<'a>(bytes: &'a [u8], limits: &Limits) -> Result<TiffFile<'a>, ImageError> {
    let damaged = |detail| ImageError::corrupt(F, detail);
    let tiff = Tiff::open(bytes).ok_or_else(|| damaged("it has no header"))?;
    let first = tiff.u32(4).unwrap_or(0) as usize;
    let directory = tiff
        .directory(first, limits.pieces_max)
        .filter(|directory| first >= 8 && !directory.entries.is_empty())
        .ok_or_else(|| damaged("it has no directory"))?;
    let numbers = Numbers {
        tiff: &tiff,
        directory: &directory,
    };
    if let Some(found) = numbers.camera_raw() {
        return Err(ImageError::UnsupportedType { found: Some(found) });
    }
    let size = |tag| numbers.first(tag).unwrap_or(0);
    limits.check_size(F, u64::from(size(tag::WIDTH)), u64::from(size(tag::HEIGHT)))?;
    let layout = numbers.layout(limits)?;
    let thumbnails = following(&tiff, &directory)?;
    let mut tally = Tally::new(F, limits);
    let metadata_bytes = weigh(&tiff, &directory, &mut tally, 3)?;
    Ok(TiffFile {
        layout,
        metadata_bytes,
        thumbnails,
        directory,
        tiff,
    })
}

/// Bytes of all that a directory holds beside the picture, with the directories below it.
fn weigh(
    tiff: &Tiff<'_>,
    directory: &Directory,
    tally: &mut Tally<'_>,
    depth: usize,
) -> Result<usize, ImageError> {
    let mut bytes = 0;
    // Of several entries of a tag the first counts, so that no number of links to large directories adds up to much.
    let mut followed = Vec::new();
    for entry in &directory.entries {
        let length = entry.value.as_ref().map_or(0, Range::len);
        match entry.tag {
            tag::ICC => tally.profile(length)?,
            // Bounded by the number of strips or tiles, or never copied.
            tag::STRIP_OFFSETS | tag::STRIP_BYTES | tag::TILE_OFFSETS | tag::TILE_BYTES => continue,
            tag::LAYERS => continue,
            tag::EXIF_IFD | tag::GPS_IFD | tag::INTEROPERABILITY_IFD
                if depth > 1 && !followed.contains(&entry.tag) =>
            {
                followed.push(entry.tag);
                let at = tiff.number(entry).unwrap_or(0) as usize;
                if let Some(below) = tiff.directory(at, ENTRIES_MAX) {
                    bytes += weigh(tiff, &below, tally, depth - 1)?;
                }
            }
            _ => tally.metadata(length)?,
        }
        bytes += length;
    }
    Ok(bytes)
}

/// Whether thumbnails follow; an error when further pages do.
fn following(tiff: &Tiff<'_>, first: &Directory) -> Result<bool, ImageError> {
    let mut seen = vec![first.at];
    let mut pages = 1;
    let mut link = first.link;
    while let Some(at) = tiff.u32(link).map(|at| at as usize).filter(|&at| at != 0) {
        if seen.contains(&at) {
            return Err(ImageError::corrupt(F, "its directories form a circle"));
        }
        if seen.len() == PAGES_MAX {
            return Err(ImageError::Limit {
                format: F,
                what: "pages or more",
                got: PAGES_MAX as u64,
                max: 1,
            });
        }
        // The kind of a picture stands among the first entries; their number is bounded, for the sake of many pages.
        let Some(directory) = tiff.directory(at, 64) else {
            break;
        };
        let numbers = Numbers {
            tiff,
            directory: &directory,
        };
        let reduced = numbers.first(tag::SUBFILE).unwrap_or(0) & 5 != 0
            || numbers.first(tag::OLD_SUBFILE) == Some(2);
        pages += usize::from(!reduced);
        seen.push(at);
        link = directory.link;
    }
    if pages > 1 {
        return Err(ImageError::Unsupported {
            format: F,
            feature: format!("{pages} pages"),
            remedy: "send each page as a file of its own",
        });
    }
    Ok(seen.len() > 1)
}

impl<'a> Numbers<'a, '_> {
    fn entry(&self, tag: u16) -> Option<&Entry> {
        self.directory.entries.iter().find(|e| e.tag == tag)
    }

    fn all(&self, tag: u16) -> impl Iterator<Item = u32> + use<'a> {
        let tiff = *self.tiff;
        let entry = self.entry(tag).cloned();
        entry.into_iter().flat_map(move |e| tiff.numbers(&e))
    }

    fn first(&self, tag: u16) -> Option<u32> {
        self.all(tag).next()
    }

    /// The camera's own format that this is, by what such files alone have.
    fn camera_raw(&self) -> Option<&'static str> {
        if self.tiff.bytes.get(8..10) == Some(b"CR") {
            return Some("Canon raw (CR2)");
        }
        if self.entry(tag::DNG_VERSION).is_some() {
            return Some("camera raw (DNG)");
        }
        let sensor = |numbers: &Numbers<'_, '_>| {
            let is = |tag, known: &[u32]| numbers.first(tag).is_some_and(|v| known.contains(&v));
            is(tag::PHOTOMETRIC, &SENSOR) || is(tag::COMPRESSION, &SENSOR_CODINGS)
        };
        let below = |at: u32| {
            let directory = self.tiff.directory(at as usize, 256);
            directory.is_some_and(|directory| {
                sensor(&Numbers {
                    tiff: self.tiff,
                    directory: &directory,
                })
            })
        };
        let raw = sensor(self) || self.all(tag::SUB_IFDS).take(8).any(below);
        raw.then_some("camera raw (NEF, ARW or another)")
    }

    fn layout(&self, limits: &Limits) -> Result<Layout, ImageError> {
        let size = |tag| self.first(tag).unwrap_or(0) as usize;
        let (width, height) = (size(tag::WIDTH), size(tag::HEIGHT));
        let samples = self.first(tag::SAMPLES).unwrap_or(1) as usize;
        let bits = self.bits(samples)?;
        let photometric = self.photometric()?;
        if samples < photometric.count() {
            return Err(ImageError::corrupt(F, "it has too few samples per pixel"));
        }
        let palette = match photometric {
            Photometric::Palette => self.palette(bits, samples)?,
            _ => Vec::new(),
        };
        let number = self.first(tag::COMPRESSION).unwrap_or(1);
        let coding = Coding::of(number).ok_or_else(|| unsupported(coding_name(number)))?;
        if self.first(tag::FILL_ORDER).is_some_and(|order| order != 1) {
            return Err(unsupported("bits in reversed order (FillOrder 2)"));
        }
        let predictor = match self.first(tag::PREDICTOR).unwrap_or(1) {
            1 => false,
            2 => matches!(coding, Coding::Lzw | Coding::Deflate),
            other => return Err(unsupported(format!("predictor {other}"))),
        };
        let tiled =
            self.entry(tag::TILE_OFFSETS).is_some() || self.entry(tag::TILE_WIDTH).is_some();
        let chunk = match tiled {
            true => (size(tag::TILE_WIDTH), size(tag::TILE_HEIGHT)),
            false => {
                let rows = self.first(tag::ROWS_PER_STRIP).unwrap_or(u32::MAX) as usize;
                (width, rows.clamp(1, height))
            }
        };
        if tiled {
            check_tiles((width, height), chunk)?;
        }
        let mut layout = Layout {
            width,
            height,
            bits,
            samples,
            photometric,
            alpha: self.alpha(photometric, samples),
            palette,
            planar: samples > 1 && self.first(tag::PLANAR) == Some(2),
            tiled,
            chunk,
            coding,
            predictor,
            places: Vec::new(),
        };
        layout.places = self.places(&layout, limits)?;
        Ok(layout)
    }

    /// Bits of a sample, the same for all.
    fn bits(&self, samples: usize) -> Result<u8, ImageError> {
        if !(1..=SAMPLES_MAX).contains(&samples) {
            return Err(unsupported(format!("{samples} samples per pixel")));
        }
        let mut all = self.all(tag::BITS).take(samples);
        let bits = all.next().unwrap_or(1);
        if all.any(|other| other != bits) {
            return Err(unsupported("samples of different depths"));
        }
        let kind = match self.first(tag::SAMPLE_FORMAT).unwrap_or(1) {
            2 => "signed ",
            3 => "floating-point ",
            5 | 6 => "complex ",
            _ => "",
        };
        match (bits, kind) {
            (8 | 16, "") => Ok(bits as u8),
            _ => Err(unsupported(format!("{kind}samples of {bits} bits"))),
        }
    }

    fn photometric(&self) -> Result<Photometric, ImageError> {
        match self.first(tag::PHOTOMETRIC) {
            Some(0) => Ok(Photometric::WhiteIsZero),
            Some(1) => Ok(Photometric::Gray),
            Some(2) => Ok(Photometric::Rgb),
            Some(5) if self.first(tag::INK_SET).is_none_or(|set| set == 1) => Ok(Photometric::Cmyk),
            Some(3) => Ok(Photometric::Palette),
            Some(4) => Err(unsupported("a transparency mask as its picture")),
            Some(5) => Err(unsupported("inks other than CMYK")),
            Some(6) => Err(unsupported("YCbCr colour")),
            Some(8..=10) => Err(unsupported("Lab colour")),
            Some(other) => Err(unsupported(format!("photometric interpretation {other}"))),
            None => Err(ImageError::corrupt(
                F,
                "it does not say what its samples are",
            )),
        }
    }

    /// The colours of a palette: in the file all reds, all greens, all blues, of 16 bits.
    fn palette(&self, bits: u8, samples: usize) -> Result<Vec<[u8; 3]>, ImageError> {
        if (bits, samples) != (8, 1) {
            let text = format!("a palette with {samples} samples of {bits} bits");
            return Err(unsupported(text));
        }
        let all: Vec<u32> = self.all(tag::COLOR_MAP).take(768).collect();
        if all.len() < 768 {
            let text = format!("its palette has {} of 768 values", all.len());
            return Err(ImageError::corrupt(F, text));
        }
        // Some programs write 8 bits.
        let shift = if all.iter().any(|v| *v > 255) { 8 } else { 0 };
        Ok((0..256)
            .map(|i| [0, 256, 512].map(|from| (all[from + i] >> shift) as u8))
            .collect())
    }

    /// The first further sample, when it is alpha.
    fn alpha(&self, photometric: Photometric, samples: usize) -> Option<Alpha> {
        let further = (samples > photometric.count() && photometric != Photometric::Cmyk)
            .then(|| self.first(tag::EXTRA_SAMPLES))?;
        match further {
            Some(1) => Some(Alpha::Associated),
            Some(2) => Some(Alpha::Unassociated),
            _ => None,
        }
    }

    /// Where strips or tiles lie: inside of the file, each byte in one of them only.
    fn places(&self, layout: &Layout, limits: &Limits) -> Result<Vec<Range<usize>>, ImageError> {
        let (across, down) = layout.grid();
        let wanted = across.saturating_mul(down).saturating_mul(layout.planes());
        Tally::new(F, limits).within(wanted, limits.pieces_max, "strips or tiles")?;
        let (places, lengths) = match layout.tiled {
            true => (tag::TILE_OFFSETS, tag::TILE_BYTES),
            false => (tag::STRIP_OFFSETS, tag::STRIP_BYTES),
        };
        let file_bytes = self.tiff.bytes.len();
        let unpacked = |i: usize| match layout.coding {
            Coding::Plain => {
                let row = layout.chunk.0 * layout.chunk_samples() * layout.sample_bytes();
                Some((row * layout.rows(i % (across * down))) as u32)
            }
            _ => None,
        };
        let mut lengths = self.all(lengths);
        let mut total = 0usize;
        let mut out = Vec::new();
        for (i, start) in self.all(places).take(wanted).enumerate() {
            let length = lengths.next().or_else(|| unpacked(i)).ok_or_else(|| {
                ImageError::corrupt(F, "it does not say how long its strips or tiles are")
            })?;
            let place = start as usize..start as usize + length as usize;
            if place.end > file_bytes {
                return Err(ImageError::corrupt(
                    F,
                    "a strip or tile lies outside of the file",
                ));
            }
            total += place.len();
            out.push(place);
        }
        if out.len() < wanted {
            let detail = format!("it has {} of {wanted} strips or tiles", out.len());
            return Err(ImageError::corrupt(F, detail));
        }
        if total > file_bytes {
            return Err(ImageError::corrupt(F, "its strips or tiles overlap"));
        }
        Ok(out)
    }
}

/// Refuses tiles that are far larger than the picture: they would take memory and time that its size does not tell.
fn check_tiles((width, height): (usize, usize), tile: (usize, usize)) -> Result<(), ImageError> {
    if tile.0 == 0 || tile.1 == 0 {
        return Err(ImageError::corrupt(F, "its tiles have no size"));
    }
    let padded =
        |size: usize, tile: usize| (size.div_ceil(tile) as u64).saturating_mul(tile as u64);
    let padded = padded(width, tile.0).saturating_mul(padded(height, tile.1));
    let most = (4 * width as u64 * height as u64).max(TILE_PIXELS_FREE);
    if padded > most {
        return Err(ImageError::Limit {
            format: F,
            what: "pixels in its tiles, most of them outside of the picture",
            got: padded,
            max: most,
        });
    }
    Ok(())
}

fn coding_name(number: u32) -> String {
    match number {
        2..=4 => "fax coding (CCITT)".to_string(),
        6 | 7 => "JPEG coding inside".to_string(),
        34_712 => "JPEG 2000 coding".to_string(),
        50_000 => "Zstandard coding".to_string(),
        50_001 => "WebP coding inside".to_string(),
        other => format!("compression {other}"),
    }
}

fn unsupported(feature: impl Into<String>) -> ImageError {
    ImageError::Unsupported {
        format: F,
        feature: feature.into(),
        remedy: "save it with 8 or 16 bits, gray or RGB or CMYK, without compression or with LZW, deflate or PackBits",
    }
}
