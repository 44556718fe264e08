//! What goes in comes out: kinds, depth, metadata, orientation, file size. Fixtures are written by foreign encoders (fixtures/make.py).

#![allow(clippy::unwrap_used, clippy::expect_used)]

use cleanplate_pictures::{
    Channels, EncodeOptions, Format, Header, ImageError, Limits, MaskChannel, Photo, Rect, Samples,
    Source, decode, decode_mask, probe,
};

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(format!(
        "{}/tests/fixtures/{name}",
        env!("CARGO_MANIFEST_DIR")
    ))
    .unwrap()
}

fn photo(name: &str) -> Photo {
    decode(&bytes(name), &Limits::default()).unwrap()
}

fn again(photo: &Photo) -> (Photo, Vec<u8>) {
    let out = photo.encode(&EncodeOptions::default()).unwrap();
    (decode(&out, &Limits::default()).unwrap(), out)
}

fn u8s(photo: &Photo) -> &[u8] {
    match &photo.samples {
        Samples::U8(v) => v,
        Samples::U16(_) => panic!("16 bits where 8 were wanted"),
    }
}

/// Mean absolute difference per sample.
fn distance(a: &[u8], b: &[u8]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter()
        .zip(b)
        .map(|(a, b)| f64::from(a.abs_diff(*b)))
        .sum::<f64>()
        / a.len() as f64
}

#[test]
fn lossless_files_keep_kind_samples_and_metadata() {
    use Channels::*;
    let cases = [
        ("upright.png", Rgb),
        ("rgba.png", Rgba),
        ("gray.png", Gray),
        ("gray_alpha.png", GrayAlpha),
        ("palette.png", Rgb),
        ("palette_transparent.png", Rgba),
        ("palette_2bit.png", Rgb),
        ("gray_1bit.png", Gray),
        ("interlaced.png", Rgb),
        ("lossless_alpha.webp", Rgba),
    ];
    for (name, channels) in cases {
        let first = photo(name);
        assert_eq!(first.channels, channels, "{name}");
        let (second, out) = again(&first);
        assert_eq!(second, first, "{name}");
        let (was, is) = (
            probe(&bytes(name), &Limits::default()).unwrap(),
            probe(&out, &Limits::default()).unwrap(),
        );
        let need = is.need;
        assert_eq!(Header { need, ..was }, is, "{name}");
    }
}

#[test]
fn an_interlaced_file_reads_like_the_plain_one() {
    assert_eq!(
        photo("interlaced.png").samples,
        photo("upright.png").samples
    );
}

#[test]
fn sixteen_bits_and_colour_keys_survive() {
    for (color, n) in [
        (png::ColorType::Grayscale, 1),
        (png::ColorType::GrayscaleAlpha, 2),
        (png::ColorType::Rgb, 3),
        (png::ColorType::Rgba, 4),
    ] {
        let samples: Vec<u16> = (0..9 * 7 * n as u32)
            .map(|i| (i * 40503 % 65536) as u16)
            .collect();
        let raw: Vec<u8> = samples.iter().flat_map(|s| s.to_be_bytes()).collect();
        let file = encode_png(9, 7, color, png::BitDepth::Sixteen, &raw, None);
        let first = decode(&file, &Limits::default()).unwrap();
        assert_eq!(
            (first.samples.clone(), first.channels.count()),
            (Samples::U16(samples), n)
        );
        assert_eq!(again(&first).0, first);
    }
    let file = encode_png(
        2,
        1,
        png::ColorType::Rgb,
        png::BitDepth::Eight,
        &[1, 2, 3, 4, 5, 6],
        Some(vec![0, 4, 0, 5, 0, 6]),
    );
    let keyed = decode(&file, &Limits::default()).unwrap();
    assert_eq!(
        (keyed.channels, u8s(&keyed)),
        (Channels::Rgba, &[1, 2, 3, 255, 4, 5, 6, 0][..])
    );
}

fn encode_png(
    w: u32,
    h: u32,
    color: png::ColorType,
    depth: png::BitDepth,
    data: &[u8],
    trns: Option<Vec<u8>>,
) -> Vec<u8> {
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, w, h);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if let Some(trns) = trns {
        encoder.set_trns(trns);
    }
    encoder
        .write_header()
        .unwrap()
        .write_image_data(data)
        .unwrap();
    out
}

#[test]
fn every_orientation_is_shown_upright_once() {
    let upright = photo("upright.png");
    for o in 1..=8 {
        let name = format!("orientation_{o}.jpg");
        let header = probe(&bytes(&name), &Limits::default()).unwrap();
        assert_eq!(
            (header.width, header.height, header.orientation.exif()),
            (60, 45, o)
        );
        let first = photo(&name);
        assert!(
            distance(u8s(&first), u8s(&upright)) < 4.0,
            "{name}: {}",
            distance(u8s(&first), u8s(&upright))
        );
        let (second, out) = again(&first);
        // Turning the stored pixels would move them all, so the file stays turned and says so.
        let is = probe(&out, &Limits::default()).unwrap();
        let need = is.need;
        assert_eq!(Header { need, ..header }, is, "{name}");
        assert!(second.samples == first.samples, "{name}");
        assert_eq!(second.metadata, first.metadata, "{name}");
        assert!(
            second
                .metadata
                .exif
                .as_ref()
                .is_some_and(|e| e.windows(5).any(|w| w == b"Maker")),
            "{name}"
        );
    }
    for name in ["orientation_6.png", "orientation_6.webp"] {
        assert_eq!(photo(name).samples, upright.samples, "{name}");
        assert_eq!(again(&photo(name)).0, photo(name), "{name}");
    }
}

#[test]
fn jpegs_keep_tables_sampling_scans_metadata_and_size() {
    let cases = [
        ("q85_420.jpg", (2, 2), false, 588..700),
        ("q92_444_progressive.jpg", (1, 1), true, 77_000..78_000),
        ("q75_422_optimised.jpg", (2, 1), false, 0..1),
        ("q80_gray.jpg", (1, 1), false, 0..1),
    ];
    for (name, sampling, progressive, icc_bytes) in cases {
        let first = photo(name);
        let (second, out) = again(&first);
        let Source::Jpeg(source) = &first.source else {
            panic!("{name} is no JPEG")
        };
        assert_eq!(
            (source.subsampling, source.progressive),
            (sampling, progressive),
            "{name}"
        );
        let Source::Jpeg(again) = &second.source else {
            panic!("{name} is a JPEG no more")
        };
        assert_eq!(
            (
                again.luma,
                again.chroma,
                again.subsampling,
                again.progressive
            ),
            (source.luma, source.chroma, sampling, progressive),
            "{name}"
        );
        assert_eq!(second.metadata, first.metadata, "{name}");
        assert!(
            icc_bytes.contains(&first.metadata.icc.as_ref().map_or(0, Vec::len)),
            "{name}: {:?}",
            first.metadata.icc.as_ref().map(Vec::len)
        );
        let ratio = out.len() as f64 / bytes(name).len() as f64;
        assert!((0.97..=1.03).contains(&ratio), "{name}: {ratio}");
        assert!(second.samples == first.samples, "{name}");
    }
    let m = photo("q85_420.jpg").metadata;
    assert_eq!(m.jpeg_segments, [(0xfe, b"a comment".to_vec())]);
    assert_eq!(m.jfif_density, Some((1, 300, 300)));
    assert!(
        m.xmp
            .is_some_and(|x| x.windows(20).any(|w| w == b"tiff:Orientation=\"1\""))
    );
}

#[test]
fn png_metadata_is_carried() {
    let (second, _) = again(&photo("rgba.png"));
    let m = &second.metadata;
    assert!(m.icc.is_some() && m.exif.is_some() && m.xmp.is_some());
    let kinds: Vec<&str> = m
        .png_chunks
        .iter()
        .map(|(k, _)| std::str::from_utf8(k).unwrap())
        .collect();
    assert_eq!(kinds, ["pHYs", "tEXt", "zTXt"]);
    let webp = photo("lossy.webp").metadata;
    assert!(webp.icc.is_some() && webp.exif.is_some() && webp.xmp.is_some());
}

#[test]
fn a_palette_keeps_its_order_grows_when_it_can_and_is_promoted_when_it_cannot() {
    let one = Rect {
        x0: 3,
        y0: 4,
        x1: 4,
        y1: 5,
    };
    for name in ["palette.png", "palette_2bit.png"] {
        let first = photo(name);
        let Source::Png(was) = first.source.clone() else {
            panic!()
        };
        let was = was.palette.unwrap();
        let mut edited = first.clone();
        edited.blend_rows(one, |_, blend| blend(3, [1.0, 0.0, 1.0], 255));
        let (second, _) = again(&edited);
        assert_eq!(second.samples, edited.samples, "{name}");
        let Source::Png(is) = second.source else {
            panic!()
        };
        let is = is.palette.unwrap();
        assert_eq!(is.colours[..was.colours.len()], was.colours, "{name}");
        let changed: Vec<usize> = (0..was.indices.len())
            .filter(|&i| was.indices[i] != is.indices[i])
            .collect();
        assert_eq!(changed, [4 * first.width + 3], "{name}");
    }
    let mut many = photo("palette.png");
    let all = Rect {
        x0: 0,
        y0: 0,
        x1: many.width,
        y1: many.height,
    };
    many.blend_rows(all, |y, blend| {
        (0..60).for_each(|x| blend(x, [x as f32 / 59.0, y as f32 / 44.0, 0.3], 255))
    });
    // Colours of a plane: there are some that stand for all of them.
    let (second, _) = again(&many);
    assert!(matches!(second.source, Source::Png(ref s) if s.palette.is_some()));
    assert!(distance(u8s(&second), u8s(&many)) < 8.0);
    // Colours of the whole space: there are none.
    let part = |i: usize, shift: u32| {
        let mixed = (i as u32).wrapping_mul(2_654_435_761) ^ (i as u32).wrapping_mul(40_503) << 7;
        (mixed >> shift & 255) as f32 / 255.0
    };
    many.blend_rows(all, |y, blend| {
        (0..60).for_each(|x| {
            let i = y * 60 + x;
            blend(x, [part(i, 24), part(i, 13), part(i, 5)], 255)
        })
    });
    let mut warnings = Vec::new();
    let out = many
        .encode_with_warnings(&EncodeOptions::default(), &mut warnings)
        .unwrap();
    let second = decode(&out, &Limits::default()).unwrap();
    assert!(second.samples == many.samples);
    assert!(matches!(second.source, Source::Png(s) if s.palette.is_none() && s.bit_depth == 8));
    assert!(warnings[0].contains("palette"), "{warnings:?}");
}

#[test]
fn one_bit_gray_stays_one_bit_and_takes_the_nearest_value() {
    let mut edited = photo("gray_1bit.png");
    let at = Rect {
        x0: 0,
        y0: 0,
        x1: 2,
        y1: 1,
    };
    edited.blend_rows(at, |_, blend| {
        blend(0, [0.4; 3], 255);
        blend(1, [0.6; 3], 255);
    });
    let (second, out) = again(&edited);
    assert_eq!(u8s(&second)[..2], [0, 255]);
    assert_eq!(u8s(&second)[2..], u8s(&edited)[2..]);
    assert_eq!(probe(&out, &Limits::default()).unwrap().bits, 1);
}

#[test]
fn conversions_are_explicit_and_never_drop_transparency() {
    let p = photo("q85_420.jpg");
    let png = p
        .encode(&EncodeOptions {
            format: Some(Format::Png),
            quality: None,
        })
        .unwrap();
    let read = decode(&png, &Limits::default()).unwrap();
    assert_eq!(
        (
            read.format,
            &read.samples,
            &read.metadata.icc,
            &read.metadata.exif
        ),
        (Format::Png, &p.samples, &p.metadata.icc, &p.metadata.exif)
    );
    let small = p
        .encode(&EncodeOptions {
            format: None,
            quality: Some(30),
        })
        .unwrap();
    assert!(small.len() < bytes("q85_420.jpg").len() / 2);
    let jpeg = EncodeOptions {
        format: Some(Format::Jpeg),
        quality: None,
    };
    assert!(matches!(
        photo("rgba.png").encode(&jpeg),
        Err(ImageError::Encode {
            format: Format::Jpeg,
            ..
        })
    ));
    assert!(photo("upright.png").encode(&jpeg).is_ok());
}

#[test]
fn what_is_not_read_is_refused_by_name() {
    for (name, feature) in [
        ("animated.webp", "animation"),
        ("animated.png", "animation"),
    ] {
        for result in [
            probe(&bytes(name), &Limits::default()).map(|_| ()),
            decode(&bytes(name), &Limits::default()).map(|_| ()),
        ] {
            let error = result.unwrap_err();
            assert!(
                matches!(&error, ImageError::Unsupported { .. })
                    && error.to_string().contains(feature),
                "{name}: {error}"
            );
        }
    }
    let named: [(&[u8], Option<&str>); 11] = [
        (b"", None),
        (b"\xff", None),
        (b"RIFF\0\0\0\0WAVE", None),
        (b"GIF89a.......", Some("GIF")),
        (b"%PDF-1.4 ......", Some("PDF")),
        (b"\0\0\0\x1cftypavif....", Some("AVIF")),
        (b"\0\0\0\x1cftypheic....", Some("HEIC (HEIF)")),
        (b"\0\0\0\x0cJXL \r\n\x87\n", Some("JPEG XL")),
        (b"\xff\x0a\xff\x07", Some("JPEG XL")),
        (b"8BPS\0\x01", Some("Photoshop (PSD)")),
        (b"FUJIFILMCCD-RAW 0201", Some("Fujifilm raw (RAF)")),
    ];
    for (other, found) in named {
        let error = probe(other, &Limits::default()).unwrap_err();
        assert_eq!(error, ImageError::UnsupportedType { found });
        assert!(error.to_string().contains("JPEG, PNG, WebP, TIFF or BMP"));
    }
}

#[test]
fn masks_are_cut_at_128_on_black() {
    let gray = encode_png(
        4,
        1,
        png::ColorType::Grayscale,
        png::BitDepth::Eight,
        &[0, 127, 128, 255],
        None,
    );
    assert_eq!(
        decode_mask(&gray, &Limits::default(), MaskChannel::Luma)
            .unwrap()
            .mask
            .data,
        [0, 0, 255, 255]
    );
    let deep = encode_png(
        2,
        1,
        png::ColorType::Grayscale,
        png::BitDepth::Sixteen,
        &[0x7f, 0x00, 0x80, 0x80],
        None,
    );
    assert_eq!(
        decode_mask(&deep, &Limits::default(), MaskChannel::Luma)
            .unwrap()
            .mask
            .data,
        [0, 255]
    );
    let rgba = encode_png(
        3,
        1,
        png::ColorType::Rgba,
        png::BitDepth::Eight,
        &[255, 255, 255, 0, 255, 255, 255, 200, 0, 0, 0, 255],
        None,
    );
    assert_eq!(
        decode_mask(&rgba, &Limits::default(), MaskChannel::Luma)
            .unwrap()
            .mask
            .data,
        [0, 255, 0]
    );
    let bits = encode_png(
        9,
        1,
        png::ColorType::Grayscale,
        png::BitDepth::One,
        &[0b1010_0001, 0x80],
        None,
    );
    assert_eq!(
        decode_mask(&bits, &Limits::default(), MaskChannel::Luma)
            .unwrap()
            .mask
            .data,
        [255, 0, 255, 0, 0, 0, 0, 255, 255]
    );
}

#[test]
fn sixteen_bit_photos_are_blended_in_sixteen_bits() {
    let raw: Vec<u8> = (0..4u16)
        .flat_map(|i| (i * 1000 + 1).to_be_bytes())
        .collect();
    let mut p = decode(
        &encode_png(
            4,
            1,
            png::ColorType::Grayscale,
            png::BitDepth::Sixteen,
            &raw,
            None,
        ),
        &Limits::default(),
    )
    .unwrap();
    let all = Rect {
        x0: 0,
        y0: 0,
        x1: 4,
        y1: 1,
    };
    p.blend_rows(all, |_, blend| {
        (0..4).for_each(|x| blend(x, [0.125, 0.25, 0.375], [0, 128, 255, 0][x]))
    });
    assert_eq!(p.samples, Samples::U16(vec![1, 8723, 16384, 3001]));
}
