//! Leases between real processes: one that is killed or stands still loses its job to another, and every job is charged once.
//!
//! The test starts this same program again as workers, which tell each step on their standard output.

use std::io::{BufRead, BufReader, Lines, Write};
use std::path::Path;
use std::process::{Child, ChildStdout};
use std::sync::Arc;
use std::time::{Duration, Instant};

use cleanplate_store::{
    AccountId, Accounts, Ended, Heartbeat, Job, JobId, JobStatus, Jobs, Ledger, Maintenance,
    SqliteStore, SystemClock,
};
use rustix::process::{Pid, Signal, kill_process};

use crate::common::{PRICE, accept, again, completion};

const FOLDER: &str = "CLEANPLATE_STORE_LEASE_FOLDER";
const NAME: &str = "CLEANPLATE_STORE_LEASE_NAME";
const JOBS: i64 = 4;
const LEASE_MS: i64 = 3_000;
/// What a job takes.
const WORK: Duration = Duration::from_millis(1_000);
/// Signs of life meanwhile.
const SIGNS: u32 = 2;
const ATTEMPTS_MAX: u32 = 10;

/// A worker beside others, when the test starts this program as one. Ends when every job has ended.
#[test]
fn worker() {
    let (Ok(folder), Ok(name)) = (std::env::var(FOLDER), std::env::var(NAME)) else {
        return;
    };
    let store = SqliteStore::attach(Path::new(&folder), Arc::new(SystemClock)).unwrap();
    loop {
        store.reclaim_expired(ATTEMPTS_MAX).unwrap();
        let Some(job) = store.claim(&name, LEASE_MS).unwrap() else {
            let counts = store.job_counts().unwrap();
            if counts.pending + counts.processing == 0 {
                return;
            }
            std::thread::sleep(Duration::from_millis(50));
            continue;
        };
        tell("claimed", job.id);
        let beat = || store.heartbeat(job.id, job.attempt, LEASE_MS).unwrap();
        for _ in 0..SIGNS {
            std::thread::sleep(WORK / SIGNS);
            let _told_below = beat();
        }
        if beat() == Heartbeat::Lost {
            tell("lost", job.id);
        }
        // A worker that was told to stop may have been about to report: it does so here, and must be refused.
        match store.finish(job.id, job.attempt, &completion()).unwrap() {
            Ended::Now { .. } => tell("finished", job.id),
            Ended::Stale { .. } => tell("stale", job.id),
        }
    }
}

fn tell(step: &str, job: JobId) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "step {step} {job}").unwrap();
    out.flush().unwrap();
}

/// A worker as a process; killed when dropped.
struct Worker {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

impl Worker {
    fn start(folder: &Path, name: &str) -> Worker {
        let mut child = again("leases::worker", (FOLDER, folder), &[(NAME, name)]);
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Worker { child, lines }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(pid, signal).unwrap();
    }

    /// Its next step.
    fn step(&mut self) -> Option<(String, JobId)> {
        self.lines.by_ref().map_while(Result::ok).find_map(|line| {
            let (step, job) = line.split_once("step ")?.1.split_once(' ')?;
            Some((step.to_owned(), job.parse().ok()?))
        })
    }

    fn claim(&mut self) -> JobId {
        loop {
            let (step, job) = self.step().expect("the worker ended without a claim");
            if step == "claimed" {
                return job;
            }
        }
    }
}

struct Bench {
    folder: tempfile::TempDir,
    store: SqliteStore,
    account: AccountId,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(folder.path(), Arc::new(SystemClock)).unwrap();
        let account = store.create_account("Studio", "test").unwrap().id;
        store.top_up(account, JOBS * PRICE, "test", "").unwrap();
        for _ in 0..JOBS {
            assert!(accept(&store, JobId::random(), account, false));
        }
        Bench {
            folder,
            store,
            account,
        }
    }

    fn start(&self, name: &str) -> Worker {
        Worker::start(self.folder.path(), name)
    }

    /// Waits until the job has ended.
    fn end(&self, job: JobId) -> Job {
        let until = Instant::now() + Duration::from_secs(120);
        loop {
            let found = self.store.job(None, job).unwrap().unwrap();
            if found.status.is_final() {
                return found;
            }
            assert!(Instant::now() < until, "{job} stays {:?}", found.status);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Every job was done and paid for once.
    fn check(&self) {
        let balance = self.store.balance(self.account).unwrap();
        assert_eq!((balance.available, balance.held), (0, 0));
        assert_eq!(self.store.job_counts().unwrap().completed, JOBS as u64);
        assert_eq!(self.store.invariants().unwrap(), []);
    }
}

#[test]
fn a_killed_worker_loses_its_job_to_another() {
    let bench = Bench::new();
    let mut victim = bench.start("victim");
    let job = victim.claim();
    victim.signal(Signal::KILL);
    let killed = Instant::now();
    let mut other = bench.start("other");
    let done = bench.end(job);
    assert_eq!((done.status, done.attempt), (JobStatus::Completed, 2));
    assert_eq!(done.worker.as_deref(), Some("other"));
    assert!(
        killed.elapsed() > Duration::from_millis(LEASE_MS as u64 / 2),
        "it was taken from a worker that might have lived"
    );
    while other.step().is_some() {}
    bench.check();
}

#[test]
fn a_worker_that_stood_still_is_refused_when_it_wakes_up() {
    let bench = Bench::new();
    let mut sleeper = bench.start("sleeper");
    let job = sleeper.claim();
    sleeper.signal(Signal::STOP);
    // Not in the middle of a write: that would lock the file for all.
    while bench.store.health().is_err() {
        sleeper.signal(Signal::CONT);
        std::thread::sleep(Duration::from_millis(30));
        sleeper.signal(Signal::STOP);
    }
    let _other = bench.start("other");
    let done = bench.end(job);
    assert_eq!((done.status, done.attempt), (JobStatus::Completed, 2));
    sleeper.signal(Signal::CONT);
    let mut steps = Vec::new();
    while let Some((step, of)) = sleeper.step() {
        if of == job {
            steps.push(step);
        }
    }
    assert_eq!(steps, ["lost", "stale"]);
    let after = bench.store.job(None, job).unwrap().unwrap();
    assert_eq!(after, done, "what it reported changed nothing");
    bench.check();
}
