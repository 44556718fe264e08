//! A locked, a lost and a damaged database: refused at once, nothing charged or lost, and over by itself.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::common::volume::on_small_volume;
use crate::common::{self, Daemon, Form, REMOVAL, mask, photo, png, small_pair, wait_until};
use crate::storage::{UNLIMITED, ledger, names, nothing_held, readyz, text};

#[test]
fn a_database_that_another_process_locks_is_503_soon_and_charges_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), UNLIMITED);
    let key = daemon.key();
    let (image, hole) = small_pair();
    let form = Form::pair(&image, &hole);
    assert_eq!(daemon.post(REMOVAL, Some(&key), &form).status, 200);
    let other = rusqlite::Connection::open(dir.path().join("cleanplate.db")).unwrap();
    other.busy_timeout(Duration::from_secs(10)).unwrap();
    let slow = Form::pair(
        &png(photo(1600, 1200)),
        &png(mask(1600, 1200, [300, 300, 1300, 900])),
    );
    std::thread::scope(|scope| {
        let running = scope.spawn(|| daemon.post(REMOVAL, Some(&key), &slow));
        wait_until("the job runs", Duration::from_secs(20), || {
            running.is_finished() || daemon.get("/healthz", None).json()["queue"]["running"] == 1
        });
        other.execute_batch("BEGIN IMMEDIATE").unwrap();
        let clients: Vec<_> = (0..8)
            .map(|_| {
                scope.spawn(|| {
                    let sent = Instant::now();
                    (daemon.post(REMOVAL, Some(&key), &form), sent.elapsed())
                })
            })
            .collect();
        for client in clients {
            let (reply, took) = client.join().unwrap();
            assert_eq!(reply.status, 503, "{}", text(&reply));
            assert!(reply.header("Retry-After").is_some());
            assert!(
                text(&reply).contains("locked by another process"),
                "{}",
                text(&reply)
            );
            assert!(took < Duration::from_secs(6), "{took:?}");
        }
        let reason = readyz(&daemon, 503, Duration::from_secs(3));
        assert!(reason.contains("locked by another process"), "{reason}");
        assert_eq!(daemon.get("/v1/account", Some(&key)).status, 200);
        let reply = running.join().unwrap();
        assert!(matches!(reply.status, 200 | 503), "{}", text(&reply));
        other.execute_batch("ROLLBACK").unwrap();
    });
    readyz(&daemon, 200, Duration::from_secs(5));
    nothing_held(&daemon, &key);
    assert_eq!(daemon.post(REMOVAL, Some(&key), &form).status, 200);
    let (reserved, settled, released) = ledger(&daemon);
    assert_eq!(reserved, settled + released);
}

/// What a start prints that is refused.
fn refused_start(data: &Path) -> String {
    let output = common::cleanplate()
        .args(["serve", "--backend", "cpu", "--listen", "127.0.0.1:0"])
        .args(["--data", data.to_str().unwrap()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_lost_database_costs_no_result() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    let (image, hole) = small_pair();
    let reply = daemon.post(REMOVAL, Some(&key), &Form::pair(&image, &hole));
    let url = reply.json()["result"]["output_url"]
        .as_str()
        .unwrap()
        .to_string();
    daemon.terminate_and_wait();
    let at = |name: &str| dir.path().join(name);
    let kept = std::fs::read(at("cleanplate.db")).unwrap();
    let results = names(&at("results")).len();
    assert_eq!(results, 2);
    let lost = |what: &str| {
        let error = refused_start(dir.path());
        assert!(
            error.contains("cleanplate.db") && error.contains("newest backup"),
            "{what}: {error}"
        );
        let tool = common::run(&["accounts", "list", "--data", dir.path().to_str().unwrap()]);
        assert_eq!(tool.status.code(), Some(1), "{what}: a tool made a new one");
        assert_eq!(names(&at("results")).len(), results, "{what}");
    };
    std::fs::write(at("cleanplate.db"), b"").unwrap();
    lost("truncated");
    std::fs::remove_file(at("cleanplate.db")).unwrap();
    lost("removed");
    // Of an older program: the lock file does not tell.
    std::fs::write(at("cleanplate.lock"), b"").unwrap();
    lost("removed, and only the results tell");
    // A new one beside the old results.
    let fresh = tempfile::tempdir().unwrap();
    common::run(&["accounts", "list", "--data", fresh.path().to_str().unwrap()]);
    std::fs::copy(fresh.path().join("cleanplate.db"), at("cleanplate.db")).unwrap();
    // A log would bring the old one back.
    assert_eq!(
        std::fs::metadata(at("cleanplate.db-wal")).map_or(0, |log| log.len()),
        0
    );
    assert!(refused_start(dir.path()).contains("knows of no job"));
    assert_eq!(names(&at("results")).len(), results);
    std::fs::write(at("cleanplate.db"), kept).unwrap();
    let daemon = Daemon::start(dir.path(), "");
    assert_eq!(
        daemon.get(&url[url.find("/v1/").unwrap()..], None).status,
        200
    );
}

#[test]
fn what_is_no_database_that_can_be_written_stops_the_start_with_the_reason() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("cleanplate.db");
    common::run(&["accounts", "list", "--data", dir.path().to_str().unwrap()]);
    let whole = std::fs::read(&path).unwrap();
    for bytes in [whole.len() / 2, 50] {
        std::fs::write(&path, &whole[..bytes]).unwrap();
        let error = refused_start(dir.path());
        assert!(error.contains("restore the last backup"), "{error}");
    }
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let error = refused_start(dir.path());
    assert!(
        error.contains("is a folder, and the database has to be a file"),
        "{error}"
    );
    let name = "database::what_is_no_database_that_can_be_written_stops_the_start_with_the_reason";
    on_small_volume(name, 16, |volume| {
        let data = volume.path().join("data");
        common::run(&["accounts", "list", "--data", data.to_str().unwrap()]);
        volume.remount("ro");
        let error = refused_start(&data);
        assert!(error.contains("Read-only file system"), "{error}");
    });
}

#[test]
fn a_damaged_database_is_found_by_the_check_and_told() {
    let dir = tempfile::tempdir().unwrap();
    let config = "[server]\ndatabase_check_s = 1\n";
    let daemon = Daemon::start(dir.path(), config);
    let mut database = serde_json::Value::Null;
    wait_until("the database is checked", Duration::from_secs(20), || {
        database = daemon.get("/readyz", None).json()["database"].clone();
        database["checked_at_ms"].as_i64().is_some()
    });
    assert!(database["problem"].is_null(), "{database}");
    daemon.terminate_and_wait();
    // The number of free pages in the header of the file.
    let path = dir.path().join("cleanplate.db");
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[36..40].copy_from_slice(&7_u32.to_be_bytes());
    std::fs::write(&path, bytes).unwrap();
    let daemon = Daemon::start(dir.path(), "[server]\ndatabase_check_s = 8\n");
    let reason = readyz(&daemon, 503, Duration::from_secs(20));
    assert!(reason.contains("failed its check"), "{reason}");
    let found = daemon.get("/readyz", None).json()["database"]["problem"].clone();
    assert!(
        found.as_str().unwrap().contains("database file sound"),
        "{found}"
    );
}
