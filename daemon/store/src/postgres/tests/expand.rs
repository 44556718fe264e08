//! Migrations expand first: what takes something away from programs that run says so.

use std::collections::BTreeMap;

use super::server::Server;
use crate::postgres::PgAddress;
use crate::postgres::migrate::{MIGRATIONS, Migration, run_to};
use crate::postgres::session::Session;

/// What statements of a program rely on: columns with their types, and what rows must have to be taken.
type Schema = BTreeMap<String, String>;

fn schema_of(session: &mut Session) -> Schema {
    let rows = session
        .client()
        .query(
            "SELECT 'column ' || attrelid::regclass || '.' || attname, format_type(atttypid, atttypmod), NULL, attrelid::regclass::text
               FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
              WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND attnum > 0 AND NOT attisdropped
             UNION ALL
             SELECT 'rule that ' || attrelid::regclass || '.' || attname || ' is given', '', 'rule', attrelid::regclass::text
               FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
              WHERE relkind = 'r' AND relnamespace = current_schema()::regnamespace AND attnum > 0 AND NOT attisdropped
                AND attnotnull AND NOT atthasdef AND attidentity = ''
             UNION ALL
             SELECT 'rule ' || conrelid::regclass || '.' || conname, pg_get_constraintdef(oid), 'rule', conrelid::regclass::text
               FROM pg_constraint WHERE connamespace = current_schema()::regnamespace AND conrelid <> 0
             UNION ALL
             SELECT 'rule ' || indrelid::regclass || '.' || indexrelid::regclass, pg_get_indexdef(indexrelid), 'rule', indrelid::regclass::text
               FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
              WHERE relnamespace = current_schema()::regnamespace AND indisunique",
            &[],
        )
        .unwrap();
    rows.iter()
        .map(|row| {
            let table: String = row.get(3);
            let (name, meaning): (String, String) = (row.get(0), row.get(1));
            (format!("{table}: {name}"), meaning)
        })
        .collect()
}

fn table(name: &str) -> &str {
    name.split(": ").next().unwrap()
}

/// What a program that knows only the schema before cannot do any more on the one after.
fn taken_away(before: &Schema, after: &Schema) -> Vec<String> {
    let is_rule = |name: &str| name.contains(": rule ");
    let gone = before
        .iter()
        .filter(|(name, meaning)| !is_rule(name) && after.get(*name) != Some(meaning));
    // A table that is new is written by nobody who does not know it.
    let there = |name: &str| before.keys().any(|old| table(old) == table(name));
    let new_rules = after.iter().filter(|(name, meaning)| {
        is_rule(name) && there(name) && before.get(*name) != Some(meaning)
    });
    gone.chain(new_rules)
        .map(|(name, _)| name.clone())
        .collect()
}

/// Migrations that take something away without saying that older programs end there.
fn silent(migrations: &[Migration]) -> Vec<String> {
    let address = PgAddress::parse(&Server::shared().fresh(), None).unwrap();
    let mut session = Session::open(&address, None).unwrap();
    let mut found = Vec::new();
    for number in 1..=migrations.len() {
        let before = schema_of(&mut session);
        run_to(&mut session, &address, &migrations[..number]).unwrap();
        let taken = taken_away(&before, &schema_of(&mut session));
        if migrations[number - 1].needs < number as i64 {
            found.extend(taken);
        }
    }
    found
}

#[test]
fn a_migration_that_takes_something_away_says_who_may_stay() {
    assert_eq!(silent(MIGRATIONS), [""; 0]);
    let first = Migration {
        name: "first",
        sql: "CREATE TABLE one (a text, b bigint, c bigint NOT NULL)",
        needs: 1,
    };
    let expand = "ALTER TABLE one ADD COLUMN d text NOT NULL DEFAULT ''; CREATE TABLE two (x text NOT NULL UNIQUE);
                  CREATE INDEX one_b ON one (b); ALTER TABLE one ALTER COLUMN c DROP NOT NULL";
    for (sql, what) in [
        (expand, None),
        ("ALTER TABLE one DROP COLUMN a", Some("one: column one.a")),
        (
            "ALTER TABLE one RENAME COLUMN b TO e",
            Some("one: column one.b"),
        ),
        (
            "ALTER TABLE one ALTER COLUMN b TYPE text",
            Some("one: column one.b"),
        ),
        ("DROP TABLE one", Some("one: column one.a")),
        (
            "ALTER TABLE one ADD COLUMN d text NOT NULL",
            Some("one: rule that one.d is given"),
        ),
        (
            "ALTER TABLE one ADD CONSTRAINT k CHECK (b > 0)",
            Some("one: rule one.k"),
        ),
        ("CREATE UNIQUE INDEX u ON one (a)", Some("one: rule one.u")),
    ] {
        let second = |needs| Migration {
            name: "second",
            sql,
            needs,
        };
        let first = || Migration { ..first };
        let told = silent(&[first(), second(1)]);
        assert_eq!(told.first().map(String::as_str), what, "{sql}: {told:?}");
        assert_eq!(silent(&[first(), second(2)]), [""; 0], "{sql}");
    }
}
