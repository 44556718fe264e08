use super::{ACTOR, Fixture, WIDE, funded, new_job};
use crate::{
    Accept, ApiKey, KeyChange, KeyCheck, KeyFilter, KeyId, KeyLimits, LAST_USED_STALE_MS, NewKey,
    PageRequest, StoreError,
};

pub(super) fn keys(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let (account, first) = funded(store.as_ref(), 0);
    let limits = KeyLimits {
        removals_per_minute: Some(5),
        batches_per_minute: None,
    };
    let new = NewKey {
        limits,
        pipelines: Some(vec!["default".into()]),
        ..NewKey::named(account, "second")
    };
    let created = store.create_key(&new, ACTOR).unwrap();
    let record = created.record;
    assert!(
        created.secret.reveal().starts_with(&record.shown_prefix)
            && created.secret.reveal().ends_with(&record.shown_suffix)
    );
    assert_eq!(
        (record.account, record.name.as_str(), record.limits),
        (account, "second", limits)
    );
    assert!(record.allows_pipeline("default") && !record.allows_pipeline("other"));
    assert_eq!(store.key(record.id).unwrap().as_ref(), Some(&record));
    assert_eq!(
        store.authenticate(&created.secret.hash()).unwrap(),
        KeyCheck::Active(Box::new(record.clone()))
    );

    let change = KeyChange {
        name: Some("renamed".into()),
        pipelines: Some(None),
        ..KeyChange::default()
    };
    let changed = store.update_key(record.id, &change, ACTOR).unwrap();
    assert_eq!(
        (
            changed.name.as_str(),
            changed.limits,
            changed.pipelines.as_ref()
        ),
        ("renamed", limits, None)
    );
    assert!(changed.allows_pipeline("other"));

    let other = funded(store.as_ref(), 0);
    let ids = |account| -> Vec<KeyId> {
        let page = store
            .list_keys(
                &KeyFilter {
                    account,
                    ..Default::default()
                },
                &PageRequest::default(),
            )
            .unwrap();
        page.items.into_iter().map(|record| record.id).collect()
    };
    assert_eq!(ids(Some(account)), [first, record.id]);
    assert_eq!(ids(None), [first, record.id, other.1]);
    let page = store
        .list_keys(
            &KeyFilter::default(),
            &PageRequest {
                after: None,
                rows: 2,
            },
        )
        .unwrap();
    assert_eq!(
        store
            .list_keys(
                &KeyFilter::default(),
                &PageRequest {
                    after: page.next,
                    rows: 2
                }
            )
            .unwrap()
            .items[0]
            .id,
        other.1
    );
    assert!(matches!(
        store.update_key(KeyId(9_999), &change, ACTOR),
        Err(StoreError::UnknownKey { .. })
    ));
    let empty = KeyChange {
        name: Some(String::new()),
        ..KeyChange::default()
    };
    assert!(matches!(
        store.update_key(record.id, &empty, ACTOR),
        Err(StoreError::Invalid { .. })
    ));
}

pub(super) fn refused(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let (account, _) = funded(store.as_ref(), 100);
    let unknown = ApiKey::generate().unwrap();
    assert_eq!(
        store.authenticate(&unknown.hash()).unwrap(),
        KeyCheck::Refused
    );

    let revoked = store
        .create_key(&NewKey::named(account, "lost"), ACTOR)
        .unwrap();
    let epoch = revoked.record.url_epoch;
    let record = store.revoke_key(revoked.record.id, ACTOR).unwrap();
    assert!(record.revoked_at_ms.is_some());
    assert_eq!(record.url_epoch, epoch + 1, "its download URLs die");
    assert_eq!(
        store.revoke_key(record.id, ACTOR).unwrap(),
        record,
        "revoking again changes nothing"
    );
    assert_eq!(
        store.authenticate(&revoked.secret.hash()).unwrap(),
        KeyCheck::Refused
    );

    let now_ms = crate::Clock::now_ms(fixture.clock());
    let expiring = store
        .create_key(
            &NewKey {
                expires_at_ms: Some(now_ms + 1_000),
                ..NewKey::named(account, "guest")
            },
            ACTOR,
        )
        .unwrap();
    assert!(matches!(
        store.authenticate(&expiring.secret.hash()).unwrap(),
        KeyCheck::Active(_)
    ));
    fixture.clock().advance_ms(1_000);
    assert_eq!(
        store.authenticate(&expiring.secret.hash()).unwrap(),
        KeyCheck::Refused
    );

    for key in [record.id, expiring.record.id] {
        assert_eq!(
            store.accept(&new_job((account, key)), &WIDE).unwrap(),
            Accept::KeyRefused
        );
    }
    let prolonged = KeyChange {
        expires_at_ms: Some(None),
        ..KeyChange::default()
    };
    store
        .update_key(expiring.record.id, &prolonged, ACTOR)
        .unwrap();
    assert!(matches!(
        store.authenticate(&expiring.secret.hash()).unwrap(),
        KeyCheck::Active(_)
    ));
    assert_eq!(store.balance(account).unwrap(), super::balance(100, 0));
}

pub(super) fn last_used(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let (account, _) = funded(store.as_ref(), 0);
    let created = store
        .create_key(&NewKey::named(account, "used"), ACTOR)
        .unwrap();
    let used = || {
        store.authenticate(&created.secret.hash()).unwrap();
        store
            .key(created.record.id)
            .unwrap()
            .unwrap()
            .last_used_at_ms
    };
    assert_eq!(created.record.last_used_at_ms, None);
    let first = used();
    assert_eq!(first, Some(crate::Clock::now_ms(fixture.clock())));
    fixture.clock().advance_ms(LAST_USED_STALE_MS - 1);
    assert_eq!(used(), first);
    fixture.clock().advance_ms(1);
    assert_eq!(used(), first.map(|first| first + LAST_USED_STALE_MS));
    fixture.clock().jump_ms(-10 * LAST_USED_STALE_MS);
    assert_eq!(
        used(),
        first.map(|first| first - 9 * LAST_USED_STALE_MS),
        "a clock set back does not freeze the note"
    );
}

pub(super) fn deleted(fixture: &mut dyn Fixture) {
    let store = fixture.store();
    let owner = funded(store.as_ref(), 10);
    let created = store
        .create_key(&NewKey::named(owner.0, "gone soon"), ACTOR)
        .unwrap();
    let key = created.record.id;
    let job = super::accept(store.as_ref(), &new_job((owner.0, key)));
    let epoch = created.record.url_epoch;

    let last = store.delete_key(key, ACTOR).unwrap();
    assert!(last.revoked_at_ms.is_some() && last.deleted_at_ms.is_some());
    assert_eq!(
        store.authenticate(&created.secret.hash()).unwrap(),
        KeyCheck::Refused
    );
    let shown = |filter: &KeyFilter| {
        store
            .list_keys(filter, &PageRequest::default())
            .unwrap()
            .items
            .iter()
            .any(|record| record.id == key)
    };
    assert!(!shown(&KeyFilter::default()));
    assert!(shown(&KeyFilter {
        deleted: true,
        ..KeyFilter::default()
    }));
    let kept = store.key(key).unwrap().expect("its record stays");
    assert_eq!(
        kept.url_epoch,
        epoch + 1,
        "addresses signed for it stay dead"
    );
    assert_eq!(store.job(None, job.id).unwrap().unwrap().key, Some(key));
    assert_eq!(
        store.accept(&new_job((owner.0, key)), &WIDE).unwrap(),
        Accept::KeyRefused
    );
    for refused in [
        store.delete_key(key, ACTOR).map(drop),
        store.revoke_key(key, ACTOR).map(drop),
        store
            .update_key(key, &KeyChange::default(), ACTOR)
            .map(drop),
    ] {
        assert!(
            matches!(refused, Err(StoreError::UnknownKey { .. })),
            "{refused:?}"
        );
    }
    let actions = store
        .list_actions(Some(&format!("key:{key}")), &PageRequest::default())
        .unwrap()
        .items;
    let names: Vec<_> = actions
        .iter()
        .rev()
        .map(|entry| entry.action.as_str())
        .collect();
    assert_eq!(names, ["key.create", "key.revoke", "key.delete"]);
}
