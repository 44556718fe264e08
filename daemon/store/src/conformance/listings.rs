use super::{ACTOR, Fixture, accept, ended, funded, new_job};
use crate::{
    Account, AccountId, Failure, JobFilter, JobId, KeyFilter, KeyId, KeyState, NewJob, NewKey,
    PageRequest, Store, StoreError,
};

fn all() -> PageRequest {
    PageRequest::default()
}

pub(super) fn filtered(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    accounts(&*store);
    keys(fixture);
    jobs(&*store);
    actions(&*store);
}

fn accounts(store: &dyn Store) {
    let studio = store.create_account("Studio 100% Nord", ACTOR).unwrap();
    let other = store.create_account("other", ACTOR).unwrap();
    let found = |text: &str| -> Vec<AccountId> {
        store
            .list_accounts(Some(text), &all())
            .unwrap()
            .items
            .iter()
            .map(|account| account.id)
            .collect()
    };
    assert_eq!(found("STUDIO"), [studio.id]);
    assert_eq!(found("100%"), [studio.id], "no wildcards");
    assert_eq!(found("%"), [studio.id]);
    assert_eq!(found("_"), []);
    assert_eq!(found("o"), [studio.id, other.id], "oldest first");

    let renamed = store.rename_account(other.id, "Süd", ACTOR).unwrap();
    assert_eq!(
        renamed,
        Account {
            name: "Süd".into(),
            ..other.clone()
        }
    );
    assert_eq!(store.account(other.id).unwrap(), Some(renamed));
    let entry = store.list_actions(None, &all()).unwrap().items.remove(0);
    assert_eq!(
        (entry.action.as_str(), entry.target),
        ("account.rename", format!("account:{}", other.id))
    );
    assert_eq!(
        entry.detail,
        serde_json::json!({ "before": { "name": "other" }, "after": { "name": "Süd" } })
    );
    assert_eq!(
        store.action(entry.id).unwrap().unwrap().detail,
        entry.detail
    );
    let nobody = AccountId(other.id.0 + 1_000);
    assert!(matches!(
        store.rename_account(nobody, "x", ACTOR),
        Err(StoreError::UnknownAccount { .. })
    ));
    assert!(matches!(
        store.rename_account(other.id, "", ACTOR),
        Err(StoreError::Invalid { .. })
    ));
}

fn keys(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let account = store.create_account("keys", ACTOR).unwrap().id;
    let expires_at_ms = Some(crate::Clock::now_ms(fixture.clock()) + 1_000);
    let make = |name: &str, expires_at_ms| {
        store
            .create_key(
                &NewKey {
                    expires_at_ms,
                    ..NewKey::named(account, name)
                },
                ACTOR,
            )
            .unwrap()
            .record
    };
    let (works, expires, revoked) = (
        make("Works", None),
        make("expires", expires_at_ms),
        make("revoked", None),
    );
    store.revoke_key(revoked.id, ACTOR).unwrap();
    fixture.clock().advance_ms(1_000);
    let found = |filter: KeyFilter| -> Vec<KeyId> {
        let filter = KeyFilter {
            account: Some(account),
            ..filter
        };
        store
            .list_keys(&filter, &all())
            .unwrap()
            .items
            .iter()
            .map(|key| key.id)
            .collect()
    };
    let in_state = |state| {
        found(KeyFilter {
            state: Some(state),
            ..Default::default()
        })
    };
    assert_eq!(in_state(KeyState::Active), [works.id]);
    assert_eq!(in_state(KeyState::Expired), [expires.id]);
    assert_eq!(in_state(KeyState::Revoked), [revoked.id]);
    let text = |text: &str| {
        found(KeyFilter {
            text: Some(text.into()),
            ..Default::default()
        })
    };
    assert_eq!(text("works"), [works.id]);
    assert_eq!(text(&format!("...{}", works.shown_suffix)), [works.id]);
    assert_eq!(text("nothing"), []);
}

fn jobs(store: &dyn Store) {
    let owner = funded(store, 100);
    let named = |name: &str, pipeline: &str| {
        let new = NewJob {
            input_filename: Some(name.into()),
            pipeline: pipeline.into(),
            ..new_job(owner)
        };
        accept(store, &new).id
    };
    let (beach, harbour) = (named("Beach.JPG", "default"), named("harbour.png", "lama"));
    ended(
        store
            .cancel(
                None,
                harbour,
                &Failure::new("cancelled".into(), "by the Client"),
            )
            .unwrap(),
    );
    let found = |filter: JobFilter| -> Vec<JobId> {
        let filter = JobFilter {
            account: Some(owner.0),
            ..filter
        };
        store
            .list_jobs(&filter, &all())
            .unwrap()
            .items
            .iter()
            .map(|job| job.id)
            .collect()
    };
    let text = |text: &str| {
        found(JobFilter {
            text: Some(text.into()),
            ..Default::default()
        })
    };
    assert_eq!(text("beach"), [beach]);
    assert_eq!(text("by the client"), [harbour]);
    assert_eq!(text(&harbour.to_string()[..8].to_uppercase()), [harbour]);
    assert_eq!(
        text(&harbour.to_string()[9..]),
        [],
        "an identifier is found by its front"
    );
    assert_eq!(text("%"), []);
    assert_eq!(
        found(JobFilter {
            pipeline: Some("lama".into()),
            ..Default::default()
        }),
        [harbour]
    );
    let both = JobFilter {
        pipeline: Some("default".into()),
        text: Some("harbour".into()),
        ..Default::default()
    };
    assert_eq!(found(both), []);
}

fn actions(store: &dyn Store) {
    store
        .record_action(
            "uid 1000 (Ada)",
            "model.load",
            "model:lama",
            &serde_json::json!({}),
        )
        .unwrap();
    let found = |text: &str| store.list_actions(Some(text), &all()).unwrap().items.len();
    assert_eq!(found("(ada)"), 1);
    assert_eq!(found("Model:Lama"), 1);
    assert_eq!(found("nobody"), 0);
    assert!(store.list_actions(None, &all()).unwrap().items.len() > 5);
}
