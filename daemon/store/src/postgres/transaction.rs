//! Transactions: begun, repeated where that is safe, told of once they are committed.

use std::time::{Duration, Instant};

use rand::Rng;

use super::PgStore;
use super::failure::{PgError, PgResult, Remedy, remedy, store_error};
use super::session::{Session, Sql, database_ms};
use crate::UnixMs;
use crate::error::{Result, StoreError};
use crate::jobs::Job;

/// Times that a transaction is tried which met others.
const MEETINGS_MAX: u32 = 10;
/// How long a call waits for a server that has gone before it says so: a restart of the server takes about as long.
const GONE_MAX: Duration = Duration::from_secs(3);

/// Begins a transaction that writes: with the time, and the number by which the server knows afterwards what became of it.
const BEGIN: &str = concat!(
    "BEGIN; SELECT ",
    database_ms!(),
    ", pg_current_xact_id()::text"
);
/// The same for one that writes nothing in most cases, so that no number is spent.
const BEGIN_IDLE: &str = concat!("BEGIN; SELECT ", database_ms!(), ", ''");
/// One state for several statements.
const BEGIN_SNAPSHOT: &str = concat!(
    "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT ",
    database_ms!(),
    ", ''"
);

/// What became of a transaction whose commit was not answered.
enum Fate {
    Committed,
    Undone,
    Unknown,
}

/// How a try ended that has to be repeated or given up.
struct Failed {
    error: StoreError,
    remedy: Remedy,
}

impl PgStore {
    /// Runs `body` in a transaction; commits when it returns `Ok`, changes nothing otherwise. It may run several times.
    pub(super) fn write<T>(
        &self,
        operation: &'static str,
        body: impl FnMut(&Sql<'_>) -> PgResult<T>,
    ) -> Result<T> {
        self.write_jobs(operation, body, |_| Vec::new())
    }

    /// The same; then tells of the jobs that changed. Of one job, changes are told in the order of their commits.
    pub(super) fn write_jobs<T>(
        &self,
        operation: &'static str,
        body: impl FnMut(&Sql<'_>) -> PgResult<T>,
        changed: impl for<'a> Fn(&'a T) -> Vec<&'a Job>,
    ) -> Result<T> {
        self.transact(operation, BEGIN, body, changed)
    }

    /// The same for what mostly finds nothing to do. What became of a commit that was not answered is then not known.
    pub(super) fn write_idle<T>(
        &self,
        operation: &'static str,
        body: impl FnMut(&Sql<'_>) -> PgResult<T>,
        changed: impl for<'a> Fn(&'a T) -> Vec<&'a Job>,
    ) -> Result<T> {
        self.transact(operation, BEGIN_IDLE, body, changed)
    }

    fn transact<T>(
        &self,
        operation: &'static str,
        begin: &'static str,
        mut body: impl FnMut(&Sql<'_>) -> PgResult<T>,
        changed: impl for<'a> Fn(&'a T) -> Vec<&'a Job>,
    ) -> Result<T> {
        self.repeat(|| {
            let mut session = self.pool.take(operation).map_err(gone)?;
            let (times, number) = self.begin(&mut session, operation, begin)?;
            let value = match body(&Sql::new(&mut session, operation, times)) {
                Ok(value) => value,
                Err(error) => return Err(self.undo(session, operation, error)),
            };
            let jobs = changed(&value);
            let told = self.notices.before_commit(&jobs);
            match session.client().batch_execute("COMMIT") {
                Ok(()) => self.pool.give_back(session),
                Err(error) => {
                    let failed = self.undo(session, operation, PgError::Sql(error));
                    if failed.remedy == Remedy::Reconnect {
                        match self.fate(operation, &number) {
                            Fate::Committed => {}
                            Fate::Undone => return Err(failed),
                            Fate::Unknown => return Err(given_up(failed.error)),
                        }
                    } else {
                        return Err(failed);
                    }
                }
            }
            told.tell();
            drop(jobs);
            Ok(value)
        })
    }

    /// Runs one statement; each sees what was committed when it began.
    pub(super) fn read<T>(
        &self,
        operation: &'static str,
        mut body: impl FnMut(&Sql<'_>) -> PgResult<T>,
    ) -> Result<T> {
        self.repeat(|| {
            let mut session = self.pool.take(operation).map_err(gone)?;
            let times = self.time.given().unwrap_or((0, 0));
            match body(&Sql::new(&mut session, operation, times)) {
                Ok(value) => {
                    self.pool.give_back(session);
                    Ok(value)
                }
                Err(error) => Err(self.undo(session, operation, error)),
            }
        })
    }

    /// Runs several statements on one state, with the time of the database.
    pub(super) fn snapshot<T>(
        &self,
        operation: &'static str,
        mut body: impl FnMut(&Sql<'_>) -> PgResult<T>,
    ) -> Result<T> {
        self.repeat(|| {
            let mut session = self.pool.take(operation).map_err(gone)?;
            let (times, _) = self.begin(&mut session, operation, BEGIN_SNAPSHOT)?;
            let outcome = body(&Sql::new(&mut session, operation, times));
            match outcome {
                Ok(value) => {
                    // Nothing was written: what the end of it says does not matter.
                    if session.client().batch_execute("COMMIT").is_ok() {
                        self.pool.give_back(session);
                    }
                    Ok(value)
                }
                Err(error) => Err(self.undo(session, operation, error)),
            }
        })
    }

    fn begin(
        &self,
        session: &mut Session,
        operation: &'static str,
        text: &str,
    ) -> std::result::Result<((UnixMs, UnixMs), String), Failed> {
        let fields = session
            .batch(text)
            .map_err(|error| self.failed(operation, error))?;
        let field = |at| {
            fields
                .as_ref()
                .and_then(|row| row.get(at))
                .unwrap_or_default()
        };
        let times = self.time.given().unwrap_or_else(|| {
            let now_ms = field(0).parse().unwrap_or(0);
            (now_ms, now_ms)
        });
        Ok((times, field(1).to_owned()))
    }

    fn undo(&self, mut session: Session, operation: &'static str, error: PgError) -> Failed {
        let remedy = error.remedy();
        let error = error.named(operation);
        if remedy == Remedy::Reconnect || session.is_closed() {
            drop(session);
            self.pool.forget();
        } else if session.client().batch_execute("ROLLBACK").is_ok() {
            self.pool.give_back(session);
        }
        Failed { error, remedy }
    }

    fn failed(&self, operation: &'static str, error: postgres::Error) -> Failed {
        let remedy = remedy(&error);
        if remedy == Remedy::Reconnect {
            self.pool.forget();
        }
        Failed {
            error: store_error(operation, error),
            remedy,
        }
    }

    /// Tries again what may be tried again, after a pause that differs from that of others.
    fn repeat<T>(&self, mut once: impl FnMut() -> std::result::Result<T, Failed>) -> Result<T> {
        let start = Instant::now();
        let mut meetings = 0;
        let mut pause_ms = 5;
        loop {
            let Failed { error, remedy } = match once() {
                Ok(value) => return Ok(value),
                Err(failed) => failed,
            };
            let again = match remedy {
                Remedy::Again => {
                    meetings += 1;
                    meetings < MEETINGS_MAX
                }
                Remedy::Reconnect => start.elapsed() < GONE_MAX,
                Remedy::Give => false,
            };
            if !again {
                return Err(error);
            }
            std::thread::sleep(Duration::from_millis(
                rand::rng().random_range(pause_ms / 2..=pause_ms),
            ));
            pause_ms = (pause_ms * 2).min(400);
        }
    }

    /// Asks the server, once it is back, what became of a transaction.
    fn fate(&self, operation: &'static str, number: &str) -> Fate {
        if number.is_empty() {
            return Fate::Unknown;
        }
        let end = Instant::now() + GONE_MAX;
        loop {
            let asked = self.read(operation, |sql| {
                // A connection that was cut off between us leaves its half of the transaction open; that half is ended first.
                sql.all(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_xid = $1::text::xid8::xid",
                    &[&number],
                )?;
                let row = sql.one("SELECT pg_xact_status($1::text::xid8)", &[&number])?;
                Ok(row.try_get::<_, Option<String>>(0)?)
            });
            match asked.ok().flatten().as_deref() {
                Some("committed") => return Fate::Committed,
                Some("aborted") => return Fate::Undone,
                Some(_) if Instant::now() < end => std::thread::sleep(Duration::from_millis(50)),
                _ => return Fate::Unknown,
            }
        }
    }
}

fn gone(error: StoreError) -> Failed {
    let remedy = match error {
        StoreError::Unavailable { .. } => Remedy::Reconnect,
        _ => Remedy::Give,
    };
    Failed { error, remedy }
}

fn given_up(error: StoreError) -> Failed {
    Failed {
        error,
        remedy: Remedy::Give,
    }
}
