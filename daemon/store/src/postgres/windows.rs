//! Rate limits that all processes count together: in any window, exactly the quota passes and no request more.

use super::PgStore;
use super::convert::column;
use super::session::database_ms;
use crate::KeyId;
use crate::error::Result;

/// A window after a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WindowCount {
    /// Whether the request passed.
    pub allowed: bool,
    /// Requests that passed within the window, this one included.
    pub passed: u32,
    /// Time until more may pass than now, ms.
    pub reset_ms: u64,
}

impl PgStore {
    /// Counts a request of a key on a route: it passes if fewer than `quota` did within the last `window_ms` by the clock of
    /// the database. One statement, so that no two processes let the same last one through.
    pub fn count_request(
        &self,
        key: KeyId,
        route: &str,
        quota: u32,
        window_ms: i64,
    ) -> Result<WindowCount> {
        self.read("counting a request", |sql| {
            let row = sql.one(
                concat!(
                    "INSERT INTO request_window AS w (key_id, route, passed, allowed)
                     VALUES ($1, $2, CASE WHEN $3::bigint > 0 THEN ARRAY[", database_ms!(), "] ELSE ARRAY[]::bigint[] END, $3::bigint > 0)
                     ON CONFLICT (key_id, route) DO UPDATE SET (passed, allowed) = (
                         SELECT CASE WHEN cardinality(kept) < $3::bigint THEN kept || now_ms ELSE kept END, cardinality(kept) < $3::bigint
                         FROM (SELECT now_ms, ARRAY(SELECT at FROM unnest(w.passed) AS at WHERE at > now_ms - $4::bigint) AS kept
                               FROM (SELECT ", database_ms!(), " AS now_ms) AS clock) AS window_now)
                     RETURNING passed, allowed, ", database_ms!(), " AS now_ms"
                ),
                &[&key, &route, &i64::from(quota), &window_ms],
            )?;
            let passed: Vec<i64> = column(&row, "passed")?;
            let now_ms: i64 = column(&row, "now_ms")?;
            // With a smaller quota than before, more than one request must leave first.
            let surplus = passed.len().saturating_sub(quota as usize);
            let reset_ms = passed
                .get(surplus)
                .map_or(0, |at| (at + window_ms).saturating_sub(now_ms).max(0));
            Ok(WindowCount {
                allowed: column(&row, "allowed")?,
                passed: u32::try_from(passed.len()).unwrap_or(u32::MAX),
                reset_ms: reset_ms.unsigned_abs(),
            })
        })
    }
}
