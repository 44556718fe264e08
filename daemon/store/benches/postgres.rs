//! What one PostgreSQL carries of the store alone: jobs accepted, claimed and finished by many slots at once, on a server that
//! forces commits to disk. Prints figures and asserts only that the books agree:
//!
//! `cargo bench -p cleanplate-store --bench postgres`
//!
//! `LOAD_SLOTS` (64), `LOAD_PROCESSES` (4: stores with connections of their own), `LOAD_ACCOUNTS` (64), `LOAD_JOBS` (5000).

#![allow(clippy::unwrap_used)]

#[allow(dead_code)] // The tests of the store and of the daemon use the rest.
#[path = "../../../tests/common/postgres.rs"]
mod server;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use cleanplate_store::{
    Accept, AccountId, Accounts, Completion, Ended, JobId, JobResult, Jobs, Ledger, Maintenance,
    NewJob, PgAddress, PgStore, QueueLimits, StoredFile,
};
use serde_json::json;

use server::Server;

const LIMITS: QueueLimits = QueueLimits {
    pending_max: 100_000,
    in_flight_per_key_max: 100_000,
};
const LEASE_MS: i64 = 60_000;

fn setting(name: &str, default: usize) -> usize {
    std::env::var(name).map_or(default, |text| text.parse().unwrap())
}

fn new_job(account: AccountId) -> NewJob {
    NewJob {
        id: JobId::random(),
        account,
        key: None,
        batch: None,
        service: "object-removal".into(),
        pipeline: "default".into(),
        asynchronous: true,
        origin: "load".into(),
        price: 1,
        input_filename: Some("photo.jpg".into()),
        original_width: 4000,
        original_height: 3000,
        request: json!({ "dilate": 7, "image": "a".repeat(64), "mask": "b".repeat(64) }),
        idempotency: None,
    }
}

fn completion() -> Completion {
    let output = StoredFile {
        name: format!("{}.1.jpg", JobId::random()),
        sha256: [7; 32],
        bytes: 2_000_000,
        media_type: "image/jpeg".into(),
    };
    let result = JobResult {
        output,
        mask: None,
        candidates: Vec::new(),
        width: 4000,
        height: 3000,
        credits: 1,
        processing_ms: 300.0,
        timings: json!([{ "stage": "inpaint", "ms": 250.5 }, { "stage": "encode", "ms": 40.25 }]),
        models: json!([{ "name": "migan", "sha256": "c".repeat(64) }]),
        device: json!({ "backend": "wgpu" }),
        warnings: json!([]),
    };
    Completion {
        result,
        keep_ms: 86_400_000,
        reply: None,
    }
}

/// The value below which this share of the times lies, ms.
fn quantile(times: &mut [Duration], share: f64) -> f64 {
    times.sort();
    let at = ((times.len() as f64 * share) as usize).min(times.len() - 1);
    times[at].as_secs_f64() * 1e3
}

/// Runs `each` on every slot until it says that nothing is left; returns the times that it took.
fn slots(
    stores: &[Arc<PgStore>],
    number: usize,
    each: impl Fn(&PgStore) -> bool + Sync,
) -> (Duration, Vec<Duration>) {
    let times = Mutex::new(Vec::new());
    let start = Instant::now();
    std::thread::scope(|scope| {
        for slot in 0..number {
            let (store, each, times) = (&stores[slot % stores.len()], &each, &times);
            scope.spawn(move || {
                let mut mine = Vec::new();
                loop {
                    let begin = Instant::now();
                    if !each(store) {
                        break;
                    }
                    mine.push(begin.elapsed());
                }
                times.lock().unwrap().extend(mine);
            });
        }
    });
    (start.elapsed(), times.into_inner().unwrap())
}

/// Statements and bytes of the log so far.
fn cost(client: &mut postgres::Client) -> (i64, i64) {
    let row = client
        .query_one(
            "SELECT (SELECT coalesce(sum(calls), 0)::bigint FROM pg_stat_statements), (pg_current_wal_lsn() - '0/0')::bigint",
            &[],
        )
        .unwrap();
    (row.get(0), row.get(1))
}

fn main() {
    let (number, processes) = (setting("LOAD_SLOTS", 64), setting("LOAD_PROCESSES", 4));
    let (accounts, jobs) = (setting("LOAD_ACCOUNTS", 64), setting("LOAD_JOBS", 5_000));
    let server = Server::durable();
    let url = server.url("sslmode=disable");
    let address = PgAddress::parse(&url, None).unwrap();
    let connections = number.div_ceil(processes);
    let stores: Vec<Arc<PgStore>> = (0..processes)
        .map(|_| Arc::new(PgStore::open(&address, connections).unwrap()))
        .collect();
    let mut client = postgres::Client::connect(&url, postgres::NoTls).unwrap();
    client
        .batch_execute("CREATE EXTENSION pg_stat_statements")
        .unwrap();
    let owners: Vec<AccountId> = (0..accounts)
        .map(|at| {
            let account = stores[0]
                .create_account(&format!("a{at}"), "load")
                .unwrap()
                .id;
            stores[0].top_up(account, jobs as i64, "load", "").unwrap();
            account
        })
        .collect();
    println!("{number} slots in {processes} processes, {accounts} accounts, {jobs} jobs");
    let report = |what: &str, (took, mut times): (Duration, Vec<Duration>), spent: (i64, i64)| {
        println!(
            "{what:18} {:7.0} jobs/s, {:6.2} ms median, {:6.2} ms p99, {:4.1} statements and {:5.0} bytes of log per job",
            jobs as f64 / took.as_secs_f64(),
            quantile(&mut times, 0.5),
            quantile(&mut times, 0.99),
            spent.0 as f64 / jobs as f64,
            spent.1 as f64 / jobs as f64,
        );
    };
    let before = cost(&mut client);
    let left = AtomicUsize::new(jobs);
    let accepted = slots(&stores, number, |store| {
        let Ok(at) = left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        }) else {
            return false;
        };
        let outcome = store
            .accept(&new_job(owners[at % accounts]), &LIMITS)
            .unwrap();
        assert!(matches!(outcome, Accept::Accepted { .. }), "{outcome:?}");
        true
    });
    let middle = cost(&mut client);
    report(
        "accept",
        accepted,
        (middle.0 - before.0, middle.1 - before.1),
    );
    let worked = slots(&stores, number, |store| {
        let Some(job) = store.claim("load", LEASE_MS).unwrap() else {
            return false;
        };
        let ended = store.finish(job.id, job.attempt, &completion()).unwrap();
        assert!(matches!(ended, Ended::Now { .. }), "{ended:?}");
        true
    });
    let after = cost(&mut client);
    report(
        "claim and finish",
        worked,
        (after.0 - middle.0, after.1 - middle.1),
    );
    assert_eq!(stores[0].job_counts().unwrap().completed, jobs as u64);
    assert_eq!(stores[0].invariants().unwrap(), []);
}
