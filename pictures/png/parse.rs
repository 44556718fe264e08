//! Walks the chunks of a PNG: size and kind, without decoding a pixel or copying a chunk.

use std::borrow::Cow;

use miniz_oxide::inflate::{TINFLStatus, decompress_to_vec_zlib_with_limit};

use crate::limits::Tally;
use crate::{Format, ImageError, Limits};

const F: Format = Format::Png;
const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";
const END: &[u8] = b"\0\0\0\0IEND\xae\x42\x60\x82";

/// What the chunks say.
#[derive(Debug, Default)]
pub(crate) struct PngFile<'a> {
    pub width: u32,
    pub height: u32,
    pub bit_depth: u8,
    /// PNG colour type: 0 gray, 2 RGB, 3 palette, 4 gray + alpha, 6 RGBA.
    pub color_type: u8,
    pub interlaced: bool,
    pub transparency: bool,
    /// The first profile, inflated.
    pub icc: Option<Vec<u8>>,
    /// Undamaged ancillary chunks as `(type, payload)`, in file order; no transparency, no profile.
    pub chunks: Vec<([u8; 4], &'a [u8])>,
    /// Whether the file breaks off behind its first image data.
    pub unended: bool,
    /// All that a decoder needs: signature, header, palette, transparency, image data, end.
    pub critical: Vec<Cow<'a, [u8]>>,
    palette: bool,
    profile: bool,
    /// Number of frames, when it is an animation.
    frames: Option<u32>,
    /// Whether the image that everybody sees is the first frame.
    frame_first: bool,
    data: bool,
}

/// Walks the whole file once. Refuses sizes over the limits at the header, animations, and profiles that inflate past the limit.
pub(crate) fn parse<'a>(bytes: &'a [u8], limits: &Limits) -> Result<PngFile<'a>, ImageError> {
    let mut file = PngFile::default();
    file.critical.push(SIGNATURE.into());
    let mut tally = Tally::new(F, limits);
    let mut at = SIGNATURE.len();
    loop {
        let Some(whole) = chunk(bytes, at) else {
            file.breaks_off(&bytes[at.min(bytes.len())..])?;
            break;
        };
        tally.piece("chunks")?;
        at += whole.len();
        let kind = [whole[4], whole[5], whole[6], whole[7]];
        if file.width == 0 && &kind != b"IHDR" {
            return Err(ImageError::corrupt(F, "it does not start with a header"));
        }
        if &kind == b"IEND" {
            break;
        }
        file.read(kind, whole, limits, &mut tally)?;
    }
    if !file.data {
        return Err(ImageError::corrupt(F, "it has no image data"));
    }
    if file.frames.is_some_and(|n| n != 1 || !file.frame_first) {
        return Err(ImageError::Unsupported {
            format: F,
            feature: "animation".to_string(),
            remedy: "send its frames as single images",
        });
    }
    file.critical.push(END.into());
    Ok(file)
}

/// The chunk at `at` with length, type and checksum; `None` when the file ends within it.
fn chunk(bytes: &[u8], at: usize) -> Option<&[u8]> {
    let head = bytes.get(at..at + 8)?;
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    bytes.get(at..at.checked_add(12 + length)?)
}

impl<'a> PngFile<'a> {
    fn read(
        &mut self,
        kind: [u8; 4],
        whole: &'a [u8],
        limits: &Limits,
        tally: &mut Tally<'_>,
    ) -> Result<(), ImageError> {
        let body = &whole[8..whole.len() - 4];
        match &kind {
            b"IHDR" => self.read_header(body, limits)?,
            b"IDAT" => self.data = true,
            b"PLTE" if self.palette => return Ok(()),
            b"PLTE" => self.palette = true,
            _ => {
                tally.metadata(body.len())?;
                // Damaged metadata is dropped, as viewers do.
                let (summed, sum) = whole[4..].split_at(whole.len() - 8);
                if crc32fast::hash(summed).to_be_bytes() == sum {
                    self.read_extra(kind, whole, body, limits)?;
                }
                return Ok(());
            }
        }
        self.critical.push(whole.into());
        Ok(())
    }

    fn read_header(&mut self, body: &[u8], limits: &Limits) -> Result<(), ImageError> {
        let &[
            w3,
            w2,
            w1,
            w0,
            h3,
            h2,
            h1,
            h0,
            depth,
            color,
            _,
            _,
            interlace,
        ] = body
        else {
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
        (self.bit_depth, self.color_type, self.interlaced) = (depth, color, interlace != 0);
        Ok(())
    }

    fn read_extra(
        &mut self,
        kind: [u8; 4],
        whole: &'a [u8],
        body: &'a [u8],
        limits: &Limits,
    ) -> Result<(), ImageError> {
        match &kind {
            // Behind the image data it is out of place, and the picture is a still one to every reader.
            b"acTL" if self.data => {}
            b"acTL" => {
                let frames = body.first_chunk().map_or(0, |b| u32::from_be_bytes(*b));
                self.frames = self.frames.or(Some(frames));
            }
            b"fcTL" => self.frame_first |= !self.data,
            b"fdAT" => {}
            b"tRNS" if self.transparency => {}
            b"tRNS" => {
                self.transparency = true;
                self.critical.push(whole.into());
            }
            // The first counts, also when it is damaged: inflating each would take long.
            b"iCCP" if self.profile => {}
            b"iCCP" => {
                self.profile = true;
                self.icc = read_profile(body, limits)?;
            }
            _ => self.chunks.push((kind, body)),
        }
        Ok(())
    }

    /// The file ends with `rest`, which is no whole chunk. Image data that is there is used; whether it is enough the decoder
    /// finds out.
    fn breaks_off(&mut self, rest: &'a [u8]) -> Result<(), ImageError> {
        if !self.data && rest.get(4..8) != Some(b"IDAT") {
            return Err(ImageError::corrupt(
                F,
                "the file ends before its image data",
            ));
        }
        self.unended = true;
        if rest.get(4..8) == Some(b"IDAT") {
            self.data = true;
            let body = &rest[8..];
            let mut head = (body.len() as u32).to_be_bytes().to_vec();
            head.extend(b"IDAT");
            let mut sum = crc32fast::Hasher::new();
            sum.update(b"IDAT");
            sum.update(body);
            let sum = sum.finalize().to_be_bytes().to_vec();
            self.critical
                .extend([head.into(), body.into(), Cow::from(sum)]);
        }
        Ok(())
    }
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
