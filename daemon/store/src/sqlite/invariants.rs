//! The rules that hold between any two transactions, checked from the rows themselves.

use rusqlite::Connection;

use super::failure::TxResult;
use crate::maintenance::{Breach, Invariant};

/// Breaches named per rule; more would not help.
const BREACHES_PER_RULE_MAX: usize = 20;

/// A query per rule; each row it returns is a breach, as one text.
const RULES: &[(Invariant, &str)] = &[
    (
        Invariant::Conserved,
        "SELECT 'account ' || a.id || ' has ' || a.available || ' available and ' || a.held || ' held, its entries say '
                || coalesce(sum(l.available_change), 0) || ' and ' || coalesce(sum(l.held_change), 0)
         FROM account AS a LEFT JOIN ledger AS l ON l.account_id = a.id GROUP BY a.id
         HAVING a.available <> coalesce(sum(l.available_change), 0) OR a.held <> coalesce(sum(l.held_change), 0)",
    ),
    (
        Invariant::Conserved,
        "SELECT 'account ' || a.id || ' has ' || (a.available + a.held) || ' credits, ' || granted || ' were given and ' || spent || ' spent'
         FROM account AS a JOIN (
             SELECT account_id,
                    sum(CASE WHEN kind IN ('top_up', 'correct') THEN available_change ELSE 0 END) AS granted,
                    sum(CASE WHEN kind = 'settle' THEN -available_change - held_change ELSE 0 END) AS spent
             FROM ledger GROUP BY account_id) AS l ON l.account_id = a.id
         WHERE a.available + a.held + spent <> granted",
    ),
    (
        Invariant::Conserved,
        "SELECT 'account ' || a.id || ' holds ' || a.held || ' credits, its unfinished jobs need ' || coalesce(sum(j.price), 0)
         FROM account AS a LEFT JOIN job AS j ON j.account_id = a.id AND j.status IN ('pending', 'processing')
         GROUP BY a.id HAVING a.held <> coalesce(sum(j.price), 0)",
    ),
    (
        Invariant::Conserved,
        "SELECT 'entry ' || l.id || ' of account ' || l.account_id || ' leaves ' || l.available_after || ' and ' || l.held_after
                || ', the account has ' || a.available || ' and ' || a.held
         FROM ledger AS l JOIN account AS a ON a.id = l.account_id
         WHERE l.id IN (SELECT max(id) FROM ledger GROUP BY account_id) AND (l.available_after <> a.available OR l.held_after <> a.held)",
    ),
    (
        Invariant::NotNegative,
        "SELECT 'account ' || id || ' has ' || available || ' available and ' || held || ' held'
         FROM account WHERE available < 0 OR held < 0",
    ),
    (
        Invariant::ResolvedOnce,
        "SELECT 'job ' || j.id || ' is ' || j.status || ' at ' || j.price || ' credits, charged ' || coalesce(j.credits, 0)
                || '; reserved ' || coalesce(r.held_change, 'nothing')
                || ', then ' || coalesce(e.kind || ' ' || e.available_change, 'nothing')
         FROM job AS j
         LEFT JOIN ledger AS r ON r.job_id = j.id AND r.kind = 'reserve'
         LEFT JOIN ledger AS e ON e.job_id = j.id AND e.kind IN ('settle', 'release')
         WHERE NOT CASE
             WHEN j.reserved = 0 THEN r.id IS NULL AND e.id IS NULL
             WHEN r.id IS NULL OR r.held_change <> j.price OR r.account_id <> j.account_id THEN 0
             WHEN j.status = 'completed' THEN e.kind IS 'settle' AND e.held_change = -j.price AND e.available_change = j.price - j.credits
             WHEN j.status = 'failed' THEN e.kind IS 'release' AND e.held_change = -j.price
             ELSE e.id IS NULL END",
    ),
    (
        Invariant::ResolvedOnce,
        "SELECT 'job ' || job_id || ' has ' || sum(kind = 'reserve') || ' holds and ' || sum(kind <> 'reserve') || ' ends'
         FROM ledger WHERE job_id IS NOT NULL GROUP BY job_id HAVING sum(kind = 'reserve') <> 1 OR sum(kind <> 'reserve') > 1",
    ),
    (
        Invariant::ResultNamed,
        "SELECT 'job ' || id || ' is ' || status || ' without a named, measured and dated file'
         FROM job WHERE (status = 'completed') <>
             (output_name IS NOT NULL AND coalesce(length(output_sha256) = 32, 0) AND coalesce(output_bytes > 0, 0) AND expires_at_ms IS NOT NULL)",
    ),
    (
        Invariant::DoneOnce,
        "SELECT 'key ' || k.key || ' of ' || k.scope || ' stands for a job or batch of ' || coalesce('key:' || coalesce(j.key_id, b.key_id), 'no key')
         FROM idempotency AS k LEFT JOIN job AS j ON j.id = k.job_id LEFT JOIN batch AS b ON b.id = k.batch_id
         WHERE k.scope LIKE 'key:%' AND k.scope IS NOT 'key:' || coalesce(j.key_id, b.key_id)",
    ),
    (
        Invariant::DoneOnce,
        "SELECT 'key ' || k.key || ' of ' || k.scope || ' is held by job ' || j.id || ', which failed without a reply'
         FROM idempotency AS k JOIN job AS j ON j.id = k.job_id WHERE j.status = 'failed' AND k.reply_status IS NULL",
    ),
    (
        Invariant::AppendOnly,
        "WITH needed (name) AS (VALUES ('ledger_no_update'), ('ledger_no_delete'), ('ledger_resolves_its_hold'), ('audit_no_update'),
             ('audit_no_delete'), ('job_final_once'), ('ledger_reserved_once'), ('ledger_resolved_once'), ('job_slot'))
         SELECT 'the guard ' || name || ' is missing from the schema' FROM needed
         WHERE name NOT IN (SELECT name FROM sqlite_schema WHERE type IN ('trigger', 'index'))",
    ),
];

/// All breaches; empty when every rule holds.
pub(super) fn check(sql: &Connection) -> TxResult<Vec<Breach>> {
    let mut breaches = Vec::new();
    for (invariant, query) in RULES {
        let mut statement = sql.prepare_cached(query)?;
        let details = statement
            .query_map([], |row| row.get(0))?
            .take(BREACHES_PER_RULE_MAX);
        for detail in details {
            breaches.push(Breach {
                invariant: *invariant,
                detail: detail?,
            });
        }
    }
    Ok(breaches)
}

/// What SQLite finds wrong with the pages and the references of the file.
pub(super) fn file_problems(sql: &Connection) -> rusqlite::Result<Vec<String>> {
    let mut statement = sql.prepare(&format!("PRAGMA integrity_check({BREACHES_PER_RULE_MAX})"))?;
    let lines = statement
        .query_map([], |row| row.get(0))?
        .collect::<rusqlite::Result<Vec<String>>>()?;
    Ok(lines.into_iter().filter(|line| line != "ok").collect())
}
