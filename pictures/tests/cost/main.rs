//! What files made to be expensive cost: CPU time of the call and bytes allocated at its peak. A binary of its own, because it
//! counts every allocation of the process.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use cleanplate_pictures::{ImageError, Limits, MaskChannel, decode, decode_mask, probe};

mod attacks;
mod kinds;

use attacks::{MIB, MOST, attacks};
use kinds::kinds;

struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
/// Bytes in use above which the system has no more.
static MOST_USED: AtomicUsize = AtomicUsize::new(usize::MAX);
/// Smaller ones are always to be had: what is measured are pictures, not messages and lists.
const SMALL_BYTES: usize = 64 << 10;

fn to_be_had(bytes: usize) -> bool {
    bytes < SMALL_BYTES || NOW.load(Relaxed).saturating_add(bytes) <= MOST_USED.load(Relaxed)
}

/// Length of the allocation that is asked for before the others and given back: it is no use of memory.
static ASKED: AtomicUsize = AtomicUsize::new(usize::MAX);

fn grown(by: usize) {
    let now = NOW.fetch_add(by, Relaxed) + by;
    if by != ASKED.load(Relaxed) {
        PEAK.fetch_max(now, Relaxed);
    }
}

/// What a call asks for: it says so where there is nothing.
fn asked<T>(call: impl FnOnce() -> Result<T, ImageError>) -> u64 {
    MOST_USED.store(NOW.load(Relaxed), Relaxed);
    let refused = call();
    MOST_USED.store(usize::MAX, Relaxed);
    match refused {
        Err(ImageError::OutOfMemory { bytes }) => bytes,
        other => panic!("not asked for: {:?}", other.map(drop)),
    }
}

// SAFETY: every call is the system allocator's own, or fails as that one may; only numbers are kept beside it.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !to_be_had(layout.size()) {
            return std::ptr::null_mut();
        }
        grown(layout.size());
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if !to_be_had(layout.size()) {
            return std::ptr::null_mut();
        }
        grown(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(place, layout) }
    }
    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size > layout.size() && !to_be_had(size) {
            return std::ptr::null_mut();
        }
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

/// Peak bytes of a call besides what it asks for.
fn used<T>(call: impl Fn() -> Result<T, ImageError>) -> (Result<T, ImageError>, usize) {
    ASKED.store(asked(&call) as usize, Relaxed);
    let (result, _, bytes) = cost(call);
    ASKED.store(usize::MAX, Relaxed);
    (result, bytes)
}

/// CPU time and peak bytes of a call.
fn cost<T>(call: impl FnOnce() -> T) -> (T, Duration, usize) {
    let before = NOW.load(Relaxed);
    PEAK.store(before, Relaxed);
    let started = cpu();
    let result = call();
    (result, cpu() - started, PEAK.load(Relaxed) - before)
}

/// What the header says a picture takes is what it takes: never less, and not much more.
#[test]
fn memory_is_known_from_the_header() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    println!(
        "{:<40} {:>16} {:>16} {:>16} {:>16}",
        "MiB used / computed", "decode", "photo", "as a mask", "encode"
    );
    let mut wrong = Vec::new();
    for (name, bytes) in kinds() {
        let limits = Limits::default();
        let need = probe(&bytes, &limits).unwrap().need;
        let (photo, decode_bytes) = used(|| decode(&bytes, &limits));
        let photo = photo.unwrap();
        let before = NOW.load(Relaxed);
        drop(photo.clone());
        let (copy, _, _) = cost(|| photo.clone());
        let photo_bytes = NOW.load(Relaxed) - before + shared_bytes(&photo);
        drop(copy);
        let (written, encode_bytes) = used(|| photo.encode(&Default::default()));
        written.unwrap();
        drop(photo);
        let (_, cut_bytes) = used(|| decode_mask(&bytes, &limits, MaskChannel::Luma));
        let pairs = [
            (decode_bytes, need.decode_bytes_max),
            (photo_bytes, need.photo_bytes),
            (cut_bytes, need.cut_bytes_max),
            (encode_bytes, need.encode_bytes_max),
        ];
        let mib = |bytes: f64| bytes / MIB as f64;
        let columns = pairs
            .map(|(used, said)| format!("{:>7.1} /{:>7.1}", mib(used as f64), mib(said as f64)));
        println!("{name:<40} {}", columns.join(" "));
        // What libwebp allocates is not counted.
        let uncounted = name.starts_with("WebP") && name.ends_with("lossy");
        let pairs = if uncounted { &pairs[..3] } else { &pairs[..] };
        let fits = |&(used, said): &(usize, u64)| {
            used as u64 <= said + MIB as u64 && said <= 3 * used as u64 + 4 * MIB as u64
        };
        if !pairs.iter().all(fits) {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "computed wrongly: {wrong:?}");
}

/// With whatever memory there is, every reader and writer comes to its end or says that there is too little: a failed
/// allocation in one of the crates behind them would end this process.
#[test]
fn too_little_memory_is_an_answer() {
    const STEPS: u64 = 3;
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    for (name, bytes) in kinds() {
        let limits = Limits::default();
        let header = probe(&bytes, &limits).unwrap();
        let (need, pixels) = (&header.need, (header.width * header.height) as u64);
        let photo = decode(&bytes, &limits).unwrap();
        // What is asked for is enough for every type, a lossy WebP with an alpha plane among them.
        let written =
            (4 * (need.encode_bytes_max + need.photo_bytes)).max(40 * pixels) + (16 << 20);
        type Attempt<'a> = (&'a str, u64, &'a dyn Fn() -> Result<(), ImageError>);
        let attempts: [Attempt<'_>; 3] = [
            ("decode", need.decode_bytes_max, &|| {
                decode(&bytes, &limits).map(drop)
            }),
            ("mask", need.cut_bytes_max, &|| {
                decode_mask(&bytes, &limits, MaskChannel::Luma).map(drop)
            }),
            ("encode", written, &|| {
                photo.encode(&Default::default()).map(drop)
            }),
        ];
        for (what, most, attempt) in attempts {
            let refused = |room: u64| {
                MOST_USED.store(NOW.load(Relaxed) + room as usize, Relaxed);
                let result = attempt();
                MOST_USED.store(usize::MAX, Relaxed);
                let refused = matches!(result, Err(ImageError::OutOfMemory { .. }));
                let other = result.is_err() && !refused && what != "mask";
                assert!(!other, "{name}, {what}: {result:?}");
                refused
            };
            // Upwards: once there is enough, more is enough, too.
            let steps = (0..=STEPS).map(|step| refused((most + MIB as u64) * step / STEPS));
            let steps: Vec<bool> = steps.collect();
            assert!(
                steps[0] && !steps[STEPS as usize] && steps.is_sorted_by(|a, b| a >= b),
                "{name}, {what}: {steps:?}"
            );
        }
    }
}

/// Bytes of a photo that its copies share.
fn shared_bytes(photo: &cleanplate_pictures::Photo) -> usize {
    match &photo.source {
        cleanplate_pictures::Source::Jpeg(source) => source.original.file_bytes(),
        cleanplate_pictures::Source::Tiff(source) => source.file_bytes(),
        _ => 0,
    }
}

/// Allocations are counted for the whole process: one test at a time.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// Any file up to 25 MB is refused or probed within 0.3 s of CPU time and 64 MiB; reading metadata and pixels of those that
/// are accepted, all of them tiny, is bounded too.
#[test]
fn no_file_is_expensive_before_its_pixels() {
    let _alone = ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
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
        let (_, mask_time, mask_bytes) =
            cost(|| decode_mask(&bytes, &limits, MaskChannel::Luma).map(drop));
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
