//! The end of the queue, met by calls that come at that moment.

use std::path::Path;
use std::sync::Barrier;

use cleanplate_store::{AccountId, Failure, FailureCode, NewJob, SqliteStore, SystemClock};
use serde_json::json;

use super::*;
use crate::files::Inputs;

/// A queue without threads, and the account that pays.
fn queue(dir: &Path) -> (Arc<Jobs>, Arc<dyn Store>, AccountId) {
    let dirs = Dirs::under(dir);
    dirs.prepare().unwrap();
    let data = [
        ("--data", "server.data_dir", dir.display().to_string()),
        ("--backend", "engine.backend", "cpu".to_string()),
    ];
    let mut config = crate::config::load(None, std::iter::empty(), &data).unwrap();
    // Nothing works here: on a busy machine many are accepted before the end.
    config.server.name = "test".to_string();
    (config.queue.per_key_in_flight_max, config.queue.length_max) = (1_000_000, 1_000_000);
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(dir, Arc::new(SystemClock)).unwrap());
    let account = store.create_account("a", "test").unwrap().id;
    store.top_up(account, 1_000_000, "test", "").unwrap();
    let plugins = cleanplate_plugins::plugins::<&Path>(&[]).unwrap();
    let jobs = Jobs::new(
        config,
        store.clone(),
        dirs.clone(),
        Arc::new(Blobs::local(&dirs)),
        Arc::new(ModelStore::open(&dir.join("models")).unwrap()),
        cleanplate_plugins::pipelines::<&Path>(&plugins, &[]).unwrap(),
        Arc::new(Metrics::from_zero()),
        DiskSpace::new(&dirs, None, 0),
    );
    assert!(jobs.devices.of_thread(0).runner(|| false).is_some());
    (jobs, store, account)
}

/// A small job that somebody waits for.
pub fn new_job(account: AccountId) -> NewJob {
    NewJob {
        id: JobId::random(),
        account,
        key: None,
        batch: None,
        service: "object-removal".to_string(),
        pipeline: "patchmatch".to_string(),
        asynchronous: false,
        origin: "test".to_string(),
        price: 3,
        input_filename: None,
        original_width: 10,
        original_height: 10,
        request: json!({}),
        idempotency: None,
    }
}

/// Offers a small job.
fn offer(jobs: &Arc<Jobs>, account: AccountId) -> Result<Offered, Refusal> {
    let inputs = Inputs {
        image: NamedTempFile::new().unwrap(),
        mask: None,
    };
    jobs.offer(jobs.prepare(new_job(account), inputs))
}

#[test]
fn whoever_is_accepted_while_the_queue_ends_is_told_and_pays_nothing() {
    let mut told = 0;
    for round in 0..30 {
        let dir = tempfile::tempdir().unwrap();
        let (jobs, store, account) = queue(dir.path());
        let start = Barrier::new(5);
        let answers: Vec<JobWaiter> = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let mut accepted = Vec::new();
                        start.wait();
                        loop {
                            match offer(&jobs, account) {
                                Ok(Offered::Accepted(waiter)) => accepted.push(waiter),
                                Err(refusal) => {
                                    assert_eq!(refusal.code, ErrorCode::Unavailable);
                                    return accepted;
                                }
                                Ok(Offered::Declined(why, _)) => panic!("{why:?}"),
                            }
                        }
                    })
                })
                .collect();
            start.wait();
            // The end comes at another instant of the calls each time.
            std::thread::sleep(Duration::from_micros((round * 7919) % 20_000));
            jobs.shut_down(Duration::ZERO, Vec::new());
            callers
                .into_iter()
                .flat_map(|caller| caller.join().unwrap())
                .collect()
        });
        told += answers.len();
        for mut answer in answers {
            match answer.poll().expect("nobody tells the client") {
                Ok(finished) => assert!(finished.refusal.is_some()),
                Err(refusal) => assert_eq!(refusal.code, ErrorCode::Unavailable),
            }
        }
        assert_eq!(store.balance(account).unwrap().held, 0);
        assert_eq!(jobs.load(), (0, 0));
        assert!(lock(&jobs.given_up).is_empty() && lock(&jobs.reservations).is_empty());
        let inputs = std::fs::read_dir(dir.path().join("inputs")).unwrap();
        assert_eq!(inputs.count(), 0, "pictures stay");
    }
    assert!(told > 0, "no call came in time to be accepted");
}

#[test]
fn whoever_was_let_in_before_the_end_and_comes_after_it_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (jobs, store, account) = queue(dir.path());
    let held_up = lock(&jobs.reservations);
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| offer(&jobs, account));
        // Long enough to pass the door, where it waits for what this thread holds.
        std::thread::sleep(Duration::from_millis(300));
        jobs.shut_down(Duration::ZERO, Vec::new());
        drop(held_up);
        let refusal = caller.join().unwrap().err().expect("it was accepted");
        assert_eq!(refusal.code, ErrorCode::Unavailable);
    });
    assert_eq!(store.balance(account).unwrap().held, 0);
    assert_eq!(jobs.load(), (0, 0));
}

#[test]
fn ends_that_other_processes_bring_about_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let (jobs, store, account) = queue(dir.path());
    let offered = || match offer(&jobs, account) {
        Ok(Offered::Accepted(waiter)) => waiter,
        _ => panic!("not accepted"),
    };
    let refusal = Refusal::field(&["body", "mask"], "is empty", "value_error.mask.empty");
    let fail = || {
        let job = store.claim("other", 60_000).unwrap().unwrap();
        let why = told::with(Failure::new(FailureCode::EmptyMask, "inner"), &refusal);
        let ended = store.fail(job.id, job.attempt, &why, None).unwrap();
        assert!(matches!(ended, cleanplate_store::Ended::Now { .. }));
    };
    let told = |end: Option<End>| {
        let finished = end.expect("not told").unwrap();
        assert_eq!(finished.balance, store.balance(account).unwrap());
        finished.refusal
    };
    // Where the store tells nothing of others, by a look now and then.
    let mut waiter = offered();
    fail();
    assert!(waiter.poll().is_none(), "no look yet");
    std::thread::sleep(Duration::from_millis(2_100));
    assert_eq!(told(waiter.poll()), Some(refusal.clone()));
    drop(waiter);
    // Where it does, at once.
    store.watch(Arc::new(JobsElsewhere(Arc::downgrade(&jobs))));
    let reasons = *lock(&jobs.gate);
    let mut waiter = offered();
    assert!(
        *lock(&jobs.gate) > reasons,
        "a job that waits wakes who may do it"
    );
    assert!(waiter.poll().is_none());
    fail();
    assert_eq!(told(waiter.poll()), Some(refusal.clone()));
    // A client that went away leaves nothing behind.
    drop(offered());
    assert_eq!(jobs.load(), (0, 0));
    fail();
}
