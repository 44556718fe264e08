//! A full volume: refused at once, nothing charged or lost, and over by itself.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::common::volume::{Volume, on_small_volume};
use crate::common::{self, Daemon, Form, REMOVAL, Reply, mask, png, small_pair, wait_until};

pub const UNLIMITED: &str = "[rate_limits]\nremoval_per_minute = 100000\nread_per_minute = 100000\npublic_per_minute = 100000\n[accounts]\nfirst_credits = 1000000\n";

pub fn text(reply: &Reply) -> String {
    String::from_utf8_lossy(&reply.body).into_owned()
}

/// Waits until `/readyz` answers with this status, and tells its reason.
pub fn readyz(daemon: &Daemon, status: u16, within: Duration) -> String {
    let until = Instant::now() + within;
    loop {
        let reply = daemon.get("/readyz", None);
        if reply.status == status {
            return reply.json()["reason"].as_str().unwrap_or("").to_string();
        }
        assert!(
            Instant::now() < until,
            "/readyz is not {status} after {within:?} but {}: {}",
            reply.status,
            text(&reply)
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until no credit is held.
pub fn nothing_held(daemon: &Daemon, key: &str) {
    let until = Instant::now() + Duration::from_secs(30);
    loop {
        let account = daemon.get("/v1/account", Some(key)).json();
        if account["held"] == 0 {
            return;
        }
        assert!(
            Instant::now() < until,
            "still held: {account}\n{}",
            daemon.log.lock().unwrap()
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Entries of the ledger: holds, settled and released.
pub fn ledger(daemon: &Daemon) -> (usize, usize, usize) {
    let args = [
        "accounts", "ledger", "default", "--limit", "100000", "--json",
    ];
    let ledger = common::json(&daemon.cli(&args));
    let entries = ledger["entries"].as_array().unwrap();
    let count = |kind: &str| entries.iter().filter(|e| e["kind"] == kind).count();
    (count("reserve"), count("settle"), count("release"))
}

/// Waits until the daemon keeps a little back again: for recording ends, inside its log, and for a start.
fn kept_back(daemon: &Daemon) {
    let until = Instant::now() + Duration::from_secs(30);
    let kept = || {
        let log = std::fs::metadata(daemon.data.join("cleanplate.db-wal")).unwrap();
        log.blocks() * 512 >= log.len() + (4 << 20) && daemon.data.join("ballast").exists()
    };
    while !kept() {
        assert!(Instant::now() < until, "nothing is kept back");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Fills the volume while a job runs whose result takes more than what is kept back.
fn full_under_a_job(volume: &Volume, daemon: &Daemon, key: &str, large: &Form) {
    std::thread::scope(|scope| {
        kept_back(daemon);
        let under_way = scope.spawn(|| daemon.post(REMOVAL, Some(key), large));
        while daemon.get("/v1/account", Some(key)).json()["held"] == 0 {
            assert!(!under_way.is_finished(), "the job was never under way");
        }
        let filler = volume.fill(0);
        let reply = under_way.join().unwrap();
        assert_eq!(reply.status, 507, "{}", text(&reply));
        nothing_held(daemon, key);
        drop(filler);
    });
}

pub fn names(dir: &Path) -> Vec<String> {
    std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn a_full_volume_refuses_at_once_holds_nothing_and_is_over_by_itself() {
    let name = "storage::a_full_volume_refuses_at_once_holds_nothing_and_is_over_by_itself";
    on_small_volume(name, 64, full_volume);
}

/// Ends the clients also when the test fails: nobody waits for them forever.
struct StopOnDrop<'a>(&'a AtomicBool);

impl Drop for StopOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A photo that does not compress.
fn noise(width: u32, height: u32) -> image::RgbImage {
    let mut state = 1_u32;
    image::RgbImage::from_fn(width, height, |_, _| {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        image::Rgb([state as u8, (state >> 8) as u8, (state >> 16) as u8])
    })
}

/// Options of a daemon on a volume of 64 MiB: one job at a time, filled without a network.
fn on_64_mib() -> String {
    format!(
        "{UNLIMITED}[server]\nfree_mib_min = 8\n[queue]\nat_once_max = 1\n[pipelines]\ndefault = \"patchmatch\"\n"
    )
}

fn full_volume(volume: &Volume) {
    let daemon = Daemon::start(&volume.path().join("data"), &on_64_mib());
    let key = daemon.key();
    let (image, hole) = small_pair();
    let form = Form::pair(&image, &hole);
    let first = daemon.post(REMOVAL, Some(&key), &form);
    assert_eq!(first.status, 200, "{}", text(&first));
    let url = first.json()["result"]["output_url"]
        .as_str()
        .unwrap()
        .to_string();
    let large = Form::pair(
        &png(noise(1500, 1200)),
        &png(mask(1500, 1200, [300, 300, 600, 600])),
    );
    let cycles = std::env::var("TEST_CYCLES").map_or(3, |text| text.parse().unwrap());
    for cycle in 0..cycles {
        full_under_a_job(volume, &daemon, &key, &large);
        readyz(&daemon, 200, Duration::from_secs(5));
        let (stop, full) = (AtomicBool::new(false), AtomicBool::new(false));
        let (done, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            let _stop = StopOnDrop(&stop);
            let clients: Vec<_> = (0..3)
                .map(|_| {
                    scope.spawn(|| {
                        while !stop.load(Ordering::SeqCst) {
                            let (was_full, sent) = (full.load(Ordering::SeqCst), Instant::now());
                            let reply = daemon.post(REMOVAL, Some(&key), &form);
                            let took = sent.elapsed();
                            let fits = match reply.status {
                                200 => !was_full,
                                507 => reply.header("Retry-After").is_some(),
                                _ => false,
                            };
                            assert!(
                                fits,
                                "{} when full: {was_full}: {}",
                                reply.status,
                                text(&reply)
                            );
                            assert!(took < Duration::from_secs(20), "{took:?}");
                            done.fetch_add(usize::from(reply.status == 200), Ordering::SeqCst);
                            refused.fetch_add(usize::from(reply.status == 507), Ordering::SeqCst);
                            // The pace of a client.
                            std::thread::sleep(Duration::from_millis(20));
                        }
                    })
                })
                .collect();
            let jobs = format!("jobs of cycle {cycle} are done");
            wait_until(&jobs, Duration::from_secs(60), || {
                done.load(Ordering::SeqCst) >= 3
            });
            kept_back(&daemon);
            let filler = volume.fill(0);
            let reason = readyz(&daemon, 503, Duration::from_secs(3));
            // From now on: until then a call may still find the room that it asked for.
            full.store(true, Ordering::SeqCst);
            assert!(reason.starts_with("volume full"), "{reason}");
            nothing_held(&daemon, &key);
            assert_eq!(
                daemon.get(&url[url.find("/v1/").unwrap()..], None).status,
                200
            );
            let met = || refused.load(Ordering::SeqCst) > 0;
            wait_until(
                "a call meets the full volume",
                Duration::from_secs(20),
                || met() || clients.iter().any(|client| client.is_finished()),
            );
            stop.store(true, Ordering::SeqCst);
            clients.into_iter().for_each(|c| c.join().unwrap());
            assert!(met(), "cycle {cycle}: no call met the full volume");
            drop(filler);
        });
        readyz(&daemon, 200, Duration::from_secs(5));
        let again = daemon.post(REMOVAL, Some(&key), &form);
        assert_eq!(again.status, 200, "cycle {cycle}: {}", text(&again));
    }
    nothing_held(&daemon, &key);
    let (reserved, settled, released) = ledger(&daemon);
    println!("{cycles} cycles: {reserved} holds, {settled} settled, {released} released");
    assert_eq!(reserved, settled + released);
    assert!(
        released >= cycles,
        "{released} of {cycles} jobs under way gave back"
    );
    let results = names(&daemon.data.join("results"));
    let pictures = results.iter().filter(|name| !name.contains("mask")).count();
    assert_eq!(pictures, settled, "{results:?}");
    assert!(
        results.iter().all(|name| !name.ends_with(".tmp")),
        "{results:?}"
    );
    assert!(names(&daemon.data.join("uploads")).is_empty());
    let log = daemon.log.lock().unwrap();
    // Two for the usual three cycles; more cycles take more minutes.
    assert!(
        log.matches("ERROR").count() <= 2 * usize::max(cycles / 3, 1),
        "not one line a minute: {log}"
    );
}

#[test]
fn ends_are_recorded_although_a_filler_takes_every_byte_at_once() {
    let name = "storage::ends_are_recorded_although_a_filler_takes_every_byte_at_once";
    on_small_volume(name, 64, |volume| {
        let daemon = Daemon::start(&volume.path().join("data"), &on_64_mib());
        let key = daemon.key();
        let large = Form::pair(
            &png(noise(1000, 800)),
            &png(mask(1000, 800, [200, 200, 500, 500])),
        );
        let stop = AtomicBool::new(false);
        std::thread::scope(|scope| {
            kept_back(&daemon);
            let jobs: Vec<_> = (0..6)
                .map(|_| scope.spawn(|| daemon.post(REMOVAL, Some(&key), &large)))
                .collect();
            let held = || daemon.get("/v1/account", Some(&key)).json()["held"].clone();
            wait_until("three jobs are held", Duration::from_secs(60), || {
                held().as_i64() >= Some(9) || jobs.iter().all(|job| job.is_finished())
            });
            kept_back(&daemon);
            let _stop = StopOnDrop(&stop);
            scope.spawn(|| volume.keep_filling(&stop));
            for job in jobs {
                let reply = job.join().unwrap();
                assert!(matches!(reply.status, 200 | 507), "{}", text(&reply));
            }
            nothing_held(&daemon, &key);
            assert!(readyz(&daemon, 503, Duration::from_secs(3)).starts_with("volume full"));
        });
        readyz(&daemon, 200, Duration::from_secs(5));
        let (image, hole) = small_pair();
        let again = daemon.post(REMOVAL, Some(&key), &Form::pair(&image, &hole));
        assert_eq!(again.status, 200, "{}", text(&again));
        let (reserved, settled, released) = ledger(&daemon);
        assert_eq!(reserved, settled + released);
        assert!(released >= 2, "{released} jobs under way gave back");
    });
}

/// An upload that announces so many bytes and sends none of them; the status that it gets within a second, if any.
fn announce(daemon: &Daemon, key: &str, bytes: u64) -> (TcpStream, Option<String>) {
    let mut stream = TcpStream::connect(&daemon.addr).unwrap();
    let form = Form::new().content_type();
    let head = format!(
        "POST {REMOVAL}/batch HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nContent-Type: {form}\r\n\
         Content-Length: {bytes}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).unwrap();
    let wait = Some(Duration::from_secs(1));
    stream.set_read_timeout(wait).unwrap();
    let mut start = [0; 12];
    let status = stream.read_exact(&mut start).ok();
    (
        stream,
        status.map(|()| String::from_utf8_lossy(&start[9..]).into_owned()),
    )
}

#[test]
fn announced_uploads_of_one_key_leave_a_small_volume_to_others() {
    let name = "storage::announced_uploads_of_one_key_leave_a_small_volume_to_others";
    on_small_volume(name, 64, |volume| {
        let config = "[server]\nfree_mib_min = 8\n";
        let daemon = Daemon::start(&volume.path().join("data"), config);
        let made = common::json(&daemon.cli(&["keys", "create", "--name", "k", "--json"]));
        let (greedy, other) = (daemon.key(), made["key"].as_str().unwrap());
        assert_eq!(
            announce(&daemon, &greedy, 40 << 20).1.as_deref(),
            Some("507")
        );
        let (_held, status) = announce(&daemon, &greedy, 15 << 20);
        assert_eq!(status, None, "it is waited for");
        assert_eq!(
            announce(&daemon, &greedy, 15 << 20).1.as_deref(),
            Some("507")
        );
        assert_eq!(announce(&daemon, other, 12 << 20).1, None);
        let (image, hole) = small_pair();
        let reply = daemon.post(REMOVAL, Some(other), &Form::pair(&image, &hole));
        assert_eq!(reply.status, 200, "{}", text(&reply));
    });
}

#[test]
fn a_volume_that_takes_no_more_files_refuses_at_once_and_is_over_by_itself() {
    let name = "storage::a_volume_that_takes_no_more_files_refuses_at_once_and_is_over_by_itself";
    on_small_volume(name, 64, |volume| {
        let daemon = Daemon::start(&volume.path().join("data"), &on_64_mib());
        let key = daemon.key();
        let (image, hole) = small_pair();
        let form = Form::pair(&image, &hole);
        volume.remount(&format!("nr_inodes={}", volume.files() + 8));
        let reply = daemon.post(REMOVAL, Some(&key), &form);
        assert_eq!(reply.status, 507, "{}", text(&reply));
        assert!(reply.header("Retry-After").is_some() && text(&reply).contains("more files"));
        assert!(readyz(&daemon, 503, Duration::from_secs(3)).contains("more files"));
        volume.remount("nr_inodes=100000");
        readyz(&daemon, 200, Duration::from_secs(5));
        assert_eq!(daemon.post(REMOVAL, Some(&key), &form).status, 200);
        nothing_held(&daemon, &key);
    });
}

#[test]
fn what_failed_jobs_leave_is_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "[admin]\nretry_keep_mib_max = 1\n");
    let key = daemon.key();
    let image = png(noise(400, 400));
    assert!(image.len() > 400_000 && image.len() < 500_000);
    let nothing = png(mask(400, 400, [0; 4]));
    for number in 1..=4 {
        let path = format!("{REMOVAL}?async=true");
        let accepted = daemon.post(&path, Some(&key), &Form::pair(&image, &nothing));
        assert_eq!(accepted.status, 202, "{}", text(&accepted));
        let job = accepted.json()["job_id"].as_str().unwrap().to_string();
        let failed = format!("job {number} fails");
        wait_until(&failed, Duration::from_secs(60), || {
            daemon.get(&format!("/v1/jobs/{job}"), Some(&key)).json()["status"] == "failed"
        });
    }
    nothing_held(&daemon, &key);
    let inputs = names(&dir.path().join("inputs"));
    assert_eq!(inputs.len(), 4, "photos and masks of two: {inputs:?}");
    assert!(names(&dir.path().join("previews")).is_empty());
}

#[test]
fn a_single_run_over_a_folder_ends_on_a_full_volume_and_is_taken_up_later() {
    let name = "storage::a_single_run_over_a_folder_ends_on_a_full_volume_and_is_taken_up_later";
    on_small_volume(name, 16, |volume| {
        let root = volume.path().join("plates");
        std::fs::create_dir(&root).unwrap();
        let (image, hole) = small_pair();
        for index in 0..3 {
            std::fs::write(root.join(format!("p{index}.png")), &image).unwrap();
            std::fs::write(root.join(format!("p{index}_mask.png")), &hole).unwrap();
        }
        let once = || {
            let started = Instant::now();
            let data = volume.path().join("data");
            let output = common::cleanplate()
                .args([
                    "folder",
                    "--once",
                    root.to_str().unwrap(),
                    "--backend",
                    "cpu",
                ])
                .args(["--data", data.to_str().unwrap()])
                .env("CLEANPLATE_HOT_FOLDERS_SETTLE_MS", "100")
                .output()
                .unwrap();
            let took = started.elapsed();
            assert!(took < Duration::from_secs(60), "{took:?}");
            (
                output.status.code(),
                String::from_utf8_lossy(&output.stderr).into_owned(),
            )
        };
        let filler = volume.fill(0);
        let (code, error) = once();
        assert_eq!(code, Some(1), "{error}");
        assert!(error.contains("No space left"), "{error}");
        drop(filler);
        let (code, error) = once();
        assert_eq!(code, Some(0), "{error}");
        assert_eq!(names(&root.join("output")).len(), 3);
    });
}
