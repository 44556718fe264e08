use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::batches::new_batch;
use super::idempotency::wish;
use super::{
    Fixture, LEASE_MS, PRICE, accept, balance, completion, ended, funded, is_now, new_job,
    processing, sound,
};
use crate::{
    BatchStart, Ended, Failure, FailureCode, Heartbeat, JobStatus, LEASE_MS_MAX, NewBatch, NewJob,
    Recovered, Store, WORKER_KEEP_MS, WorkerReport,
};

const DAY_MS: i64 = 86_400_000;

pub(super) fn reclaimed(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), 100);
    let job = processing(store.as_ref(), owner);
    let held = store.balance(owner.0).unwrap();
    fixture.clock().advance_ms(LEASE_MS - 1);
    assert_eq!(store.reclaim_expired(2).unwrap(), Recovered::default());
    fixture.clock().advance_ms(1);
    let reclaimed = store.reclaim_expired(2).unwrap();
    assert_eq!(reclaimed.requeued, [job.id], "synchronous or not");
    assert_eq!(store.reclaim_expired(2).unwrap(), Recovered::default());
    assert_eq!(store.balance(owner.0).unwrap(), held, "its hold is kept");
    let found = store.job(None, job.id).unwrap().unwrap();
    assert_eq!(
        (found.status, found.attempt, found.worker),
        (JobStatus::Pending, 1, None)
    );

    let again = store.claim("other", LEASE_MS).unwrap().unwrap();
    assert_eq!((again.id, again.attempt), (job.id, 2));
    let stale = Ended::Stale {
        status: JobStatus::Processing,
        attempt: 2,
    };
    let late = store.finish(job.id, 1, &completion(PRICE)).unwrap();
    assert_eq!(late, stale, "the paused process wakes up");
    let why = Failure::new("x".into(), "");
    assert_eq!(store.fail(job.id, 1, &why, None).unwrap(), stale);
    assert!(!store.requeue(job.id, 1).unwrap());
    assert_eq!(
        store.heartbeat(job.id, 1, LEASE_MS).unwrap(),
        Heartbeat::Lost
    );
    ended(store.finish(job.id, 2, &completion(PRICE)).unwrap());
    assert_eq!(store.balance(owner.0).unwrap(), balance(100 - PRICE, 0));
    fixture.clock().advance_ms(LEASE_MS);
    assert_eq!(store.reclaim_expired(2).unwrap(), Recovered::default());
}

pub(super) fn exhausted(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), 100);
    let job = processing(store.as_ref(), owner);
    fixture.clock().advance_ms(LEASE_MS);
    assert_eq!(store.reclaim_expired(1).unwrap().exhausted, [job.id]);
    let failure = store.job(None, job.id).unwrap().unwrap().failure.unwrap();
    assert_eq!(failure.code, FailureCode::AttemptsExhausted);
    assert_eq!(store.balance(owner.0).unwrap(), balance(100, 0));
}

pub(super) fn renewed(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), 100);
    let job = processing(store.as_ref(), owner).id;
    let beat = |attempt| store.heartbeat(job, attempt, LEASE_MS).unwrap();
    for _ in 0..10 {
        fixture.clock().advance_ms(LEASE_MS / 3);
        assert_eq!(beat(1), Heartbeat::Yours);
        assert_eq!(store.reclaim_expired(2).unwrap(), Recovered::default());
    }
    fixture.clock().advance_ms(2 * LEASE_MS);
    assert_eq!(beat(1), Heartbeat::Yours, "over, but nobody took it");
    assert_eq!(store.reclaim_expired(2).unwrap(), Recovered::default());
    assert_eq!(beat(2), Heartbeat::Lost);
    fixture.clock().advance_ms(LEASE_MS);
    store.reclaim_expired(9).unwrap();
    assert_eq!(beat(1), Heartbeat::Lost);

    store.claim_job(job, "worker", LEASE_MS).unwrap().unwrap();
    let why = Failure::new(FailureCode::Cancelled, "unwanted");
    ended(store.cancel(None, job, &why).unwrap());
    assert_eq!((beat(1), beat(2)), (Heartbeat::Lost, Heartbeat::Cancelled));
    let done = processing(store.as_ref(), owner).id;
    ended(store.finish(done, 1, &completion(PRICE)).unwrap());
    assert_eq!(store.heartbeat(done, 1, LEASE_MS).unwrap(), Heartbeat::Lost);
    for bad in [0, -1, LEASE_MS_MAX + 1] {
        assert!(store.heartbeat(done, 1, bad).is_err());
        assert!(store.claim("worker", bad).is_err());
        assert!(store.lease("sweep", "worker", bad).is_err());
    }
}

pub(super) fn jumps(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), 100);
    let job = processing(store.as_ref(), owner).id;
    assert!(store.lease("sweep", "worker", LEASE_MS).unwrap());
    for days in [400, -800, 400] {
        fixture.clock().jump_ms(days * DAY_MS);
        assert_eq!(store.reclaim_expired(2).unwrap(), Recovered::default());
        assert!(!store.lease("sweep", "other", LEASE_MS).unwrap());
    }
    drop(store);
    // A run that began with the clock a month behind reads what was recorded before.
    fixture.clock().jump_ms(-30 * DAY_MS);
    fixture.crash();
    let store = fixture.store();
    assert_eq!(store.reclaim_expired(2).unwrap().requeued, [job]);
    assert!(store.lease("sweep", "other", LEASE_MS).unwrap());
}

/// What a process recovers is its own, whatever others that live have under way.
pub(super) fn recovery_is_ones_own(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    store.report_worker(&report("b"), LEASE_MS).unwrap();
    let owner = funded(store.as_ref(), 100);
    let new = |origin: &str, asynchronous| NewJob {
        origin: origin.into(),
        asynchronous,
        ..new_job(owner)
    };
    let add = |origin: &str, asynchronous| accept(store.as_ref(), &new(origin, asynchronous)).id;
    let take = |job, worker: &str| store.claim_job(job, worker, LEASE_MS).unwrap().unwrap();
    // Of a: accepted here and there, worked on here and there.
    let waiting = add("a", false);
    let [mine, lent, kept, theirs, there] = [
        add("a", true),
        add("a", false),
        add("a", true),
        add("b", false),
        add("b", false),
    ];
    take(mine, "a");
    take(lent, "b");
    take(kept, "b");
    take(theirs, "a");
    take(there, "b");
    let batch = |origin: &str| {
        let new = NewBatch {
            origin: origin.into(),
            ..new_batch(owner, 2, None)
        };
        assert!(matches!(
            store.start_batch(&new).unwrap(),
            BatchStart::Started(_)
        ));
        new.id
    };
    let batches = [batch("a"), batch("b")];
    for holder in ["a", "b"] {
        assert!(
            store
                .lease(&format!("of {holder}"), holder, LEASE_MS)
                .unwrap()
        );
    }
    store.expire_holds("a", 0).unwrap();
    fixture.clock().advance_ms(10);
    let recovered = store.recover("a", 2).unwrap();
    assert_eq!(recovered.failed, [waiting, lent], "nobody waits for them");
    assert_eq!(recovered.requeued, [mine, theirs]);
    assert_eq!((recovered.exhausted.len(), recovered.batches), (0, 1));
    let interrupted = batches.map(|id| store.batch(None, id).unwrap().unwrap().interrupted);
    assert_eq!(interrupted, [true, false]);
    for job in [kept, there] {
        let found = store.job(None, job).unwrap().unwrap();
        assert_eq!(found.status, JobStatus::Processing);
        assert_eq!(store.heartbeat(job, 1, LEASE_MS).unwrap(), Heartbeat::Yours);
    }
    let late = store.finish(lent, 1, &completion(PRICE)).unwrap();
    assert!(!is_now(&late), "its client was told that it is not charged");
    assert!(store.lease("of a", "c", LEASE_MS).unwrap());
    assert!(!store.lease("of b", "c", LEASE_MS).unwrap());
    fixture.clock().advance_ms(1_000);
    assert_eq!(store.expire_holds("a", 500).unwrap(), []);
    assert_eq!(store.expire_holds("b", 500).unwrap(), [kept, there]);
}

/// Nobody waits for what processes accepted that are silent, or that left and may never come back under that name.
pub(super) fn recovery_of_the_dead(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), 100);
    for name in ["silent", "left", "alive"] {
        store.report_worker(&report(name), LEASE_MS).unwrap();
    }
    fixture.clock().advance_ms(LEASE_MS - 1);
    store.report_worker(&report("alive"), LEASE_MS).unwrap();
    let of = |origin: &str, asynchronous| {
        let new = NewJob {
            origin: origin.into(),
            asynchronous,
            ..new_job(owner)
        };
        accept(store.as_ref(), &new).id
    };
    let batch = |origin: &str| {
        let new = NewBatch {
            origin: origin.into(),
            ..new_batch(owner, 2, None)
        };
        let _started = store.start_batch(&new).unwrap();
        new.id
    };
    let names = ["silent", "left", "never seen", "alive"];
    let [silent, left, unseen, alive] = names.map(|name| of(name, false));
    let kept = of("left", true);
    let batches = names.map(batch);
    store.retire_worker("left").unwrap();
    fixture.clock().advance_ms(1);
    let recovered = store.recover("new", 2).unwrap();
    assert_eq!(recovered.failed, [silent, left, unseen]);
    assert_eq!(recovered.batches, 3);
    let interrupted = batches.map(|id| store.batch(None, id).unwrap().unwrap().interrupted);
    assert_eq!(interrupted, [true, true, true, false]);
    for job in [alive, kept] {
        let found = store.job(None, job).unwrap().unwrap();
        assert_eq!(found.status, JobStatus::Pending);
    }
    assert_eq!(
        store.balance(owner.0).unwrap(),
        balance(100 - 2 * PRICE, 2 * PRICE)
    );
}

pub(super) fn named(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let lease = |holder| store.lease("sweep", holder, LEASE_MS).unwrap();
    assert!(lease("a") && !lease("b"));
    fixture.clock().advance_ms(LEASE_MS - 1);
    assert!(!lease("b") && lease("a"), "renewed");
    fixture.clock().advance_ms(LEASE_MS - 1);
    assert!(!lease("b"));
    fixture.clock().advance_ms(1);
    assert!(lease("b") && !lease("a"));
    store.end_lease("sweep", "a").unwrap();
    assert!(!lease("a"), "not its own to give back");
    store.end_lease("sweep", "b").unwrap();
    assert!(lease("a"));
    assert!(store.lease("another", "b", LEASE_MS).unwrap());

    for round in 0..50 {
        let (start, won) = (Barrier::new(8), AtomicUsize::new(0));
        std::thread::scope(|scope| {
            for holder in 0..8 {
                let (store, start, won) = (store.as_ref(), &start, &won);
                scope.spawn(move || {
                    start.wait();
                    let (name, holder) = (format!("race {round}"), format!("process {holder}"));
                    if store.lease(&name, &holder, LEASE_MS).unwrap() {
                        won.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(won.into_inner(), 1, "of all who try, one has it");
    }
}

pub(super) fn report(name: &str) -> WorkerReport {
    WorkerReport {
        name: name.into(),
        role: "worker".into(),
        device: Some("llvmpipe".into()),
        version: "1.2.3".into(),
    }
}

pub(super) fn workers(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), 100);
    assert_eq!(store.workers().unwrap(), []);
    store.report_worker(&report("b"), LEASE_MS).unwrap();
    fixture.clock().advance_ms(100);
    let opening = WorkerReport {
        device: None,
        ..report("a")
    };
    store.report_worker(&opening, LEASE_MS).unwrap();
    let jobs = [(); 2].map(|()| {
        let job = accept(store.as_ref(), &new_job(owner)).id;
        store.claim_job(job, "b", LEASE_MS).unwrap().unwrap().id
    });
    let seen = store.workers().unwrap();
    assert_eq!((&seen[0].report, &seen[1].report), (&opening, &report("b")));
    assert_eq!((seen[0].silent_ms, seen[1].silent_ms), (0, 100));
    assert!(seen[0].alive && seen[1].alive);
    assert_eq!((seen[0].jobs.len(), &seen[1].jobs[..]), (0, &jobs[..]));

    fixture.clock().advance_ms(LEASE_MS - 1);
    store.report_worker(&report("a"), LEASE_MS).unwrap();
    let seen = store.workers().unwrap();
    assert!(seen[0].alive && !seen[1].alive, "one went silent");
    assert_eq!(seen[0].report, report("a"));
    store.retire_worker("a").unwrap();
    fixture.clock().advance_ms(WORKER_KEEP_MS);
    store.report_worker(&report("c"), LEASE_MS).unwrap();
    let left = store.workers().unwrap();
    assert_eq!(left.len(), 1, "the dead are forgotten after a while");
    assert!(store.report_worker(&report(""), LEASE_MS).is_err());
}

/// A batch whose process died for good can be gone on with by another one.
pub(super) fn orphaned_batch(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), 100);
    let new = |origin: &str| NewBatch {
        origin: origin.into(),
        ..new_batch(owner, 2, Some(wish(owner.1, "batch", 1)))
    };
    store.report_worker(&report("a"), LEASE_MS).unwrap();
    let first = new("a");
    assert!(matches!(
        store.start_batch(&first).unwrap(),
        BatchStart::Started(_)
    ));
    fixture.clock().advance_ms(LEASE_MS - 1);
    let busy = store.start_batch(&new("b")).unwrap();
    assert_eq!(busy, BatchStart::InFlight(first.id));
    store.report_worker(&report("b"), LEASE_MS).unwrap();
    fixture.clock().advance_ms(1);
    let resumed = store.start_batch(&new("b")).unwrap();
    assert!(matches!(resumed, BatchStart::Resumed(batch) if batch.id == first.id));
    let busy = store.start_batch(&new("c")).unwrap();
    assert_eq!(busy, BatchStart::InFlight(first.id), "b answers it now");
    // Who left cannot come back to it, and neither can who was never seen.
    store.retire_worker("b").unwrap();
    for next in ["c", "d"] {
        let resumed = store.start_batch(&new(next)).unwrap();
        assert!(matches!(resumed, BatchStart::Resumed(batch) if batch.id == first.id));
    }
}

/// Workers that lose leases all the time, and others that take their jobs: each job is charged once.
pub(super) fn races(fixture: &mut dyn Fixture) {
    const JOBS: usize = 100;
    let store = fixture.store();
    let owner = funded(store.as_ref(), JOBS as i64 * PRICE);
    for _ in 0..JOBS {
        accept(store.as_ref(), &new_job(owner));
    }
    let clock = fixture.clock();
    let charged = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for number in 0..8 {
            let (store, charged) = (store.as_ref(), &charged);
            scope.spawn(move || work(store, charged, &format!("process {number}")));
        }
        while charged.load(Ordering::SeqCst) < JOBS {
            clock.advance_ms(LEASE_MS / 2);
            store.reclaim_expired(u32::MAX).unwrap();
        }
    });
    assert_eq!(store.balance(owner.0).unwrap(), balance(0, 0));
    assert_eq!(store.job_counts().unwrap().completed, JOBS as u64);
    sound(store.as_ref());
}

/// Works until nothing is left, and forgets every third job it takes.
fn work(store: &dyn Store, charged: &AtomicUsize, name: &str) {
    for turn in 0.. {
        let Some(job) = store.claim(name, LEASE_MS).unwrap() else {
            let counts = store.job_counts().unwrap();
            if counts.pending + counts.processing == 0 {
                return;
            }
            std::thread::yield_now();
            continue;
        };
        if turn % 3 == 2 {
            continue;
        }
        let still = store.heartbeat(job.id, job.attempt, LEASE_MS).unwrap();
        let outcome = store
            .finish(job.id, job.attempt, &completion(PRICE))
            .unwrap();
        if is_now(&outcome) {
            charged.fetch_add(1, Ordering::SeqCst);
        } else {
            // Taken away, before the renewal or after it.
            assert!(matches!(still, Heartbeat::Lost | Heartbeat::Yours));
        }
    }
}
