use super::idempotency::wish;
use super::{
    Fixture, LEASE_MS, PRICE, WIDE, accept, balance, completion, ended, funded, new_job,
    processing, sound,
};
use crate::{Accept, Completion, Ended, FailureCode, JobStatus, NewJob, Reply};

pub(super) fn crash_leaves_no_hold(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), 100);
    let pending = accept(
        store.as_ref(),
        &NewJob {
            idempotency: Some(wish(owner.1, "a", 1)),
            ..new_job(owner)
        },
    );
    let running = processing(store.as_ref(), owner);
    let done = processing(store.as_ref(), owner);
    ended(store.finish(done.id, 1, &completion(PRICE)).unwrap());
    assert_eq!(
        store.balance(owner.0).unwrap(),
        balance(100 - 3 * PRICE, 2 * PRICE)
    );
    drop(store);
    fixture.crash();

    let store = fixture.store();
    assert_eq!(
        store.balance(owner.0).unwrap(),
        balance(100 - 3 * PRICE, 2 * PRICE),
        "what was acknowledged is there"
    );
    sound(store.as_ref());
    let recovered = store.recover("worker", 3).unwrap();
    assert_eq!(recovered.failed, [pending.id, running.id]);
    assert_eq!(store.balance(owner.0).unwrap(), balance(100 - PRICE, 0));
    let job = store.job(None, running.id).unwrap().unwrap();
    assert_eq!(
        (job.status, job.failure.unwrap().code),
        (JobStatus::Failed, FailureCode::Interrupted)
    );
    assert_eq!(
        store.finish(running.id, 1, &completion(PRICE)).unwrap(),
        Ended::Stale {
            status: JobStatus::Failed,
            attempt: 1
        }
    );
    assert_eq!(
        store.recover("worker", 3).unwrap(),
        Default::default(),
        "recovering again finds nothing"
    );
    accept(
        store.as_ref(),
        &NewJob {
            idempotency: Some(wish(owner.1, "a", 1)),
            ..new_job(owner)
        },
    );
    assert_eq!(store.integrity().unwrap(), []);
}

pub(super) fn asynchronous_run_again(fixture: &mut dyn Fixture) {
    let owner = funded(fixture.store().as_ref(), 100);
    let new = NewJob {
        asynchronous: true,
        ..new_job(owner)
    };
    let waiting = NewJob {
        asynchronous: true,
        ..new_job(owner)
    };
    accept(fixture.store().as_ref(), &new);
    for attempt in 1..=3 {
        let store = fixture.store();
        let claimed = store.claim("worker", LEASE_MS).unwrap().unwrap();
        assert_eq!((claimed.id, claimed.attempt), (new.id, attempt));
        if attempt == 1 {
            accept(store.as_ref(), &waiting);
        }
        drop(store);
        fixture.crash();
        let recovered = fixture.store().recover("worker", 3).unwrap();
        match attempt {
            3 => assert_eq!(recovered.exhausted, [new.id]),
            _ => assert_eq!(recovered.requeued, [new.id]),
        }
        let late = fixture
            .store()
            .finish(new.id, attempt, &completion(PRICE))
            .unwrap();
        assert!(
            matches!(late, Ended::Stale { .. }),
            "the worker of a dead daemon is fenced off"
        );
    }
    let store = fixture.store();
    assert_eq!(
        store
            .job(None, new.id)
            .unwrap()
            .unwrap()
            .failure
            .unwrap()
            .code,
        FailureCode::AttemptsExhausted
    );
    assert_eq!(store.balance(owner.0).unwrap(), balance(100 - PRICE, PRICE));
    assert_eq!(
        store.claim("worker", LEASE_MS).unwrap().unwrap().id,
        waiting.id,
        "others still wait"
    );
}

pub(super) fn crash_keeps_answers(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), 100);
    let once = |text| NewJob {
        idempotency: Some(wish(owner.1, text, 1)),
        ..new_job(owner)
    };
    let reply = Reply {
        status: 200,
        body: b"{}".to_vec(),
    };
    let answered = accept(store.as_ref(), &once("answered"));
    let silent = accept(store.as_ref(), &once("silent"));
    for (job, reply) in [(answered.id, Some(reply.clone())), (silent.id, None)] {
        store.claim_job(job, "worker", LEASE_MS).unwrap().unwrap();
        ended(
            store
                .finish(
                    job,
                    1,
                    &Completion {
                        reply,
                        ..completion(PRICE)
                    },
                )
                .unwrap(),
        );
    }
    drop(store);
    fixture.crash();
    let store = fixture.store();
    store.recover("worker", 3).unwrap();
    assert_eq!(
        store.accept(&once("answered"), &WIDE).unwrap(),
        Accept::Replay(reply)
    );
    let Accept::Done(job) = store.accept(&once("silent"), &WIDE).unwrap() else {
        panic!("charged, so it must be answered")
    };
    assert_eq!(job.id, silent.id);
    assert_eq!(store.balance(owner.0).unwrap(), balance(100 - 2 * PRICE, 0));
}
