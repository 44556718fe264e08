//! The end of the queue, met by calls that come at that moment.

use std::path::Path;
use std::sync::Barrier;

use cleanplate_pictures::EncodeOptions;
use cleanplate_store::{AccountId, SqliteStore, SystemClock};
use serde_json::json;

use super::*;

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
        DiskSpace::new(&dirs, 0),
    );
    assert!(jobs.device.runner(|| false).is_some());
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

type Answer = oneshot::Receiver<Result<Finished, Refusal>>;

/// Offers a small job.
fn offer(jobs: &Jobs, account: AccountId) -> (Result<Offered, Refusal>, Answer) {
    let (done, answer) = oneshot::channel();
    let work = JobInput {
        image: NamedTempFile::new().unwrap(),
        mask: None,
        mask_channel: cleanplate_pictures::MaskChannel::default(),
        prompts: None,
        pipeline: Arc::new(jobs.pipelines.get("patchmatch").unwrap().clone()),
        encode: EncodeOptions::default(),
        candidates: 0,
        frame: None,
        request_id: String::new(),
        accepted: Instant::now(),
        done,
    };
    (jobs.offer(&new_job(account), work), answer)
}

#[test]
fn whoever_is_accepted_while_the_queue_ends_is_told_and_pays_nothing() {
    let mut told = 0;
    for round in 0..30 {
        let dir = tempfile::tempdir().unwrap();
        let (jobs, store, account) = queue(dir.path());
        let start = Barrier::new(5);
        let answers: Vec<Answer> = std::thread::scope(|scope| {
            let callers: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        let mut accepted = Vec::new();
                        start.wait();
                        loop {
                            match offer(&jobs, account) {
                                (Ok(Offered::Accepted), answer) => accepted.push(answer),
                                (Err(refusal), _) => {
                                    assert_eq!(refusal.code, ErrorCode::Unavailable);
                                    return accepted;
                                }
                                (Ok(Offered::Declined(why, _)), _) => panic!("{why:?}"),
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
            match answer.try_recv().expect("nobody tells the client") {
                Ok(finished) => assert!(finished.refusal.is_some()),
                Err(refusal) => assert_eq!(refusal.code, ErrorCode::Unavailable),
            }
        }
        assert_eq!(store.balance(account).unwrap().held, 0);
        assert_eq!(jobs.load(), (0, 0));
        assert!(lock(&jobs.given_up).is_empty() && lock(&jobs.reservations).is_empty());
    }
    assert!(told > 0, "no call came in time to be accepted");
}

#[test]
fn whoever_was_let_in_before_the_end_and_comes_after_it_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (jobs, store, account) = queue(dir.path());
    let held_up = lock(&jobs.reservations);
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| offer(&jobs, account).0);
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
