//! What travels beside the pixels.

use std::sync::Arc;

use super::{Format, Orientation, exif, xmp};

/// Metadata carried from input to output. Sizes are bounded by [`super::Limits`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// ICC profile, inflated and joined.
    pub icc: Option<Vec<u8>>,
    /// EXIF as a TIFF structure (without the `Exif\0\0` prefix), orientation 1, without pictures: they would still show the object.
    pub exif: Option<Vec<u8>>,
    /// XMP packet (UTF-8 XML), orientation 1, without pictures and what refers to parts that are left out.
    pub xmp: Option<Vec<u8>>,
    /// Photoshop's image resources, IPTC among them, without their pictures.
    pub photoshop: Option<Vec<u8>>,
    /// TIFF only: IPTC outside of Photoshop's resources.
    pub iptc: Option<Vec<u8>>,
    /// JPEG only: comments, extended XMP and small unknown segments, as `(marker, payload)`.
    pub jpeg_segments: Vec<(u8, Vec<u8>)>,
    /// PNG only: colour, size and text chunks, as `(type, payload)`, in file order.
    pub png_chunks: Vec<([u8; 4], Vec<u8>)>,
    /// Pixels per unit from JFIF, `(unit, x, y)`: unit 0 = aspect only, 1 = inch, 2 = centimetre.
    pub jfif_density: Option<(u8, u16, u16)>,
    /// What the file held and is not carried on, one sentence each: pictures of the original, damaged parts.
    pub warnings: Vec<String>,
    /// The file stops before its end, though all pixels are there: somebody may still be writing it.
    pub unended: bool,
}

impl Metadata {
    /// The same for a file that stores its pixels with `orientation` instead of upright.
    pub(super) fn stored(&self, orientation: Orientation) -> Metadata {
        let mut stored = self.clone();
        if let Some(exif) = &mut stored.exif {
            exif::set_orientation(exif, orientation);
        }
        if let Some(xmp) = &mut stored.xmp {
            xmp::set_orientation(xmp, orientation);
        }
        if orientation.turns() {
            stored.turn_resolution();
        }
        stored
    }

    /// Says in `warnings` what a file of type `format` cannot hold.
    pub(super) fn note_losses(&self, format: Format, warnings: &mut Vec<String>) {
        if format != Format::Jpeg && !self.jpeg_segments.is_empty() {
            warnings.push(format!(
                "comments and other segments of the JPEG were left out: {format} has no place for them"
            ));
        }
        let holds_iptc = matches!(format, Format::Jpeg | Format::Tiff);
        if !holds_iptc && (self.photoshop.is_some() || self.iptc.is_some()) {
            warnings.push(format!(
                "IPTC and other Photoshop resources were left out: {format} has no place for them"
            ));
        }
        if format != Format::Png && !self.png_chunks.is_empty() {
            let mut names: Vec<_> = self
                .png_chunks
                .iter()
                .map(|(kind, _)| String::from_utf8_lossy(kind))
                .collect();
            names.dedup();
            names.truncate(16);
            warnings.push(format!(
                "chunks of the PNG were left out: {format} has no place for {}",
                names.join(", ")
            ));
        }
    }

    /// Exchanges horizontal and vertical resolution, for a picture that was turned.
    pub(super) fn turn_resolution(&mut self) {
        if let Some((_, x, y)) = &mut self.jfif_density {
            std::mem::swap(x, y);
        }
        for (kind, body) in &mut self.png_chunks {
            if kind == b"pHYs" && body.len() == 9 {
                body[..8].rotate_left(4);
            }
        }
    }
}

/// How the input was coded, as far as the output repeats it.
#[derive(Debug, Clone, PartialEq)]
pub enum Source {
    /// JPEG: tables, subsampling, scan order.
    Jpeg(Box<JpegSource>),
    /// PNG: bit depth, palette.
    Png(PngSource),
    /// WebP: quality.
    WebP(WebPSource),
    /// TIFF: the file itself.
    Tiff(TiffSource),
    /// BMP: nothing.
    Bmp,
}

/// JPEG coding parameters of the input, already turned with the pixels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JpegSource {
    /// Quantisation table of luma, natural (row by row) order.
    pub luma: [u16; 64],
    /// Quantisation table of chroma, natural order; equal to `luma` for gray.
    pub chroma: [u16; 64],
    /// Luma samples per chroma sample, horizontally and vertically.
    pub subsampling: (u8, u8),
    /// Progressive scan order.
    pub progressive: bool,
    /// The file itself: what stays untouched is carried over from it.
    pub original: JpegOriginal,
}

/// A JPEG as it came. Copies share its bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct JpegOriginal {
    /// The whole file.
    pub(crate) bytes: Arc<[u8]>,
    /// How its pixels must be turned to be upright.
    pub(crate) orientation: Orientation,
    /// Sequential, and more than one scan.
    pub(crate) separate_scans: bool,
    /// The four inks that it has instead of colours.
    pub(crate) inks: Option<Inks>,
}

impl JpegOriginal {
    /// Length of the file.
    pub fn file_bytes(&self) -> usize {
        self.bytes.len()
    }
}

impl std::fmt::Debug for JpegOriginal {
    /// Size and orientation only: the rest is long and may be private.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (bytes, turn) = (self.bytes.len(), self.orientation.exif());
        write!(f, "JpegOriginal({bytes} bytes, orientation {turn})")
    }
}

/// How a JPEG stores cyan, magenta, yellow and black.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Inks {
    /// The first three are luma and chroma (YCCK).
    pub transformed: bool,
    /// 255 is no ink: what Adobe writes, and whoever writes its segment.
    pub inverted: bool,
    /// The file's profile.
    pub profile: Option<Arc<[u8]>>,
}

/// A TIFF as it came. Copies share its bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct TiffSource {
    /// The whole file.
    pub(crate) bytes: Arc<[u8]>,
    /// How its pixels must be turned to be upright.
    pub(crate) orientation: Orientation,
    /// Its colours are inks.
    pub(crate) cmyk: bool,
}

impl TiffSource {
    /// Length of the file.
    pub fn file_bytes(&self) -> usize {
        self.bytes.len()
    }
}

impl std::fmt::Debug for TiffSource {
    /// Size and orientation only: the rest is long and may be private.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (bytes, turn) = (self.bytes.len(), self.orientation.exif());
        write!(f, "TiffSource({bytes} bytes, orientation {turn})")
    }
}

/// WebP coding parameters of the input.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WebPSource {
    /// About the quality, 0 to 100, that a lossy file was made with; `None` for lossless ones.
    pub quality: Option<f32>,
}

/// PNG coding parameters of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PngSource {
    /// Bits per sample (or per index) in the file: 1, 2, 4, 8, 16.
    pub bit_depth: u8,
    /// The palette and every pixel's index, for palette images.
    pub palette: Option<Palette>,
}

/// A palette image's own coding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Palette {
    /// Colours in file order, RGBA.
    pub colours: Vec<[u8; 4]>,
    /// Index of each pixel, `[height, width]`, displayed orientation.
    pub indices: Vec<u8>,
}
