//! The end of the queue, met by calls that come at that moment; ends that the store cannot take.

// The store's tests use all of it.
#[allow(dead_code)]
#[path = "../../../tests/common/postgres.rs"]
pub mod server;

use std::path::Path;
use std::sync::Barrier;

use cleanplate_store::{
    AccountId, Completion, Ended, Failure, FailureCode, Job, JobProgress, JobResult, JobStatus,
    NewJob, PgAddress, PgStore, SqliteStore, StoredFile, SystemClock, Watcher,
};
use serde_json::json;

use super::*;
use crate::files::Inputs;

/// A queue without threads, and the account that pays.
fn queue(dir: &Path) -> (Arc<Jobs>, Arc<dyn Store>, AccountId) {
    let store = SqliteStore::open(dir, Arc::new(SystemClock)).unwrap();
    queue_over(dir, Arc::new(store))
}

fn queue_over(dir: &Path, store: Arc<dyn Store>) -> (Arc<Jobs>, Arc<dyn Store>, AccountId) {
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
    let until = Instant::now() + Duration::from_secs(60);
    let end = loop {
        match waiter.poll() {
            None if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
            end => break end,
        }
    };
    assert_eq!(told(end), Some(refusal.clone()));
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

#[test]
fn what_other_processes_do_with_a_job_is_known_here() {
    let dir = tempfile::tempdir().unwrap();
    let (jobs, store, account) = queue(dir.path());
    let watcher = Arc::new(JobsElsewhere(Arc::downgrade(&jobs)));
    store.watch(watcher.clone());
    let _first = waiting(&jobs, account);
    let job = store.claim("other", 60_000).unwrap().unwrap();
    let progress = JobProgress {
        job: job.id,
        attempt: job.attempt,
        stage: "inpaint".to_string(),
        fraction: 0.5,
        done: 0.25,
        left_ms: 9,
    };
    watcher.job_advanced(&progress);
    assert_eq!(
        jobs.standing(job.id),
        Some(Standing::Running(progress.clone()))
    );
    // It is of one attempt.
    assert!(store.requeue(job.id, job.attempt).unwrap());
    assert_eq!(jobs.standing(job.id), Some(Standing::Waiting(0)));
    let again = store.claim("other", 60_000).unwrap().unwrap();
    watcher.job_advanced(&JobProgress {
        attempt: again.attempt,
        ..progress.clone()
    });
    assert_eq!(jobs.progress(job.id).unwrap().attempt, 2);
    let ended = store
        .finish(again.id, again.attempt, &completion())
        .unwrap();
    assert!(matches!(ended, Ended::Now { .. }));
    assert_eq!(jobs.progress(job.id), None);
    // Cancelled by another process, this one's attempt ends at its next step.
    let _second = waiting(&jobs, account);
    let mine = store.claim("test", 60_000).unwrap().unwrap();
    lock(&jobs.current).push(Current::new(&mine));
    let why = Failure::new(FailureCode::Cancelled, "");
    let ended = store.cancel(None, mine.id, &why).unwrap();
    assert!(matches!(ended, Ended::Now { .. }));
    assert!(lock(&jobs.current)[0].cancelled);
}

fn waiting(jobs: &Arc<Jobs>, account: AccountId) -> JobWaiter {
    match offer(jobs, account) {
        Ok(Offered::Accepted(waiter)) => waiter,
        _ => panic!("not accepted"),
    }
}

fn completion() -> Completion {
    let output = StoredFile {
        name: "a.png".to_string(),
        sha256: [7; 32],
        bytes: 1,
        media_type: "image/png".to_string(),
    };
    let none = json!([]);
    let result = JobResult {
        output,
        mask: None,
        candidates: Vec::new(),
        width: 10,
        height: 10,
        credits: 3,
        processing_ms: 1.0,
        timings: none.clone(),
        models: none.clone(),
        device: none.clone(),
        warnings: none,
    };
    Completion {
        result,
        keep_ms: 60_000,
        reply: None,
    }
}

fn gone() -> StoreError {
    StoreError::Unavailable {
        operation: "finishing a job",
        detail: "cut off".to_string(),
    }
}

#[test]
fn a_result_that_may_have_been_recorded_is_told_once_that_is_known() {
    for recorded in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (jobs, store, account) = queue(dir.path());
        let mut waiter = waiting(&jobs, account);
        let job = store.claim("test", 60_000).unwrap().unwrap();
        if recorded {
            let ended = store.finish(job.id, job.attempt, &completion()).unwrap();
            assert!(matches!(ended, Ended::Now { .. }));
        }
        jobs.settle(&job, &gone());
        assert!(waiter.poll().is_none(), "nothing is known yet");
        assert!(lock(&jobs.reservations).is_empty());
        jobs.record_ends();
        // What the store knows is looked for after a while.
        let end = waiter.poll().or_else(|| {
            std::thread::sleep(Duration::from_millis(2_100));
            waiter.poll()
        });
        let finished = end.expect("not told").unwrap();
        assert_eq!(finished.job.result.is_some(), recorded);
        let code = finished.refusal.map(|refusal| refusal.code);
        assert_eq!(code, (!recorded).then_some(ErrorCode::Unavailable));
        let balance = store.balance(account).unwrap();
        let charged = if recorded { 3 } else { 0 };
        assert_eq!((balance.available, balance.held), (1_000_000 - charged, 0));
    }
}

/// A job that was taken from this process at its first attempt, and is at its second.
fn taken_and_begun_again(store: &dyn Store, account: AccountId) -> (Job, Job) {
    let accepted = store.accept(
        &new_job(account),
        &QueueLimits {
            pending_max: 9,
            in_flight_per_key_max: 9,
        },
    );
    assert!(matches!(accepted.unwrap(), Accept::Accepted { .. }));
    let first = store.claim("test", 60_000).unwrap().unwrap();
    assert!(store.requeue(first.id, first.attempt).unwrap());
    let second = store.claim("test", 60_000).unwrap().unwrap();
    assert_eq!((second.id, second.attempt), (first.id, 2));
    (first, second)
}

#[test]
fn attempts_at_one_job_are_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let (jobs, store, account) = queue(dir.path());
    let (first, second) = taken_and_begun_again(&*store, account);
    lock(&jobs.current).extend([&first, &second].map(Current::new));
    jobs.advance((first.id, 2), "inpaint", 0.5);
    let seen: Vec<(String, bool)> = (lock(&jobs.current).iter())
        .map(|current| (current.stage.clone(), current.cancelled))
        .collect();
    assert_eq!(
        seen,
        [(String::new(), false), ("inpaint".to_string(), false)]
    );
    assert_eq!(
        jobs.progress(first.id).unwrap().stage,
        "inpaint",
        "the newest"
    );
    // What became of the first attempt says nothing about the second.
    assert!(jobs.was_taken(first.id, 1).unwrap());
    jobs.settle(&first, &gone());
    jobs.record_ends();
    let now = store.job(None, first.id).unwrap().unwrap();
    assert_eq!((now.status, now.attempt), (JobStatus::Processing, 2));
    let ended = store.finish(second.id, 2, &completion()).unwrap();
    assert!(matches!(ended, Ended::Now { .. }));
    assert!(!jobs.was_taken(first.id, 2).unwrap(), "it ended");
    assert!(jobs.was_taken(first.id, 1).unwrap());
}

#[test]
fn a_server_that_is_gone_is_waited_for_once() {
    const WAITING: usize = 8;
    let mut server = server::Server::start();
    let dir = tempfile::tempdir().unwrap();
    let address = PgAddress::parse(&server.fresh(), None).unwrap();
    let store = Arc::new(PgStore::open(&address, 4).unwrap());
    let (jobs, store, account) = queue_over(dir.path(), store);
    let waiters: Vec<JobWaiter> = (0..WAITING).map(|_| waiting(&jobs, account)).collect();
    server.down();
    let begun = Instant::now();
    jobs.shut_down(Duration::ZERO, Vec::new());
    for mut waiter in waiters {
        let refusal = waiter.poll().expect("not told").err().expect("no end");
        assert_eq!(refusal.code, ErrorCode::Unavailable);
    }
    jobs.record_ends();
    // One call of each kind waits for the server, 3 s: a job, the list of processes, an end.
    assert!(
        begun.elapsed() < Duration::from_secs(15),
        "{:?}",
        begun.elapsed()
    );
    server.up();
    jobs.record_ends();
    let balance = store.balance(account).unwrap();
    assert_eq!((balance.available, balance.held), (1_000_000, 0));
    let counts = store.job_counts().unwrap();
    assert_eq!((counts.failed, counts.pending), (WAITING as u64, 0));
    assert!(lock(&jobs.unrecorded).is_empty() && lock(&jobs.given_up).is_empty());
}
