//! What files made to be expensive cost: CPU time of the call and bytes allocated at its peak. A binary of its own, because it
//! counts every allocation of the process.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use cleanplate_pictures::{Limits, decode, decode_mask, probe};

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

fn grown(by: usize) {
    PEAK.fetch_max(NOW.fetch_add(by, Relaxed) + by, Relaxed);
}

// SAFETY: every call is the system allocator's own; only numbers are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        grown(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(place, layout) }
    }
    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        grown(size);
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(place, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// CPU time of this thread: other work on the machine does not count.
fn cpu() -> Duration {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: the pointer is to a timespec that lives through the call.
    let rc = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(rc, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// CPU time and peak bytes of a call.
fn cost<T>(call: impl FnOnce() -> T) -> (T, Duration, usize) {
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let started = cpu();
    let result = call();
    (result, cpu() - started, PEAK.load(Relaxed) - before)
}

const MOST: usize = 25_000_000;
const MIB: usize = 1 << 20;

fn deflate(bytes: &[u8]) -> Vec<u8> {
    miniz_oxide::deflate::compress_to_vec_zlib(bytes, 6)
}

fn segment(marker: u8, body: &[u8]) -> Vec<u8> {
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

fn chunk(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
    let whole = [&kind[..], body].concat();
    let crc = crc32fast::hash(&whole).to_be_bytes();
    [&(body.len() as u32).to_be_bytes()[..], &whole, &crc].concat()
}

/// A PNG of 64 x 64 RGB pixels with `extra` behind its header.
fn png(extra: impl FnOnce(usize) -> Vec<u8>) -> Vec<u8> {
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
fn webp(extra: Vec<u8>) -> Vec<u8> {
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

fn attacks() -> Vec<(&'static str, Vec<u8>)> {
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
        ("PNG: profile of 128 MiB", png(|_| iccp(&bomb))),
        (
            "PNG: 10,000 profiles of 2 MiB",
            png(|_| iccp(&small_bomb).repeat(10_000)),
        ),
        (
            "PNG: 10,000 damaged profiles",
            png(|_| iccp(damaged).repeat(10_000)),
        ),
        ("PNG: text of 128 MiB", png(|_| ztxt(&bomb))),
        (
            "PNG: 5,000 texts of 2 MiB",
            png(|_| ztxt(&small_bomb).repeat(5_000)),
        ),
        (
            "PNG: 5,000 damaged texts",
            png(|_| ztxt(damaged).repeat(5_000)),
        ),
        (
            "PNG: 2,000,000 empty texts",
            png(|n| repeated(&chunk(b"tEXt", b""), n)),
        ),
        (
            "PNG: 2,000,000 empty data chunks",
            png(|n| repeated(&chunk(b"IDAT", b""), n)),
        ),
        (
            "PNG: 60,000 empty data chunks, within the limit",
            png(|_| chunk(b"IDAT", b"").repeat(60_000)),
        ),
        (
            "PNG: 2,000,000 frames",
            png(|n| repeated(&chunk(b"fcTL", b""), n)),
        ),
        (
            "PNG: a chunk of 25 MB",
            png(|n| chunk(b"prIv", &vec![7; n - 12])),
        ),
        (
            "PNG: a chunk of 11 MB, within the limit",
            png(|_| chunk(b"prIv", &vec![7; 11 * MIB])),
        ),
        (
            "PNG: EXIF of 11 MB, directories that overlap",
            png(|_| chunk(b"eXIf", &overlapping_directories(11 * MIB))),
        ),
        (
            "PNG: EXIF of 11 MB, values that are the whole block",
            png(|_| chunk(b"eXIf", &many_pictures(11 * MIB))),
        ),
        (
            "PNG: EXIF of 11 MB, begun pictures",
            png(|_| {
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
            png(|_| itxt(&repeated(b"<a>", 11 * MIB))),
        ),
        (
            "PNG: XMP of 11 MB, one tag",
            png(|_| {
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
            webp(repeated(&riff(b"XXXX", &[]), MOST - 100)),
        ),
        (
            "WebP: 60,000 chunks, within the limit",
            webp(riff(b"XXXX", &[1; 100]).repeat(60_000)),
        ),
        (
            "WebP: 1,000,000 frames",
            webp(repeated(&riff(b"ANMF", &[0; 16]), MOST - 100)),
        ),
        (
            "WebP: EXIF of 25 MB",
            webp(riff(b"EXIF", &overlapping_directories(MOST - 200))),
        ),
        (
            "WebP: 25 MB behind the end",
            [webp(vec![]), vec![0x52; MOST - 100]].concat(),
        ),
    ]
}

/// Any file up to 25 MB is refused or probed within 0.3 s of CPU time and 64 MiB; reading metadata and pixels of those that
/// are accepted, all of them tiny, is bounded too.
#[test]
fn no_file_is_expensive_before_its_pixels() {
    println!(
        "{:<52} {:>9} {:>9} {:>9} {:>9}",
        "attack", "probe ms", "MiB", "decode ms", "MiB"
    );
    let mut over = Vec::new();
    for (name, bytes) in attacks() {
        assert!(bytes.len() <= MOST + 200, "{name}: {} bytes", bytes.len());
        let limits = Limits::default();
        let (probed, probe_time, probe_bytes) = cost(|| probe(&bytes, &limits));
        let (decoded, decode_time, decode_bytes) = cost(|| decode(&bytes, &limits).map(drop));
        let (_, mask_time, mask_bytes) = cost(|| decode_mask(&bytes, &limits).map(drop));
        let (decode_time, decode_bytes) =
            (decode_time.max(mask_time), decode_bytes.max(mask_bytes));
        println!(
            "{name:<52} {:>9.1} {:>9.1} {:>9.1} {:>9.1}  {}",
            probe_time.as_secs_f64() * 1e3,
            probe_bytes as f64 / MIB as f64,
            decode_time.as_secs_f64() * 1e3,
            decode_bytes as f64 / MIB as f64,
            match (probed, decoded) {
                (Err(e), _) => e.to_string(),
                (_, Err(e)) => format!("(decode) {e}"),
                _ => "taken".to_string(),
            }
        );
        let slow = probe_time > Duration::from_millis(300) || decode_time > Duration::from_secs(1);
        if slow || probe_bytes > 64 * MIB || decode_bytes > 96 * MIB {
            over.push(name);
        }
    }
    assert!(over.is_empty(), "over the bounds: {over:?}");
}
