use std::sync::{Arc, Mutex};

use super::{Fixture, accept, completion, ended, funded, new_job};
use crate::{Failure, Job, JobId, JobStatus, Watcher};

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
    assert!(store.watch(told.clone()));
    assert!(
        !store.watch(Arc::new(Told::default())),
        "the first one stays"
    );
    let take = || std::mem::take(&mut *told.0.lock().unwrap());
    let (pending, processing) = (JobStatus::Pending, JobStatus::Processing);

    let job = accept(store.as_ref(), &new_job(owner)).id;
    let attempt = store.claim("worker").unwrap().unwrap().attempt;
    assert!(store.requeue(job, attempt).unwrap());
    assert!(!store.requeue(job, attempt).unwrap());
    let attempt = store.claim_job(job, "worker").unwrap().unwrap().attempt;
    ended(store.finish(job, attempt, &completion(3)).unwrap());
    let _stale = store.finish(job, attempt, &completion(3)).unwrap();
    assert_eq!(store.claim("worker").unwrap(), None);
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
    let attempt = store.claim_job(failed, "worker").unwrap().unwrap().attempt;
    ended(
        store
            .fail(failed, attempt, &Failure::new("x".into(), "y"), None)
            .unwrap(),
    );
    let silent = accept(store.as_ref(), &new_job(owner)).id;
    store.claim_job(silent, "worker").unwrap().unwrap();
    fixture.clock().advance_ms(10_000);
    assert_eq!(store.expire_holds(1_000).unwrap(), [silent]);
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
}
