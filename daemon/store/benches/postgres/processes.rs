//! Worker processes over one PostgreSQL, with a device that only waits: what the system itself carries, what it adds to a job's
//! time, and where it bends.
//!
//! `cargo bench -p cleanplate-store --bench postgres -- processes`
//!
//! For each number of `LOAD_PROCESSES` (1,2,4,8,16), which share `LOAD_SLOTS` (64): first `LOAD_JOBS` (5000) that wait already are
//! done as fast as it goes, then jobs arrive for `LOAD_SECONDS` (10) at 150 a second and at half of what was reached. A job
//! takes `LOAD_WORK_MS` (50) on its slot; what it takes beyond that, from the call that accepts it until the accepting process is
//! told of its end, is added by the system. Writes `LOAD_OUT`, a file of JSON, too.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

use cleanplate_store::{
    Accept, AccountId, Ended, Job, JobId, JobStatus, Jobs, Maintenance, PgAddress, PgStore,
    Watched, Watcher,
};
use serde_json::{Value, json};

use super::server::Server;
use super::{LEASE_MS, LIMITS, completion, cost, new_job, owners, quantile, setting};

const URL: &str = "CLEANPLATE_STORE_LOAD_URL";
const SLOTS: &str = "CLEANPLATE_STORE_LOAD_SLOTS";
/// Connections of a process at most: what the daemon has by default.
const CONNECTIONS_MAX: usize = 10;
/// A slot that is woken by nothing looks after so long, as the daemon's do.
const NAP: Duration = Duration::from_millis(500);
/// Threads that accept.
const CALLERS: usize = 32;
/// Jobs a second at which the added time is measured besides at half of what can be done.
const FIXED_RATE: f64 = 150.0;

fn work() -> Duration {
    Duration::from_millis(setting("LOAD_WORK_MS", 50) as u64)
}

/// Reasons to look for work.
#[derive(Default)]
struct Gate {
    reasons: Mutex<u64>,
    wake: Condvar,
    over: AtomicBool,
    claims: AtomicUsize,
}

impl Watcher for Gate {
    fn job_changed(&self, job: &Job) {
        if job.status == JobStatus::Pending {
            *self.reasons.lock().unwrap() += 1;
            self.wake.notify_one();
        }
    }
}

impl Gate {
    fn sleep(&self, seen: u64) {
        let reasons = self.reasons.lock().unwrap();
        if *reasons == seen {
            drop(self.wake.wait_timeout(reasons, NAP).unwrap());
        }
    }

    /// One slot: as the daemon's engine threads do it.
    fn slot(&self, store: &PgStore, turn: &Mutex<()>) {
        while !self.over.load(Ordering::SeqCst) {
            let seen = *self.reasons.lock().unwrap();
            let claimed = {
                let _turn = turn.lock().unwrap();
                self.claims.fetch_add(1, Ordering::Relaxed);
                store.claim("load", LEASE_MS).unwrap()
            };
            let Some(job) = claimed else {
                self.sleep(seen);
                continue;
            };
            std::thread::sleep(work());
            let ended = store.finish(job.id, job.attempt, &completion()).unwrap();
            assert!(matches!(ended, Ended::Now { .. }), "{ended:?}");
        }
    }
}

/// A worker beside others, when this program starts itself as one: works from the first line of its input to its end.
pub fn worker() {
    let url = std::env::var(URL).unwrap();
    let slots: usize = std::env::var(SLOTS).unwrap().parse().unwrap();
    let address = PgAddress::parse(&url, None).unwrap();
    let store = PgStore::open(&address, slots.min(CONNECTIONS_MAX)).unwrap();
    let gate = Arc::new(Gate::default());
    store.watch(gate.clone());
    println!("ready");
    let mut input = BufReader::new(std::io::stdin());
    input.read_line(&mut String::new()).unwrap();
    let turn = Mutex::new(());
    std::thread::scope(|scope| {
        for _ in 0..slots {
            scope.spawn(|| gate.slot(&store, &turn));
        }
        drop(input.read_to_end(&mut Vec::new()));
        gate.over.store(true, Ordering::SeqCst);
        gate.wake.notify_all();
    });
    println!("claims {}", gate.claims.load(Ordering::Relaxed));
}

/// A worker process.
struct Process {
    child: Child,
    input: Option<ChildStdin>,
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.input.take());
        drop(self.child.wait());
    }
}

impl Process {
    fn start(url: &str, slots: usize) -> Process {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .arg("worker")
            .env(URL, url)
            .env(SLOTS, slots.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(
            lines.any(|line| line.unwrap().contains("ready")),
            "a worker did not start"
        );
        // Nobody reads the rest; it is let through so that the worker does not stall.
        std::thread::spawn(move || lines.for_each(drop));
        let input = child.stdin.take();
        Process { child, input }
    }

    fn go(&mut self) {
        self.input.as_mut().unwrap().write_all(b"go\n").unwrap();
    }
}

/// Ends of jobs as the accepting process learns of them.
struct Ends(Mutex<mpsc::Sender<(JobId, Instant)>>);

impl Watcher for Ends {
    fn job_changed(&self, job: &Job) {
        if job.status.is_final() {
            let _gone_at_the_end = self.0.lock().unwrap().send((job.id, Instant::now()));
        }
    }
}

/// What a phase cost.
struct Meter<'a> {
    server: &'a Server,
    client: postgres::Client,
    at: Instant,
    before: (i64, i64, f64),
}

impl<'a> Meter<'a> {
    fn start(server: &'a Server) -> Self {
        let mut client = postgres::Client::connect(&server.url(""), postgres::NoTls).unwrap();
        let (statements, bytes) = cost(&mut client);
        let before = (statements, bytes, server.processor_s());
        Meter {
            server,
            client,
            at: Instant::now(),
            before,
        }
    }

    fn read(mut self, jobs: usize) -> Value {
        let took = self.at.elapsed().as_secs_f64();
        let processor_s = self.server.processor_s() - self.before.2;
        let (statements, bytes) = cost(&mut self.client);
        if std::env::var("LOAD_STATEMENTS").is_ok() {
            self.print_statements();
        }
        let each = |spent: f64| (spent / jobs as f64 * 100.0).round() / 100.0;
        json!({
            "jobs": jobs,
            "jobs_per_s": (jobs as f64 / took).round(),
            "statements_per_job": each((statements - self.before.0) as f64),
            "log_bytes_per_job": each((bytes - self.before.1) as f64).round(),
            "server_cpu_ms_per_job": each(processor_s * 1e3),
            "server_cores": (processor_s / took * 100.0).round() / 100.0,
        })
    }
}

impl Meter<'_> {
    /// What the server spends its time on, since its start.
    fn print_statements(&mut self) {
        let text = "SELECT calls, total_exec_time / calls, left(regexp_replace(query, '\\s+', ' ', 'g'), 100) AS query
                    FROM pg_stat_statements ORDER BY total_exec_time DESC LIMIT 20";
        for row in self.client.query(text, &[]).unwrap() {
            let (calls, ms, query): (i64, f64, String) = (row.get(0), row.get(1), row.get(2));
            println!("{calls:8} calls of {ms:8.3} ms  {query}");
        }
        let reset = "SELECT pg_stat_statements_reset()";
        self.client.batch_execute(reset).unwrap();
    }
}

fn accept(store: &PgStore, account: AccountId) -> JobId {
    let new = new_job(account);
    let outcome = store.accept(&new, &LIMITS).unwrap();
    assert!(matches!(outcome, Accept::Accepted { .. }), "{outcome:?}");
    new.id
}

/// Runs `each` with every number below `count`, on several threads.
fn shared(count: usize, each: impl Fn(usize) + Sync) {
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::SeqCst);
                    if at >= count {
                        return;
                    }
                    each(at);
                }
            });
        }
    });
}

/// Lets jobs arrive evenly; returns how much longer than their work they took.
fn arriving(
    store: &PgStore,
    owners: &[AccountId],
    ends: &mpsc::Receiver<(JobId, Instant)>,
    (rate, jobs): (f64, usize),
) -> Vec<Duration> {
    let due = Mutex::new(HashMap::new());
    let start = Instant::now();
    shared(jobs, |at| {
        // Measured from when it was due, so that a stall counts for all that it kept back.
        let moment = start + Duration::from_secs_f64(at as f64 / rate);
        std::thread::sleep(moment.saturating_duration_since(Instant::now()));
        let id = accept(store, owners[at % owners.len()]);
        due.lock().unwrap().insert(id, moment);
    });
    let mut due = due.into_inner().unwrap();
    let mut added = Vec::new();
    while !due.is_empty() {
        let (id, at) = ends
            .recv_timeout(Duration::from_secs(60))
            .expect("jobs do not end");
        if let Some(moment) = due.remove(&id) {
            added.push((at - moment).saturating_sub(work()));
        }
    }
    added
}

/// One number of processes.
fn measure(server: &Server, processes: usize) -> Value {
    let (slots, jobs) = (setting("LOAD_SLOTS", 64), setting("LOAD_JOBS", 5_000));
    let seconds = setting("LOAD_SECONDS", 10);
    let url = server.fresh();
    let store = PgStore::open(&PgAddress::parse(&url, None).unwrap(), CONNECTIONS_MAX).unwrap();
    let owners = owners(&store, setting("LOAD_ACCOUNTS", 64), 10 * jobs);
    shared(jobs, |at| {
        accept(&store, owners[at % owners.len()]);
    });
    let mut workers: Vec<Process> = (0..processes)
        .map(|_| Process::start(&url, slots / processes))
        .collect();
    let (tell, ends) = mpsc::channel();
    store.watch(Arc::new(Ends(Mutex::new(tell))));
    let meter = Meter::start(server);
    workers.iter_mut().for_each(Process::go);
    for _ in 0..jobs {
        ends.recv_timeout(Duration::from_secs(60))
            .expect("jobs do not end");
    }
    let queued = meter.read(jobs);
    let reached = queued["jobs_per_s"].as_f64().unwrap();
    let arriving = |rate: f64| {
        let jobs = (rate * seconds as f64) as usize;
        let meter = Meter::start(server);
        let mut added = arriving(&store, &owners, &ends, (rate, jobs));
        let mut figures = meter.read(jobs);
        for (name, share) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
            figures[format!("added_ms_{name}")] =
                ((quantile(&mut added, share) * 10.0).round() / 10.0).into();
        }
        figures
    };
    let (fixed, half) = (arriving(FIXED_RATE), arriving(reached / 2.0));
    drop(workers);
    let counts = store.job_counts().unwrap();
    assert_eq!(counts.pending + counts.processing + counts.failed, 0);
    assert_eq!(store.invariants().unwrap(), []);
    json!({ "processes": processes, "slots": slots, "queued": queued, "at_150": fixed, "at_half": half })
}

/// Measures each number of processes.
pub fn workers_as_processes() {
    let numbers = std::env::var("LOAD_PROCESSES").unwrap_or("1,2,4,8,16".into());
    let server = Server::durable();
    let mut client = postgres::Client::connect(&server.url(""), postgres::NoTls).unwrap();
    client
        .batch_execute("CREATE EXTENSION pg_stat_statements")
        .unwrap();
    let load = || std::fs::read_to_string("/proc/loadavg").unwrap();
    let (before, mut rows) = (load(), Vec::new());
    for number in numbers.split(',') {
        let row = measure(&server, number.trim().parse().unwrap());
        println!("{row}");
        rows.push(row);
    }
    let figures = json!({
        "work_ms": work().as_millis() as u64,
        "cores": std::thread::available_parallelism().unwrap().get(),
        "load_before": before.trim(),
        "load_after": load().trim(),
        "rows": rows,
    });
    if let Ok(file) = std::env::var("LOAD_OUT") {
        std::fs::write(file, format!("{figures:#}\n")).unwrap();
    }
}
