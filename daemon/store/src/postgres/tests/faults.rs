//! The server goes away, comes back, and is met by many at once.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::server::Server;
use super::{LEASE_MS, PgFixture, WIDE, accept, completion, funded, new_job, processing};
use crate::postgres::{PgAddress, PgStore};
use crate::{
    Accept, Accounts, Ended, Failure, FailureCode, Job, JobId, JobProgress, JobStatus, Jobs,
    Maintenance, StoreError, Watched, Watcher,
};

#[derive(Default)]
struct Told(Mutex<Vec<(JobId, JobStatus)>>, Mutex<Vec<JobProgress>>);

impl Watcher for Told {
    fn job_changed(&self, job: &Job) {
        self.0.lock().unwrap().push((job.id, job.status));
    }

    fn job_advanced(&self, progress: &JobProgress) {
        self.1.lock().unwrap().push(progress.clone());
    }
}

impl Told {
    #[track_caller]
    fn await_all(&self, wanted: &[(JobId, JobStatus)]) {
        let end = Instant::now() + Duration::from_secs(10);
        loop {
            let told = self.0.lock().unwrap().clone();
            if wanted.iter().all(|change| told.contains(change)) {
                return;
            }
            assert!(Instant::now() < end, "{told:?} lacks one of {wanted:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn open(address: &PgAddress) -> PgStore {
    PgStore::open(address, 10).unwrap()
}

#[test]
fn changes_are_told_across_processes() {
    let fixture = PgFixture::fresh();
    let (here, there) = (open(&fixture.address), open(&fixture.address));
    let told = Arc::new(Told::default());
    there.watch(told.clone());
    let owner = funded(&here);
    // At once, before it can be listening.
    let early = accept(&here, owner).id;
    told.await_all(&[(early, JobStatus::Pending)]);
    let start = Instant::now();
    let job = processing(&here, owner).id;
    told.await_all(&[(job, JobStatus::Processing)]);
    assert!(
        start.elapsed() < Duration::from_secs(1),
        "by notification, not by looking"
    );
    let failure = Failure::new(FailureCode::Cancelled, "");
    assert!(matches!(
        here.cancel(None, job, &failure).unwrap(),
        Ended::Now { .. }
    ));
    told.await_all(&[(job, JobStatus::Failed)]);
    // A process that dies before it notifies, or whose notification is lost: the look finds it.
    let seq = "INSERT INTO job (id, account_id, service, pipeline, asynchronous, status, price, reserved, lane, turn, original_width,
               original_height, request, created_at_ms, finished_at_ms, error_code, error_detail, changed_at_ms)
               VALUES ($1, $2, 's', 'p', false, 'failed', 0, false, 1, 1, 1, 1, '{}', 0, 0, 'x', '', 0)";
    let silent = JobId::random();
    fixture
        .outsider()
        .execute(seq, &[&silent, &owner.0])
        .unwrap();
    told.await_all(&[(silent, JobStatus::Failed)]);
    let many = told
        .0
        .lock()
        .unwrap()
        .iter()
        .filter(|(id, _)| *id == silent)
        .count();
    assert_eq!(many, 1);
}

/// Notifications of several changes of a job are read as the job is then: whoever counts ends must not hear of one twice.
#[test]
fn no_state_of_a_job_is_told_twice() {
    const JOBS: usize = 60;
    let fixture = PgFixture::fresh();
    let (here, there) = (open(&fixture.address), open(&fixture.address));
    let told = Arc::new(Told::default());
    there.watch(told.clone());
    let owner = funded(&here);
    let failure = Failure::new(FailureCode::Mask, "");
    let ends: Vec<(JobId, JobStatus)> = (0..JOBS)
        .map(|_| {
            let job = processing(&here, owner);
            let ended = here.fail(job.id, job.attempt, &failure, None).unwrap();
            assert!(matches!(ended, Ended::Now { .. }));
            (job.id, JobStatus::Failed)
        })
        .collect();
    told.await_all(&ends);
    // Told in order: what came of the jobs before has come by then.
    let last = accept(&here, owner).id;
    told.await_all(&[(last, JobStatus::Pending)]);
    let all = told.0.lock().unwrap().clone();
    for end in &ends {
        let times = all.iter().filter(|told| *told == end).count();
        assert_eq!(times, 1, "of {end:?}");
    }
}

#[test]
fn progress_is_told_to_other_processes_only() {
    let fixture = PgFixture::fresh();
    let (here, there) = (open(&fixture.address), open(&fixture.address));
    let (own, other) = (Arc::new(Told::default()), Arc::new(Told::default()));
    here.watch(own.clone());
    there.watch(other.clone());
    let owner = funded(&here);
    let job = processing(&here, owner);
    other.await_all(&[(job.id, JobStatus::Processing)]);
    let progress = |stage: &str, done| JobProgress {
        job: job.id,
        attempt: job.attempt,
        stage: stage.to_string(),
        fraction: 0.5,
        done,
        left_ms: 1,
    };
    // A name that fits no notification is no reason to tell nothing of the others.
    let told = progress("a 'name' of sorts", 0.25);
    here.tell_progress(vec![progress(&"x".repeat(10_000), 0.1), told.clone()]);
    let end = Instant::now() + Duration::from_secs(10);
    while other.1.lock().unwrap().is_empty() {
        assert!(Instant::now() < end, "nothing was told");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(*other.1.lock().unwrap(), [told]);
    assert!(own.1.lock().unwrap().is_empty());
}

#[test]
fn a_server_that_restarts_costs_nothing_but_time() {
    let mut server = Server::start();
    let address = PgAddress::parse(&server.fresh(), None).unwrap();
    let store = open(&address);
    let told = Arc::new(Told::default());
    store.watch(told.clone());
    let owner = funded(&store);
    let before = accept(&store, owner).id;
    server.down();
    let start = Instant::now();
    let refused = store.balance(owner.0).unwrap_err();
    assert!(
        matches!(refused, StoreError::Unavailable { .. }) && refused.is_transient(),
        "{refused}"
    );
    assert!(
        !refused.is_fatal() && start.elapsed() < Duration::from_secs(8),
        "{:?}",
        start.elapsed()
    );
    assert!(store.health().is_err());
    // A call that is under way while the server comes back is done.
    let waiting = std::thread::scope(|scope| {
        let call = scope.spawn(|| store.accept(&new_job(owner), &WIDE));
        server.up();
        call.join().unwrap()
    });
    assert!(matches!(
        waiting,
        Ok(Accept::Accepted { .. }) | Err(StoreError::Unavailable { .. })
    ));
    let claimed = store.claim("worker", LEASE_MS).unwrap().unwrap();
    assert_eq!(claimed.id, before, "what was acknowledged is there");
    store.health().unwrap();
    // Another process's change reaches the connection that listens again.
    let other = open(&address);
    let late = accept(&other, owner).id;
    told.await_all(&[(late, JobStatus::Pending)]);
    assert_eq!(store.invariants().unwrap(), []);
}

/// Connections are cut at random while many work: nothing is lost, done twice or left open.
#[test]
fn cut_connections_lose_and_double_nothing() {
    const JOBS: u32 = 25;
    let fixture = PgFixture::fresh();
    let store = open(&fixture.address);
    let owner = funded(&store);
    let (accepted, finished, over) = (AtomicU32::new(0), AtomicU32::new(0), AtomicBool::new(false));
    // One cut for three steps, however long they take: on a slow machine nobody could end one between two cuts by the clock.
    let (steps, cuts) = (AtomicU32::new(3), AtomicU32::new(0));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut outsider = fixture.outsider();
            while !over.load(Ordering::SeqCst) {
                if steps.load(Ordering::SeqCst) / 3 <= cuts.load(Ordering::SeqCst) {
                    std::thread::sleep(Duration::from_millis(1));
                    continue;
                }
                cuts.fetch_add(1, Ordering::SeqCst);
                outsider
                    .execute(
                        "SELECT pg_terminate_backend(pid) FROM (
                             SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND application_name = $1
                             ORDER BY random() LIMIT 1) AS one",
                        &[&fixture.address.schema],
                    )
                    .unwrap();
            }
        });
        let workers: Vec<_> = (0..6)
            .map(|_| {
                scope.spawn(|| {
                    while accepted.fetch_add(1, Ordering::SeqCst) < JOBS {
                        let job = accept(&store, owner);
                        steps.fetch_add(1, Ordering::SeqCst);
                        let claimed = store
                            .claim_job(job.id, "worker", LEASE_MS)
                            .unwrap()
                            .unwrap();
                        steps.fetch_add(1, Ordering::SeqCst);
                        let outcome = store
                            .finish(claimed.id, claimed.attempt, &completion())
                            .unwrap();
                        assert!(matches!(outcome, Ended::Now { .. }), "{outcome:?}");
                        finished.fetch_add(1, Ordering::SeqCst);
                        steps.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        let outcomes: Vec<_> = workers.into_iter().map(|worker| worker.join()).collect();
        over.store(true, Ordering::SeqCst);
        for outcome in outcomes {
            outcome.unwrap();
        }
    });
    assert_eq!(finished.into_inner(), JOBS);
    let cuts = cuts.into_inner();
    assert!(cuts > JOBS / 2, "only {cuts} connections were cut");
    let balance = store.balance(owner.0).unwrap();
    assert_eq!(
        (balance.available, balance.held),
        (100 - i64::from(JOBS) * 3, 0)
    );
    assert_eq!(store.invariants().unwrap(), []);
}

#[test]
fn an_end_that_was_recorded_unheard_may_be_told_again() {
    let fixture = PgFixture::fresh();
    let store = fixture.pg();
    let owner = funded(&store);
    let job = processing(&store, owner);
    let mine = completion();
    let first = store.finish(job.id, 1, &mine).unwrap();
    assert_eq!(
        store.finish(job.id, 1, &mine).unwrap(),
        first,
        "its own result is not another's"
    );
    let other = store.finish(job.id, 1, &completion()).unwrap();
    assert!(matches!(other, Ended::Stale { .. }));
    assert_eq!(store.balance(owner.0).unwrap().available, 97);
}
