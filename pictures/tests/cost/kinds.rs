//! Pictures of every kind that is read.

use super::attacks::{chunk, deflate, segment};

/// Pictures of every kind, large enough that what is fixed hardly counts.
pub fn kinds() -> Vec<(String, Vec<u8>)> {
    let (width, height) = (1_504u32, 1_000u32);
    let noise = |n: usize| -> Vec<u8> {
        let mut state = 1u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        (0..n)
            .map(|i| (i / 4_512) as u8 / 4 + next() / 16)
            .collect()
    };
    let mut out = Vec::new();
    for (color, n) in [
        (png::ColorType::Grayscale, 1),
        (png::ColorType::Rgb, 3),
        (png::ColorType::Rgba, 4),
        (png::ColorType::Indexed, 1),
    ] {
        for depth in [
            png::BitDepth::One,
            png::BitDepth::Four,
            png::BitDepth::Eight,
            png::BitDepth::Sixteen,
        ] {
            let bits = depth as usize;
            let indexed = color == png::ColorType::Indexed;
            if (bits < 8 && n > 1) || (bits == 16 && indexed) {
                continue;
            }
            for keyed in [false, true] {
                if keyed && n == 4 {
                    continue;
                }
                let mut bytes = Vec::new();
                let mut encoder = png::Encoder::new(&mut bytes, width, height);
                encoder.set_color(color);
                encoder.set_depth(depth);
                if indexed {
                    encoder.set_palette(noise(3 << bits));
                }
                if keyed {
                    encoder.set_trns(vec![0; if indexed { 1 } else { 2 * n }]);
                }
                let row = (width as usize * n * bits).div_ceil(8);
                let data = noise(row * height as usize);
                encoder
                    .write_header()
                    .unwrap()
                    .write_image_data(&data)
                    .unwrap();
                out.push((
                    format!(
                        "PNG {color:?} {bits} bit{}",
                        if keyed { ", key" } else { "" }
                    ),
                    bytes,
                ));
            }
        }
    }
    let rgb = noise((width * height * 3) as usize);
    for progressive in [false, true] {
        for (name, sampling) in [
            ("4:4:4", jpeg_encoder::SamplingFactor::R_4_4_4),
            ("4:2:0", jpeg_encoder::SamplingFactor::R_4_2_0),
        ] {
            let mut bytes = Vec::new();
            let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, 80);
            encoder.set_sampling_factor(sampling);
            encoder.set_progressive(progressive);
            encoder
                .encode(
                    &rgb,
                    width as u16,
                    height as u16,
                    jpeg_encoder::ColorType::Rgb,
                )
                .unwrap();
            let turned = [
                &bytes[..2],
                &segment(
                    0xe1,
                    b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0",
                ),
                &bytes[2..],
            ]
            .concat();
            let unended = bytes[..bytes.len() - 2].to_vec();
            for (kind, bytes) in [("", bytes), (", turned", turned), (", no end", unended)] {
                out.push((
                    format!(
                        "JPEG {name}{}{kind}",
                        if progressive { " progressive" } else { "" }
                    ),
                    bytes,
                ));
            }
        }
    }
    let rgba = noise((width * height * 4) as usize);
    for (name, samples, alpha) in [("RGB", &rgb, false), ("RGBA", &rgba, true)] {
        let encoder = match alpha {
            true => webp::Encoder::from_rgba(samples, width, height),
            false => webp::Encoder::from_rgb(samples, width, height),
        };
        out.push((format!("WebP {name} lossy"), encoder.encode(75.0).to_vec()));
        let mut bytes = Vec::new();
        let color = if alpha {
            image_webp::ColorType::Rgba8
        } else {
            image_webp::ColorType::Rgb8
        };
        image_webp::WebPEncoder::new(&mut bytes)
            .encode(samples, width, height, color)
            .unwrap();
        out.push((format!("WebP {name} lossless"), bytes));
    }
    // TIFFs and a BMP of the same pixels, and a JPEG of inks.
    let (eight, deep) = (
        tiff_of(&out, "PNG Rgb 8 bit"),
        tiff_of(&out, "PNG Rgba 16 bit"),
    );
    out.push(("TIFF RGB 8 bit".to_string(), eight));
    out.push(("TIFF RGBA 16 bit".to_string(), deep));
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::codecs::bmp::BmpEncoder::new(&mut bytes)
        .encode(&rgb, width, height, image::ExtendedColorType::Rgb8)
        .unwrap();
    out.push(("BMP".to_string(), bytes.into_inner()));
    let mut bytes = Vec::new();
    jpeg_encoder::Encoder::new(&mut bytes, 80)
        .encode(
            &rgba,
            width as u16,
            height as u16,
            jpeg_encoder::ColorType::Cmyk,
        )
        .unwrap();
    out.push(("JPEG of inks".to_string(), bytes));
    let deep = interlaced(width, height, &noise((width * height * 8) as usize));
    out.push(("PNG Rgba 16 bit, interlaced".to_string(), deep));
    for deflated in [false, true] {
        let name = if deflated {
            "TIFF of deflated tiles"
        } else {
            "TIFF of tiles"
        };
        let bytes = tiled(
            width,
            height,
            &noise((width * height * 3) as usize),
            deflated,
        );
        out.push((name.to_string(), bytes));
    }
    out
}

/// An interlaced PNG of 16-bit RGBA: which pixels are where does not matter for what they take.
fn interlaced(width: u32, height: u32, noise: &[u8]) -> Vec<u8> {
    let passes = [
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ];
    let (mut raw, mut at) = (Vec::new(), 0);
    for (x0, y0, dx, dy) in passes {
        let row = 8 * (width - x0).div_ceil(dx) as usize;
        for _ in (y0..height).step_by(dy) {
            raw.push(0);
            raw.extend_from_slice(&noise[at..at + row]);
            at += row;
        }
    }
    let (w, h) = (width.to_be_bytes(), height.to_be_bytes());
    let header = [&w[..], &h, &[16, 6, 0, 0, 1]].concat();
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        chunk(b"IDAT", &deflate(&raw)),
        chunk(b"IEND", &[]),
    ]
    .concat()
}

/// A TIFF of RGB in tiles of 256 x 256.
fn tiled(width: u32, height: u32, noise: &[u8], deflated: bool) -> Vec<u8> {
    const SIDE: u32 = 256;
    let count = width.div_ceil(SIDE) * height.div_ceil(SIDE);
    let mut out = b"II*\0\0\0\0\0".to_vec();
    let (mut places, mut lengths) = (Vec::new(), Vec::new());
    for tile in 0..count as usize {
        let mut pixels = noise[tile * 4099..][..(SIDE * SIDE * 3) as usize].to_vec();
        if deflated {
            pixels = deflate(&pixels);
        }
        places.push(out.len() as u32);
        lengths.push(pixels.len() as u32);
        out.extend(pixels);
        out.resize(out.len().next_multiple_of(4), 0);
    }
    let mut list = |values: &[u32]| {
        let at = out.len() as u32;
        values.iter().for_each(|v| out.extend(v.to_le_bytes()));
        at
    };
    // Three times 8 bits, as two words.
    let (bits, places, lengths) = (list(&[8 | 8 << 16, 8]), list(&places), list(&lengths));
    let entries: [(u16, u16, u32, u32); 11] = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 3, bits),
        (259, 3, 1, if deflated { 8 } else { 1 }),
        (262, 3, 1, 2),
        (277, 3, 1, 3),
        (284, 3, 1, 1),
        (322, 3, 1, SIDE),
        (323, 3, 1, SIDE),
        (324, 4, count, places),
        (325, 4, count, lengths),
    ];
    let directory = (out.len() as u32).to_le_bytes();
    out[4..8].copy_from_slice(&directory);
    out.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, count, value) in entries {
        out.extend(tag.to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend(count.to_le_bytes());
        out.extend(value.to_le_bytes());
    }
    out.extend([0; 4]);
    out
}

fn tiff_of(kinds: &[(String, Vec<u8>)], name: &str) -> Vec<u8> {
    let (_, bytes) = kinds.iter().find(|(kind, _)| kind == name).unwrap();
    let photo = cleanplate_pictures::decode(bytes, &Default::default()).unwrap();
    let options = cleanplate_pictures::EncodeOptions {
        format: Some(cleanplate_pictures::Format::Tiff),
        quality: None,
    };
    photo.encode(&options).unwrap()
}
