//! What every back end must do, as checks that panic with the difference. Each check gets a fresh, empty store.
//!
//! A back end implements [`Fixture`] for itself and calls [`all`] from a test.

#![allow(clippy::unwrap_used, clippy::expect_used)] // A failed check panics: that is its report.

mod accounts;
mod batches;
mod expiry;
mod histories;
mod idempotency;
mod keys;
mod leases;
mod lifecycle;
mod listings;
mod model;
mod queue;
mod races;
mod recovery;
mod watch;
mod webhooks;

use std::sync::Arc;
use std::time::Instant;

use serde_json::json;

use crate::{
    Accept, AccountId, Balance, Completion, Credits, Ended, Job, JobId, JobResult, KeyId,
    LedgerKind, ManualClock, NewJob, NewKey, PageRequest, QueueLimits, Store, StoredFile,
};

/// A store under test.
pub trait Fixture {
    /// The store.
    fn store(&self) -> Arc<dyn Store>;

    /// The clock that the store reads.
    fn clock(&self) -> &ManualClock;

    /// Kills the store as `kill -9` would, and opens what it left. The caller holds no other handle.
    fn crash(&mut self);

    /// How many random histories are gone through: fewer where every call goes to a server and back.
    fn histories(&self) -> u64 {
        10_000
    }
}

/// A check by name.
pub type Check = (&'static str, fn(&mut dyn Fixture));

/// All checks.
pub const CHECKS: &[Check] = &[
    ("accounts and ledger", accounts::accounts_and_ledger),
    ("ledger pages", accounts::pages),
    ("administrators are audited", accounts::audited),
    ("keys", keys::keys),
    ("refused keys", keys::refused),
    ("use of keys is noted once a minute", keys::last_used),
    ("deleted keys stay dead", keys::deleted),
    ("listings are filtered", listings::filtered),
    ("changes are told in order", watch::told),
    (
        "a job is charged on success only",
        lifecycle::charged_on_success_only,
    ),
    ("part of a hold may be charged", lifecycle::part_of_a_hold),
    ("late workers are refused", lifecycle::late_workers),
    (
        "other accounts' jobs do not exist",
        lifecycle::other_accounts,
    ),
    (
        "nothing changes when nothing is accepted",
        lifecycle::refusals_change_nothing,
    ),
    ("wrong arguments are named", lifecycle::wrong_arguments),
    ("a result comes back as it was", lifecycle::round_trip),
    ("the queue is bounded", queue::bounded),
    ("refusals can be foreseen", queue::foreseen),
    ("keys take turns", queue::keys_take_turns),
    ("requeued jobs go first", queue::requeued_first),
    ("listing of jobs", queue::listing),
    ("a batch", batches::batch),
    ("a batch cut short is resumed", batches::resumed),
    ("a batch without credit leaves nothing", batches::discarded),
    ("a request is done once", idempotency::done_once),
    (
        "a failed request may be repeated",
        idempotency::failed_may_repeat,
    ),
    ("idempotency keys expire", idempotency::expiry),
    ("fifty at once are one", idempotency::fifty_at_once),
    ("random histories", histories::histories),
    ("results expire and are swept", expiry::results),
    ("details of old jobs are forgotten", expiry::details),
    ("silent workers lose their holds", expiry::holds),
    ("a lease that is over is taken away", leases::reclaimed),
    ("a job is not begun for ever", leases::exhausted),
    ("leases are renewed", leases::renewed),
    ("a jump of the clock ends no lease", leases::jumps),
    ("a process recovers its own", leases::recovery_is_ones_own),
    (
        "a process recovers what the dead left",
        leases::recovery_of_the_dead,
    ),
    ("named leases have one holder", leases::named),
    ("processes see each other", leases::workers),
    (
        "a batch of a dead process is gone on with",
        leases::orphaned_batch,
    ),
    ("leases lost in races charge once", leases::races),
    ("a crash leaves no hold", recovery::crash_leaves_no_hold),
    (
        "asynchronous jobs run again",
        recovery::asynchronous_run_again,
    ),
    (
        "a crash keeps what was answered",
        recovery::crash_keeps_answers,
    ),
    ("credits are not granted twice", races::credits),
    (
        "a webhook is due until it was delivered",
        webhooks::due_until_delivered,
    ),
    ("every end of a job is told", webhooks::every_end_is_told),
    (
        "accounts take turns with their webhooks",
        webhooks::accounts_take_turns,
    ),
    ("a webhook has one sender", webhooks::one_sender),
    (
        "a jump of the clock moves no webhook",
        webhooks::jumps_move_nothing,
    ),
    ("a job ends once", races::ends_once),
    ("claims do not overlap", races::claims),
];

/// Runs all checks, each on a store of its own, and the invariants after each.
pub fn all(fresh: &dyn Fn() -> Box<dyn Fixture>) {
    for (name, check) in CHECKS {
        println!("{name}");
        let start = Instant::now();
        let mut fixture = fresh();
        check(fixture.as_mut());
        sound(fixture.store().as_ref());
        println!("    {} ms", start.elapsed().as_millis());
    }
}

/// Limits that no check meets by accident.
pub(crate) const WIDE: QueueLimits = QueueLimits {
    pending_max: 100_000,
    in_flight_per_key_max: 100_000,
};
pub(crate) const PRICE: Credits = 3;
/// Longer than checks that do not mind leases take.
pub(crate) const LEASE_MS: i64 = 60_000;
const ACTOR: &str = "conformance";

#[track_caller]
fn sound(store: &dyn Store) {
    assert_eq!(store.invariants().unwrap(), []);
}

/// An account with credits and a key.
pub(crate) fn funded(store: &dyn Store, credits: Credits) -> (AccountId, KeyId) {
    let account = store.create_account("Studio", ACTOR).unwrap().id;
    if credits > 0 {
        store.top_up(account, credits, ACTOR, "").unwrap();
    }
    (
        account,
        store
            .create_key(&NewKey::named(account, "first"), ACTOR)
            .unwrap()
            .record
            .id,
    )
}

pub(crate) fn new_job((account, key): (AccountId, KeyId)) -> NewJob {
    NewJob {
        id: JobId::random(),
        account,
        key: Some(key),
        batch: None,
        service: "object-removal".into(),
        pipeline: "default".into(),
        asynchronous: false,
        origin: "worker".into(),
        price: PRICE,
        input_filename: Some("photo.jpg".into()),
        original_width: 1_920,
        original_height: 1_080,
        request: json!({ "dilate": 7 }),
        idempotency: None,
    }
}

#[track_caller]
fn accepted(outcome: Accept) -> Job {
    match outcome {
        Accept::Accepted { job, .. } => *job,
        other => panic!("not accepted: {other:?}"),
    }
}

#[track_caller]
pub(crate) fn accept(store: &dyn Store, new: &NewJob) -> Job {
    accepted(store.accept(new, &WIDE).unwrap())
}

/// Accepts and claims a job.
#[track_caller]
pub(crate) fn processing(store: &dyn Store, owner: (AccountId, KeyId)) -> Job {
    let job = accept(store, &new_job(owner));
    store
        .claim_job(job.id, "worker", LEASE_MS)
        .unwrap()
        .unwrap()
}

pub(crate) fn completion(credits: Credits) -> Completion {
    let output = StoredFile {
        name: format!("{}.png", JobId::random()),
        sha256: [7; 32],
        bytes: 1_234,
        media_type: "image/png".into(),
    };
    let result = JobResult {
        output,
        mask: None,
        candidates: Vec::new(),
        width: 1_920,
        height: 1_080,
        credits,
        processing_ms: 12.5,
        timings: json!([{ "stage": "inpaint", "ms": 11.25 }]),
        models: json!([{ "name": "lama-small", "sha256": "00" }]),
        device: json!({ "backend": "cpu" }),
        warnings: json!([]),
    };
    Completion {
        result,
        keep_ms: 86_400_000,
        reply: None,
    }
}

#[track_caller]
fn ended(outcome: Ended) -> (Job, Balance) {
    match outcome {
        Ended::Now { job, balance } => (*job, balance),
        stale => panic!("not ended by this call: {stale:?}"),
    }
}

fn is_now(outcome: &Ended) -> bool {
    matches!(outcome, Ended::Now { .. })
}

fn balance(available: Credits, held: Credits) -> Balance {
    Balance { available, held }
}

/// Kinds of an account's entries, newest first, of the first page.
fn kinds(store: &dyn Store, account: AccountId) -> Vec<LedgerKind> {
    store
        .ledger(account, &PageRequest::default())
        .unwrap()
        .items
        .into_iter()
        .map(|entry| entry.kind)
        .collect()
}
