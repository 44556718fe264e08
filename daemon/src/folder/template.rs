//! Masks by the size of the photo: watermarks and date stamps that always lie at the same place.

use std::io;
use std::path::Path;

use cleanplate_pictures::{ImageError, Limits, Mask, MaskChannel};

use crate::pairing::path::{join, place, text};
use crate::pairing::template_size;

type Size = (u32, u32);

/// The template for a photo of this size: the path of the one of just that size, else of the one of the same shape that
/// comes nearest in size.
pub fn choose(root: &Path, dir: &str, size: Size) -> io::Result<Option<(String, Size)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(place(root, dir))? {
        let name = text(&entry?.file_name());
        if let Some(own) = template_size(&name).filter(|own| fits(*own, size)) {
            found.push((own, join(dir, &name)));
        }
    }
    // The one that is scaled least; of two as good the larger one.
    found.sort_by_key(|(own, path)| {
        let (a, b) = (own.0.max(size.0), own.0.min(size.0));
        (
            u64::from(a) * 1000 / u64::from(b),
            u32::MAX - own.0,
            path.clone(),
        )
    });
    Ok(found.into_iter().next().map(|(own, path)| (path, own)))
}

/// Whether one size is the other scaled, but for the rounding of a pixel.
fn fits(own: Size, size: Size) -> bool {
    let [(a, b), (w, h)] = [own, size].map(|(w, h)| (u64::from(w), u64::from(h)));
    (a * h).abs_diff(b * w) <= a.max(b).max(w).max(h)
}

/// The mask of a template's bytes at another size, as a gray PNG. No pixel that is marked gets lost.
pub fn scaled(
    bytes: &[u8],
    size: Size,
    channel: MaskChannel,
    limits: &Limits,
) -> Result<Vec<u8>, ImageError> {
    let from = cleanplate_pictures::decode_mask(bytes, limits, channel)?.mask;
    let (width, height) = (size.0 as usize, size.1 as usize);
    let span = |at: usize, to: usize, from: usize| at * from / to..((at + 1) * from).div_ceil(to);
    let mut to = Mask::empty(width, height);
    for (y, line) in to.data.chunks_exact_mut(width).enumerate() {
        for row in span(y, height, from.height) {
            let row = from.row(row);
            for (x, pixel) in line.iter_mut().enumerate() {
                let marked = row[span(x, width, from.width)].iter().any(|v| *v != 0);
                *pixel |= u8::from(marked) * 255;
            }
        }
    }
    crate::picture::mask_png(&to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_of_the_same_shape_that_is_nearest_is_chosen() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "600x400.png",
            "6000x4000.png",
            "3000x2000.png",
            "400x600.png",
            "notes.txt",
        ] {
            std::fs::write(dir.path().join(name), b"").unwrap();
        }
        let chosen = |w, h| {
            choose(dir.path(), "", (w, h))
                .unwrap()
                .map(|(path, _)| path)
        };
        assert_eq!(chosen(3000, 2000).as_deref(), Some("3000x2000.png"));
        assert_eq!(chosen(4500, 3000).as_deref(), Some("6000x4000.png"));
        // A third of 400 is no whole number.
        assert_eq!(chosen(200, 133).as_deref(), Some("600x400.png"));
        assert_eq!(chosen(1000, 1500).as_deref(), Some("400x600.png"));
        assert_eq!(chosen(1000, 1000), None);
    }

    #[test]
    fn marks_survive_scaling_both_ways() {
        let mut mask = Mask::empty(60, 40);
        mask.data[10 * 60 + 30] = 255;
        let bytes = crate::picture::mask_png(&mask).unwrap();
        for (size, count) in [
            ((60, 40), 1),
            ((30, 20), 1),
            ((120, 80), 4),
            ((20, 13), 1),
            ((90, 60), 4),
        ] {
            let png = scaled(&bytes, size, MaskChannel::Auto, &Limits::default()).unwrap();
            let read =
                cleanplate_pictures::decode_mask(&png, &Limits::default(), MaskChannel::Luma)
                    .unwrap()
                    .mask;
            assert_eq!((read.width as u32, read.height as u32), size);
            assert_eq!(read.count(), count, "{size:?}");
            let bounds = read.bounds().unwrap();
            assert_eq!(bounds.x0, 30 * size.0 as usize / 60);
        }
    }
}
