//! How much memory a picture takes, from its header alone.

use super::file::File;
use super::jpeg::JpegFile;
use super::{Photo, Source, tiff};

/// Most bytes that a picture takes, step by step. Every figure is an upper bound, and no more than about twice what is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Need {
    /// While it is decoded as a photo: decoder, samples and turning.
    pub decode_bytes_max: u64,
    /// As a decoded photo.
    pub photo_bytes: u64,
    /// While it is decoded as a mask.
    pub cut_bytes_max: u64,
    /// While the photo is written again in its own type or another, the photo itself left out.
    pub encode_bytes_max: u64,
}

/// What every decoder takes for rows, tables and metadata, whatever the picture.
const BASE_BYTES: u64 = 1 << 20;
/// Row buffers per pixel of width, all components together.
const ROW_BYTES: u64 = 512;

/// Bytes that writing a photo takes for each of its pixels, in whatever type, its samples left out: coefficients and inks of a
/// JPEG, or the planes of a lossless WebP.
const WRITTEN_BYTES: u64 = 16;
/// The same where there is an alpha plane: libwebp codes it by itself, without loss.
const WRITTEN_ALPHA_BYTES: u64 = 32;

impl Photo {
    /// Most bytes that writing it takes in any type, the photo itself left out.
    pub(super) fn encode_bytes_max(&self) -> u64 {
        let pixels = self.width as u64 * self.height as u64;
        let samples = self.samples.len() as u64 * u64::from(self.bits() / 8);
        let file = match &self.source {
            Source::Jpeg(source) => source.original.file_bytes(),
            Source::Tiff(source) => source.file_bytes(),
            _ => 0,
        };
        let row = BASE_BYTES + ROW_BYTES * self.width as u64;
        let written = match self.channels.has_alpha() {
            true => WRITTEN_ALPHA_BYTES,
            false => WRITTEN_BYTES,
        };
        written * pixels + 2 * samples + 2 * file as u64 + row
    }
}

impl File<'_> {
    /// What the picture takes; `file_bytes` is the length of its file.
    pub(super) fn need(&self, file_bytes: usize) -> Need {
        let (width, height) = self.size();
        let (width, height) = (width as u64, height as u64);
        let pixels = width * height;
        let file = file_bytes as u64;
        let samples = pixels * self.channels().count() as u64;
        let base = BASE_BYTES + ROW_BYTES * width + 2 * self.metadata_bytes();
        let turned = self.orientation().exif() > 1;
        match self {
            File::Jpeg(f) => self.need_of_jpeg(f, file, samples, base),
            File::Png(f) => {
                let deep = if f.bit_depth == 16 { 2 } else { 1 };
                let indices = if f.color_type == 3 { pixels } else { 0 };
                let photo = samples * deep + indices;
                // Packed rows, or samples before a transparent colour becomes alpha.
                let packed = match (f.bit_depth, f.color_type, f.transparency) {
                    (..8, _, _) => pixels * u64::from(f.bit_depth) / 8 + height + pixels,
                    (_, 0 | 2, true) => samples * deep,
                    _ => 0,
                };
                let turning = if turned { photo } else { 0 };
                Need {
                    decode_bytes_max: photo + packed.max(turning) + base,
                    photo_bytes: photo,
                    cut_bytes_max: pixels + if turned { pixels } else { 0 } + base,
                    encode_bytes_max: samples * deep + indices + 2 * file + base,
                }
            }
            File::WebP(f) => {
                let decoder = match (f.lossy.is_some(), f.alpha) {
                    (true, false) => 2 * pixels,
                    (true, true) => 2 * pixels + 6 * pixels,
                    (false, false) => 5 * pixels,
                    (false, true) => 2 * pixels,
                };
                // libwebp codes the alpha plane of a lossy one by itself, without loss.
                let written = match (f.lossy.is_some(), f.alpha) {
                    (true, true) => 44,
                    (true, false) => 16,
                    (false, _) => 8,
                };
                let turning = if turned { samples } else { 0 };
                let decode = samples + (decoder + 2 * file).max(turning) + base;
                Need {
                    decode_bytes_max: decode,
                    photo_bytes: samples,
                    cut_bytes_max: decode + pixels,
                    encode_bytes_max: written * pixels + 2 * file + base,
                }
            }
            File::Tiff(f) => self.need_of_tiff(&f.layout, file, samples, base),
            File::Bmp(_) => Need {
                decode_bytes_max: samples + base,
                photo_bytes: samples,
                cut_bytes_max: samples + base,
                encode_bytes_max: samples + 2 * file + base,
            },
        }
    }

    /// What it takes of a JPEG; `file` is the length of its file, `samples` of the photo.
    fn need_of_jpeg(&self, f: &JpegFile<'_>, file: u64, samples: u64, base: u64) -> Need {
        let turned = self.orientation().exif() > 1;
        let pixels = u64::from(f.width) * u64::from(f.height);
        // Two bytes for each coefficient; blocks are padded to whole MCUs.
        let coefficients = 2 * f.padded_samples();
        let photo = samples + file;
        let decoder = match (f.progressive, f.scans) {
            (true, _) => coefficients,
            // Put together into one scan first.
            (false, 2..) => coefficients + 2 * file,
            (false, _) => 0,
        };
        // Inks of the whole photo, beside its colours.
        let inks = if f.components.len() == 4 {
            4 * pixels
        } else {
            0
        };
        let check = if f.trailer.is_none() { coefficients } else { 0 };
        let turning = if turned { samples } else { 0 };
        let decode = photo + (decoder.max(check) + inks).max(turning) + base;
        Need {
            decode_bytes_max: decode,
            photo_bytes: photo,
            cut_bytes_max: decode + pixels,
            encode_bytes_max: pixels + samples + decoder.max(coefficients) + inks + 2 * file + base,
        }
    }

    /// What it takes of a TIFF; `file` is the length of its file, `samples` of the photo.
    fn need_of_tiff(&self, layout: &tiff::Layout, file: u64, samples: u64, base: u64) -> Need {
        let deep = layout.sample_bytes() as u64;
        let raw = samples * deep;
        // In the file there may be further samples.
        let own = layout.width as u64 * layout.height as u64 * layout.samples as u64 * deep;
        let photo = raw + file;
        // Packed and as samples.
        let chunk = 2 * layout.chunk_bytes();
        let turning = if self.orientation().exif() > 1 {
            raw
        } else {
            0
        };
        let decode = photo + chunk.max(turning) + base;
        Need {
            decode_bytes_max: decode,
            photo_bytes: photo,
            cut_bytes_max: decode + samples,
            // A strip or tile as it is packed again; the file while it grows.
            encode_bytes_max: 2 * chunk + file + own.max(raw) + base,
        }
    }

    /// Bytes of profile, EXIF, XMP, text and the like.
    fn metadata_bytes(&self) -> u64 {
        let bytes: usize = match self {
            File::Jpeg(f) => f.segments.iter().map(|(_, body)| body.len()).sum(),
            File::Png(f) => {
                let profile = f.icc.as_ref().map_or(0, Vec::len);
                profile + f.chunks.iter().map(|(_, body)| body.len()).sum::<usize>()
            }
            File::WebP(f) => [f.icc, f.exif, f.xmp]
                .iter()
                .flatten()
                .map(|body| body.len())
                .sum(),
            File::Tiff(f) => f.metadata_bytes,
            File::Bmp(_) => 0,
        };
        bytes as u64
    }
}
