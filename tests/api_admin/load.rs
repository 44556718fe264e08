//! Work under way delays no reply.

use std::time::{Duration, Instant};

use super::{Bench, small};
use crate::common::wait_until;

#[test]
fn many_jobs_do_not_delay_a_reply() {
    let bench = Bench::new(
        "[queue]\nper_key_in_flight_max = 10000\nlength_max = 10000\n[rate_limits]\nremoval_per_minute = 100000\n[accounts]\nfirst_credits = 1000000\n",
    );
    let (admin, key) = (&bench.admin, bench.daemon.key());
    let stop = std::sync::atomic::AtomicBool::new(false);
    let cancelled = std::sync::atomic::AtomicUsize::new(0);
    let relaxed = std::sync::atomic::Ordering::Relaxed;
    std::thread::scope(|scope| {
        // Readers that never read: the daemon must not wait for them.
        let _stuck: Vec<_> = (0..3).map(|_| admin.events(None)).collect();
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(relaxed) {
                    let job = bench.remove(&key, true, &small());
                    bench.daemon.delete(&format!("/v1/jobs/{job}"), Some(&key));
                    cancelled.fetch_add(1, relaxed);
                }
            });
        }
        wait_until("all are at work", Duration::from_secs(60), || {
            cancelled.load(relaxed) > 20
        });
        let mut times: Vec<Duration> = (0..50)
            .map(|_| {
                let started = Instant::now();
                assert_eq!(admin.json("/server")["state"], "ready");
                started.elapsed()
            })
            .collect();
        stop.store(true, relaxed);
        times.sort();
        assert!(
            times[25] < Duration::from_millis(250),
            "median of replies: {:?}",
            times[25]
        );
    });
    let totals = admin.json("/server")["totals"].clone();
    assert!(
        totals["completed"].as_u64().unwrap() + totals["failed"].as_u64().unwrap() > 20,
        "{totals}"
    );
}
