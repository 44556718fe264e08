use serde_json::json;

use super::{Fixture, LEASE_MS, PRICE, accept, completion, ended, funded, new_job};
use crate::{Failure, FailureCode, NewJob, Store, WebhookState};

const URL: &str = "https://hooks.example.com/a";

fn hooked(store: &dyn Store) -> NewJob {
    NewJob {
        request: json!({ "webhook": { "url": URL } }),
        ..new_job(funded(store, 100))
    }
}

pub(super) fn due_until_delivered(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let job = accept(store.as_ref(), &hooked(store.as_ref()));
    let quiet = accept(store.as_ref(), &new_job(funded(store.as_ref(), 100)));
    assert_eq!(
        store.due_webhooks(10, 10).unwrap(),
        [],
        "the job has not ended"
    );
    for id in [job.id, quiet.id] {
        store.claim_job(id, "worker", LEASE_MS).unwrap().unwrap();
        ended(store.finish(id, 1, &completion(PRICE)).unwrap());
    }
    let due = store.due_webhooks(10, 10).unwrap();
    assert_eq!(
        due.iter()
            .map(|due| (due.job.id, due.url.as_str(), due.attempts))
            .collect::<Vec<_>>(),
        [(job.id, URL, 0)]
    );
    assert!(due[0].job.result.is_some());
    assert_eq!(store.webhook(quiet.id).unwrap(), None);

    store
        .webhook_failed(job.id, "no answer", Some(1_000))
        .unwrap();
    assert_eq!(store.due_webhooks(10, 10).unwrap(), []);
    fixture.clock().advance_ms(1_000);
    assert_eq!(store.due_webhooks(10, 10).unwrap()[0].attempts, 1);
    store.webhook_delivered(job.id).unwrap();
    store.webhook_failed(job.id, "late", Some(0)).unwrap();
    assert_eq!(
        store.due_webhooks(10, 10).unwrap(),
        [],
        "what was delivered stays delivered"
    );
    let state = store.webhook(job.id).unwrap().unwrap();
    assert_eq!(
        (state.attempts, state.next_at_ms, state.last_error),
        (2, None, None)
    );
    assert!(state.delivered_at_ms.is_some());
}

pub(super) fn jumps_move_nothing(fixture: &mut dyn Fixture) {
    const DAY_MS: i64 = 86_400_000;
    let store = fixture.store();
    let refused = |store: &dyn Store| {
        let failure = Failure::new("invalid".into(), "bad pair");
        store.record_failed(&hooked(store), &failure).unwrap().id
    };
    let due = |store: &dyn Store| -> Vec<_> {
        let due = store.due_webhooks(10, 10).unwrap();
        due.into_iter().map(|due| due.job.id).collect()
    };
    let job = refused(store.as_ref());
    fixture.clock().jump_ms(-DAY_MS);
    assert_eq!(
        due(store.as_ref()),
        [job],
        "set back before the first attempt"
    );
    store.webhook_failed(job, "no answer", Some(1_000)).unwrap();
    fixture.clock().jump_ms(3 * DAY_MS);
    assert_eq!(due(store.as_ref()), [], "set ahead within the pause");
    fixture.clock().advance_ms(1_000);
    assert_eq!(due(store.as_ref()), [job]);
    store.webhook_failed(job, "no answer", Some(1_000)).unwrap();
    let fresh = refused(store.as_ref());
    assert_eq!(
        due(store.as_ref()),
        [fresh],
        "ended while the clock was ahead"
    );
    store.webhook_delivered(fresh).unwrap();
    fixture.clock().jump_ms(-2 * DAY_MS);
    fixture.clock().advance_ms(1_000);
    assert_eq!(due(store.as_ref()), [job], "set back within the pause");

    let again_ms = crate::WEBHOOK_PAUSE_MS_MAX;
    assert!(store.webhook_failed(job, "", Some(again_ms + 1)).is_err());
    store
        .webhook_failed(job, "no answer", Some(again_ms))
        .unwrap();
    drop(store);
    // A run that began with the clock a month behind reads what was recorded before.
    fixture.clock().jump_ms(-30 * DAY_MS);
    fixture.crash();
    let store = fixture.store();
    store.recover("worker", 2).unwrap();
    assert_eq!(due(store.as_ref()), [job], "longer than any pause");
}

pub(super) fn every_end_is_told(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let cancelled = accept(store.as_ref(), &hooked(store.as_ref()));
    ended(
        store
            .cancel(
                None,
                cancelled.id,
                &Failure::new(FailureCode::Cancelled, "cancelled"),
            )
            .unwrap(),
    );
    let refused = store
        .record_failed(
            &hooked(store.as_ref()),
            &Failure::new("invalid".into(), "bad pair"),
        )
        .unwrap();
    let interrupted = accept(store.as_ref(), &hooked(store.as_ref()));
    drop(store);
    fixture.crash();
    let store = fixture.store();
    store.recover("worker", 2).unwrap();
    let due: Vec<_> = store
        .due_webhooks(10, 10)
        .unwrap()
        .into_iter()
        .map(|due| due.job.id)
        .collect();
    for job in [cancelled.id, refused.id, interrupted.id] {
        assert!(due.contains(&job), "{job} is not told");
    }
    assert_eq!(due.len(), 3);
    store
        .webhook_failed(refused.id, &"x".repeat(600), None)
        .unwrap();
    let given_up = WebhookState {
        attempts: 1,
        next_at_ms: None,
        delivered_at_ms: None,
        last_error: Some("x".repeat(500)),
    };
    assert_eq!(store.webhook(refused.id).unwrap(), Some(given_up));
    assert_eq!(store.due_webhooks(10, 10).unwrap().len(), 2);
}

pub(super) fn accounts_take_turns(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let told = |owner| {
        let job = NewJob {
            request: json!({ "webhook": { "url": URL } }),
            ..new_job(owner)
        };
        store
            .record_failed(&job, &Failure::new("invalid".into(), "bad pair"))
            .unwrap()
            .id
    };
    let (flood, quiet) = (funded(store.as_ref(), 0), funded(store.as_ref(), 0));
    let many: Vec<_> = (0..20).map(|_| told(flood)).collect();
    let one = told(quiet);
    let due = |per_account_max, rows_max| -> Vec<_> {
        let due = store.due_webhooks(per_account_max, rows_max).unwrap();
        due.into_iter().map(|due| due.job.id).collect()
    };
    assert_eq!(due(3, 100).len(), 4);
    assert!(due(3, 2).contains(&one), "first places come first");
    assert_eq!(due(100, 100).len(), many.len() + 1);
}

pub(super) fn one_sender(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let failure = Failure::new("invalid".into(), "bad pair");
    let job = store
        .record_failed(&hooked(store.as_ref()), &failure)
        .unwrap()
        .id;
    let due = || store.due_webhooks(10, 10).unwrap().len();
    let claim = |holder| store.claim_webhook(job, holder, LEASE_MS).unwrap();
    assert!(claim("a"));
    assert_eq!(due(), 0, "it is being sent");
    assert!(!claim("b") && !claim("a"), "not twice by one either");
    fixture.clock().advance_ms(LEASE_MS);
    assert_eq!(due(), 1, "its sender died");
    assert!(claim("b"));
    store.webhook_failed(job, "no answer", Some(1_000)).unwrap();
    assert!(!claim("a"), "not due yet");
    fixture.clock().advance_ms(1_000);
    assert_eq!(due(), 1);
    assert!(claim("a"));
    store.recover("b", 2).unwrap();
    assert!(!claim("b"));
    store.recover("a", 2).unwrap();
    assert!(claim("b"), "a was started again and sends nothing");
    store.webhook_delivered(job).unwrap();
    fixture.clock().advance_ms(2 * LEASE_MS);
    assert!(!claim("a") && due() == 0);
    assert!(store.claim_webhook(job, "a", 0).is_err());
}
