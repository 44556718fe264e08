//! Files made to be expensive to walk, up to 25 MB each.

pub const MOST: usize = 25_000_000;
pub const MIB: usize = 1 << 20;

pub fn deflate(bytes: &[u8]) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec_zlib(bytes, 6)
}

pub fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u16 + 2).to_be_bytes();
    [&[0xff, marker][..], &length, body].concat()
}

/// A JPEG of 64 x 64 gray pixels with `extra` before its frame header, at most `MOST` bytes.
fn jpeg(extra: impl FnOnce(usize) -> Vec<u8>) -> Vec<u8> {
    let table = |class: u8| [&[class, 0, 1][..], &[0; 14], &[0]].concat();
    let rest = [
        segment(0xdb, &[&[0][..], &[1; 64]].concat()),
        segment(0xc0, &[8, 0, 64, 0, 64, 1, 1, 0x11, 0]),
        segment(0xc4, &table(0)),
        segment(0xc4, &table(0x10)),
        segment(0xda, &[1, 1, 0, 0, 63, 0]),
        vec![0; 32],
        vec![0xff, 0xd9],
    ]
    .concat();
    [vec![0xff, 0xd8], extra(MOST - rest.len() - 2), rest].concat()
}

fn repeated(piece: &[u8], bytes: usize) -> Vec<u8> {
    piece.repeat(bytes / piece.len())
}

pub fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let whole = [&kind[..], body].concat();
    let crc = crc32fast::hash(&whole).to_be_bytes();
    [&(body.len() as u32).to_be_bytes()[..], &whole, &crc].concat()
}

/// A PNG of 64 x 64 RGB pixels with `extra` behind its header.
fn small_png(extra: impl FnOnce(usize) -> Vec<u8>) -> Vec<u8> {
    let header = [0, 0, 0, 64, 0, 0, 0, 64, 8, 2, 0, 0, 0];
    let data = chunk(b"IDAT", &deflate(&[0; 193 * 64]));
    let rest = [data, chunk(b"IEND", &[])].concat();
    let start = [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        extra(MOST - rest.len() - 33),
    ];
    [start.concat(), rest].concat()
}

/// A WebP container around `extra` and a lossless image of one pixel.
fn small_webp(extra: Vec<u8>) -> Vec<u8> {
    let image = b"VP8L\x0d\0\0\0\x2f\0\0\0\x10\x07\x10\x11\x11\x88\x88\xfe\x07\0";
    let length = (4 + extra.len() + image.len()) as u32;
    let head = [&b"RIFF"[..], &length.to_le_bytes(), b"WEBP"].concat();
    [head, extra, image.to_vec()].concat()
}

/// A TIFF structure of directories of one entry each, which points to the next directory and overlaps it.
fn overlapping_directories(bytes: usize) -> Vec<u8> {
    let mut out = b"II*\0\x08\0\0\0".to_vec();
    while out.len() + 14 <= bytes {
        let next = (out.len() + 14) as u32;
        out.extend([0xff, 0xff, 0x69, 0x87, 4, 0, 1, 0, 0, 0]);
        out.extend(next.to_le_bytes());
    }
    out
}

/// A TIFF structure whose every entry says that its value, a sub-image, is the whole block.
fn many_pictures(bytes: usize) -> Vec<u8> {
    let count = bytes / 12 - 2;
    let mut out = b"II*\0\x08\0\0\0".to_vec();
    out.extend((count.min(65_535) as u16).to_le_bytes());
    for _ in 0..count {
        out.extend([0x7c, 0x92, 7, 0]);
        out.extend((bytes as u32 - 100).to_le_bytes());
        out.extend([8, 0, 0, 0]);
    }
    out.resize(bytes, 0xff);
    out
}

/// A name and a file each.
pub fn attacks() -> Vec<(&'static str, Vec<u8>)> {
    let bomb = deflate(&vec![0; 1024 * MIB / 8]);
    let small_bomb = deflate(&vec![0; 2 * MIB]);
    let xmp = |body: &str| [&b"http://ns.adobe.com/xap/1.0/\0"[..], body.as_bytes()].concat();
    let ztxt = |bomb: &[u8]| chunk(b"zTXt", &[b"k\0\0", bomb].concat());
    let iccp = |bomb: &[u8]| chunk(b"iCCP", &[b"p\0\0", bomb].concat());
    let damaged = &small_bomb[..small_bomb.len() - 9];
    let itxt = |text: &[u8]| chunk(b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0", text].concat());
    let exif = |block: &[u8]| [&b"Exif\0\0"[..], block].concat();
    let riff = |kind: &[u8; 4], body: &[u8]| {
        [&kind[..], &(body.len() as u32).to_le_bytes(), body].concat()
    };
    vec![
        (
            "JPEG: 200,000 empty APP2",
            jpeg(|_| segment(0xe2, &[]).repeat(200_000)),
        ),
        (
            "JPEG: 200,000 empty ICC parts",
            jpeg(|_| segment(0xe2, b"ICC_PROFILE\0\x01\x01").repeat(200_000)),
        ),
        (
            "JPEG: 65,000 ICC parts of one byte",
            jpeg(|_| segment(0xe2, b"ICC_PROFILE\0\x01\x01x").repeat(65_000)),
        ),
        (
            "JPEG: 4,000,000 comments of one byte",
            jpeg(|n| repeated(&segment(0xfe, b"x"), n)),
        ),
        (
            "JPEG: 380 comments of 64 KB",
            jpeg(|n| repeated(&segment(0xfe, &[b'x'; 65_533]), n)),
        ),
        (
            "JPEG: 180 comments of 64 KB, within the limit",
            jpeg(|_| segment(0xfe, &[b'x'; 65_533]).repeat(180)),
        ),
        (
            "JPEG: 60,000 comments, within the limit",
            jpeg(|_| segment(0xfe, &[b'x'; 100]).repeat(60_000)),
        ),
        (
            "JPEG: comments that could all be base64",
            jpeg(|_| segment(0xfe, &[b'A'; 65_533]).repeat(180)),
        ),
        (
            "JPEG: comments of base64 in many lines",
            jpeg(|_| segment(0xfe, &b"A\nAA\n ".repeat(10_000)).repeat(180)),
        ),
        (
            "JPEG: comments of broken references",
            jpeg(|_| segment(0xfe, &b"A&".repeat(32_000)).repeat(180)),
        ),
        ("JPEG: 25 MB of fill bytes", jpeg(|n| vec![0xff; n])),
        (
            "JPEG: 25 MB of stuffed zeros",
            jpeg(|n| repeated(&[0xff, 0], n)),
        ),
        (
            "JPEG: 12,000,000 restart markers",
            jpeg(|n| repeated(&[0xff, 0xd0], n)),
        ),
        (
            "JPEG: 25 MB behind the end",
            [jpeg(|_| vec![]), vec![0xff; MOST - 500]].concat(),
        ),
        (
            "JPEG: 25 MB of coded data",
            [&jpeg(|_| vec![])[..138], &repeated(&[0xff, 0], MOST)].concat(),
        ),
        (
            "JPEG: 180 EXIF blocks",
            jpeg(|_| segment(0xe1, &exif(&overlapping_directories(65_000))).repeat(180)),
        ),
        (
            "JPEG: directories that overlap",
            jpeg(|_| segment(0xe1, &exif(&overlapping_directories(65_000)))),
        ),
        (
            "JPEG: 5,000 values that are the whole block",
            jpeg(|_| segment(0xe1, &exif(&many_pictures(65_000)))),
        ),
        (
            "JPEG: XMP of 180 parts",
            jpeg(|_| {
                segment(
                    0xe1,
                    &[
                        b"http://ns.adobe.com/xmp/extension/\0".as_slice(),
                        &[b'<'; 65_000],
                    ]
                    .concat(),
                )
                .repeat(180)
            }),
        ),
        (
            "JPEG: XMP of 9,000 attributes",
            jpeg(|_| segment(0xe1, &xmp(&format!("<a {}/>", "b='' c=''".repeat(7_000))))),
        ),
        (
            "JPEG: IRB of 60,000 blocks",
            jpeg(|_| {
                segment(
                    0xed,
                    &[
                        &b"Photoshop 3.0\0"[..],
                        &b"8BIM\x04\x04\0\0\0\0\0\0".repeat(5_400),
                    ]
                    .concat(),
                )
                .repeat(180)
            }),
        ),
        ("PNG: profile of 128 MiB", small_png(|_| iccp(&bomb))),
        (
            "PNG: 10,000 profiles of 2 MiB",
            small_png(|_| iccp(&small_bomb).repeat(10_000)),
        ),
        (
            "PNG: 10,000 damaged profiles",
            small_png(|_| iccp(damaged).repeat(10_000)),
        ),
        ("PNG: text of 128 MiB", small_png(|_| ztxt(&bomb))),
        (
            "PNG: 5,000 texts of 2 MiB",
            small_png(|_| ztxt(&small_bomb).repeat(5_000)),
        ),
        (
            "PNG: 5,000 damaged texts",
            small_png(|_| ztxt(damaged).repeat(5_000)),
        ),
        (
            "PNG: 2,000,000 empty texts",
            small_png(|n| repeated(&chunk(b"tEXt", b""), n)),
        ),
        (
            "PNG: 2,000,000 empty data chunks",
            small_png(|n| repeated(&chunk(b"IDAT", b""), n)),
        ),
        (
            "PNG: 60,000 empty data chunks, within the limit",
            small_png(|_| chunk(b"IDAT", b"").repeat(60_000)),
        ),
        (
            "PNG: 2,000,000 frames",
            small_png(|n| repeated(&chunk(b"fcTL", b""), n)),
        ),
        (
            "PNG: a chunk of 25 MB",
            small_png(|n| chunk(b"prIv", &vec![7; n - 12])),
        ),
        (
            "PNG: a chunk of 11 MB, within the limit",
            small_png(|_| chunk(b"prIv", &vec![7; 11 * MIB])),
        ),
        (
            "PNG: EXIF of 11 MB, directories that overlap",
            small_png(|_| chunk(b"eXIf", &overlapping_directories(11 * MIB))),
        ),
        (
            "PNG: EXIF of 11 MB, values that are the whole block",
            small_png(|_| chunk(b"eXIf", &many_pictures(11 * MIB))),
        ),
        (
            "PNG: EXIF of 11 MB, begun pictures",
            small_png(|_| {
                chunk(
                    b"eXIf",
                    &[
                        b"II*\0\x08\0\0\0".to_vec(),
                        repeated(b"\xff\xd8\xff\xda\0\x02", 11 * MIB),
                    ]
                    .concat(),
                )
            }),
        ),
        (
            "PNG: XMP of 11 MB, elements",
            small_png(|_| itxt(&repeated(b"<a>", 11 * MIB))),
        ),
        (
            "PNG: XMP of 11 MB, one tag",
            small_png(|_| {
                itxt(
                    &[
                        b"<a".to_vec(),
                        repeated(b" xmlns:b='c'", 11 * MIB),
                        b"/>".to_vec(),
                    ]
                    .concat(),
                )
            }),
        ),
        (
            "WebP: 3,000,000 empty chunks",
            small_webp(repeated(&riff(b"XXXX", &[]), MOST - 100)),
        ),
        (
            "WebP: 60,000 chunks, within the limit",
            small_webp(riff(b"XXXX", &[1; 100]).repeat(60_000)),
        ),
        (
            "WebP: 1,000,000 frames",
            small_webp(repeated(&riff(b"ANMF", &[0; 16]), MOST - 100)),
        ),
        (
            "WebP: EXIF of 25 MB",
            small_webp(riff(b"EXIF", &overlapping_directories(MOST - 200))),
        ),
        (
            "WebP: 25 MB behind the end",
            [small_webp(vec![]), vec![0x52; MOST - 100]].concat(),
        ),
        (
            "TIFF: 65,520 links to directories of 4,000 entries",
            small_tiff(|at| {
                let below = [&4_000u16.to_le_bytes()[..], &[1; 48_000], &[0; 4]].concat();
                (vec![entry(34_665, 4, 1, at); 65_520], below)
            }),
        ),
        (
            "TIFF: 65,520 private tags",
            small_tiff(|_| {
                (
                    (0..65_520)
                        .map(|i| entry(50_000 + i as u16 % 9_000, 4, 1, 7))
                        .collect(),
                    vec![],
                )
            }),
        ),
        (
            "TIFF: 2,000,000 directories behind the first",
            small_tiff(|at| {
                let mut chain = Vec::new();
                for i in 1..2_000_000u32 {
                    chain.extend([0, 0]);
                    chain.extend((at + i * 6).to_le_bytes());
                }
                (vec![], chain)
            }),
        ),
        (
            "TIFF: XMP of 11 MB, tags never closed",
            small_tiff(|at| {
                (
                    vec![entry(700, 1, 11 << 20, at)],
                    repeated(b"<a>", 11 * MIB + 3),
                )
            }),
        ),
        (
            "TIFF: EXIF of 11 MB in one value, begun pictures",
            small_tiff(|at| {
                (
                    vec![entry(305, 7, 11 << 20, at)],
                    repeated(b"\xff\xd8\xff", 11 * MIB + 3),
                )
            }),
        ),
    ]
}

fn entry(tag: u16, kind: u16, count: u32, value: u32) -> [u8; 12] {
    let mut out = [0; 12];
    out[..2].copy_from_slice(&tag.to_le_bytes());
    out[2..4].copy_from_slice(&kind.to_le_bytes());
    out[4..8].copy_from_slice(&count.to_le_bytes());
    out[8..].copy_from_slice(&value.to_le_bytes());
    out
}

/// A TIFF of 64 x 64 gray pixels; `more` gets the place of the data that it gives, and gives further entries. Without further
/// entries its directory is followed by what lies there.
fn small_tiff(more: impl FnOnce(u32) -> (Vec<[u8; 12]>, Vec<u8>)) -> Vec<u8> {
    let at = 8 + 4_096;
    let (further, data) = more(at);
    let link = if further.is_empty() { at } else { 0 };
    let mut entries = vec![
        entry(256, 3, 1, 64),
        entry(257, 3, 1, 64),
        entry(258, 3, 1, 8),
        entry(259, 3, 1, 1),
        entry(262, 3, 1, 1),
        entry(273, 4, 1, 8),
        entry(279, 4, 1, 4_096),
    ];
    entries.extend(further);
    let mut out = b"II*\0".to_vec();
    out.extend((at + data.len() as u32).to_le_bytes());
    out.extend([9; 4_096]);
    out.extend(data);
    out.extend((entries.len() as u16).to_le_bytes());
    out.extend(entries.concat());
    out.extend(link.to_le_bytes());
    out
}
