//! Masks by the size of the photo: watermarks and date stamps that always lie at the same place.

use std::io;
use std::path::Path;

use cleanplate_pictures::resample::shrink_hole;
use cleanplate_pictures::{ImageError, Mask, MaskChannel, Rect};

use super::read::Bounds;
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

/// The mask of a template's bytes for a photo of size `to`: as it is, or scaled, as a gray PNG. No pixel that is marked gets
/// lost. A template whose size is not `own`, the one that its name says, is refused: scaled, it would mark another place.
pub fn scaled(
    bytes: Vec<u8>,
    own: Size,
    to: Size,
    channel: MaskChannel,
    bounds: &Bounds,
) -> Result<Vec<u8>, String> {
    let broken = |error: ImageError| error.to_string();
    let header = cleanplate_pictures::probe(&bytes, &bounds.image).map_err(broken)?;
    let found = (header.width, header.height);
    if found != (own.0 as usize, own.1 as usize) {
        let ((width, height), (w, h)) = (found, own);
        return Err(format!(
            "its name says {w}x{h}, but it has {width}x{height} pixels; name it {width}x{height}, or redo it at {w}x{h}"
        ));
    }
    if own == to {
        return Ok(bytes);
    }
    let (width, height) = (to.0 as usize, to.1 as usize);
    // The scaled mask, and as much again while it is written.
    let made = 2 * (width * height) as u64;
    let room = (bounds.memory).take(header.need.cut_bytes_max + made, || false);
    let _room = room.map_err(broken)?;
    let from = cleanplate_pictures::decode_mask(&bytes, &bounds.image, channel);
    let from = from.map_err(broken)?.mask;
    let all = Rect {
        x0: 0,
        y0: 0,
        x1: from.width,
        y1: from.height,
    };
    let data = shrink_hole(&from, all, width, height);
    let mask = Mask {
        width,
        height,
        data,
    };
    crate::picture::mask_png(&mask).map_err(broken)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use cleanplate_pictures::Limits;

    use super::*;
    use crate::jobs::ByteBudget;

    fn bounds() -> Bounds {
        Bounds {
            bytes_max: 1 << 20,
            points_max: 1,
            image: Limits::default(),
            memory: Arc::new(ByteBudget::new(1 << 20)),
        }
    }

    #[test]
    fn a_template_that_is_not_of_the_size_in_its_name_is_refused() {
        let bytes = crate::picture::mask_png(&Mask::empty(60, 40)).unwrap();
        let scaled = |own, to| scaled(bytes.clone(), own, to, MaskChannel::Auto, &bounds());
        for to in [(600, 400), (300, 200)] {
            let error = scaled((600, 400), to).unwrap_err();
            assert!(
                error.contains("says 600x400, but it has 60x40 pixels"),
                "{error}"
            );
        }
        assert_eq!(scaled((60, 40), (60, 40)).unwrap(), bytes);
    }

    #[test]
    fn a_template_waits_for_room_to_be_scaled_in() {
        let bytes = crate::picture::mask_png(&Mask::empty(60, 40)).unwrap();
        let bounds = bounds();
        let others = bounds.memory.take(1 << 20, || false).unwrap();
        std::thread::scope(|scope| {
            let run = || scaled(bytes, (60, 40), (30, 20), MaskChannel::Auto, &bounds);
            let waiting = scope.spawn(run);
            // Long enough to be done, were there room.
            std::thread::sleep(Duration::from_millis(300));
            assert!(!waiting.is_finished());
            drop(others);
            assert!(waiting.join().unwrap().is_ok());
        });
    }

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
            let png = scaled(bytes.clone(), (60, 40), size, MaskChannel::Auto, &bounds()).unwrap();
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
