//! Walks the chunks of a PNG: size, kind and metadata, without decoding a pixel.

use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit};

use crate::{Format, ImageError, Limits};

const F: Format = Format::Png;
/// Most text chunks carried.
const TEXTS_MAX: usize = 256;

/// What the chunks say.
#[derive(Debug, Default)]
pub(crate) struct PngFile {
    pub width: u32,
    pub height: u32,
    pub bit_depth: u8,
    /// PNG colour type: 0 gray, 2 RGB, 3 palette, 4 gray + alpha, 6 RGBA.
    pub color_type: u8,
    pub transparency: bool,
    pub icc: Option<Vec<u8>>,
    pub exif: Option<Vec<u8>>,
    pub xmp: Option<Vec<u8>>,
    /// Chunks carried as they are, in file order.
    pub chunks: Vec<([u8; 4], Vec<u8>)>,
    metadata_bytes: usize,
    texts: usize,
}

/// Walks the whole file. Refuses sizes over the limits at the header, animations, and profiles that inflate past the limit.
pub(crate) fn parse(bytes: &[u8], limits: &Limits) -> Result<PngFile, ImageError> {
    let mut file = PngFile::default();
    let mut at = 8;
    let mut data = false;
    loop {
        let short = || ImageError::corrupt(F, "the file ends before its end chunk");
        let head = bytes.get(at..at + 8).ok_or_else(short)?;
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let kind = [head[4], head[5], head[6], head[7]];
        let body = bytes.get(at + 8..at + 8 + length).ok_or_else(short)?;
        let crc = bytes
            .get(at + 8 + length..at + 12 + length)
            .ok_or_else(short)?;
        if file.width == 0 && &kind != b"IHDR" {
            return Err(ImageError::corrupt(F, "it does not start with a header"));
        }
        match &kind {
            b"IHDR" => file.read_header(body, limits)?,
            b"IEND" if data => {
                // Colour and size before text: the order in which they are written again.
                file.chunks.sort_by_key(|(kind, _)| is_text(kind));
                return Ok(file);
            }
            b"IEND" => return Err(ImageError::corrupt(F, "it has no image data")),
            b"IDAT" => data = true,
            // Damaged metadata is dropped, as viewers do.
            _ if crc32fast::hash(&bytes[at + 4..at + 8 + length]).to_be_bytes() == crc => {
                file.read_extra(kind, body, limits)?
            }
            _ => {}
        }
        at += 12 + length;
    }
}

impl PngFile {
    fn read_header(&mut self, body: &[u8], limits: &Limits) -> Result<(), ImageError> {
        let &[w3, w2, w1, w0, h3, h2, h1, h0, depth, color, _, _, _] = body else {
            return Err(ImageError::corrupt(F, "its header has a wrong length"));
        };
        if self.width != 0 {
            return Err(ImageError::corrupt(F, "it has two headers"));
        }
        (self.width, self.height) = (
            u32::from_be_bytes([w3, w2, w1, w0]),
            u32::from_be_bytes([h3, h2, h1, h0]),
        );
        limits.check_size(F, u64::from(self.width), u64::from(self.height))?;
        let fits = match color {
            0 => matches!(depth, 1 | 2 | 4 | 8 | 16),
            3 => matches!(depth, 1 | 2 | 4 | 8),
            2 | 4 | 6 => matches!(depth, 8 | 16),
            _ => false,
        };
        if !fits {
            return Err(ImageError::corrupt(
                F,
                format!("its header announces colour type {color} with {depth} bits"),
            ));
        }
        (self.bit_depth, self.color_type) = (depth, color);
        Ok(())
    }

    fn read_extra(
        &mut self,
        kind: [u8; 4],
        body: &[u8],
        limits: &Limits,
    ) -> Result<(), ImageError> {
        match &kind {
            b"acTL" => {
                let remedy = "send its frames as single images";
                return Err(ImageError::Unsupported {
                    format: F,
                    feature: "animation".to_string(),
                    remedy,
                });
            }
            b"tRNS" => self.transparency = true,
            b"iCCP" if self.icc.is_none() => self.icc = read_profile(body, limits)?,
            b"eXIf" if self.exif.is_none() => {
                self.count(body.len(), limits)?;
                self.exif = Some(body.to_vec());
            }
            b"gAMA" | b"cHRM" | b"sRGB" | b"cICP" | b"mDCV" | b"cLLI" | b"pHYs"
                if body.len() <= 64 =>
            {
                self.keep(kind, body)
            }
            _ if is_text(&kind) => self.read_text(kind, body, limits)?,
            _ => {}
        }
        Ok(())
    }

    fn read_text(&mut self, kind: [u8; 4], body: &[u8], limits: &Limits) -> Result<(), ImageError> {
        let keyword = body.split(|&b| b == 0).next().unwrap_or(&[]);
        if &kind == b"iTXt" && keyword == b"XML:com.adobe.xmp" {
            if self.xmp.is_none() {
                self.xmp = read_international(body, limits.metadata_bytes_max);
                self.count(self.xmp.as_ref().map_or(0, Vec::len), limits)?;
            }
            return Ok(());
        }
        // Old writers hide EXIF here, with an orientation and a thumbnail that would no longer be true.
        let stale = keyword.starts_with(b"Raw profile type ");
        let room = limits
            .metadata_bytes_max
            .saturating_sub(self.metadata_bytes);
        let Some(inflated) =
            text_bytes(kind, body, room).filter(|_| !stale && self.texts < TEXTS_MAX)
        else {
            return Ok(());
        };
        self.texts += 1;
        self.metadata_bytes += inflated;
        self.keep(kind, body);
        Ok(())
    }

    fn keep(&mut self, kind: [u8; 4], body: &[u8]) {
        self.chunks.push((kind, body.to_vec()));
    }

    fn count(&mut self, bytes: usize, limits: &Limits) -> Result<(), ImageError> {
        self.metadata_bytes += bytes;
        let (got, max) = (self.metadata_bytes as u64, limits.metadata_bytes_max as u64);
        if got > max {
            Err(ImageError::Limit {
                format: F,
                what: "bytes of metadata",
                got,
                max,
            })
        } else {
            Ok(())
        }
    }
}

pub(super) fn is_text(kind: &[u8; 4]) -> bool {
    matches!(kind, b"tEXt" | b"zTXt" | b"iTXt")
}

/// Inflates the profile of an iCCP chunk; a damaged one counts as none.
fn read_profile(body: &[u8], limits: &Limits) -> Result<Option<Vec<u8>>, ImageError> {
    let Some(name_end) = body.iter().take(80).position(|&b| b == 0) else {
        return Ok(None);
    };
    let max = limits.profile_bytes_max;
    match decompress_to_vec_zlib_with_limit(body.get(name_end + 2..).unwrap_or(&[]), max) {
        Ok(profile) => Ok(Some(profile).filter(|p| !p.is_empty())),
        Err(e) if e.status == TINFLStatus::HasMoreOutput => Err(ImageError::Limit {
            format: F,
            what: "bytes of ICC profile or more",
            got: max as u64 + 1,
            max: max as u64,
        }),
        Err(_) => Ok(None),
    }
}

/// The text of an iTXt chunk, inflated to at most `max` bytes.
fn read_international(body: &[u8], max: usize) -> Option<Vec<u8>> {
    let flag_at = body.iter().position(|&b| b == 0)? + 1;
    let (compressed, method) = (*body.get(flag_at)?, *body.get(flag_at + 1)?);
    let rest = body.get(flag_at + 2..)?;
    let language_end = rest.iter().position(|&b| b == 0)? + 1;
    let translated_end = rest[language_end..].iter().position(|&b| b == 0)? + language_end + 1;
    let text = &rest[translated_end..];
    match (compressed, method) {
        (0, _) => Some(text).filter(|t| t.len() <= max).map(<[u8]>::to_vec),
        (1, 0) => decompress_to_vec_zlib_with_limit(text, max).ok(),
        _ => None,
    }
}

/// Bytes of a text chunk once inflated, `None` when that is more than `max` or it is damaged.
fn text_bytes(kind: [u8; 4], body: &[u8], max: usize) -> Option<usize> {
    let keyword_end = body.iter().take(80).position(|&b| b == 0)?;
    let bytes = match &kind {
        b"tEXt" => body.len(),
        b"zTXt" => decompress_to_vec_zlib_with_limit(body.get(keyword_end + 2..)?, max)
            .ok()?
            .len(),
        _ => read_international(body, max)?.len(),
    };
    (bytes.max(body.len()) <= max).then_some(bytes.max(body.len()))
}
