//! What stays beside the pixels, and what must not.

use super::make::{Made, fill, read};
use crate::tiff::layout::Photometric;
use crate::tiff::tag;
use crate::tiff::tree::{Data, Tree};
use crate::{EncodeOptions, Format, Limits, Photo, decode};

const PICTURE: &[u8] = b"\xff\xd8\xff\xe0\0\x06THUMB\xff\xd9";
const IPTC: &[u8] = b"\x1c\x02\x50\0\x08Jane Doe";
const XMP: &[u8] = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><a>caption</a></x:xmpmeta>";

fn holds(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

fn edited(photo: &Photo, format: Option<Format>) -> (Vec<u8>, Vec<String>) {
    let mut photo = photo.clone();
    fill(&mut photo, 20..24, 12..18);
    let mut warnings = Vec::new();
    let options = EncodeOptions {
        format,
        quality: None,
    };
    let out = photo.encode_with_warnings(&options, &mut warnings).unwrap();
    (out, warnings)
}

/// With everything that a studio's file has.
fn full(little: bool) -> Made {
    let short = |v: u16| {
        if little {
            v.to_le_bytes()
        } else {
            v.to_be_bytes()
        }
    };
    let long = |v: u32| {
        if little {
            v.to_le_bytes()
        } else {
            v.to_be_bytes()
        }
    };
    let mut exif = Tree::default();
    exif.set(0x9003, 2, 20, b"2026:11:30 12:00:00\0".to_vec());
    exif.set(0xa002, 3, 1, short(53).to_vec());
    let mut gps = Tree::default();
    gps.set(2, 5, 1, [long(47), long(1)].concat());
    let mut made = Made::new(16, Photometric::Rgb, None).coded(5, true);
    made.little = little;
    made.value(282, 5, 1, &[long(300), long(1)].concat())
        .value(283, 5, 1, &[long(300), long(1)].concat())
        .value(296, 3, 1, &short(2))
        .value(305, 2, 8, b"studio 1")
        .value(33_432, 2, 9, b"(c) Jane\0")
        .value(tag::ICC, 7, 3000, &[7; 3000])
        .value(tag::XMP, 1, XMP.len(), XMP)
        .value(tag::IPTC, 7, IPTC.len(), IPTC)
        .value(50_341, 7, 12, b"PrintIM\x000300")
        .below(tag::EXIF_IFD, exif)
        .below(tag::GPS_IFD, gps)
}

#[test]
fn profile_exif_iptc_xmp_and_resolution_stay() {
    for little in [true, false] {
        let made = full(little);
        let photo = read(&made.bytes());
        assert!(
            photo.metadata.warnings.is_empty(),
            "{:?}",
            photo.metadata.warnings
        );
        let (out, warnings) = edited(&photo, None);
        assert!(warnings.is_empty(), "{warnings:?}");
        let back = read(&out);
        assert_eq!(back.metadata, photo.metadata);
        let (_, tree) = Tree::of_block(back.metadata.exif.as_ref().unwrap()).unwrap();
        for value in &made.more.values {
            let beside = [tag::ICC, tag::XMP, tag::IPTC].contains(&value.tag);
            let kept = tree.values.iter().any(|kept| kept == value);
            assert_eq!(kept, !beside, "tag {}", value.tag);
        }
    }
}

#[test]
fn no_picture_of_the_original_travels_on() {
    let mut thumbnail = Tree::default();
    thumbnail.set(513, 4, 1, 8u32.to_le_bytes().to_vec());
    let private = [&[1; 60][..], PICTURE].concat();
    let layers = [&b"Adobe Photoshop Document Data Block\0"[..], PICTURE].concat();
    let large = vec![9; 4000];
    let mut exif = Tree::default();
    exif.set(
        0x927c,
        7,
        70 + PICTURE.len(),
        [&[3; 70][..], PICTURE].concat(),
    );
    let mut made = Made::new(8, Photometric::Rgb, None)
        .value(60_000, 7, private.len(), &private)
        .value(tag::LAYERS, 7, layers.len(), &layers)
        .below(tag::EXIF_IFD, exif);
    made.more.set(330, 4, 1, 8u32.to_le_bytes().to_vec());
    let photo = read(&made.bytes());
    let said = photo.metadata.warnings.join("; ");
    for name in ["Photoshop layers", "TIFF sub-image", "EXIF preview"] {
        assert!(said.contains(name), "{name}: {said}");
    }
    let (out, _) = edited(&photo, None);
    assert!(!holds(&out, PICTURE) && !holds(&out, b"Data Block"));
    let unknown = made.value(60_001, 7, large.len(), &large).bytes();
    let photo = read(&unknown);
    let said = photo.metadata.warnings.join("; ");
    assert!(
        said.contains("private TIFF tags") && said.contains("60001"),
        "{said}"
    );
    let (out, _) = edited(&photo, None);
    assert!(!holds(&out, &large));
}

#[test]
fn a_thumbnail_behind_the_photo_goes_and_pages_are_counted() {
    let first = Made::new(8, Photometric::Rgb, None).bytes();
    let with = |kind: &[u32]| {
        let mut bytes = first.clone();
        let mut link = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
        for &subfile in kind {
            let count = usize::from(u16::from_le_bytes([bytes[link], bytes[link + 1]]));
            let end = link + 2 + count * 12;
            let mut page = Tree::default();
            page.set_numbers(tag::SUBFILE, 4, true, &[subfile]);
            page.set(60_002, 7, 14, b"pixels of page".to_vec());
            let mut head = bytes.clone();
            page.write(true, &mut head);
            let at = head[4..8].to_vec();
            bytes.extend_from_slice(&head[bytes.len()..]);
            bytes[end..end + 4].copy_from_slice(&at);
            link = u32::from_le_bytes(at.try_into().unwrap()) as usize;
        }
        bytes
    };
    let photo = read(&with(&[1, 4]));
    assert!(photo.metadata.warnings[0].contains("TIFF thumbnail or mask"));
    assert!(!holds(&edited(&photo, None).0, b"pixels of page"));
    let error = decode(&with(&[0, 0]), &Limits::default()).unwrap_err();
    assert!(error.to_string().contains("3 pages"), "{error}");
}

#[test]
fn iptc_goes_over_to_jpeg_and_back() {
    let photo = read(&full(true).bytes());
    let (jpeg, _) = edited(&photo, Some(Format::Jpeg));
    let resource = [&b"Photoshop 3.0\08BIM\x04\x04\0\0\0\0\0\x0d"[..], IPTC].concat();
    assert!(holds(&jpeg, &resource));
    let jpeg = decode(&jpeg, &Limits::default()).unwrap();
    let tiff = jpeg.encode(&EncodeOptions {
        format: Some(Format::Tiff),
        quality: None,
    });
    let back = read(&tiff.unwrap());
    assert_eq!(back.metadata.photoshop, jpeg.metadata.photoshop);
    assert!(holds(&back.metadata.photoshop.unwrap(), IPTC));
    let (_, tree) = Tree::of_block(back.metadata.exif.as_ref().unwrap()).unwrap();
    let exif = tree.values.iter().find(|value| value.tag == tag::EXIF_IFD);
    assert!(matches!(&exif.unwrap().data, Data::Tree(tree) if tree.values.len() == 2));
    let (_, warnings) = edited(&photo, Some(Format::WebP));
    assert!(
        warnings.iter().any(|w| w.starts_with("IPTC")),
        "{warnings:?}"
    );
}
