//! Files as cameras, phones and editors write them. Made here of the fixtures, so that each test shows what is odd about its file.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod kinds;
mod make;

use cleanplate_pictures::{
    EncodeOptions, Format, ImageError, Limits, MaskChannel, decode, decode_mask, probe,
};
use make::{chunk, edited, fixture, holds, jpeg, png, read, riff, segment, webp, xmp};

const BASE64: &str = "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMCAgMCAgMDAwM";
const THUMBNAIL: &[u8] = b"\xff\xd8\xff\xe0\0\x06THUMB\xff\xd9";

#[test]
fn no_picture_of_the_original_is_left_in_a_jpeg() {
    let thumbnails = format!(
        "<xmp:Thumbnails><rdf:Alt><rdf:li><xmpGImg:image>{BASE64}</xmpGImg:image></rdf:li></rdf:Alt></xmp:Thumbnails>"
    );
    let extended = format!("<x:xmpmeta xmlns:x='x'><a GImage:Data=\"{BASE64}\"/></x:xmpmeta>");
    let head = [
        &[b'0'; 32][..],
        &(extended.len() as u32).to_be_bytes(),
        &[0; 4],
    ]
    .concat();
    let resource = |id: u16, data: &[u8]| {
        let head = [&b"8BIM"[..], &id.to_be_bytes(), &[0, 0]].concat();
        [&head[..], &(data.len() as u32).to_be_bytes(), data].concat()
    };
    let iptc = resource(0x0404, b"\x1c\x02\x50\0\x08Jane Doe\x1c");
    let photoshop = [
        &b"Photoshop 3.0\0"[..],
        &resource(0x040c, THUMBNAIL),
        &[0],
        &iptc,
    ]
    .concat();
    let bytes = jpeg(&[
        segment(0xe0, b"JFIF\0\x01\x02\x01\0\x48\0\x48\x01\x01THU"),
        segment(0xe0, &[b"JFXX\0\x10", THUMBNAIL].concat()),
        segment(0xe1, &xmp("xmpNote:HasExtendedXMP=\"0000\"", &thumbnails)),
        segment(
            0xe1,
            &[
                b"http://ns.adobe.com/xmp/extension/\0",
                &head[..],
                extended.as_bytes(),
            ]
            .concat(),
        ),
        segment(0xe2, &[b"FPXR\0", THUMBNAIL].concat()),
        segment(0xe2, b"MPF\0II*\0\x08\0\0\0\0\0"),
        segment(0xe4, THUMBNAIL),
        segment(0xed, &photoshop),
        segment(0xfe, b"a comment"),
    ]);
    let bytes = [bytes, THUMBNAIL.to_vec()].concat();
    for format in [None, Some(Format::Png), Some(Format::WebP)] {
        let (out, said) = edited(
            &bytes,
            &EncodeOptions {
                format,
                quality: None,
            },
        );
        for part in [
            BASE64.as_bytes(),
            b"THU",
            b"JFXX",
            b"FPXR",
            b"MPF",
            b"HasExtended",
            b"GImage",
        ] {
            assert!(
                !holds(&out, part),
                "{format:?}: {}",
                String::from_utf8_lossy(part)
            );
        }
        for name in [
            "JFIF thumbnail",
            "JFXX",
            "XMP thumbnail",
            "GImage",
            "FPXR",
            "MPF",
            "Photoshop thumbnail",
            "behind the image",
            "APP4",
        ] {
            assert!(said.contains(name), "{name}: {said}");
        }
        assert!(holds(&out, b"dc:title=\"kept\""), "{format:?}");
        let segments = [&b"Jane Doe"[..], b"a comment"].map(|part| holds(&out, part));
        assert_eq!(segments, [format.is_none(); 2], "{format:?}");
        assert_eq!(said.contains("IPTC"), format.is_some(), "{said}");
    }
}

#[test]
fn what_points_at_the_video_or_the_gain_map_goes_with_it() {
    let motion = xmp(
        "GCamera:MotionPhoto=\"1\" GCamera:MicroVideoOffset=\"20\"",
        "<Container:Directory><rdf:Seq/></Container:Directory>",
    );
    let video = [&[0, 0, 0, 0x18][..], b"ftypmp42", &[7; 3_000]].concat();
    let (out, said) = edited(
        &[jpeg(&[segment(0xe1, &motion)]), video].concat(),
        &EncodeOptions::default(),
    );
    assert!(!holds(&out, b"Motion") && !holds(&out, b"MicroVideo") && !holds(&out, b"ftyp"));
    assert!(!holds(&out, b"Container:") && holds(&out, b"dc:title"));
    assert!(said.contains("motion photo"), "{said}");

    let hdr = xmp(
        "xmlns:hdrgm=\"http://ns.adobe.com/hdr-gain-map/1.0/\" hdrgm:Version=\"1.0\"",
        "<Container:Directory/>",
    );
    let iso = segment(0xe2, b"urn:iso:std:iso:ts:21496:-1\0\0\0");
    let (out, said) = edited(
        &[jpeg(&[segment(0xe1, &hdr), iso]), jpeg(&[])].concat(),
        &EncodeOptions::default(),
    );
    assert!(!holds(&out, b"hdrgm") && !holds(&out, b"21496") && holds(&out, b"dc:title"));
    assert!(
        said.contains("HDR gain map") && said.contains("behind the image"),
        "{said}"
    );
}

#[test]
fn no_picture_is_left_in_png_and_webp_metadata() {
    let thumbnails = format!("<xmp:Thumbnails>{BASE64}</xmp:Thumbnails>");
    let packet = xmp("", &thumbnails)[29..].to_vec();
    let text = |keyword: &str, text: &[u8]| [keyword.as_bytes(), b"\0", text].concat();
    let itxt = text("XML:com.adobe.xmp", &[&[0; 4][..], &packet].concat());
    let packed = miniz_oxide::deflate::compress_to_vec_zlib(&packet, 6);
    let packed = text("XML:com.adobe.xmp", &[&[1, 0, 0, 0][..], &packed].concat());
    let exif = [b"II*\0\x08\0\0\0\0\0\0\0\0\0".as_slice(), THUMBNAIL].concat();
    for xmp_chunk in [itxt, packed] {
        let bytes = png(
            "upright.png",
            &[
                chunk(b"iTXt", &xmp_chunk),
                chunk(b"eXIf", &exif),
                chunk(b"tEXt", &text("Comment", BASE64.as_bytes())),
                chunk(b"zTXt", &text("Raw profile type exif", &[0])),
                chunk(b"tEXt", &text("Author", b"Jane Doe")),
                chunk(b"caBX", b"content credentials"),
                chunk(b"mkBF", &[b'L'; 5_000]),
            ],
        );
        let (out, said) = edited(&bytes, &EncodeOptions::default());
        for part in [
            BASE64.as_bytes(),
            b"THUMB",
            b"caBX",
            b"mkBF",
            b"Raw profile",
        ] {
            assert!(!holds(&out, part), "{}", String::from_utf8_lossy(part));
        }
        assert!(holds(&out, b"Jane Doe") && holds(&out, b"dc:title"));
        for name in [
            "XMP thumbnail",
            "EXIF preview",
            "text chunk",
            "C2PA",
            "mkBF",
        ] {
            assert!(said.contains(name), "{name}: {said}");
        }
    }
    let mut chunks = riff(&fixture("lossless_alpha.webp"));
    if chunks[0].0 != *b"VP8X" {
        let (w, h) = (
            read(&fixture("lossless_alpha.webp")).width as u32 - 1,
            read(&fixture("lossless_alpha.webp")).height as u32 - 1,
        );
        let size = [&w.to_le_bytes()[..3], &h.to_le_bytes()[..3]].concat();
        chunks.insert(0, (*b"VP8X", [&[0x1c, 0, 0, 0][..], &size].concat()));
    }
    chunks.retain(|(kind, _)| !matches!(kind, b"EXIF" | b"XMP "));
    chunks.push((*b"EXIF", exif));
    chunks.push((*b"XMP ", packet));
    let (out, said) = edited(&webp(&chunks), &EncodeOptions::default());
    assert!(!holds(&out, BASE64.as_bytes()) && !holds(&out, b"THUMB") && holds(&out, b"dc:title"));
    assert!(
        said.contains("XMP thumbnail") && said.contains("EXIF preview"),
        "{said}"
    );
}

/// EXIF and XMP of a PNG as other programs write them: with the head of a JPEG's, as hexadecimal text, in another kind of text.
#[test]
fn metadata_in_unusual_places_of_a_png_is_kept_without_its_pictures() {
    let thumbnails = format!("<xmp:Thumbnails>{BASE64}</xmp:Thumbnails>");
    let packet = xmp("", &thumbnails)[29..].to_vec();
    let maker = [0x0f, 1, 2, 0, 6, 0, 0, 0, 26, 0, 0, 0, 0, 0, 0, 0];
    let exif = [
        b"Exif\0\0II*\0\x08\0\0\0\x01\0",
        &maker[..],
        b"Maker\0",
        THUMBNAIL,
    ]
    .concat();
    let text = |keyword: &str, text: &[u8]| [keyword.as_bytes(), b"\0", text].concat();
    let raw = |name: &str, block: &[u8]| {
        let digits: String = block.iter().map(|b| format!("{b:02x}")).collect();
        let body = format!("\n{name}\n{:8}\n{digits}\n", block.len());
        text(&format!("Raw profile type {name}"), body.as_bytes())
    };
    let jpeg_packet = [&b"http://ns.adobe.com/xap/1.0/\0"[..], &packet].concat();
    let wide: Vec<u8> = String::from_utf8(packet.clone())
        .unwrap()
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect();
    for (said_of, kept, chunks) in [
        ("EXIF preview", "Maker", vec![chunk(b"eXIf", &exif)]),
        (
            "EXIF preview",
            "Maker",
            vec![chunk(b"tEXt", &raw("exif", &exif))],
        ),
        (
            "EXIF preview",
            "Maker",
            vec![chunk(b"tEXt", &raw("APP1", &exif))],
        ),
        (
            "XMP thumbnail",
            "dc:title",
            vec![chunk(b"tEXt", &raw("xmp", &packet))],
        ),
        (
            "XMP thumbnail",
            "dc:title",
            vec![chunk(b"tEXt", &raw("APP1", &jpeg_packet))],
        ),
        (
            "XMP thumbnail",
            "dc:title",
            vec![chunk(b"tEXt", &text("XML:com.adobe.xmp", &packet))],
        ),
        (
            "XMP thumbnail",
            "dc:title",
            vec![chunk(
                b"iTXt",
                &text("XML:com.adobe.xmp", &[&[0; 4][..], &wide].concat()),
            )],
        ),
        (
            "text chunk",
            "IEND",
            vec![chunk(
                b"tEXt",
                &text("State", format!("{{\"view\":\"{BASE64}\"}}").as_bytes()),
            )],
        ),
    ] {
        let (out, said) = edited(&png("upright.png", &chunks), &EncodeOptions::default());
        assert!(holds(&out, kept.as_bytes()), "{kept}: {said}");
        assert!(said.contains(said_of), "{said_of}: {said}");
        assert!(
            !holds(&out, b"THUMB") && !holds(&out, BASE64.as_bytes()),
            "{said_of}"
        );
    }
}

#[test]
fn iptc_stays_to_the_byte() {
    let iptc = b"Photoshop 3.0\x008BIM\x04\x04\0\0\0\0\0\x0e\x1c\x02\x50\0\x08Jane Doe\x1c";
    let (out, said) = edited(&jpeg(&[segment(0xed, iptc)]), &EncodeOptions::default());
    assert!(holds(&out, &segment(0xed, iptc)), "{said}");
}

#[test]
fn orientation_of_any_whole_type_is_applied_and_odd_ones_keep_the_rest() {
    let exif = |kind: u8, count: u8, value: u8| {
        let entry = [0x12, 1, kind, 0, count, 0, 0, 0, value, 0, 0, 0];
        let maker = [0x0f, 1, 2, 0, 6, 0, 0, 0, 38, 0, 0, 0];
        [
            &b"Exif\0\0II*\0\x08\0\0\0\x02\0"[..],
            &maker,
            &entry,
            &[0; 4],
            b"Maker\0",
        ]
        .concat()
    };
    let upright = read(&jpeg(&[]));
    for (kind, count, value, want) in [
        (1, 1, 6, 6),
        (3, 1, 6, 6),
        (4, 1, 6, 6),
        (2, 2, b'6', 1),
        (3, 0, 6, 1),
        (3, 2, 6, 1),
        (3, 1, 0, 1),
        (3, 1, 9, 1),
    ] {
        let bytes = jpeg(&[segment(0xe1, &exif(kind, count, value))]);
        let photo = read(&bytes);
        let header = probe(&bytes, &Limits::default()).unwrap();
        assert_eq!(header.orientation.exif(), want, "type {kind}");
        let turned = if want == 6 {
            (upright.height, upright.width)
        } else {
            (upright.width, upright.height)
        };
        assert_eq!((photo.width, photo.height), turned, "type {kind}");
        assert_eq!(
            photo.metadata.warnings.is_empty(),
            want == 6,
            "type {kind}, count {count}, {value}"
        );
        let (out, _) = edited(&bytes, &EncodeOptions::default());
        assert!(holds(&out, b"Maker\0"));
        assert_eq!(
            probe(&out, &Limits::default()).unwrap().orientation.exif(),
            want
        );
    }
}

#[test]
fn files_that_break_off_behind_their_pixels_are_read() {
    let whole = jpeg(&[]);
    let cut = read(&whole[..whole.len() - 2]);
    assert_eq!(cut.samples, read(&whole).samples);
    assert!(cut.metadata.warnings[0].contains("end marker"));
    let (out, _) = edited(&whole[..whole.len() - 2], &EncodeOptions::default());
    assert!(out.ends_with(&[0xff, 0xd9]));
    for missing in [20, 200, whole.len() / 2] {
        let result = decode(&whole[..whole.len() - missing], &Limits::default());
        assert!(
            matches!(result, Err(ImageError::Corrupt { .. })),
            "{missing} bytes"
        );
    }
    let progressive = fixture("q92_444_progressive.jpg");
    let cut = read(&progressive[..progressive.len() - 2]);
    assert_eq!(cut.samples, read(&progressive).samples);
    assert!(decode(&progressive[..progressive.len() - 400], &Limits::default()).is_err());

    let whole = fixture("upright.png");
    for missing in [12, 5, 14] {
        let cut = read(&whole[..whole.len() - missing]);
        assert_eq!(cut.samples, read(&whole).samples, "{missing}");
        assert!(cut.metadata.warnings[0].contains("end chunk"), "{missing}");
        decode_mask(
            &whole[..whole.len() - missing],
            &Limits::default(),
            MaskChannel::Luma,
        )
        .unwrap();
    }
    assert!(decode(&whole[..whole.len() - 60], &Limits::default()).is_err());
}

#[test]
fn one_frame_is_a_still_picture_and_two_are_not() {
    let still = fixture("upright.png");
    let (w, h) = (60u32.to_be_bytes(), 45u32.to_be_bytes());
    let frame = |number: u8| {
        let place = [
            &[0, 0, 0, number][..],
            &w,
            &h,
            &[0; 8],
            &[0, 1, 0, 10, 0, 0],
        ]
        .concat();
        chunk(b"fcTL", &place)
    };
    let animation = |frames: u8| chunk(b"acTL", &[0, 0, 0, frames, 0, 0, 0, 0]);
    let one = png("upright.png", &[animation(1), frame(0)]);
    assert_eq!(read(&one).samples, read(&still).samples);
    assert!(!holds(&edited(&one, &EncodeOptions::default()).0, b"acTL"));
    let unsupported = |bytes: &[u8]| {
        let result = probe(bytes, &Limits::default());
        assert!(
            matches!(result, Err(ImageError::Unsupported { .. })),
            "{result:?}"
        );
    };
    unsupported(&png("upright.png", &[animation(2), frame(0)]));
    // Its frame is another picture than the one that everybody sees.
    unsupported(&png("upright.png", &[animation(1)]));
    // Behind the image data no reader heeds it.
    let end = still.len() - 12;
    let late = [&still[..end], &animation(2), &still[end..]].concat();
    assert_eq!(read(&late).samples, read(&still).samples);
    assert!(!holds(&edited(&late, &EncodeOptions::default()).0, b"acTL"));

    let still = fixture("lossy.webp");
    let photo = read(&still);
    let image = riff(&still)
        .into_iter()
        .find(|(kind, _)| kind == b"VP8 ")
        .unwrap()
        .1;
    let size = [
        &(photo.width as u32 - 1).to_le_bytes()[..3],
        &(photo.height as u32 - 1).to_le_bytes()[..3],
    ]
    .concat();
    let frame = |x: u8| {
        let head = [&[x, 0, 0, 0, 0, 0][..], &size, &[100, 0, 0, 0]].concat();
        let length = (image.len() as u32).to_le_bytes();
        (
            *b"ANMF",
            [&head[..], b"VP8 ", &length, &image, &[0][..image.len() % 2]].concat(),
        )
    };
    let canvas = (*b"VP8X", [&[2, 0, 0, 0][..], &size].concat());
    let anim = (*b"ANIM", vec![0; 6]);
    let one = webp(&[canvas.clone(), anim.clone(), frame(0)]);
    assert_eq!(read(&one).samples, photo.samples);
    assert!(!holds(&edited(&one, &EncodeOptions::default()).0, b"ANMF"));
    unsupported(&webp(&[canvas.clone(), anim.clone(), frame(0), frame(0)]));
    unsupported(&webp(&[canvas, anim, frame(1)]));
}

#[test]
fn bytes_behind_a_webp_are_no_part_of_it() {
    let whole = fixture("lossless_alpha.webp");
    let more = [&whole[..], b"TRAILDATA\xff\xff\xff\xff"].concat();
    assert_eq!(read(&more).samples, read(&whole).samples);
    assert!(read(&more).metadata.warnings[0].starts_with("13 bytes behind"));
    assert!(!holds(
        &edited(&more, &EncodeOptions::default()).0,
        b"TRAIL"
    ));
}

#[test]
fn of_doubled_chunks_the_first_counts() {
    let (first, second) = (45_455u32.to_be_bytes(), 100_000u32.to_be_bytes());
    let bytes = png(
        "upright.png",
        &[
            chunk(b"gAMA", &first),
            chunk(b"gAMA", &second),
            chunk(b"sRGB", &[0]),
            chunk(b"sRGB", &[1]),
            chunk(b"pHYs", &[0, 0, 0, 1, 0, 0, 0, 1, 0]),
            chunk(b"pHYs", &[0, 0, 0, 2, 0, 0, 0, 1, 0]),
        ],
    );
    let (out, _) = edited(&bytes, &EncodeOptions::default());
    for kind in [b"gAMA", b"sRGB", b"pHYs"] {
        let count = out.windows(4).filter(|window| window == kind).count();
        assert_eq!(count, 1, "{}", String::from_utf8_lossy(kind));
    }
    assert!(holds(&out, &chunk(b"gAMA", &first)) && holds(&out, &chunk(b"sRGB", &[0])));
}

#[test]
fn a_gray_profile_stays_on_gray_files_only() {
    let mut profile = vec![0; 132];
    profile[16..20].copy_from_slice(b"GRAY");
    let packed = miniz_oxide::deflate::compress_to_vec_zlib(&profile, 6);
    let iccp = chunk(b"iCCP", &[b"gray\0\0", &packed[..]].concat());
    let bytes = png("gray.png", std::slice::from_ref(&iccp));
    for (format, kept) in [
        (None, true),
        (Some(Format::Jpeg), true),
        (Some(Format::WebP), false),
    ] {
        let (out, said) = edited(
            &bytes,
            &EncodeOptions {
                format,
                quality: None,
            },
        );
        assert_eq!(read(&out).metadata.icc.is_some(), kept, "{format:?}");
        assert_eq!(
            said.contains("profile was left out"),
            !kept,
            "{format:?}: {said}"
        );
    }
    let colour = read(&png("upright.png", &[iccp]));
    assert_eq!(colour.metadata.icc, None);
    assert!(colour.metadata.warnings[0].contains("gray images"));
}
