//! Walks the chunks of a WebP: size, kind and metadata, without decoding a pixel or copying a chunk.

use std::borrow::Cow;

use crate::limits::Tally;
use crate::{Format, ImageError, Limits};

const F: Format = Format::WebP;
/// Place, size, duration and flags of a frame, before its image.
const FRAME_HEAD_BYTES: usize = 16;

/// What the container says.
#[derive(Debug, Default)]
pub(crate) struct WebPFile<'a> {
    pub width: u32,
    pub height: u32,
    pub alpha: bool,
    /// The lossy image data, a VP8 key frame.
    pub lossy: Option<&'a [u8]>,
    pub icc: Option<&'a [u8]>,
    pub exif: Option<&'a [u8]>,
    pub xmp: Option<&'a [u8]>,
    /// Chunks of no known kind, `(type, payload)`.
    pub unknown: Vec<([u8; 4], &'a [u8])>,
    /// Bytes behind the end that the container announces.
    pub trailer: &'a [u8],
    /// The chunks that make the pixels, `(type, payload)`.
    image: Vec<([u8; 4], &'a [u8])>,
    extended: bool,
    frames: usize,
}

/// Walks the chunks up to the length that the container gives itself.
pub(crate) fn parse<'a>(bytes: &'a [u8], limits: &Limits) -> Result<WebPFile<'a>, ImageError> {
    let mut file = WebPFile::default();
    let mut tally = Tally::new(F, limits);
    let announced = bytes.get(4..8).and_then(|b| b.try_into().ok());
    let announced = announced.map_or(0, u32::from_le_bytes) as usize + 8;
    // Some writers leave out the last padding byte.
    let (inside, trailer) = bytes.split_at(announced.clamp(12, bytes.len()));
    file.trailer = trailer;
    let mut rest = &inside[12..];
    while let Some((kind, body, after)) = chunk(rest)? {
        tally.piece("chunks")?;
        rest = after;
        file.read(kind, body, &mut tally)?;
        if file.width > 0 {
            limits.check_size(F, u64::from(file.width), u64::from(file.height))?;
        }
    }
    let data = |(kind, _): &([u8; 4], &[u8])| matches!(kind, b"VP8 " | b"VP8L");
    if !file.image.iter().any(data) {
        return Err(ImageError::corrupt(F, "it has no image data"));
    }
    // A lossy image without its alpha chunk is opaque, whatever the header says.
    file.alpha &= file.lossy.is_none() || file.image.iter().any(|(kind, _)| kind == b"ALPH");
    Ok(file)
}

/// Type, payload, and what follows with its padding; `None` at the end.
type Chunk<'a> = ([u8; 4], &'a [u8], &'a [u8]);

fn chunk(bytes: &[u8]) -> Result<Option<Chunk<'_>>, ImageError> {
    let &[a, b, c, d, l0, l1, l2, l3, ref rest @ ..] = bytes else {
        return Ok(None);
    };
    let length = u32::from_le_bytes([l0, l1, l2, l3]) as usize;
    let body = rest
        .get(..length)
        .ok_or_else(|| ImageError::corrupt(F, "a chunk runs past the end of the file"))?;
    let after = rest.get(length + length % 2..).unwrap_or(&[]);
    Ok(Some(([a, b, c, d], body, after)))
}

fn animated() -> ImageError {
    ImageError::Unsupported {
        format: F,
        feature: "animation".to_string(),
        remedy: "send its frames as single images",
    }
}

impl<'a> WebPFile<'a> {
    /// The smallest file that holds the pixels: no metadata, no animation, nothing behind the end.
    pub fn critical(&self) -> Vec<Cow<'a, [u8]>> {
        let mut chunks: Vec<Cow<'a, [u8]>> = Vec::new();
        if self.extended {
            let flags = if self.alpha { 16 } else { 0 };
            let [w0, w1, w2, _] = (self.width - 1).to_le_bytes();
            let [h0, h1, h2, _] = (self.height - 1).to_le_bytes();
            let head = [b"VP8X".as_slice(), &10u32.to_le_bytes(), &[flags, 0, 0, 0]].concat();
            chunks.push([&head[..], &[w0, w1, w2, h0, h1, h2]].concat().into());
        }
        for (kind, body) in &self.image {
            let length = (body.len() as u32).to_le_bytes();
            chunks.push([&kind[..], &length].concat().into());
            chunks.push((*body).into());
            if body.len() % 2 == 1 {
                chunks.push(vec![0].into());
            }
        }
        let bytes: usize = chunks.iter().map(|chunk| chunk.len()).sum();
        let length = (bytes as u32 + 4).to_le_bytes();
        chunks.insert(0, [&b"RIFF"[..], &length, b"WEBP"].concat().into());
        chunks
    }

    fn read(
        &mut self,
        kind: [u8; 4],
        body: &'a [u8],
        tally: &mut Tally<'_>,
    ) -> Result<(), ImageError> {
        match &kind {
            b"VP8X" if !self.extended => self.read_extended(body)?,
            b"ANIM" | b"VP8X" => {}
            b"ANMF" => self.read_frame(body, tally)?,
            b"VP8 " | b"VP8L" | b"ALPH" => self.read_image(kind, body)?,
            b"ICCP" => {
                tally.profile(body.len())?;
                self.icc.get_or_insert(body);
            }
            _ => {
                tally.metadata(body.len())?;
                match &kind {
                    // Some writers keep JPEG's prefix.
                    b"EXIF" => {
                        let plain = body.strip_prefix(b"Exif\0\0").unwrap_or(body);
                        self.exif.get_or_insert(plain);
                    }
                    b"XMP " => {
                        self.xmp.get_or_insert(body);
                    }
                    _ => self.unknown.push((kind, body)),
                }
            }
        }
        Ok(())
    }

    /// The first image counts, as in other readers.
    fn read_image(&mut self, kind: [u8; 4], body: &'a [u8]) -> Result<(), ImageError> {
        if self
            .image
            .iter()
            .any(|(seen, _)| *seen == kind || seen != b"ALPH")
        {
            return Ok(());
        }
        match &kind {
            b"VP8 " => {
                self.read_lossy(body)?;
                self.lossy = Some(body);
            }
            b"VP8L" => self.read_lossless(body)?,
            // It needs the extended header; without one it means nothing.
            _ if !self.extended => return Ok(()),
            _ => self.alpha = true,
        }
        self.image.push((kind, body));
        Ok(())
    }

    /// An animation of one frame that covers the whole picture is a still picture.
    fn read_frame(&mut self, body: &'a [u8], tally: &mut Tally<'_>) -> Result<(), ImageError> {
        self.frames += 1;
        let &[x0, x1, x2, y0, y1, y2, w0, w1, w2, h0, h1, h2, ..] = body else {
            return Err(ImageError::corrupt(F, "a frame is too short"));
        };
        let size = (
            u32::from_le_bytes([w0, w1, w2, 0]) + 1,
            u32::from_le_bytes([h0, h1, h2, 0]) + 1,
        );
        let whole = [x0, x1, x2, y0, y1, y2] == [0; 6] && size == (self.width, self.height);
        if self.frames > 1 || !whole {
            return Err(animated());
        }
        let mut rest = body.get(FRAME_HEAD_BYTES..).unwrap_or(&[]);
        while let Some((kind, body, after)) = chunk(rest)? {
            tally.piece("chunks")?;
            rest = after;
            if matches!(&kind, b"VP8 " | b"VP8L" | b"ALPH") {
                self.read_image(kind, body)?;
            }
        }
        Ok(())
    }

    fn set_size(&mut self, width: u32, height: u32) -> Result<(), ImageError> {
        if self.width != 0 && (self.width, self.height) != (width, height) {
            return Err(ImageError::corrupt(
                F,
                "the sizes of canvas and image differ",
            ));
        }
        (self.width, self.height) = (width, height);
        Ok(())
    }

    fn read_extended(&mut self, body: &[u8]) -> Result<(), ImageError> {
        let &[flags, _, _, _, w0, w1, w2, h0, h1, h2, ..] = body else {
            return Err(ImageError::corrupt(F, "its VP8X chunk is too short"));
        };
        self.extended = true;
        self.alpha |= flags & 16 != 0;
        self.set_size(
            u32::from_le_bytes([w0, w1, w2, 0]) + 1,
            u32::from_le_bytes([h0, h1, h2, 0]) + 1,
        )
    }

    fn read_lossy(&mut self, body: &[u8]) -> Result<(), ImageError> {
        let &[_, _, _, 0x9d, 0x01, 0x2a, w0, w1, h0, h1, ..] = body else {
            return Err(ImageError::corrupt(
                F,
                "its VP8 chunk does not start with a key frame",
            ));
        };
        let side = |a, b| u32::from(u16::from_le_bytes([a, b]) & 0x3fff);
        self.set_size(side(w0, w1), side(h0, h1))
    }

    fn read_lossless(&mut self, body: &[u8]) -> Result<(), ImageError> {
        let &[0x2f, b0, b1, b2, b3, ..] = body else {
            return Err(ImageError::corrupt(F, "its VP8L chunk lacks its signature"));
        };
        let bits = u32::from_le_bytes([b0, b1, b2, b3]);
        self.alpha |= bits >> 28 & 1 != 0;
        self.set_size((bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1)
    }
}
