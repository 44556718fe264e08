//! Migrations, and processes of different versions beside each other.

use super::PgFixture;
use super::server::Server;
use crate::postgres::{PgAddress, PgStore};
use crate::{Accounts, JobFilter, Jobs, KeyFilter, Keys, Maintenance, PageRequest, StoreError};

#[test]
fn processes_that_start_together_migrate_once() {
    let address = PgAddress::parse(&Server::shared().fresh(), None).unwrap();
    std::thread::scope(|scope| {
        let starts: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| PgStore::open(&address, 4).map(drop)))
            .collect();
        for start in starts {
            start.join().unwrap().unwrap();
        }
    });
    let store = PgStore::open(&address, 4).unwrap();
    assert_eq!(
        store.health().unwrap().schema_version,
        crate::postgres::migrate::VERSION
    );
}

#[test]
fn a_newer_schema_is_worked_on_until_it_has_taken_something_away() {
    let fixture = PgFixture::fresh();
    let mut outsider = fixture.outsider();
    outsider
        .batch_execute(
            "ALTER TABLE job ADD COLUMN of_tomorrow text; ALTER TABLE account ADD COLUMN of_tomorrow text;
             UPDATE cleanplate_schema SET version = version + 1",
        )
        .unwrap();
    // Opened before the migration, and after it.
    fixture.pg().create_account("Studio", "test").unwrap();
    let late = PgStore::open(&fixture.address, 4).unwrap();
    late.create_account("Studio", "test").unwrap();
    outsider
        .batch_execute("UPDATE cleanplate_schema SET needs = version")
        .unwrap();
    let refused = PgStore::open(&fixture.address, 4).map(drop).unwrap_err();
    assert!(
        matches!(refused, StoreError::NewerSchema { .. }),
        "{refused}"
    );
}

#[test]
fn a_tool_changes_no_schema() {
    let address = PgAddress::parse(&Server::shared().fresh(), None).unwrap();
    assert!(PgStore::attach(&address, 2).unwrap().is_none(), "empty");
    assert!(PgStore::attach(&address, 2).unwrap().is_none(), "as it was");
    drop(PgStore::open(&address, 2).unwrap());
    let tool = PgStore::attach(&address, 2).unwrap().unwrap();
    tool.create_account("Studio", "test").unwrap();
    let mut client = address.config.connect(postgres::NoTls).unwrap();
    let schema = address.schema.as_ref().unwrap();
    let set = |version: i64| format!("UPDATE {schema}.cleanplate_schema SET version = {version}");
    client.batch_execute(&set(1)).unwrap();
    let refused = PgStore::attach(&address, 2).map(drop).unwrap_err();
    assert!(
        matches!(refused, StoreError::OlderSchema { found: 1, .. }),
        "{refused}"
    );
    let text = format!("SELECT version FROM {schema}.cleanplate_schema");
    assert_eq!(client.query_one(&text, &[]).unwrap().get::<_, i64>(0), 1);
}

#[test]
fn listings_are_prepared_once_whatever_their_length() {
    let fixture = PgFixture::fresh();
    let store = PgStore::open(&fixture.address, 1).unwrap();
    for rows in 1..=20 {
        let page = PageRequest { after: None, rows };
        store.list_jobs(&JobFilter::default(), &page).unwrap();
        store.list_keys(&KeyFilter::default(), &page).unwrap();
    }
    let prepared = store
        .read("counting", |sql| {
            let text = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%LIMIT%'";
            Ok(sql.one(text, &[])?.get::<_, i64>(0))
        })
        .unwrap();
    // Of jobs, of keys, and this one.
    assert_eq!(prepared, 3);
}

#[test]
fn health_is_asked_for_on_another_connection_where_one_broke() {
    let mut server = Server::start();
    let address = PgAddress::parse(&server.fresh(), None).unwrap();
    let store = PgStore::open(&address, 4).unwrap();
    // Several connections, all idle.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                store
                    .read("waiting", |sql| {
                        sql.one("SELECT pg_sleep(0.3)", &[]).map(drop)
                    })
                    .unwrap();
            });
        }
    });
    server.down();
    server.up();
    store.health().unwrap();
}

#[test]
fn tables_of_another_program_are_left_alone() {
    let url = Server::shared().fresh();
    let address = PgAddress::parse(&url, None).unwrap();
    let mut client = address.config.connect(postgres::NoTls).unwrap();
    let schema = address.schema.clone().unwrap();
    client
        .batch_execute(&format!(
            "CREATE SCHEMA {schema}; CREATE TABLE {schema}.account (x text)"
        ))
        .unwrap();
    let error = PgStore::open(&address, 4)
        .map(drop)
        .unwrap_err()
        .to_string();
    assert!(error.contains("account"), "{error}");
    let there = format!("SELECT to_regclass('{schema}.cleanplate_schema') IS NULL");
    assert!(
        client.query_one(&there, &[]).unwrap().get::<_, bool>(0),
        "nothing is left of the try"
    );
}

#[test]
fn keys_that_sign_are_shared_and_rotated() {
    let fixture = PgFixture::fresh();
    let (here, there) = (fixture.pg(), PgStore::open(&fixture.address, 2).unwrap());
    assert!(here.secrets("url", &[]).unwrap().is_empty());
    let first = std::thread::scope(|scope| {
        let starts: Vec<_> = (1..5u8)
            .map(|own| {
                let store = if own % 2 == 0 { &*here } else { &there };
                scope.spawn(move || store.secrets("url", &[[own; 32]]).unwrap())
            })
            .collect();
        starts
            .into_iter()
            .map(|start| start.join().unwrap())
            .collect::<Vec<_>>()
    });
    assert!(
        first
            .iter()
            .all(|keys| keys.len() == 1 && *keys == first[0]),
        "{first:?}"
    );
    assert_eq!(
        here.rotate_secret("url", [9; 32], 2).unwrap(),
        [[9; 32], first[0][0]]
    );
    assert_eq!(there.secrets("url", &[]).unwrap(), [[9; 32], first[0][0]]);
    assert_eq!(
        here.rotate_secret("url", [8; 32], 2).unwrap(),
        [[8; 32], [9; 32]]
    );
    assert_eq!(
        there.secrets("webhook", &[[1; 32], [2; 32]]).unwrap(),
        [[1; 32], [2; 32]]
    );
}
