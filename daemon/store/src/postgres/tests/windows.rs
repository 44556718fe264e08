//! Rate limits of several processes.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::PgFixture;
use crate::KeyId;
use crate::postgres::PgStore;

#[test]
fn all_processes_together_let_exactly_the_quota_through() {
    const WINDOW_MS: i64 = 60_000;
    let fixture = PgFixture::fresh();
    let stores = [(); 3].map(|()| PgStore::open(&fixture.address, 4).unwrap());
    let allowed = AtomicU32::new(0);
    std::thread::scope(|scope| {
        for store in stores.iter().chain(&stores) {
            let allowed = &allowed;
            scope.spawn(move || {
                for _ in 0..20 {
                    let count = store
                        .count_request(KeyId(1), "removal", 50, WINDOW_MS)
                        .unwrap();
                    allowed.fetch_add(u32::from(count.allowed), Ordering::SeqCst);
                    assert!(count.passed <= 50);
                }
            });
        }
    });
    assert_eq!(allowed.into_inner(), 50);
    let [store, ..] = &stores;
    let refused = store
        .count_request(KeyId(1), "removal", 50, WINDOW_MS)
        .unwrap();
    assert!(!refused.allowed && refused.passed == 50);
    assert!((1..=60_000).contains(&refused.reset_ms), "{refused:?}");
    for (key, route) in [(KeyId(2), "removal"), (KeyId(1), "read")] {
        assert!(
            store
                .count_request(key, route, 1, WINDOW_MS)
                .unwrap()
                .allowed,
            "counted apart"
        );
    }
    let nothing = store.count_request(KeyId(3), "read", 0, WINDOW_MS).unwrap();
    assert!(!nothing.allowed && nothing.passed == 0);
    // What is older than the window is forgotten, and only what has passed counts.
    std::thread::sleep(Duration::from_millis(60));
    let fresh = store.count_request(KeyId(1), "removal", 1, 50).unwrap();
    assert!(fresh.allowed && fresh.passed == 1, "{fresh:?}");
    assert!(
        !store
            .count_request(KeyId(1), "removal", 1, 60_000)
            .unwrap()
            .allowed
    );
}
