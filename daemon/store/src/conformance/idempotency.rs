use std::sync::Barrier;

use super::{Fixture, LEASE_MS, PRICE, WIDE, accept, balance, completion, ended, funded, new_job};
use crate::{
    Accept, AccountId, Completion, Failure, IDEMPOTENCY_KEEP_MS, Idempotency, IdempotencyKey,
    IdempotencyScope, Job, KeyId, NewJob, Reply, Store,
};

/// The wish to do a request once; `request` stands for its content.
pub(super) fn wish(key: KeyId, text: &str, request: u8) -> Idempotency {
    Idempotency {
        scope: IdempotencyScope::Key(key),
        key: IdempotencyKey::parse(text).unwrap(),
        request_hash: [request; 32],
        keep_ms: IDEMPOTENCY_KEEP_MS,
        reply: None,
    }
}

fn once(owner: (AccountId, KeyId), text: &str, request: u8) -> NewJob {
    NewJob {
        idempotency: Some(wish(owner.1, text, request)),
        ..new_job(owner)
    }
}

fn run(store: &dyn Store, job: &Job, reply: Option<Reply>) {
    let job = store
        .claim_job(job.id, "worker", LEASE_MS)
        .unwrap()
        .unwrap();
    ended(
        store
            .finish(
                job.id,
                job.attempt,
                &Completion {
                    reply,
                    ..completion(PRICE)
                },
            )
            .unwrap(),
    );
}

pub(super) fn done_once(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), 100);
    let other = funded(store.as_ref(), 100);
    let ask = |owner, text, request| store.accept(&once(owner, text, request), &WIDE).unwrap();

    let job = accept(store.as_ref(), &once(owner, "a", 1));
    assert_eq!(ask(owner, "a", 1), Accept::InFlight(job.id));
    assert_eq!(ask(owner, "a", 2), Accept::KeyReused);
    let reply = Reply {
        status: 200,
        body: b"{\"status\":\"completed\"}".to_vec(),
    };
    run(store.as_ref(), &job, Some(reply.clone()));
    assert_eq!(ask(owner, "a", 1), Accept::Replay(reply));
    assert_eq!(ask(owner, "a", 2), Accept::KeyReused);

    let silent = accept(store.as_ref(), &once(owner, "b", 1));
    run(store.as_ref(), &silent, None);
    let Accept::Done(done) = ask(owner, "b", 1) else {
        panic!("the job tells what to answer")
    };
    assert_eq!(done.id, silent.id);
    assert_eq!(store.balance(owner.0).unwrap(), balance(100 - 2 * PRICE, 0));

    accept(store.as_ref(), &once(other, "a", 2));
    let folder = Idempotency {
        scope: IdempotencyScope::Folder("in".into()),
        ..wish(owner.1, "a", 9)
    };
    accept(
        store.as_ref(),
        &NewJob {
            idempotency: Some(folder),
            ..new_job(owner)
        },
    );

    let known = Reply {
        status: 202,
        body: b"{}".to_vec(),
    };
    let job = accept(store.as_ref(), &asynchronous(owner, &known));
    assert_eq!(
        ask(owner, "c", 1),
        Accept::Replay(known.clone()),
        "answered before it ends"
    );
    ended(
        store
            .cancel(None, job.id, &Failure::new("cancelled".into(), ""))
            .unwrap(),
    );
    let again = accept(store.as_ref(), &asynchronous(owner, &known));
    assert_ne!(again.id, job.id, "a failed job's key is free");
    run(store.as_ref(), &again, None);
    assert_eq!(
        ask(owner, "c", 1),
        Accept::Replay(known),
        "a done one's is not"
    );
}

fn asynchronous(owner: (AccountId, KeyId), known: &Reply) -> NewJob {
    NewJob {
        asynchronous: true,
        idempotency: Some(Idempotency {
            reply: Some(known.clone()),
            ..wish(owner.1, "c", 1)
        }),
        ..new_job(owner)
    }
}

pub(super) fn failed_may_repeat(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), PRICE);
    let failure = Failure::new("no_device".into(), "the device was lost");
    let job = accept(store.as_ref(), &once(owner, "a", 1));
    store
        .claim_job(job.id, "worker", LEASE_MS)
        .unwrap()
        .unwrap();
    ended(store.fail(job.id, 1, &failure, None).unwrap());
    let again = accept(store.as_ref(), &once(owner, "a", 1));
    assert_ne!(again.id, job.id);
    store
        .claim_job(again.id, "worker", LEASE_MS)
        .unwrap()
        .unwrap();
    let reply = Reply {
        status: 422,
        body: b"{\"detail\":[]}".to_vec(),
    };
    ended(store.fail(again.id, 1, &failure, Some(&reply)).unwrap());
    assert_eq!(
        store.accept(&once(owner, "a", 1), &WIDE).unwrap(),
        Accept::Replay(reply)
    );

    let broke = funded(store.as_ref(), 0);
    let refused = store.accept(&once(broke, "a", 1), &WIDE).unwrap();
    assert!(matches!(refused, Accept::InsufficientCredits { .. }));
    store.top_up(broke.0, PRICE, super::ACTOR, "").unwrap();
    accept(store.as_ref(), &once(broke, "a", 2));
}

pub(super) fn expiry(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), 100);
    let key = IdempotencyKey::parse("a").unwrap();
    let kept = || {
        store
            .idempotency_expiry(&IdempotencyScope::Key(owner.1), &key)
            .unwrap()
    };
    let first = accept(store.as_ref(), &once(owner, "a", 1));
    fixture.clock().advance_ms(2 * IDEMPOTENCY_KEEP_MS);
    assert_eq!(
        store.accept(&once(owner, "a", 1), &WIDE).unwrap(),
        Accept::InFlight(first.id),
        "a running request does not expire"
    );
    assert_eq!(store.sweep_idempotency(100).unwrap(), 0);
    run(
        store.as_ref(),
        &first,
        Some(Reply {
            status: 200,
            body: Vec::new(),
        }),
    );
    let second = accept(store.as_ref(), &once(owner, "a", 2));
    run(
        store.as_ref(),
        &second,
        Some(Reply {
            status: 200,
            body: Vec::new(),
        }),
    );
    fixture.clock().advance_ms(IDEMPOTENCY_KEEP_MS - 1);
    assert_eq!(store.sweep_idempotency(100).unwrap(), 0);
    assert!(matches!(
        store.accept(&once(owner, "a", 2), &WIDE).unwrap(),
        Accept::Replay(_)
    ));
    fixture.clock().advance_ms(1);
    assert!(kept().is_some());
    assert_eq!(store.sweep_idempotency(100).unwrap(), 1);
    assert_eq!(kept(), None);
    assert_eq!(store.balance(owner.0).unwrap(), balance(100 - 2 * PRICE, 0));
}

pub(super) fn fifty_at_once(fixture: &mut dyn Fixture) {
    const CLIENTS: usize = 50;
    let store = fixture.store();
    let owner = funded(store.as_ref(), 1_000);
    for round in 0..5 {
        let text = format!("round-{round}");
        let start = Barrier::new(CLIENTS);
        let outcomes: Vec<Accept> = std::thread::scope(|scope| {
            let ask = || {
                start.wait();
                store.accept(&once(owner, &text, 1), &WIDE).unwrap()
            };
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(ask)).collect();
            clients
                .into_iter()
                .map(|client| client.join().unwrap())
                .collect()
        });
        let won = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Accept::Accepted { .. }))
            .count();
        let waiting = outcomes
            .iter()
            .filter(|outcome| matches!(outcome, Accept::InFlight(_)))
            .count();
        assert_eq!((won, waiting), (1, CLIENTS - 1));
    }
    assert_eq!(
        store.balance(owner.0).unwrap(),
        balance(1_000 - 5 * PRICE, 5 * PRICE)
    );
}
