//! One connection and what was prepared on it.

use std::cell::RefCell;
use std::collections::HashMap;

use postgres::types::ToSql;
use postgres::{Client, Row, SimpleQueryMessage, SimpleQueryRow, Statement};

use super::address::PgAddress;
use super::failure::PgResult;
use super::pool::Place;
use crate::UnixMs;

/// Bounds within the server, milliseconds: a statement, a wait for a lock, a transaction that its process forgot.
const LIMITS: &str = "SET statement_timeout = 30000; SET lock_timeout = 5000;
    SET idle_in_transaction_session_timeout = 30000; SET client_min_messages = warning";

/// The time of the database, milliseconds since 1970.
macro_rules! database_ms {
    () => {
        "(extract(epoch FROM clock_timestamp()) * 1000)::bigint"
    };
}
pub(super) use database_ms;

/// One connection. Statements are prepared once on each.
pub(super) struct Session {
    client: Client,
    prepared: HashMap<String, Statement>,
    /// Dropped after the connection.
    place: Option<Place>,
}

impl Session {
    /// `place`: that of a pool, none for a connection beside it.
    pub(super) fn open(
        address: &PgAddress,
        place: Option<Place>,
    ) -> std::result::Result<Self, postgres::Error> {
        let mut client = match &address.tls {
            Some(tls) => address.config.connect(tls.clone())?,
            None => address.config.connect(postgres::NoTls)?,
        };
        let path = address.schema.as_ref().map_or(String::new(), |schema| {
            format!("; SET search_path TO {schema}")
        });
        client.batch_execute(&format!("{LIMITS}{path}"))?;
        Ok(Self {
            client,
            prepared: HashMap::new(),
            place,
        })
    }

    /// The connection itself, for what is done once.
    pub(super) fn client(&mut self) -> &mut Client {
        &mut self.client
    }

    pub(super) fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Runs several statements without values in one round trip and returns the last row of them.
    pub(super) fn batch(
        &mut self,
        text: &str,
    ) -> std::result::Result<Option<SimpleQueryRow>, postgres::Error> {
        let messages = self.client.simple_query(text)?;
        Ok(messages
            .into_iter()
            .rev()
            .find_map(|message| match message {
                SimpleQueryMessage::Row(row) => Some(row),
                _ => None,
            }))
    }

    fn statement(&mut self, text: &str) -> std::result::Result<Statement, postgres::Error> {
        if let Some(known) = self.prepared.get(text) {
            return Ok(known.clone());
        }
        let made = self.client.prepare(text)?;
        self.prepared.insert(text.to_owned(), made.clone());
        Ok(made)
    }
}

/// A connection in use.
pub(super) struct Sql<'a> {
    session: RefCell<&'a mut Session>,
    /// What is being done, for errors.
    pub(super) operation: &'static str,
    /// One time for the whole transaction, for what is recorded.
    pub(super) now_ms: UnixMs,
    /// The same by the clock by which leases and pauses are judged.
    pub(super) run_ms: UnixMs,
}

pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

impl<'a> Sql<'a> {
    pub(super) fn new(
        session: &'a mut Session,
        operation: &'static str,
        (now_ms, run_ms): (UnixMs, UnixMs),
    ) -> Self {
        Self {
            session: RefCell::new(session),
            operation,
            now_ms,
            run_ms,
        }
    }

    pub(super) fn all(&self, text: &str, values: Values<'_>) -> PgResult<Vec<Row>> {
        let mut session = self.session.borrow_mut();
        let statement = session.statement(text)?;
        Ok(session.client.query(&statement, values)?)
    }

    pub(super) fn optional(&self, text: &str, values: Values<'_>) -> PgResult<Option<Row>> {
        let mut session = self.session.borrow_mut();
        let statement = session.statement(text)?;
        Ok(session.client.query_opt(&statement, values)?)
    }

    pub(super) fn one(&self, text: &str, values: Values<'_>) -> PgResult<Row> {
        let mut session = self.session.borrow_mut();
        let statement = session.statement(text)?;
        Ok(session.client.query_one(&statement, values)?)
    }

    /// Number of rows changed.
    pub(super) fn execute(&self, text: &str, values: Values<'_>) -> PgResult<u64> {
        let mut session = self.session.borrow_mut();
        let statement = session.statement(text)?;
        Ok(session.client.execute(&statement, values)?)
    }

    pub(super) fn exists(&self, text: &str, values: Values<'_>) -> PgResult<bool> {
        Ok(self.optional(text, values)?.is_some())
    }
}
