//! Walks the markers of a JPEG: sizes, tables, scans and metadata, without decoding or copying anything.

use crate::limits::Tally;
use crate::{Format, ImageError, Limits};

/// One colour component of the frame header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Component {
    pub h: u8,
    pub v: u8,
    pub table: u8,
}

/// What the markers say.
#[derive(Debug, Default)]
pub(crate) struct JpegFile<'a> {
    pub width: u16,
    pub height: u16,
    pub components: Vec<Component>,
    pub progressive: bool,
    /// Quantisation tables by number, natural order.
    pub tables: [Option<[u16; 64]>; 4],
    pub scans: usize,
    /// Application segments and comments as `(marker, payload)`, in file order.
    pub segments: Vec<(u8, &'a [u8])>,
    /// What follows the end marker; `None` when there is no end marker.
    pub trailer: Option<&'a [u8]>,
}

const F: Format = Format::Jpeg;
pub(super) const EXIF: &[u8] = b"Exif\0\0";
pub(super) const ICC: &[u8] = b"ICC_PROFILE\0";
pub(super) const PHOTOSHOP: &[u8] = b"Photoshop 3.0\0";

/// Natural position of each zigzag position.
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Walks the whole file once. Refuses sizes over the limits as soon as the frame header is seen.
pub(crate) fn parse<'a>(bytes: &'a [u8], limits: &Limits) -> Result<JpegFile<'a>, ImageError> {
    let mut file = JpegFile::default();
    let mut tally = Tally::new(F, limits);
    let mut at = 2;
    loop {
        let Some(code) = next_marker(bytes, at) else {
            if file.scans == 0 {
                let detail = "the file ends before its image data";
                return Err(ImageError::corrupt(F, detail));
            }
            break;
        };
        tally.piece("segments")?;
        let marker = bytes[code];
        at = code + 1;
        match marker {
            0xd9 => {
                file.trailer = bytes.get(at..);
                break;
            }
            0x01 | 0xd0..=0xd7 => continue,
            _ => {}
        }
        let body = segment(bytes, at)?;
        at += 2 + body.len();
        file.read(marker, body, limits, &mut tally)?;
        if marker == 0xda {
            at = skip_scan(bytes, at);
        }
    }
    if file.components.is_empty() || file.scans == 0 {
        return Err(ImageError::corrupt(F, "it has no image data"));
    }
    Ok(file)
}

/// Position of the next marker byte after its 0xff. What is neither, some writers leave as padding.
fn next_marker(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        let ff = bytes.get(at..)?.iter().position(|&b| b == 0xff)? + at;
        let code = bytes[ff..].iter().position(|&b| b != 0xff)? + ff;
        if bytes[code] != 0 {
            return Some(code);
        }
        at = code + 1;
    }
}

fn segment(bytes: &[u8], at: usize) -> Result<&[u8], ImageError> {
    let short = || ImageError::corrupt(F, "a segment runs past the end of the file");
    let length = bytes
        .get(at..at + 2)
        .map(|b| usize::from(u16::from_be_bytes([b[0], b[1]])))
        .ok_or_else(short)?;
    if length < 2 {
        return Err(ImageError::corrupt(F, "a segment has no length"));
    }
    bytes.get(at + 2..at + length).ok_or_else(short)
}

/// First position after entropy-coded data: the 0xff of a marker that is neither stuffing nor a restart.
fn skip_scan(bytes: &[u8], mut at: usize) -> usize {
    while let Some(found) = bytes
        .get(at..)
        .and_then(|rest| rest.iter().position(|&b| b == 0xff))
    {
        at += found;
        match bytes.get(at + 1) {
            Some(0) | Some(0xd0..=0xd7) => at += 2,
            Some(0xff) => at += 1,
            _ => return at,
        }
    }
    bytes.len()
}

impl<'a> JpegFile<'a> {
    /// Samples of all components, each padded to whole MCUs.
    pub fn padded_samples(&self) -> u64 {
        let most = |factor: fn(&Component) -> u8| {
            u64::from(self.components.iter().map(factor).max().unwrap_or(1))
        };
        let (h_max, v_max) = (most(|c| c.h), most(|c| c.v));
        let columns = u64::from(self.width).div_ceil(8 * h_max);
        let rows = u64::from(self.height).div_ceil(8 * v_max);
        let blocks = |c: &Component| columns * u64::from(c.h) * rows * u64::from(c.v);
        self.components.iter().map(blocks).sum::<u64>() * 64
    }

    /// The first EXIF block, a TIFF structure.
    pub fn exif(&self) -> Option<&'a [u8]> {
        self.segments
            .iter()
            .find_map(|(marker, body)| body.strip_prefix(EXIF).filter(|_| *marker == 0xe1))
    }

    fn read(
        &mut self,
        marker: u8,
        body: &'a [u8],
        limits: &Limits,
        tally: &mut Tally<'_>,
    ) -> Result<(), ImageError> {
        match marker {
            0xc0..=0xc2 => self.read_frame(marker, body, limits),
            0xc4 | 0xc8 | 0xcc => Ok(()),
            0xc3 | 0xc5..=0xcf => Err(unsupported(if marker > 0xc8 {
                "arithmetic coding"
            } else {
                "lossless or hierarchical coding"
            })),
            0xdb => self.read_tables(body),
            0xda => {
                self.scans += 1;
                tally.within(self.scans, limits.jpeg_scans_max, "scans")
            }
            0xe0..=0xef | 0xfe => {
                match body.strip_prefix(ICC).filter(|_| marker == 0xe2) {
                    Some(part) => tally.profile(part.len())?,
                    None => tally.metadata(body.len())?,
                }
                self.segments.push((marker, body));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn read_frame(&mut self, marker: u8, body: &[u8], limits: &Limits) -> Result<(), ImageError> {
        if !self.components.is_empty() {
            return Err(ImageError::corrupt(F, "it has two frame headers"));
        }
        let [bits, h1, h0, w1, w0, count, rest @ ..] = body else {
            return Err(ImageError::corrupt(F, "its frame header is too short"));
        };
        (self.height, self.width) = (
            u16::from_be_bytes([*h1, *h0]),
            u16::from_be_bytes([*w1, *w0]),
        );
        limits.check_size(F, u64::from(self.width), u64::from(self.height))?;
        match (*bits, *count) {
            (8, 1 | 3 | 4) => {}
            (8, _) => return Err(unsupported(format!("{count} components"))),
            _ => return Err(unsupported(format!("{bits} bits per sample"))),
        }
        for c in rest.chunks_exact(3).take(usize::from(*count)) {
            let component = Component {
                h: c[1] >> 4,
                v: c[1] & 15,
                table: c[2],
            };
            if !(1..=4).contains(&component.h)
                || !(1..=4).contains(&component.v)
                || component.table > 3
            {
                return Err(ImageError::corrupt(
                    F,
                    "its frame header has impossible sampling factors or tables",
                ));
            }
            self.components.push(component);
        }
        if self.components.len() != usize::from(*count) {
            return Err(ImageError::corrupt(F, "its frame header is too short"));
        }
        self.progressive = marker == 0xc2;
        Ok(())
    }

    fn read_tables(&mut self, mut body: &[u8]) -> Result<(), ImageError> {
        while let Some((&kind, rest)) = body.split_first() {
            let (wide, number) = (kind >> 4 == 1, usize::from(kind & 15));
            let bytes = if wide { 128 } else { 64 };
            let (Some(values), Some(slot)) = (rest.get(..bytes), self.tables.get_mut(number))
            else {
                return Err(ImageError::corrupt(F, "a quantisation table is damaged"));
            };
            let mut table = [1u16; 64];
            for (i, &natural) in ZIGZAG.iter().enumerate() {
                table[natural] = if wide {
                    u16::from_be_bytes([values[2 * i], values[2 * i + 1]])
                } else {
                    u16::from(values[i])
                };
            }
            *slot = Some(table);
            body = &rest[bytes..];
        }
        Ok(())
    }
}

fn unsupported(feature: impl Into<String>) -> ImageError {
    ImageError::Unsupported {
        format: F,
        feature: feature.into(),
        remedy: "convert it to an 8-bit baseline or progressive JPEG, or to PNG",
    }
}
