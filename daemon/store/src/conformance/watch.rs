use std::sync::{Arc, Mutex};

use super::{Fixture, LEASE_MS, accept, completion, ended, funded, new_job};
use crate::{Failure, Heartbeat, Job, JobId, JobStatus, Watcher};

/// Job, state and attempt of everything that was told.
#[derive(Default)]
struct Told(Mutex<Vec<(JobId, JobStatus, u32)>>);

impl Watcher for Told {
    fn job_changed(&self, job: &Job) {
        self.0
            .lock()
            .unwrap()
            .push((job.id, job.status, job.attempt));
    }
}

pub(super) fn told(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), 100);
    let told = Arc::new(Told::default());
    let other = Arc::new(Told::default());
    store.watch(told.clone());
    store.watch(other.clone());
    let take = || std::mem::take(&mut *told.0.lock().unwrap());
    let (pending, processing) = (JobStatus::Pending, JobStatus::Processing);

    let job = accept(store.as_ref(), &new_job(owner)).id;
    let attempt = store.claim("worker", LEASE_MS).unwrap().unwrap().attempt;
    assert!(store.requeue(job, attempt).unwrap());
    assert!(!store.requeue(job, attempt).unwrap());
    let attempt = store
        .claim_job(job, "worker", LEASE_MS)
        .unwrap()
        .unwrap()
        .attempt;
    ended(store.finish(job, attempt, &completion(3)).unwrap());
    let _stale = store.finish(job, attempt, &completion(3)).unwrap();
    assert_eq!(store.claim("worker", LEASE_MS).unwrap(), None);
    assert_eq!(
        take(),
        [
            (job, pending, 0),
            (job, processing, 1),
            (job, pending, 1),
            (job, processing, 2),
            (job, JobStatus::Completed, 2)
        ]
    );

    let cancelled = accept(store.as_ref(), &new_job(owner)).id;
    ended(
        store
            .cancel(None, cancelled, &Failure::new("cancelled".into(), ""))
            .unwrap(),
    );
    let failed = accept(store.as_ref(), &new_job(owner)).id;
    let attempt = store
        .claim_job(failed, "worker", LEASE_MS)
        .unwrap()
        .unwrap()
        .attempt;
    ended(
        store
            .fail(failed, attempt, &Failure::new("x".into(), "y"), None)
            .unwrap(),
    );
    let silent = accept(store.as_ref(), &new_job(owner)).id;
    store
        .claim_job(silent, "worker", LEASE_MS)
        .unwrap()
        .unwrap();
    fixture.clock().advance_ms(2_000);
    assert_eq!(store.expire_holds("worker", 1_000).unwrap(), [silent]);
    let refused = store
        .record_failed(&new_job(owner), &Failure::new("x".into(), "y"))
        .unwrap()
        .id;
    let over = JobStatus::Failed;
    let want = [
        (cancelled, pending, 0),
        (cancelled, over, 0),
        (failed, pending, 0),
        (failed, processing, 1),
        (failed, over, 1),
        (silent, pending, 0),
        (silent, processing, 1),
        (silent, over, 1),
        (refused, over, 0),
    ];
    assert_eq!(take(), want);
    assert!(other.0.lock().unwrap().ends_with(&want), "everyone is told");

    let lost = accept(store.as_ref(), &new_job(owner)).id;
    store.claim_job(lost, "worker", LEASE_MS).unwrap().unwrap();
    assert_eq!(
        store.heartbeat(lost, 1, LEASE_MS).unwrap(),
        Heartbeat::Yours
    );
    fixture.clock().advance_ms(LEASE_MS);
    assert_eq!(store.reclaim_expired(2).unwrap().requeued, [lost]);
    store.claim_job(lost, "worker", LEASE_MS).unwrap().unwrap();
    assert_eq!(store.recover("worker", 3).unwrap().failed, [lost]);
    let want = [
        (lost, pending, 0),
        (lost, processing, 1),
        (lost, pending, 1),
        (lost, processing, 2),
        (lost, over, 2),
    ];
    assert_eq!(take(), want);
}
