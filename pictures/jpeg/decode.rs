//! Decoding with zune-jpeg, within our own limits.

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::JpegFile;
use crate::{Channels, Format, ImageError, JpegSource, Limits, Orientation};

/// Decodes to stored orientation, 8-bit gray or RGB.
pub(crate) fn decode(
    bytes: &[u8],
    file: &JpegFile,
    limits: &Limits,
) -> Result<(Channels, Vec<u8>), ImageError> {
    let fail = |e: &dyn std::fmt::Debug| ImageError::corrupt(Format::Jpeg, format!("{e:?}"));
    let (channels, space) = if file.components.len() == 1 {
        (Channels::Gray, ColorSpace::Luma)
    } else {
        (Channels::Rgb, ColorSpace::RGB)
    };
    let options = DecoderOptions::default()
        .jpeg_set_out_colorspace(space)
        .jpeg_set_max_scans(limits.jpeg_scans_max)
        .set_max_width(limits.side_max as usize)
        .set_max_height(limits.side_max as usize);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), options);
    decoder.decode_headers().map_err(|e| fail(&e))?;
    let want = usize::from(file.width) * usize::from(file.height) * channels.count();
    if decoder.output_buffer_size() != Some(want) {
        return Err(ImageError::corrupt(
            Format::Jpeg,
            "its headers contradict each other",
        ));
    }
    let mut samples = vec![0; want];
    decoder.decode_into(&mut samples).map_err(|e| fail(&e))?;
    Ok((channels, samples))
}

impl JpegFile {
    /// The coding parameters to repeat, turned like the pixels: a turned picture needs transposed tables and factors.
    pub fn source(&self, orientation: Orientation) -> JpegSource {
        let table = |component: usize| {
            self.components
                .get(component)
                .and_then(|c| self.tables[usize::from(c.table)])
                .unwrap_or([1; 64])
        };
        let (luma, chroma) = (
            table(0),
            table(if self.components.len() == 3 { 1 } else { 0 }),
        );
        let subsampling = match self.components.as_slice() {
            [y, cb, _] => (y.h / cb.h.max(1), y.v / cb.v.max(1)),
            _ => (1, 1),
        };
        let turned = |t: [u16; 64]| {
            if orientation.turns() {
                std::array::from_fn(|i| t[(i % 8) * 8 + i / 8])
            } else {
                t
            }
        };
        JpegSource {
            luma: turned(luma),
            chroma: turned(chroma),
            subsampling: orientation.displayed(subsampling.0.max(1), subsampling.1.max(1)),
            progressive: self.progressive,
        }
    }
}
