//! EXIF: reads the orientation, then makes the block fit the upright result.

use super::Orientation;

const ORIENTATION: u16 = 0x0112;
const THUMBNAIL_OFFSET: u16 = 0x0201;
const THUMBNAIL_BYTES: u16 = 0x0202;
const EXIF_IFD: u16 = 0x8769;
const PIXEL_WIDTH: u16 = 0xa002;
const PIXEL_HEIGHT: u16 = 0xa003;

/// Reads the orientation of a TIFF structure and changes it in place: orientation 1, no thumbnail (it would still show what
/// was removed), sizes exchanged when the picture was turned. `None` when it is not a TIFF structure.
pub(super) fn tidy(bytes: &mut Vec<u8>) -> Option<Orientation> {
    let mut tiff = Tiff::open(bytes)?;
    let first = tiff.u32(4)? as usize;
    let entries = tiff.entries(first)?;
    let mut orientation = Orientation::UPRIGHT;
    for at in entries.clone().step_by(12) {
        if tiff.u16(at)? == ORIENTATION {
            orientation = Orientation::from_exif(tiff.short_value(at)?);
            tiff.set_short_value(at, 1);
        }
    }
    if orientation.turns() {
        tiff.exchange_sizes(entries.clone());
    }
    tiff.remove_thumbnail(entries.end);
    Some(orientation)
}

/// Turns a block that says "upright" into one for pixels that are stored with `orientation`.
pub(super) fn set_orientation(bytes: &mut Vec<u8>, orientation: Orientation) -> Option<()> {
    let mut tiff = Tiff::open(bytes)?;
    let entries = tiff.entries(tiff.u32(4)? as usize)?;
    for at in entries.clone().step_by(12) {
        if tiff.u16(at)? == ORIENTATION {
            tiff.set_short_value(at, u16::from(orientation.exif()));
        }
    }
    if orientation.turns() {
        tiff.exchange_sizes(entries);
    }
    Some(())
}

/// A TIFF structure. Offsets are checked at every access: `None` is "outside the block".
struct Tiff<'a> {
    bytes: &'a mut Vec<u8>,
    little: bool,
}

impl<'a> Tiff<'a> {
    fn open(bytes: &'a mut Vec<u8>) -> Option<Self> {
        let little = match bytes.get(..4)? {
            b"II*\0" => true,
            b"MM\0*" => false,
            _ => return None,
        };
        Some(Tiff { bytes, little })
    }
    fn u16(&self, at: usize) -> Option<u16> {
        let b = self.bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.little {
            u16::from_le_bytes(b)
        } else {
            u16::from_be_bytes(b)
        })
    }
    fn u32(&self, at: usize) -> Option<u32> {
        let b = self.bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.little {
            u32::from_le_bytes(b)
        } else {
            u32::from_be_bytes(b)
        })
    }
    /// Where the 12-byte entries of the directory at `at` lie; at the end stands its link to the next directory.
    fn entries(&self, at: usize) -> Option<std::ops::Range<usize>> {
        let count = usize::from(self.u16(at)?);
        let range = at + 2..at + 2 + count * 12;
        (range.end <= self.bytes.len()).then_some(range)
    }
    fn short_value(&self, entry: usize) -> Option<u16> {
        (self.u16(entry + 2)? == 3).then(|| self.u16(entry + 8))?
    }
    fn set_short_value(&mut self, entry: usize, value: u16) {
        let b = if self.little {
            value.to_le_bytes()
        } else {
            value.to_be_bytes()
        };
        if let Some(to) = self.bytes.get_mut(entry + 8..entry + 10) {
            to.copy_from_slice(&b);
        }
    }
    fn find(&self, range: std::ops::Range<usize>, tag: u16) -> Option<usize> {
        range.step_by(12).find(|&at| self.u16(at) == Some(tag))
    }
    /// Exchanges the values of PixelXDimension and PixelYDimension.
    fn exchange_sizes(&mut self, first: std::ops::Range<usize>) -> Option<()> {
        let exif = self.u32(self.find(first, EXIF_IFD)? + 8)? as usize;
        let range = self.entries(exif)?;
        let (w, h) = (
            self.find(range.clone(), PIXEL_WIDTH)?,
            self.find(range, PIXEL_HEIGHT)?,
        );
        // Type and count may differ (short or long), so everything after the tag changes places.
        for i in 2..12 {
            self.bytes.swap(w + i, h + i);
        }
        Some(())
    }
    /// Cuts the link at `link` to the second directory and blanks the thumbnail it describes.
    fn remove_thumbnail(&mut self, link: usize) -> Option<()> {
        let second = self.u32(link)? as usize;
        self.bytes.get_mut(link..link + 4)?.fill(0);
        let range = self.entries(second)?;
        let start = self.u32(self.find(range.clone(), THUMBNAIL_OFFSET)? + 8)? as usize;
        let length = self.u32(self.find(range.clone(), THUMBNAIL_BYTES)? + 8)? as usize;
        let end = start
            .checked_add(length)
            .filter(|&end| end <= self.bytes.len())?;
        // Most files end with the thumbnail: then the block is cut, which also saves its bytes.
        if end == self.bytes.len() && start >= range.end {
            self.bytes.truncate(start);
        } else if start >= 8 {
            self.bytes[start..end].fill(0);
        }
        Some(())
    }
}

/// Sets `tiff:Orientation` in an XMP packet, in attribute or element form, without changing its length.
pub(super) fn set_xmp_orientation(xmp: &mut [u8], orientation: Orientation) {
    const NAME: &[u8] = b"tiff:Orientation";
    let mut at = 0;
    while let Some(found) = xmp[at..].windows(NAME.len()).position(|w| w == NAME) {
        at += found + NAME.len();
        let quoted = xmp[at..].starts_with(b"=\"") || xmp[at..].starts_with(b"='");
        let digit = at + if quoted { 2 } else { 1 };
        if (quoted || xmp[at..].starts_with(b">"))
            && xmp.get(digit).is_some_and(|d| (b'1'..=b'8').contains(d))
        {
            xmp[digit] = b'0' + orientation.exif();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// IFD0 with orientation and an Exif directory (sizes), IFD1 with a thumbnail at the end.
    pub(crate) fn sample(little: bool, orientation: u16) -> Vec<u8> {
        let s = |v: u16| {
            if little {
                v.to_le_bytes()
            } else {
                v.to_be_bytes()
            }
        };
        let l = |v: u32| {
            if little {
                v.to_le_bytes()
            } else {
                v.to_be_bytes()
            }
        };
        let mut b: Vec<u8> = if little {
            b"II*\0".to_vec()
        } else {
            b"MM\0*".to_vec()
        };
        b.extend(l(8));
        let entry =
            |tag: u16, kind: u16, value: [u8; 4]| [&s(tag)[..], &s(kind), &l(1), &value].concat();
        let short = |v: u16| [s(v)[0], s(v)[1], 0, 0];
        b.extend(s(2));
        b.extend(entry(ORIENTATION, 3, short(orientation)));
        b.extend(entry(EXIF_IFD, 4, l(38)));
        b.extend(l(68));
        b.extend(s(2));
        b.extend(entry(PIXEL_WIDTH, 3, short(640)));
        b.extend(entry(PIXEL_HEIGHT, 4, l(480)));
        b.extend(l(0));
        b.extend(s(2));
        b.extend(entry(THUMBNAIL_OFFSET, 4, l(98)));
        b.extend(entry(THUMBNAIL_BYTES, 4, l(5)));
        b.extend(l(0));
        b.extend(b"thumb");
        b
    }

    #[test]
    fn orientation_is_read_and_reset_and_the_thumbnail_is_gone() {
        for little in [true, false] {
            let mut exif = sample(little, 6);
            assert_eq!(tidy(&mut exif), Some(Orientation::from_exif(6)));
            assert_eq!(exif.len(), 98);
            assert_eq!(tidy(&mut exif.clone()), Some(Orientation::UPRIGHT));
            let tiff = Tiff::open(&mut exif).unwrap();
            assert_eq!((tiff.u32(40 + 8), tiff.u16(52 + 8)), (Some(480), Some(640)));
            assert_eq!(tiff.u32(34), Some(0));
        }
    }

    #[test]
    fn xmp_orientation_is_reset_in_both_forms() {
        let mut xmp = b"<a tiff:Orientation=\"6\"/><tiff:Orientation>8</tiff:Orientation>".to_vec();
        set_xmp_orientation(&mut xmp, Orientation::UPRIGHT);
        assert_eq!(
            xmp,
            b"<a tiff:Orientation=\"1\"/><tiff:Orientation>1</tiff:Orientation>"
        );
    }

    proptest! {
        #[test]
        fn hostile_blocks_never_panic(little in any::<bool>(), changes in prop::collection::vec((0usize..103, any::<u8>()), 0..12), cut in 0usize..104) {
            let mut b = sample(little, 6);
            for (at, v) in changes {
                b[at] = v;
            }
            b.truncate(cut);
            tidy(&mut b);
            set_xmp_orientation(&mut b, Orientation::from_exif(6));
            set_orientation(&mut b, Orientation::from_exif(6));
        }
    }
}
