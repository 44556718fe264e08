//! A system that has no more memory: whatever is asked for then, the daemon answers and lives.

use std::time::Duration;

use image::ImageFormat;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

use crate::common::{Daemon, Form, REMOVAL, encode, mask, photo, png, wait_until};

fn size_kib(daemon: &Daemon) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.pid())).unwrap();
    let size = status.lines().find_map(|line| line.strip_prefix("VmSize:"));
    let figure = size.unwrap().trim_matches([' ', '\t', 'k', 'B']);
    figure.parse().unwrap()
}

/// Gives the daemon so many bytes more than it has. What a job kept for itself goes a moment after its reply.
fn limit(daemon: &Daemon, margin: Option<u64>) {
    let mut kib = size_kib(daemon);
    let mut same = 0;
    while margin.is_some() && same < 10 {
        std::thread::sleep(Duration::from_millis(5));
        let now = size_kib(daemon);
        same = if now == kib { same + 1 } else { 0 };
        kib = now;
    }
    let limit = Rlimit {
        current: margin.map(|bytes| (kib << 10) + bytes),
        maximum: None,
    };
    prlimit(Pid::from_raw(daemon.pid() as i32), Resource::As, limit).unwrap();
}

/// An uncompressed TIFF of one strip.
fn tiff(rgb: &image::RgbImage) -> Vec<u8> {
    let entries: [(u16, u16, u32); 8] = [
        (256, 4, rgb.width()),
        (257, 4, rgb.height()),
        (258, 3, 8),
        (259, 3, 1),
        (262, 3, 2),
        (273, 4, 8),
        (277, 3, 3),
        (279, 4, rgb.len() as u32),
    ];
    let mut out = b"II*\0".to_vec();
    out.extend((8 + rgb.len() as u32).to_le_bytes());
    out.extend_from_slice(rgb);
    out.extend((entries.len() as u16).to_le_bytes());
    for (tag, kind, value) in entries {
        out.extend(tag.to_le_bytes());
        out.extend(kind.to_le_bytes());
        out.extend(1u32.to_le_bytes());
        out.extend(value.to_le_bytes());
    }
    out.extend([0; 4]);
    out
}

/// A BMP of 24 bits; rows of a width that is a multiple of 4.
fn bmp(rgb: &image::RgbImage) -> Vec<u8> {
    let mut out = b"BM".to_vec();
    for number in [
        54 + rgb.len() as u32,
        0,
        54,
        40,
        rgb.width(),
        rgb.height(),
        24 << 16 | 1,
    ] {
        out.extend(number.to_le_bytes());
    }
    out.extend([0; 24]);
    for y in (0..rgb.height()).rev() {
        out.extend((0..rgb.width()).flat_map(|x| {
            let [r, g, b] = rgb.get_pixel(x, y).0;
            [b, g, r]
        }));
    }
    out
}

/// A picture of every type, with what its result is written as.
fn pictures() -> Vec<(String, String, Form)> {
    let (width, height) = (1200, 900);
    let hole = png(mask(width, height, [200, 200, 260, 260]));
    let rgb = photo(width, height);
    let rgba = image::DynamicImage::from(rgb.clone()).to_rgba16();
    let mut out = Vec::new();
    for (name, bytes) in [
        ("PNG", png(rgb.clone())),
        ("PNG 16", encode(rgba, ImageFormat::Png)),
        ("JPEG", encode(rgb.clone(), ImageFormat::Jpeg)),
        ("WebP", encode(rgb.clone(), ImageFormat::WebP)),
        ("TIFF", tiff(&rgb)),
        ("BMP", bmp(&rgb)),
    ] {
        out.push((
            name.to_string(),
            REMOVAL.to_string(),
            Form::pair(&bytes, &hole),
        ));
    }
    let plain = png(rgb);
    for query in [
        "output_format=webp&quality=80",
        "output_format=webp",
        "output_format=jpeg",
        "candidates=3",
    ] {
        out.push((
            query.to_string(),
            format!("{REMOVAL}?{query}"),
            Form::pair(&plain, &hole),
        ));
    }
    out
}

const CONFIG: &str = "[pipelines]\ndefault = \"patchmatch\"\n[queue]\nat_once_max = 1\n[accounts]\nfirst_credits = 100000\n\
                      [rate_limits]\nremoval_per_minute = 100000\n";

/// Whether the daemon lives and nothing of a job is left.
fn unharmed(daemon: &mut Daemon, key: &str) {
    let ended = daemon.child.try_wait().unwrap();
    assert!(ended.is_none(), "{ended:?}: {}", daemon.log.lock().unwrap());
    assert_eq!(daemon.get("/v1/account", Some(key)).json()["held"], 0);
}

#[test]
fn wherever_memory_ends_the_daemon_answers_and_lives() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(dir.path(), CONFIG);
    let key = daemon.key();
    for (name, path, form) in &pictures() {
        // What the first one starts stays: threads and their memory.
        assert_eq!(daemon.post(path, Some(&key), form).status, 200, "{name}");
        let mut margin = 1u64 << 20;
        let mut refused = 0;
        loop {
            limit(&daemon, Some(margin));
            let reply = daemon.post(path, Some(&key), form);
            limit(&daemon, None);
            if reply.status == 200 {
                break;
            }
            let text = String::from_utf8_lossy(&reply.body).into_owned();
            let case = format!("{name}, {} KiB: {text}", margin >> 10);
            assert_eq!(reply.status, 503, "{case}: {}", daemon.log.lock().unwrap());
            assert!(reply.header("Retry-After").is_some(), "{case}");
            refused += 1;
            margin += margin / 3;
        }
        assert!(refused > 5, "{name} was refused {refused} times");
        unharmed(&mut daemon, &key);
    }
}

/// Another process takes what there was while a job is under way: what was admitted was kept for it.
#[test]
fn a_job_that_began_has_its_memory_to_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(dir.path(), CONFIG);
    let key = daemon.key();
    for (name, path, form) in &pictures() {
        assert_eq!(daemon.post(path, Some(&key), form).status, 200, "{name}");
        let reply = std::thread::scope(|scope| {
            let sent = scope.spawn(|| daemon.post(path, Some(&key), form));
            wait_until("the job runs", Duration::from_secs(60), || {
                sent.is_finished() || daemon.get("/healthz", None).json()["queue"]["running"] == 1
            });
            limit(&daemon, Some(2 << 20));
            let reply = sent.join().unwrap();
            limit(&daemon, None);
            reply
        });
        let text = String::from_utf8_lossy(&reply.body);
        assert_eq!(
            reply.status,
            200,
            "{name}: {text}: {}",
            daemon.log.lock().unwrap()
        );
        unharmed(&mut daemon, &key);
    }
}
