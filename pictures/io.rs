//! The entry points: probe, decode, encode, masks.

use std::panic::{AssertUnwindSafe, catch_unwind};

use super::colour::Cmyk;
use super::deadline::Deadline;
use super::file::{File, parse};
use super::mask_file::{MaskChannel, MaskFile, Reader};
use super::memory::ask;
use super::notes::Notes;
use super::{
    Channels, Format, ImageError, Limits, Mask, Metadata, Need, Orientation, Photo, Samples,
    Source, TiffSource, WebPSource,
};
use super::{bmp, jpeg, png, tiff, webp, xmp};

/// What a file says about itself; nothing was decoded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// Type by content.
    pub format: Format,
    /// Width as displayed.
    pub width: usize,
    /// Height as displayed.
    pub height: usize,
    /// Samples per pixel after decoding.
    pub channels: Channels,
    /// Bits per sample in the file.
    pub bits: u8,
    /// How the stored pixels are turned for display.
    pub orientation: Orientation,
    /// Memory that it takes.
    pub need: Need,
}

/// How to write a photo.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EncodeOptions {
    /// Another type than the photo's own.
    pub format: Option<Format>,
    /// JPEG and WebP, 1 to 100: coded as a whole at this quality. Without it a JPEG keeps its own tables, a lossy WebP about its
    /// own quality, and everything else is coded without loss where the type can.
    pub quality: Option<u8>,
}

impl EncodeOptions {
    /// The type of the result of a photo of type `own`.
    pub fn format_of(&self, own: Format) -> Format {
        self.format.unwrap_or(own.written())
    }
}

/// Checks type, size and structure against the limits without decoding. `bytes` is the whole file, best mapped into memory:
/// it is walked once, and nothing of it is copied.
pub fn probe(bytes: &[u8], limits: &Limits) -> Result<Header, ImageError> {
    let file = parse(bytes, limits)?;
    let orientation = file.orientation();
    let (width, height) = file.size();
    let (width, height) = orientation.displayed(width, height);
    Ok(Header {
        format: file.format(),
        width,
        height,
        channels: file.channels(),
        bits: file.bits(),
        orientation,
        need: file.need(bytes.len()),
    })
}

/// Decodes a photo to displayed orientation. A decoder that panics counts as a corrupt file.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Photo, ImageError> {
    let mut file = parse(bytes, limits)?;
    ask(file.need(bytes.len()).decode_bytes_max)?;
    let (orientation, metadata, inks) = file.metadata(limits);
    let (width, height) = file.size();
    let (channels, samples, mut source) = guarded(file.format(), || {
        file.decode(bytes, limits, orientation, inks.as_deref())
    })?;
    if samples.len() != width * height * channels.count() {
        let detail = "its headers contradict each other";
        return Err(ImageError::corrupt(file.format(), detail));
    }
    let samples = turn(samples, channels, width, orientation)?;
    if let Source::Png(super::PngSource {
        palette: Some(palette),
        ..
    }) = &mut source
    {
        palette.indices =
            orientation.apply::<u8, 1>(std::mem::take(&mut palette.indices), width)?;
    }
    let (width, height) = orientation.displayed(width, height);
    Ok(Photo {
        width,
        height,
        format: file.format(),
        channels,
        samples,
        metadata,
        source,
    })
}

/// Decoders are other people's code fed with anybody's bytes: one that panics met a file it cannot read.
fn guarded<T>(
    format: Format,
    decode: impl FnOnce() -> Result<T, ImageError>,
) -> Result<T, ImageError> {
    catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err(ImageError::corrupt(format, "the decoder failed on it")))
}

/// Decodes a mask: 255 removes, 0 keeps. By its luma (cut at 128) colour counts by its brightness, and transparent pixels keep,
/// whatever their colour: the mask is seen on black. PNG is the documented type and takes one byte per pixel; the other
/// types are read too. A mask that cannot have been meant as it is read is refused, with what to send instead.
pub fn decode_mask(
    bytes: &[u8],
    limits: &Limits,
    channel: MaskChannel,
) -> Result<MaskFile, ImageError> {
    let file = parse(bytes, limits)?;
    ask(file.need(bytes.len()).cut_bytes_max)?;
    let (width, height) = file.size();
    let mut reader = Reader::new(channel, file.bits());
    let data = guarded(file.format(), || {
        file.decode_cut(bytes, limits, &mut reader)
    })?;
    let orientation = file.orientation();
    let data = orientation.apply::<u8, 1>(data, width)?;
    let (width, height) = orientation.displayed(width, height);
    reader.finish(Mask {
        width,
        height,
        data,
    })
}

/// What a profile is for, when an image of these channels cannot have it: a gray or CMYK profile on colours.
fn other_colours(profile: &[u8], channels: Channels) -> Option<&'static str> {
    match profile.get(16..20) {
        Some(b"GRAY") if !channels.is_gray() => Some("gray images"),
        Some(b"CMYK") => Some("CMYK images"),
        _ => None,
    }
}

impl File<'_> {
    /// The metadata, made true for the upright picture, with the orientation it had and the profile of its inks: pixels of inks
    /// are seen as sRGB, which needs none.
    fn metadata(&mut self, limits: &Limits) -> (Orientation, Metadata, Option<Vec<u8>>) {
        let mut notes = Notes::default();
        let (orientation, mut m) = match self {
            File::Jpeg(f) => jpeg::metadata(f, &mut notes),
            File::Png(f) => png::metadata(f, limits, &mut notes),
            File::WebP(f) => webp::metadata(f, &mut notes),
            File::Tiff(f) => tiff::metadata(f, limits, &mut notes),
            File::Bmp(_) => (Orientation::UPRIGHT, Metadata::default()),
        };
        if let Some(packet) = &mut m.xmp {
            xmp::set_orientation(packet, Orientation::UPRIGHT);
        }
        if orientation.turns() {
            m.turn_resolution();
        }
        let mut inks = None;
        if self.is_cmyk() {
            inks = m.icc.take();
            notes.say(Cmyk::of(inks.as_deref()).1);
        }
        if let Some(profile) = &m.icc
            && let Some(other) = other_colours(profile, self.channels())
        {
            notes.say(format!(
                "the colour profile was left out: it is for {other}, which this image is not"
            ));
            m.icc = None;
        }
        m.unended = notes.unended;
        m.warnings = notes.sentences();
        (orientation, m, inks)
    }

    fn decode(
        &self,
        bytes: &[u8],
        limits: &Limits,
        orientation: Orientation,
        inks: Option<&[u8]>,
    ) -> Result<(Channels, Samples, Source), ImageError> {
        match self {
            File::Jpeg(f) => {
                let deadline = Deadline::after(limits.decode_max);
                jpeg::check_whole(f, bytes, deadline)?;
                let original = f.original(bytes, orientation, inks);
                let samples = jpeg::pixels(&original, self.size(), self.channels(), deadline)?;
                let source = Source::Jpeg(Box::new(f.source(original)));
                Ok((self.channels(), Samples::U8(samples), source))
            }
            File::Png(f) => {
                let (channels, samples, source) = png::decode(f, limits)?;
                Ok((channels, samples, Source::Png(source)))
            }
            File::WebP(f) => {
                let (channels, samples) = webp::decode(f, limits)?;
                let quality = f.lossy.and_then(webp::quality);
                let source = Source::WebP(WebPSource { quality });
                Ok((channels, Samples::U8(samples), source))
            }
            File::Tiff(f) => {
                let (channels, samples) = tiff::decode(f, limits)?;
                let source = Source::Tiff(TiffSource {
                    bytes: bytes.into(),
                    orientation,
                    cmyk: f.layout.is_cmyk(),
                });
                Ok((channels, samples, source))
            }
            File::Bmp(f) => {
                let samples = bmp::decode(f, limits)?;
                Ok((f.channels, Samples::U8(samples), Source::Bmp))
            }
        }
    }

    /// What `reader` makes of the pixels of a mask, stored orientation.
    fn decode_cut(
        &self,
        bytes: &[u8],
        limits: &Limits,
        reader: &mut Reader,
    ) -> Result<Vec<u8>, ImageError> {
        if let File::Png(f) = self {
            return png::decode_cut(f, limits, reader);
        }
        let (channels, samples, _) = self.decode(bytes, limits, Orientation::UPRIGHT, None)?;
        Ok(match samples {
            Samples::U8(mut samples) => {
                // In place: each pixel is read before what it becomes is written.
                let n = channels.count();
                for i in 0..samples.len() / n {
                    let (rgb, alpha) =
                        pixel(&samples[i * n..][..n], channels, |v| f32::from(v) / 255.0);
                    samples[i] = reader.take(rgb, alpha);
                }
                samples.truncate(samples.len() / n);
                samples
            }
            Samples::U16(samples) => samples
                .chunks_exact(channels.count())
                .map(|samples| {
                    let (rgb, alpha) = pixel(samples, channels, |v| f32::from(v) / 65_535.0);
                    reader.take(rgb, alpha)
                })
                .collect(),
        })
    }
}

/// Colour and alpha of a pixel, 0 to 1.
fn pixel<S: Copy>(samples: &[S], channels: Channels, unit: impl Fn(S) -> f32) -> ([f32; 3], f32) {
    let at = |c: usize| unit(samples[if channels.is_gray() { 0 } else { c }]);
    let alpha = match channels.has_alpha() {
        true => unit(samples[samples.len() - 1]),
        false => 1.0,
    };
    ([at(0), at(1), at(2)], alpha)
}

impl Photo {
    /// Writes the photo: in its own type and kind, or converted as asked. Never changes what it does not have to; refuses to
    /// drop transparency.
    pub fn encode(&self, options: &EncodeOptions) -> Result<Vec<u8>, ImageError> {
        self.encode_with_warnings(options, &mut Vec::new())
    }

    /// Like [`Photo::encode`]; says in `warnings` what could not stay as it was, one sentence each.
    pub fn encode_with_warnings(
        &self,
        options: &EncodeOptions,
        warnings: &mut Vec<String>,
    ) -> Result<Vec<u8>, ImageError> {
        let format = options.format_of(self.format);
        self.metadata.note_losses(format, warnings);
        let inks = match &self.source {
            Source::Jpeg(source) => source.original.inks.is_some(),
            Source::Tiff(source) => source.cmyk,
            _ => false,
        };
        if inks && format != self.format {
            warnings.push(format!(
                "the CMYK photo became sRGB: {format} is not written with inks"
            ));
        }
        self.check_format(options)?;
        ask(self.encode_bytes_max())?;
        match format {
            Format::Jpeg => jpeg::encode(self, options.quality, warnings),
            Format::Png => png::encode(self, warnings),
            Format::WebP => webp::encode(self, options.quality, warnings),
            Format::Tiff => tiff::encode(self, warnings),
            Format::Bmp => Err(ImageError::encode(
                Format::Bmp,
                "it is read only; choose png",
            )),
        }
    }
}

fn turn(
    samples: Samples,
    channels: Channels,
    width: usize,
    orientation: Orientation,
) -> Result<Samples, ImageError> {
    Ok(match samples {
        Samples::U8(v) => Samples::U8(turn_pixels(v, channels, width, orientation)?),
        Samples::U16(v) => Samples::U16(turn_pixels(v, channels, width, orientation)?),
    })
}

fn turn_pixels<T: Copy + Default + Send + Sync>(
    v: Vec<T>,
    channels: Channels,
    width: usize,
    orientation: Orientation,
) -> Result<Vec<T>, ImageError> {
    match channels.count() {
        1 => orientation.apply::<T, 1>(v, width),
        2 => orientation.apply::<T, 2>(v, width),
        3 => orientation.apply::<T, 3>(v, width),
        _ => orientation.apply::<T, 4>(v, width),
    }
}
