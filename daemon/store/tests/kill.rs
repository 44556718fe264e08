//! The store under `kill -9`: what was acknowledged is there, what was not is undone, no credit is lost.
//!
//! The test starts this same program again as the victim, which acknowledges each step on its standard output.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use cleanplate_store::{
    AccountId, Accounts, Ended, JobId, JobStatus, Jobs, Ledger, Maintenance, SqliteStore,
    SystemClock,
};

use crate::common::{PRICE, accept, again, completion};

const LEASE_MS: i64 = 60_000;
const FOLDER: &str = "CLEANPLATE_STORE_KILL_FOLDER";
const KILLS: u64 = 15;
const CREDITS: i64 = 1_000_000;

fn open(folder: &Path) -> SqliteStore {
    SqliteStore::open(folder, Arc::new(SystemClock)).unwrap()
}

fn acknowledge(step: &str, job: JobId) {
    let mut out = std::io::stdout().lock();
    writeln!(out, "ack {step} {job}")
        .and_then(|()| out.flush())
        .unwrap();
}

/// Works until it is killed. Runs as a test only when the folder is given.
#[test]
fn victim() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let store = open(Path::new(&folder));
    let account = store
        .list_accounts(None, &Default::default())
        .unwrap()
        .items[0]
        .id;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| while work(&store, account).is_some() {});
        }
    });
}

fn work(store: &SqliteStore, account: AccountId) -> Option<()> {
    let id = JobId::random();
    let asynchronous = u128::from_str_radix(&id.to_string().replace('-', ""), 16)
        .unwrap()
        .is_multiple_of(2);
    if !accept(store, id, account, asynchronous) {
        return None;
    }
    acknowledge("accepted", id);
    let job = store.claim("worker", LEASE_MS).unwrap()?;
    let Ended::Now { job, .. } = store.finish(job.id, job.attempt, &completion()).unwrap() else {
        return None;
    };
    acknowledge("finished", job.id);
    Some(())
}

#[test]
fn kill_nine_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let account = {
        let store = open(folder.path());
        let account = store.create_account("Studio", "test").unwrap().id;
        store.top_up(account, CREDITS, "test", "").unwrap();
        account
    };
    let mut acknowledged: HashMap<JobId, String> = HashMap::new();
    for kill in 0..KILLS {
        for (step, job) in run_and_kill(folder.path(), Duration::from_millis(20 + kill * 37 % 200))
        {
            // Steps of one job are printed by different threads, so "accepted" may be read after "finished".
            let known = acknowledged.entry(job).or_insert_with(|| step.clone());
            if step == "finished" {
                *known = step;
            }
        }
        check(folder.path(), account, &acknowledged);
    }
    let finished = acknowledged
        .values()
        .filter(|step| *step == "finished")
        .count();
    println!(
        "{KILLS} kills, {} jobs acknowledged, {finished} of them finished",
        acknowledged.len()
    );
    assert!(finished > 0, "the victim never got to work");
}

fn run_and_kill(folder: &Path, after: Duration) -> Vec<(String, JobId)> {
    let mut victim = again("kill::victim", (FOLDER, folder), &[]);
    let mut lines = BufReader::new(victim.stdout.take().unwrap())
        .lines()
        .map_while(Result::ok);
    let mut acknowledged: Vec<_> = lines
        .by_ref()
        .find_map(|line| parse(&line))
        .into_iter()
        .collect();
    std::thread::scope(|scope| {
        let rest = scope.spawn(move || lines.filter_map(|line| parse(&line)).collect::<Vec<_>>());
        // Another instant each time.
        std::thread::sleep(after);
        victim.kill().unwrap();
        victim.wait().unwrap();
        acknowledged.extend(rest.join().unwrap());
    });
    acknowledged
}

fn parse(line: &str) -> Option<(String, JobId)> {
    let (step, job) = line.split_once("ack ")?.1.split_once(' ')?;
    Some((step.to_owned(), job.parse().ok()?))
}

fn check(folder: &Path, account: AccountId, acknowledged: &HashMap<JobId, String>) {
    let store = open(folder);
    assert_eq!(store.integrity().unwrap(), []);
    for (job, step) in acknowledged {
        let found = store
            .job(None, *job)
            .unwrap()
            .unwrap_or_else(|| panic!("{job} was {step} and is lost"));
        assert!(
            step != "finished" || found.status == JobStatus::Completed,
            "{job} was finished and is {:?}",
            found.status
        );
    }
    store.recover("worker", 1_000).unwrap();
    // What recovery put back into the queue is done now, as a new daemon would.
    while let Some(job) = store.claim("worker", LEASE_MS).unwrap() {
        assert!(matches!(
            store.finish(job.id, job.attempt, &completion()).unwrap(),
            Ended::Now { .. }
        ));
    }
    let completed = i64::try_from(store.job_counts().unwrap().completed).unwrap();
    let balance = store.balance(account).unwrap();
    assert_eq!(
        (balance.held, balance.available),
        (0, CREDITS - completed * PRICE)
    );
    assert_eq!(store.invariants().unwrap(), []);
}
