//! Backups: whole, private, taken while work goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{LEASE_MS, SqliteFixture, WIDE, funded, new_job, processing};
use crate::sqlite::{DATABASE_FILE, SqliteStore};
use crate::{
    Accept, Accounts, JobStatus, Jobs, Leases, Ledger, Maintenance, NewJob, StoreError,
    SystemClock, WorkerReport,
};

#[test]
fn a_backup_is_a_store_of_its_own() {
    let fixture = SqliteFixture::fresh();
    let store = fixture.sqlite();
    let owner = funded(&store);
    let job = processing(&store, owner);
    let asynchronous = NewJob {
        asynchronous: true,
        ..new_job(owner)
    };
    let kept = match store.accept(&asynchronous, &WIDE).unwrap() {
        Accept::Accepted { job, .. } => job.id,
        other => panic!("{other:?}"),
    };
    store.claim_job(kept, "worker", LEASE_MS).unwrap().unwrap();
    // It is taken for alive for the rest of this span, on another machine too.
    let report = WorkerReport {
        name: "worker".into(),
        role: "all".into(),
        device: None,
        version: "1".into(),
    };
    store.report_worker(&report, LEASE_MS).unwrap();
    assert!(store.lease("sweep", "worker", LEASE_MS).unwrap());
    let folder = super::temporary_folder();
    let to = folder.path().join(DATABASE_FILE);
    store.backup(&to).unwrap();
    let error = store.backup(&to).unwrap_err();
    assert!(
        matches!(error, StoreError::Io { .. }) && error.to_string().contains("the file exists"),
        "{error}"
    );
    assert!(
        store
            .backup(&folder.path().join("missing").join("b.db"))
            .is_err()
    );
    assert_eq!(
        std::fs::read_dir(folder.path()).unwrap().count(),
        1,
        "no partial file stays"
    );
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(
            std::fs::metadata(&to).unwrap().permissions().mode() & 0o777,
            0o600
        );
    }
    let restored = SqliteStore::open(folder.path(), Arc::new(SystemClock)).unwrap();
    assert_eq!(restored.integrity().unwrap(), []);
    assert_eq!(restored.job(None, job.id).unwrap(), Some(job.clone()));
    restored.adopt().unwrap();
    assert_eq!(
        restored.recover("another name", 3).unwrap().failed,
        [job.id],
        "holds of unfinished jobs go back"
    );
    let back = restored.job(None, kept).unwrap().unwrap();
    assert_eq!((back.status, back.attempt), (JobStatus::Pending, 1));
    assert_eq!(restored.balance(owner.0).unwrap().held, 3);
    assert!(restored.lease("sweep", "another name", LEASE_MS).unwrap());
}

#[test]
fn a_backup_under_load_is_one_moment() {
    let fixture = SqliteFixture::fresh();
    let store = fixture.sqlite();
    let owner = funded(&store);
    let folder = super::temporary_folder();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                store.top_up(owner.0, 3, "test", "").unwrap();
                processing(&store, owner);
            }
        });
        for number in 0..3 {
            let place = folder.path().join(number.to_string());
            std::fs::create_dir(&place).unwrap();
            store.backup(&place.join(DATABASE_FILE)).unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
    for number in 0..3 {
        let restored = SqliteStore::open(
            &folder.path().join(number.to_string()),
            Arc::new(SystemClock),
        )
        .unwrap();
        assert_eq!(restored.integrity().unwrap(), []);
    }
    let health = store.health().unwrap();
    assert!(health.schema_version > 0 && health.database_bytes > 0);
}
