//! The fidelity table: what of each kind of file stays, measured by editing one that has everything. `docs/FIDELITY.md` is what
//! this test prints, and the table of the README is its rows by format; `cargo test -p cleanplate-pictures --test table -- --nocapture` shows it.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use cleanplate_pictures::{
    Channels, EncodeOptions, Format, Limits, Metadata, Photo, Samples, decode, probe,
};
use jpeg_encoder::{ColorType, Encoder, SamplingFactor};

const WIDTH: usize = 160;
const HEIGHT: usize = 120;
/// Columns and rows that are edited.
const HOLE: std::ops::Range<usize> = 67..78;
/// Farthest that an edit of a JPEG reaches: a chroma block and the pixel beside it.
const JPEG_REACH: usize = 17;
/// Colour profile of the file of inks: too short to be used, but kept.
const INKS_PROFILE: &[u8] = b"a profile of inks, kept as it is";
/// A picture hidden in the maker's note of EXIF.
const PREVIEW: &[u8] = b"\xff\xd8\xff\xe0\0\x06THUMB\xff\xd9";

fn value(x: usize, y: usize, c: usize) -> u8 {
    (40 + x / 2 + y / 3 + c * 20 + (x * 31 + y * 17) % 9) as u8
}

fn samples(n: usize) -> Vec<u8> {
    let at = |i: usize| value(i / n % WIDTH, i / n / WIDTH, i % n);
    (0..WIDTH * HEIGHT * n).map(at).collect()
}

/// EXIF with a copyright and a maker's note that hides a picture.
fn exif() -> Vec<u8> {
    let note = [&[9; 80][..], PREVIEW].concat();
    let mut out = b"II*\0\x08\0\0\0\x02\0".to_vec();
    let after = 8 + 2 + 2 * 12 + 4;
    for (tag, kind, count, at) in [
        (0x8298u16, 2u16, 8u32, after),
        (0xc4a5, 7, note.len() as u32, after + 8),
    ] {
        out.extend(tag.to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend(count.to_le_bytes());
        out.extend((at as u32).to_le_bytes());
    }
    out.extend([0; 4]);
    out.extend(b"(c) Jane");
    out.extend(note);
    out
}

/// Everything that may lie beside pixels.
fn everything(gray: bool) -> Metadata {
    let mut icc = vec![0; 300];
    icc[16..20].copy_from_slice(if gray { b"GRAY" } else { b"RGB " });
    Metadata {
        icc: Some(icc),
        exif: Some(exif()),
        xmp: Some(b"<x:xmpmeta xmlns:x='adobe:ns:meta/'><a>b</a></x:xmpmeta>".to_vec()),
        photoshop: Some(b"8BIM\x04\x04\0\0\0\0\0\x0d\x1c\x02\x50\0\x08Jane Doe\0".to_vec()),
        ..Metadata::default()
    }
}

/// A file of the photo in `bytes` with everything beside it.
fn with_everything(bytes: &[u8], format: Option<Format>) -> Vec<u8> {
    let mut photo = decode(bytes, &Limits::default()).unwrap();
    photo.metadata = everything(photo.channels.is_gray());
    let options = EncodeOptions {
        format,
        quality: None,
    };
    photo.encode(&options).unwrap()
}

fn png(color: png::ColorType, depth: png::BitDepth) -> Vec<u8> {
    let n = color.samples();
    let bits = depth as usize;
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, WIDTH as u32, HEIGHT as u32);
    encoder.set_color(color);
    encoder.set_depth(depth);
    if color == png::ColorType::Indexed {
        encoder.set_palette(
            (0..=255u8)
                .flat_map(|v| [v, v / 2, 255 - v])
                .collect::<Vec<_>>(),
        );
    }
    let data: Vec<u8> = match bits {
        16 => samples(n).iter().flat_map(|&v| [v, v ^ 0x5a]).collect(),
        1 => (0..WIDTH / 8 * HEIGHT).map(|i| (i * 29) as u8).collect(),
        _ => samples(n),
    };
    encoder
        .write_header()
        .unwrap()
        .write_image_data(&data)
        .unwrap();
    out
}

fn jpeg(kind: ColorType, sampling: SamplingFactor, progressive: bool) -> Vec<u8> {
    let n = match kind {
        ColorType::Luma => 1,
        ColorType::Rgb => 3,
        _ => 4,
    };
    let mut out = Vec::new();
    let mut encoder = Encoder::new(&mut out, 90);
    encoder.set_sampling_factor(sampling);
    encoder.set_progressive(progressive);
    if n == 4 {
        encoder.add_icc_profile(INKS_PROFILE).unwrap();
    }
    encoder
        .encode(&samples(n), WIDTH as u16, HEIGHT as u16, kind)
        .unwrap();
    out
}

/// A gray TIFF as one of a palette: the same bytes with a further directory that has a colour map.
fn with_palette(mut tiff: Vec<u8>) -> Vec<u8> {
    const PHOTOMETRIC: u16 = 262;
    const COLOR_MAP: u16 = 320;
    assert_eq!(tiff[..4], *b"II*\0", "little-endian, as this crate writes");
    let space = tiff.windows(4).position(|w| w == b"GRAY").unwrap();
    tiff[space..space + 4].copy_from_slice(b"RGB ");
    let at = u32::from_le_bytes(tiff[4..8].try_into().unwrap()) as usize;
    let count = usize::from(u16::from_le_bytes([tiff[at], tiff[at + 1]]));
    let mut entries: Vec<[u8; 12]> = tiff[at + 2..at + 2 + count * 12]
        .as_chunks::<12>()
        .0
        .to_vec();
    let tag = |entry: &[u8; 12]| u16::from_le_bytes([entry[0], entry[1]]);
    for entry in entries.iter_mut().filter(|e| tag(e) == PHOTOMETRIC) {
        entry[8] = 3;
    }
    tiff.resize(tiff.len().next_multiple_of(2), 0);
    let colours = [|v: u16| v, |v| v / 2, |v| 255 - v];
    let mut map = [0; 12];
    map[..2].copy_from_slice(&COLOR_MAP.to_le_bytes());
    map[2..8].copy_from_slice(&[3, 0, 0, 3, 0, 0]);
    map[8..].copy_from_slice(&(tiff.len() as u32).to_le_bytes());
    entries.push(map);
    entries.sort_by_key(tag);
    for colour in colours {
        tiff.extend((0..256).flat_map(|v| (colour(v) * 257).to_le_bytes()));
    }
    let directory = tiff.len() as u32;
    tiff[4..8].copy_from_slice(&directory.to_le_bytes());
    tiff.extend((entries.len() as u16).to_le_bytes());
    tiff.extend(entries.as_flattened());
    tiff.extend([0; 4]);
    tiff
}

fn bmp() -> Vec<u8> {
    let mut out = std::io::Cursor::new(Vec::new());
    let mut encoder = image::codecs::bmp::BmpEncoder::new(&mut out);
    encoder
        .encode(
            &samples(3),
            WIDTH as u32,
            HEIGHT as u32,
            image::ExtendedColorType::Rgb8,
        )
        .unwrap();
    out.into_inner()
}

/// Files of every kind, with everything beside the pixels that their type can hold.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    use SamplingFactor as S;
    use png::{BitDepth, ColorType as Png};
    let rgb = png(Png::Rgb, BitDepth::Eight);
    let deep = png(Png::Rgb, BitDepth::Sixteen);
    let rgba = png(Png::Rgba, BitDepth::Eight);
    let gray = png(Png::Grayscale, BitDepth::Eight);
    let lossy = webp::Encoder::from_rgb(&samples(3), WIDTH as u32, HEIGHT as u32).encode(80.0);
    let clear = webp::Encoder::from_rgba(&samples(4), WIDTH as u32, HEIGHT as u32).encode(80.0);
    let own = |bytes: &[u8]| with_everything(bytes, None);
    let to = |bytes: &[u8], format| with_everything(bytes, Some(format));
    vec![
        ("JPEG 4:2:0", own(&jpeg(ColorType::Rgb, S::R_4_2_0, false))),
        (
            "JPEG 4:4:4 progressive",
            own(&jpeg(ColorType::Rgb, S::R_4_4_4, true)),
        ),
        ("JPEG gray", own(&jpeg(ColorType::Luma, S::R_4_4_4, false))),
        ("JPEG CMYK", own(&jpeg(ColorType::Cmyk, S::R_4_4_4, false))),
        ("PNG 8 bits", own(&rgb)),
        ("PNG 16 bits", own(&deep)),
        ("PNG with alpha", own(&rgba)),
        ("PNG palette", own(&png(Png::Indexed, BitDepth::Eight))),
        ("PNG 1 bit", own(&png(Png::Grayscale, BitDepth::One))),
        ("WebP lossless", to(&rgb, Format::WebP)),
        ("WebP lossless with alpha", to(&rgba, Format::WebP)),
        ("WebP lossy", own(&lossy)),
        ("WebP lossy with alpha", own(&clear)),
        ("TIFF 8 bits", to(&rgb, Format::Tiff)),
        ("TIFF 16 bits", to(&deep, Format::Tiff)),
        ("TIFF with alpha", to(&rgba, Format::Tiff)),
        ("TIFF palette", with_palette(to(&gray, Format::Tiff))),
        ("BMP", bmp()),
    ]
}

/// Gives the hole the colours of the place to the left of it: what a palette or one bit can show.
fn edited(photo: &Photo) -> Photo {
    let n = photo.channels.count();
    let mut photo = photo.clone();
    for (x, y) in HOLE.flat_map(|y| HOLE.map(move |x| (x, y))) {
        let (to, from) = ((y * WIDTH + x) * n, (y * WIDTH + x - 55) * n);
        match &mut photo.samples {
            Samples::U8(v) => v.copy_within(from..from + n, to),
            Samples::U16(v) => v.copy_within(from..from + n, to),
        }
    }
    photo
}

/// Samples that are `reach` pixels and more away from the hole.
fn outside(photo: &Photo, reach: usize) -> Vec<u16> {
    let n = photo.channels.count();
    let near = HOLE.start - reach..HOLE.end + reach;
    let far = |i: &usize| !(near.contains(&(i / n % WIDTH)) && near.contains(&(i / n / WIDTH)));
    let at = |i: usize| match &photo.samples {
        Samples::U8(v) => u16::from(v[i]),
        Samples::U16(v) => v[i],
    };
    (0..photo.samples.len()).filter(far).map(at).collect()
}

/// The alpha of every pixel outside of the hole.
fn alphas(photo: &Photo) -> Vec<u16> {
    let n = photo.channels.count();
    let outside = outside(photo, 0);
    outside.chunks_exact(n).map(|pixel| pixel[n - 1]).collect()
}

/// The cells of one row of the table.
fn row(name: &str, bytes: &[u8]) -> Vec<String> {
    let limits = Limits::default();
    let was = decode(bytes, &limits).unwrap();
    let mut warnings = was.metadata.warnings.clone();
    let out = edited(&was)
        .encode_with_warnings(&EncodeOptions::default(), &mut warnings)
        .unwrap();
    let is = decode(&out, &limits).unwrap();
    let said = |word: &str| warnings.iter().any(|w| w.contains(word));
    let same = |reach| outside(&was, reach) == outside(&is, reach);
    let pixels = match () {
        () if same(0) => "bit-exact",
        () if same(JPEG_REACH) => "bit-exact beyond the blocks that the hole touches",
        () if said("coded again as a whole") => "coded again, said",
        () => "CHANGED",
    };
    let kind = |photo: &Photo| (photo.format, photo.channels, photo.bits());
    let depth = match probe(bytes, &limits).unwrap().bits == probe(&out, &limits).unwrap().bits {
        true if kind(&was) == kind(&is) && !said("full colour") && !said("became RGB") => "kept",
        true if was.format == Format::Bmp => "becomes PNG",
        _ => "CHANGED",
    };
    let alpha = match was.channels {
        Channels::GrayAlpha | Channels::Rgba if alphas(&was) == alphas(&is) => "kept",
        Channels::GrayAlpha | Channels::Rgba => "CHANGED",
        _ => "-",
    };
    let beside = |part: fn(&Metadata) -> bool, same: bool| match (part(&was.metadata), same) {
        (false, _) => "-",
        (true, true) => "kept",
        (true, false) => "LOST",
    };
    let (a, b) = (&was.metadata, &is.metadata);
    let holds = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|w| w == part);
    let icc = match (said("CMYK"), holds(&out, INKS_PROFILE)) {
        (true, true) => "kept",
        (true, false) => "LOST",
        (false, _) => beside(|m| m.icc.is_some(), a.icc == b.icc),
    };
    let exif = beside(|m| m.exif.is_some(), a.exif == b.exif);
    let xmp = beside(|m| m.xmp.is_some(), a.xmp == b.xmp);
    let iptc = beside(
        |m| m.photoshop.is_some(),
        a.photoshop == b.photoshop && a.iptc == b.iptc,
    );
    let previews = match (holds(bytes, PREVIEW), holds(&out, PREVIEW)) {
        (false, _) => "-",
        (true, false) if said("embedded pictures") => "dropped, said",
        _ => "LEFT",
    };
    let size = match is.format == was.format {
        true => format!("{:.2}", out.len() as f64 / bytes.len() as f64),
        false => "-".to_string(),
    };
    let cells = [
        name, pixels, depth, alpha, icc, exif, xmp, iptc, previews, &size,
    ];
    cells.map(str::to_string).to_vec()
}

fn line(cells: &[String]) -> String {
    format!("| {} |\n", cells.join(" | "))
}

/// The rows by format, without sizes: what all of a format's kinds say, "-" only where none has such a place.
fn by_format(rows: &[Vec<String>]) -> String {
    let format = |row: &[String]| {
        let words = if row[0].starts_with("WebP") { 2 } else { 1 };
        row[0].split(' ').take(words).collect::<Vec<_>>().join(" ")
    };
    let mut out = README_HEAD.to_string();
    for rows in rows.chunk_by(|a, b| format(a) == format(b)) {
        let merged = (1..rows[0].len() - 1).map(|column| {
            let mut said: Vec<&str> = rows.iter().map(|row| &*row[column]).collect();
            said.retain(|cell| *cell != "-");
            said.dedup();
            match said.is_empty() {
                true => "-".to_string(),
                false => said.join(", "),
            }
        });
        out.push_str(&line(
            &[format(&rows[0])]
                .into_iter()
                .chain(merged)
                .collect::<Vec<_>>(),
        ));
    }
    out
}

const README_HEAD: &str = "| file | pixels outside of the hole | depth and kind | alpha | ICC | EXIF | XMP | IPTC | pictures of the original |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
";

const HEAD: &str = "# Fidelity

What stays of each kind of file when an object is removed from it. Measured by a test on files that have everything
(`cargo test -p cleanplate-pictures --test table -- --nocapture` prints this page); \"said\" means that the reply carries a warning.
A place that the format has not is \"-\". The size is that of the result to that of the file, with its hidden preview.

| file | pixels outside of the hole | depth and kind | alpha | ICC | EXIF | XMP | IPTC | pictures of the original | size |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
";

const TAIL: &str = "
TIFF keeps byte order, strips or tiles, planes, coding, predictor, palette and further channels; strips and tiles without a changed pixel are
copied. JPEG keeps every coefficient of untouched blocks, tables, sampling, scans and restart markers. A BMP comes back as PNG.
A WebP without loss is coded fast rather than densely: one that libwebp wrote comes back larger.
CMYK is filled in RGB through the profile of the file (plainly without one, said) and written back as inks in the hole only.

Not read, and named in the reply (415): AVIF, HEIC, JPEG XL, JPEG 2000, GIF, PSD, BigTIFF, OpenEXR, PDF, and camera raws (DNG, CR2,
CR3, NEF, ARW, RAF, ORF, RW2). Refused with the reason (422): animations, TIFFs of several pages, of 1 to 4 or 32 bits, of
floating-point samples, with palettes of other than 8 bits or beside alpha, YCbCr or Lab colour, or with JPEG, fax or Zstandard coding inside; JPEGs of 12 bits,
without loss or with arithmetic coding.
";

#[test]
fn the_page_says_what_is_measured() {
    let mut page = HEAD.to_string();
    let rows: Vec<_> = files()
        .iter()
        .map(|(name, bytes)| row(name, bytes))
        .collect();
    page.extend(rows.iter().map(|row| line(row)));
    page.push_str(TAIL);
    println!("{page}");
    for bad in ["CHANGED", "LOST", "LEFT"] {
        assert!(!page.contains(bad), "{bad}");
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/FIDELITY.md");
    if std::env::var_os("UPDATE_FIDELITY").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(path).unwrap_or_default(),
        page,
        "docs/FIDELITY.md is not what is measured: run again with UPDATE_FIDELITY=1"
    );
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"));
    let short = by_format(&rows);
    assert!(
        readme.unwrap_or_default().contains(&short),
        "the README's table is not what is measured; it is:\n{short}"
    );
}
