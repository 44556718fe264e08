use proptest::prelude::*;

use super::*;

/// Writes TIFF structures.
struct Writer {
    little: bool,
    bytes: Vec<u8>,
}

impl Writer {
    fn new(little: bool, first: u32) -> Self {
        let bytes = if little { *b"II*\0" } else { *b"MM\0*" };
        let mut w = Writer {
            little,
            bytes: bytes.to_vec(),
        };
        w.long(first);
        w
    }
    fn short(&mut self, v: u16) {
        let b = match self.little {
            true => v.to_le_bytes(),
            false => v.to_be_bytes(),
        };
        self.bytes.extend(b);
    }
    fn long(&mut self, v: u32) {
        let b = match self.little {
            true => v.to_le_bytes(),
            false => v.to_be_bytes(),
        };
        self.bytes.extend(b);
    }
    fn entry(&mut self, tag: u16, kind: u16, count: u32, value: u32) {
        self.short(tag);
        self.short(kind);
        self.long(count);
        match (kind, count) {
            (1, 0..=1) => self.bytes.extend([value as u8, 0, 0, 0]),
            (3, 0..=1) => {
                self.short(value as u16);
                self.short(0);
            }
            _ => self.long(value),
        }
    }
}

/// IFD0 with orientation and an Exif directory (sizes), IFD1 with a thumbnail at the end.
fn sample(little: bool, orientation: u16) -> Vec<u8> {
    let mut w = Writer::new(little, 8);
    w.short(2);
    w.entry(ORIENTATION, 3, 1, u32::from(orientation));
    w.entry(EXIF_IFD, 4, 1, 38);
    w.long(68);
    w.short(2);
    w.entry(PIXEL_WIDTH, 3, 1, 640);
    w.entry(PIXEL_HEIGHT, 4, 1, 480);
    w.long(0);
    w.short(2);
    w.entry(0x0201, 4, 1, 98);
    w.entry(0x0202, 4, 1, 5);
    w.long(0);
    w.bytes.extend(b"thumb");
    w.bytes
}

/// IFD0 with one orientation entry of any form and a maker's name.
fn with_orientation(little: bool, kind: u16, count: u32, value: u32) -> Vec<u8> {
    let mut w = Writer::new(little, 8);
    w.short(2);
    w.entry(0x010f, 2, 6, 38);
    w.entry(ORIENTATION, kind, count, value);
    w.long(0);
    w.bytes.extend(b"Maker\0");
    w.bytes
}

#[test]
fn orientation_is_read_and_reset_and_the_thumbnail_is_gone() {
    for little in [true, false] {
        let mut exif = sample(little, 6);
        let mut notes = Notes::default();
        assert_eq!(tidy(&mut exif, &mut notes), Some(Orientation::from_exif(6)));
        assert_eq!(exif.len(), 68);
        assert!(notes.sentences()[0].ends_with("EXIF thumbnail"));
        assert_eq!(orientation(&exif), Orientation::UPRIGHT);
        let tiff = Tiff::open(&exif).unwrap();
        assert_eq!((tiff.u32(40 + 8), tiff.u16(52 + 8)), (Some(480), Some(640)));
        assert_eq!(tiff.u32(34), Some(0));
        set_orientation(&mut exif, Orientation::from_exif(6)).unwrap();
        assert_eq!(orientation(&exif), Orientation::from_exif(6));
        let tiff = Tiff::open(&exif).unwrap();
        assert_eq!((tiff.u16(40 + 8), tiff.u32(52 + 8)), (Some(640), Some(480)));
    }
}

#[test]
fn orientation_is_read_as_byte_short_and_long_and_anything_else_is_ignored() {
    let cases = [
        (1, 1, 6, 6, false),
        (3, 1, 6, 6, false),
        (4, 1, 6, 6, false),
        (2, 2, 0x3600_3600, 1, true),
        (3, 0, 6, 1, true),
        (3, 1, 0, 1, true),
        (3, 1, 9, 1, true),
        (5, 1, 6, 1, true),
        (3, u32::MAX, 6, 1, true),
    ];
    for little in [true, false] {
        for (kind, count, value, want, said) in cases {
            let mut exif = with_orientation(little, kind, count, value);
            let name = format!("kind {kind}, count {count}, value {value}, little {little}");
            assert_eq!(orientation(&exif).exif(), want, "{name}");
            let mut notes = Notes::default();
            assert_eq!(tidy(&mut exif, &mut notes).unwrap().exif(), want, "{name}");
            assert_eq!(!notes.sentences().is_empty(), said, "{name}");
            assert_eq!(exif, with_orientation(little, 3, 1, 1), "{name}");
        }
    }
}

#[test]
fn damaged_entries_go_and_the_others_stay() {
    let mut w = Writer::new(true, 8);
    w.short(4);
    w.entry(0x010e, 2, 500, 9_000);
    w.entry(0x010f, 2, 6, 62);
    w.entry(0x0110, 7, u32::MAX, u32::MAX);
    w.entry(ORIENTATION, 3, 1, 3);
    w.long(0);
    w.bytes.extend(b"Maker\0");
    let mut notes = Notes::default();
    assert_eq!(tidy(&mut w.bytes, &mut notes).unwrap().exif(), 3);
    assert!(notes.sentences()[0].starts_with("damaged EXIF entries"));
    let tiff = Tiff::open(&w.bytes).unwrap();
    let directory = tiff.directory(8, 99).unwrap();
    let tags: Vec<u16> = directory.entries.iter().map(|e| e.tag).collect();
    assert_eq!(tags, [0x010f, ORIENTATION]);
    assert_eq!(&w.bytes[62..], b"Maker\0");
}

#[test]
fn no_picture_is_left_in_sub_directories_maker_notes_or_between_values() {
    let jpeg = b"\xff\xd8\xff\xda\0\x02preview\xff\xd9";
    let text = b"a comment of more than sixty-four bytes, which is certainly not a picture at all";
    let mut w = Writer::new(true, 8);
    let ifd = |entries: usize| 2 + 12 * entries + 4;
    let exif_at = 8 + ifd(2);
    let sub_at = exif_at + ifd(2);
    let data_at = sub_at + ifd(2);
    w.short(2);
    w.entry(SUB_IFDS, 4, 1, sub_at as u32);
    w.entry(EXIF_IFD, 4, 1, exif_at as u32);
    w.long(0);
    w.short(2);
    let notes_bytes = 70 + jpeg.len();
    w.entry(0x927c, 7, notes_bytes as u32, data_at as u32);
    w.entry(0x9286, 7, text.len() as u32, (data_at + notes_bytes) as u32);
    w.long(0);
    w.short(2);
    let strip_at = data_at + notes_bytes + text.len();
    w.entry(0x0111, 4, 1, strip_at as u32);
    w.entry(0x0117, 4, 1, 10);
    w.long(0);
    w.bytes.extend([b'm'; 70]);
    w.bytes.extend(jpeg);
    w.bytes.extend(text);
    w.bytes.extend(b"raw pixels");
    w.bytes.extend(jpeg);
    let mut notes = Notes::default();
    tidy(&mut w.bytes, &mut notes).unwrap();
    let said = notes.sentences().join("; ");
    assert!(said.contains("EXIF sub-image, EXIF preview"), "{said}");
    let holds = |what: &[u8]| w.bytes.windows(what.len()).any(|part| part == what);
    assert!(!holds(b"preview") && !holds(b"raw pixels") && !holds(b"\xff\xd8"));
    assert!(holds(&[b'm'; 70]) && holds(text));
    let tiff = Tiff::open(&w.bytes).unwrap();
    let first = tiff.directory(8, 99).unwrap();
    assert_eq!(first.entries.len(), 1);
    assert_eq!(first.entries[0].tag, EXIF_IFD);
}

#[test]
fn links_that_lead_back_and_huge_directories_cost_little() {
    let mut w = Writer::new(true, 8);
    w.short(2);
    w.entry(EXIF_IFD, 4, 1, 8);
    w.entry(SUB_IFDS, 4, 1, 8);
    w.long(8);
    tidy(&mut w.bytes.clone(), &mut Notes::default()).unwrap();
    // Directories that overlap: each begins one entry later and links to the next.
    let mut bytes = Writer::new(true, 8).bytes;
    while bytes.len() < 4 << 20 {
        let at = bytes.len() as u32;
        bytes.extend([0xff, 0xff, 0x69, 0x87, 4, 0, 1, 0, 0, 0]);
        bytes.extend((at + 14).to_le_bytes());
    }
    let started = std::time::Instant::now();
    tidy(&mut bytes, &mut Notes::default()).unwrap();
    assert!(started.elapsed().as_secs() < 2);
}

proptest! {
    #[test]
    fn hostile_blocks_never_panic(little in any::<bool>(), changes in prop::collection::vec((0usize..103, any::<u8>()), 0..12), cut in 0usize..104) {
        let mut b = sample(little, 6);
        for (at, v) in changes {
            b[at] = v;
        }
        b.truncate(cut);
        orientation(&b);
        set_orientation(&mut b, Orientation::from_exif(6));
        tidy(&mut b, &mut Notes::default());
    }
}
