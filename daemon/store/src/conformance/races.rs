use std::collections::HashSet;
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{
    ACTOR, Fixture, LEASE_MS, PRICE, WIDE, accept, balance, completion, funded, is_now, new_job,
    processing, sound,
};
use crate::{Accept, Ended, Failure, FailureCode, JobId, NewJob, Store};

const THREADS: usize = 64;

/// Every error panics, so that a busy database would show.
pub(super) fn credits(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    for (credits, price) in [(500, 1), (500, 3)] {
        let owner = funded(store.as_ref(), credits);
        let granted = AtomicU32::new(0);
        let start = Barrier::new(THREADS);
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    start.wait();
                    loop {
                        match store
                            .accept(
                                &NewJob {
                                    price,
                                    ..new_job(owner)
                                },
                                &WIDE,
                            )
                            .unwrap()
                        {
                            Accept::Accepted { .. } => granted.fetch_add(1, Ordering::Relaxed),
                            Accept::InsufficientCredits { .. } => break,
                            other => panic!("{other:?}"),
                        };
                    }
                });
            }
        });
        let granted = i64::from(granted.into_inner());
        assert_eq!(granted, credits / price);
        assert_eq!(
            store.balance(owner.0).unwrap(),
            balance(credits % price, granted * price)
        );
    }
}

/// Finish, fail, cancel and requeue of one attempt, all at once, many times.
pub(super) fn ends_once(fixture: &mut dyn Fixture) {
    const ROUNDS: usize = 200;
    let store = fixture.store();
    let owner = funded(store.as_ref(), 10_000);
    let mut charged = 0;
    for _ in 0..ROUNDS {
        let job = processing(store.as_ref(), owner);
        let outcomes = race(store.as_ref(), job.id);
        assert!(
            outcomes.iter().filter(|outcome| is_now(outcome)).count() == 1,
            "{outcomes:?}"
        );
        charged += if is_now(&outcomes[0]) { PRICE } else { 0 };
    }
    assert_eq!(
        store.balance(owner.0).unwrap(),
        balance(10_000 - charged, 0)
    );
    sound(store.as_ref());
}

fn race(store: &dyn Store, job: JobId) -> Vec<Ended> {
    let start = Barrier::new(4);
    std::thread::scope(|scope| {
        let finish = scope.spawn(|| {
            start.wait();
            store.finish(job, 1, &completion(PRICE)).unwrap()
        });
        let fail = scope.spawn(|| {
            start.wait();
            store
                .fail(job, 1, &Failure::new("x".into(), ""), None)
                .unwrap()
        });
        let cancel = scope.spawn(|| {
            start.wait();
            store
                .cancel(None, job, &Failure::new(FailureCode::Cancelled, ""))
                .unwrap()
        });
        start.wait();
        store.requeue(job, 1).unwrap();
        [finish, fail, cancel]
            .into_iter()
            .map(|ending| ending.join().unwrap())
            .collect()
    })
}

/// Workers claim, finish and fail while clients ask and an administrator tops up.
pub(super) fn claims(fixture: &mut dyn Fixture) {
    const JOBS: usize = 400;
    let store = fixture.store();
    let owner = funded(store.as_ref(), 0);
    for _ in 0..JOBS / 2 {
        store.top_up(owner.0, PRICE, ACTOR, "").unwrap();
        accept(store.as_ref(), &new_job(owner));
    }
    let charged = AtomicU32::new(0);
    let claimed: Vec<JobId> = std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..JOBS / 2 {
                store.top_up(owner.0, PRICE, ACTOR, "").unwrap();
                accept(store.as_ref(), &new_job(owner));
            }
        });
        let workers: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| work(store.as_ref(), &charged, JOBS)))
            .collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().unwrap())
            .collect()
    });
    assert_eq!(claimed.len(), JOBS);
    assert_eq!(
        claimed.iter().collect::<HashSet<_>>().len(),
        JOBS,
        "no job was claimed twice"
    );
    let charged = i64::from(charged.into_inner());
    assert_eq!(
        store.balance(owner.0).unwrap(),
        balance((JOBS as i64 - charged) * PRICE, 0)
    );
}

fn work(store: &dyn Store, charged: &AtomicU32, jobs: usize) -> Vec<JobId> {
    let mut mine = Vec::new();
    loop {
        let Some(job) = store.claim("worker", LEASE_MS).unwrap() else {
            let counts = store.job_counts().unwrap();
            if counts.completed + counts.failed == jobs as u64 {
                return mine;
            }
            std::thread::yield_now();
            continue;
        };
        let outcome = if mine.len() % 3 == 2 {
            store
                .fail(job.id, job.attempt, &Failure::new("x".into(), ""), None)
                .unwrap()
        } else {
            charged.fetch_add(1, Ordering::Relaxed);
            store
                .finish(job.id, job.attempt, &completion(PRICE))
                .unwrap()
        };
        assert!(is_now(&outcome));
        mine.push(job.id);
    }
}
