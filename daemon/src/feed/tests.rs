//! The feed under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cleanplate_store::{Accept, Failure, JobId, NewJob, QueueLimits, SqliteStore, SystemClock};
use serde_json::Value;

use super::*;
use crate::jobs::tests::new_job;

fn store() -> (tempfile::TempDir, Arc<dyn Store>) {
    let dir = tempfile::tempdir().unwrap();
    let store = SqliteStore::open(dir.path(), Arc::new(SystemClock)).unwrap();
    (dir, Arc::new(store))
}

fn accept(store: &dyn Store) -> Job {
    let account = match store
        .list_accounts(None, &PageRequest::default())
        .unwrap()
        .items
        .pop()
    {
        Some(account) => account.id,
        None => {
            let account = store.create_account("a", "test").unwrap().id;
            store.top_up(account, 1_000_000, "test", "").unwrap();
            account
        }
    };
    let new = NewJob {
        asynchronous: true,
        input_filename: Some("a.png".to_string()),
        ..new_job(account)
    };
    let limits = QueueLimits {
        pending_max: 1_000_000,
        in_flight_per_key_max: 1_000_000,
    };
    match store.accept(&new, &limits).unwrap() {
        Accept::Accepted { job, .. } => *job,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_feed_knows_what_was_open_before() {
    let (_dir, store) = store();
    let first = accept(&*store);
    accept(&*store);
    let _ended = store
        .cancel(None, first.id, &Failure::new("cancelled".into(), ""))
        .unwrap();
    let feed = Arc::new(Feed::new(&*store).unwrap());
    assert_eq!(
        feed.totals(),
        Totals {
            pending: 1,
            processing: 0,
            completed: 0,
            failed: 1
        }
    );
    store.watch(feed.clone());
    store.claim("worker", 60_000).unwrap().unwrap();
    assert_eq!(feed.load(), (0, 1));
}

/// 5,000 changes a second, five times what is asked for, beside a thread that makes events of them and a reader.
#[test]
fn thousands_of_changes_a_second_hold_nobody_up() {
    const CHANGES: usize = 10_000;
    let (_dir, store) = store();
    let (feed, job) = (Arc::new(Feed::new(&*store).unwrap()), accept(&*store));
    let (stop, told_all) = (AtomicBool::new(false), AtomicBool::new(false));
    let (read, slow) = std::thread::scope(|scope| {
        let teller = scope.spawn(|| {
            loop {
                let ending = stop.load(Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(20));
                let changed = feed.state().jobs.take();
                changed
                    .into_iter()
                    .for_each(|changed| feed.ring.push(Event::Jobs(changed)));
                if ending {
                    return;
                }
            }
        });
        let reader = scope.spawn(|| {
            let (place, mut seq, mut texts) = (FeedReader::new(&feed, 1).unwrap(), 0, Vec::new());
            loop {
                let ending = told_all.load(Ordering::Relaxed);
                let found = place.feed().ring().after(seq);
                assert_eq!(found.missed, 0);
                seq = found.seq;
                texts.extend(found.events);
                if ending {
                    return texts;
                }
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let mut slow = 0;
        let started = Instant::now();
        for at in 0..CHANGES {
            let due = started + Duration::from_micros(200) * at as u32;
            while Instant::now() < due {
                std::thread::yield_now();
            }
            let change = Job {
                id: JobId::random(),
                ..job.clone()
            };
            let before = Instant::now();
            feed.job_changed(&change);
            slow += usize::from(before.elapsed() > Duration::from_millis(2));
        }
        stop.store(true, Ordering::Relaxed);
        teller.join().unwrap();
        told_all.store(true, Ordering::Relaxed);
        (reader.join().unwrap(), slow)
    });
    assert!(
        slow < CHANGES / 100,
        "{slow} of {CHANGES} changes took longer than 2 ms"
    );
    let mut told = 0;
    for text in &read {
        let data: Value = serde_json::from_str(
            text.lines()
                .find_map(|line| line.strip_prefix("data: "))
                .unwrap(),
        )
        .unwrap();
        let jobs = data["data"]["jobs"].as_array().unwrap().len();
        assert!(jobs <= 200);
        told += jobs + data["data"]["omitted"].as_u64().unwrap() as usize;
    }
    assert_eq!(told, CHANGES, "every change is told or counted");
    assert!(read.len() < 400, "{} events", read.len());
}
