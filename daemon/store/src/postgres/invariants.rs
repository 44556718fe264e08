//! The rules that hold between any two transactions, checked from the rows themselves.

use super::convert::column;
use super::failure::PgResult;
use super::session::Sql;
use crate::maintenance::{Breach, Invariant};

/// Breaches named per rule; more would not help.
const BREACHES_PER_RULE_MAX: i64 = 20;

/// A query per rule; each row it returns is a breach, as one text.
const RULES: &[(Invariant, &str)] = &[
    (
        Invariant::Conserved,
        "SELECT 'account ' || a.id || ' has ' || a.available || ' available and ' || a.held || ' held, its entries say '
                || coalesce(sum(l.available_change), 0) || ' and ' || coalesce(sum(l.held_change), 0) AS detail
         FROM account AS a LEFT JOIN ledger AS l ON l.account_id = a.id GROUP BY a.id
         HAVING a.available <> coalesce(sum(l.available_change), 0) OR a.held <> coalesce(sum(l.held_change), 0)",
    ),
    (
        Invariant::Conserved,
        "SELECT 'account ' || a.id || ' has ' || (a.available + a.held) || ' credits, ' || granted || ' were given and ' || spent || ' spent'
                AS detail
         FROM account AS a JOIN (
             SELECT account_id,
                    sum(CASE WHEN kind IN ('top_up', 'correct') THEN available_change ELSE 0 END) AS granted,
                    sum(CASE WHEN kind = 'settle' THEN -available_change - held_change ELSE 0 END) AS spent
             FROM ledger GROUP BY account_id) AS l ON l.account_id = a.id
         WHERE a.available + a.held + spent <> granted",
    ),
    (
        Invariant::Conserved,
        "SELECT 'account ' || a.id || ' holds ' || a.held || ' credits, its unfinished jobs need ' || coalesce(sum(j.price), 0) AS detail
         FROM account AS a LEFT JOIN job AS j ON j.account_id = a.id AND j.status IN ('pending', 'processing')
         GROUP BY a.id HAVING a.held <> coalesce(sum(j.price), 0)",
    ),
    (
        Invariant::Conserved,
        "SELECT 'entry ' || l.id || ' of account ' || l.account_id || ' leaves ' || l.available_after || ' and ' || l.held_after
                || ', the account has ' || a.available || ' and ' || a.held AS detail
         FROM ledger AS l JOIN account AS a ON a.id = l.account_id
         WHERE l.id IN (SELECT max(id) FROM ledger GROUP BY account_id) AND (l.available_after <> a.available OR l.held_after <> a.held)",
    ),
    (
        Invariant::NotNegative,
        "SELECT 'account ' || id || ' has ' || available || ' available and ' || held || ' held' AS detail
         FROM account WHERE available < 0 OR held < 0",
    ),
    (
        Invariant::ResolvedOnce,
        "SELECT 'job ' || j.id || ' is ' || j.status || ' at ' || j.price || ' credits, charged ' || coalesce(j.credits, 0)
                || '; reserved ' || coalesce(r.held_change::text, 'nothing')
                || ', then ' || coalesce(e.kind || ' ' || e.available_change, 'nothing') AS detail
         FROM job AS j
         LEFT JOIN ledger AS r ON r.job_id = j.id AND r.kind = 'reserve'
         LEFT JOIN ledger AS e ON e.job_id = j.id AND e.kind IN ('settle', 'release')
         WHERE NOT coalesce(CASE
             WHEN NOT j.reserved THEN r.id IS NULL AND e.id IS NULL
             WHEN r.id IS NULL OR r.held_change <> j.price OR r.account_id <> j.account_id THEN false
             WHEN j.status = 'completed' THEN e.kind = 'settle' AND e.held_change = -j.price AND e.available_change = j.price - j.credits
             WHEN j.status = 'failed' THEN e.kind = 'release' AND e.held_change = -j.price
             ELSE e.id IS NULL END, false)",
    ),
    (
        Invariant::ResolvedOnce,
        "SELECT 'job ' || job_id || ' has ' || count(*) FILTER (WHERE kind = 'reserve') || ' holds and '
                || count(*) FILTER (WHERE kind <> 'reserve') || ' ends' AS detail
         FROM ledger WHERE job_id IS NOT NULL GROUP BY job_id
         HAVING count(*) FILTER (WHERE kind = 'reserve') <> 1 OR count(*) FILTER (WHERE kind <> 'reserve') > 1",
    ),
    (
        Invariant::ResultNamed,
        "SELECT 'job ' || id || ' is ' || status || ' without a named, measured and dated file' AS detail
         FROM job WHERE (status = 'completed') <>
             (output_name IS NOT NULL AND coalesce(length(output_sha256) = 32, false) AND coalesce(output_bytes > 0, false)
              AND expires_at_ms IS NOT NULL)",
    ),
    (
        Invariant::DoneOnce,
        "SELECT 'key ' || k.key || ' of ' || k.scope || ' stands for a job or batch of '
                || coalesce('key:' || coalesce(j.key_id, b.key_id), 'no key') AS detail
         FROM idempotency AS k LEFT JOIN job AS j ON j.id = k.job_id LEFT JOIN batch AS b ON b.id = k.batch_id
         WHERE k.scope LIKE 'key:%' AND k.scope IS DISTINCT FROM 'key:' || coalesce(j.key_id, b.key_id)",
    ),
    (
        Invariant::DoneOnce,
        "SELECT 'key ' || k.key || ' of ' || k.scope || ' is held by job ' || j.id || ', which failed without a reply' AS detail
         FROM idempotency AS k JOIN job AS j ON j.id = k.job_id WHERE j.status = 'failed' AND k.reply_status IS NULL",
    ),
    (
        Invariant::AppendOnly,
        "SELECT 'the guard ' || name || ' is missing from the schema, or off' AS detail
         FROM (VALUES ('ledger_no_change'), ('ledger_no_truncate'), ('ledger_resolves_its_hold'), ('audit_no_change'),
             ('audit_no_truncate'), ('job_final_once'), ('ledger_reserved_once'), ('ledger_resolved_once'), ('job_slot')) AS needed (name)
         WHERE NOT EXISTS (
             SELECT 1 FROM pg_trigger WHERE tgname = name AND tgenabled IN ('O', 'A')
                 AND tgrelid IN (to_regclass('ledger'), to_regclass('audit'), to_regclass('job')))
           AND NOT EXISTS (
             SELECT 1 FROM pg_index WHERE indexrelid = to_regclass(name) AND indisunique AND indisvalid)",
    ),
];

/// Tables whose rows are read whole to find damage.
const TABLES: [&str; 7] = [
    "account",
    "api_key",
    "audit",
    "batch",
    "job",
    "ledger",
    "idempotency",
];

/// All breaches; empty when every rule holds.
pub(super) fn check(sql: &Sql<'_>) -> PgResult<Vec<Breach>> {
    // Reads everything, which may take longer than an ordinary statement may.
    sql.execute("SET LOCAL statement_timeout = 0", &[])?;
    let mut breaches = Vec::new();
    for (invariant, query) in RULES {
        let rows = sql.all(&format!("{query} LIMIT {BREACHES_PER_RULE_MAX}"), &[])?;
        for row in &rows {
            breaches.push(Breach {
                invariant: *invariant,
                detail: column(row, "detail")?,
            });
        }
    }
    Ok(breaches)
}

/// Reads every row of every table, so that the server meets each damaged page.
pub(super) fn read_all(sql: &Sql<'_>) -> PgResult<()> {
    sql.execute("SET LOCAL statement_timeout = 0", &[])?;
    for table in TABLES {
        sql.one(
            &format!("SELECT sum(length({table}::text)) FROM {table}"),
            &[],
        )?;
    }
    Ok(())
}
