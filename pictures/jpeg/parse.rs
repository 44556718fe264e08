//! Walks the markers of a JPEG: sizes, tables, scans and metadata, without decoding a pixel.

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
pub(crate) struct JpegFile {
    pub width: u16,
    pub height: u16,
    pub components: Vec<Component>,
    pub progressive: bool,
    /// Quantisation tables by number, natural order.
    pub tables: [Option<[u16; 64]>; 4],
    pub scans: usize,
    pub density: Option<(u8, u16, u16)>,
    pub exif: Option<Vec<u8>>,
    pub xmp: Option<Vec<u8>>,
    /// ICC parts, `(number from 1, bytes)`.
    icc_parts: Vec<(u8, Vec<u8>)>,
    /// Segments carried as they are: comments, extended XMP, IPTC.
    pub segments: Vec<(u8, Vec<u8>)>,
    metadata_bytes: usize,
}

const F: Format = Format::Jpeg;

/// Natural position of each zigzag position.
const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

/// Walks the whole file. Refuses sizes over the limits as soon as the frame header is seen.
pub(crate) fn parse(bytes: &[u8], limits: &Limits) -> Result<JpegFile, ImageError> {
    let mut file = JpegFile::default();
    let mut at = 2;
    loop {
        at = next_marker(bytes, at)?;
        let marker = bytes[at];
        at += 1;
        match marker {
            0xd9 => break,
            0x01 | 0xd0..=0xd7 => continue,
            _ => {}
        }
        let body = segment(bytes, at)?;
        at += 2 + body.len();
        file.read(marker, body, limits)?;
        if marker == 0xda {
            at = skip_scan(bytes, at);
        }
    }
    if file.components.is_empty() || file.scans == 0 {
        return Err(ImageError::corrupt(F, "it has no image data"));
    }
    Ok(file)
}

/// Position of the next marker byte after its 0xff.
fn next_marker(bytes: &[u8], at: usize) -> Result<usize, ImageError> {
    let ends = || ImageError::corrupt(F, "the file ends before its end marker");
    let ff = bytes
        .get(at..)
        .and_then(|rest| rest.iter().position(|&b| b == 0xff))
        .ok_or_else(ends)?
        + at;
    let code = bytes[ff..]
        .iter()
        .position(|&b| b != 0xff)
        .ok_or_else(ends)?
        + ff;
    if bytes[code] == 0 {
        next_marker_after_stuffing(bytes, code)
    } else {
        Ok(code)
    }
}

/// A stuffed zero between segments is padding some writers leave; goes on behind it.
fn next_marker_after_stuffing(bytes: &[u8], mut at: usize) -> Result<usize, ImageError> {
    while let Some(pair) = bytes.get(at..at + 2) {
        if pair[0] == 0xff && pair[1] != 0 && pair[1] != 0xff {
            return Ok(at + 1);
        }
        at += 1;
    }
    Err(ImageError::corrupt(
        F,
        "the file ends before its end marker",
    ))
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

impl JpegFile {
    fn read(&mut self, marker: u8, body: &[u8], limits: &Limits) -> Result<(), ImageError> {
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
                let (got, max) = (self.scans as u64, limits.jpeg_scans_max as u64);
                if got > max {
                    Err(ImageError::Limit {
                        format: F,
                        what: "scans",
                        got,
                        max,
                    })
                } else {
                    Ok(())
                }
            }
            0xe0 if body.starts_with(b"JFIF\0") && body.len() >= 12 => {
                let pair = |i: usize| u16::from_be_bytes([body[i], body[i + 1]]);
                self.density = Some((body[7].min(2), pair(8), pair(10)));
                Ok(())
            }
            0xe1 | 0xe2 | 0xed | 0xfe => self.read_metadata(marker, body, limits),
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
            (8, 1 | 3) => {}
            (8, 4) => return Err(unsupported("CMYK or YCCK colour")),
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

    fn read_metadata(
        &mut self,
        marker: u8,
        body: &[u8],
        limits: &Limits,
    ) -> Result<(), ImageError> {
        if let (0xe2, Some(part)) = (marker, body.strip_prefix(b"ICC_PROFILE\0")) {
            return self.read_icc_part(part, limits);
        }
        let kept = match marker {
            0xe1 if body.starts_with(b"Exif\0\0") => self.exif.is_none(),
            0xe1 => body.starts_with(b"http://ns.adobe.com/"),
            0xfe => true,
            _ => false,
        };
        if !kept {
            return Ok(());
        }
        self.metadata_bytes += body.len();
        if self.metadata_bytes > limits.metadata_bytes_max {
            let (got, max) = (self.metadata_bytes as u64, limits.metadata_bytes_max as u64);
            return Err(ImageError::Limit {
                format: F,
                what: "bytes of metadata",
                got,
                max,
            });
        }
        if let (0xe1, Some(exif)) = (marker, body.strip_prefix(b"Exif\0\0")) {
            self.exif = Some(exif.to_vec());
        } else if let (true, Some(xmp)) = (
            self.xmp.is_none(),
            body.strip_prefix(b"http://ns.adobe.com/xap/1.0/\0"),
        ) {
            self.xmp = Some(xmp.to_vec());
        } else {
            self.segments.push((marker, body.to_vec()));
        }
        Ok(())
    }

    fn read_icc_part(&mut self, part: &[u8], limits: &Limits) -> Result<(), ImageError> {
        let [number, _count, data @ ..] = part else {
            return Ok(());
        };
        self.icc_parts.push((*number, data.to_vec()));
        let bytes: usize = self.icc_parts.iter().map(|(_, d)| d.len()).sum();
        if bytes > limits.profile_bytes_max {
            let (got, max) = (bytes as u64, limits.profile_bytes_max as u64);
            return Err(ImageError::Limit {
                format: F,
                what: "bytes of ICC profile",
                got,
                max,
            });
        }
        Ok(())
    }

    /// The ICC profile joined from its parts, `None` without one or with a part missing or repeated.
    pub fn icc(&mut self) -> Option<Vec<u8>> {
        self.icc_parts.sort_by_key(|(number, _)| *number);
        let complete = self
            .icc_parts
            .iter()
            .enumerate()
            .all(|(i, (number, _))| usize::from(*number) == i + 1);
        let joined = self
            .icc_parts
            .drain(..)
            .flat_map(|(_, data)| data)
            .collect::<Vec<u8>>();
        (complete && !joined.is_empty()).then_some(joined)
    }
}

fn unsupported(feature: impl Into<String>) -> ImageError {
    ImageError::Unsupported {
        format: F,
        feature: feature.into(),
        remedy: "convert it to an 8-bit RGB or gray JPEG, or to PNG",
    }
}
