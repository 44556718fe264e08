//! The store in a PostgreSQL database, which several processes on several machines may share.
//!
//! Transactions read what is committed and lock what they rely on, always in the same order: the account, then its key, then
//! jobs, then what hangs on them. Time is the database's. Nothing but the ends of the connections is kept in this process.

mod accept;
mod accounts;
mod address;
mod audit;
mod batches;
mod claims;
mod convert;
mod copy;
mod failure;
mod idempotency;
mod invariants;
mod job_row;
mod jobs;
mod keys;
mod leases;
mod ledger;
mod maintenance;
mod migrate;
mod notices;
mod pool;
mod recovery;
mod resolve;
mod results;
mod secrets;
mod session;
#[cfg(test)]
mod tests;
mod tls;
mod transaction;
mod webhooks;
mod windows;

use std::sync::Arc;

pub use self::address::PgAddress;
pub use self::windows::WindowCount;

use self::notices::Notices;
use self::pool::Pool;
use crate::UnixMs;
use crate::error::Result;

const OPENING: &str = "opening the store";

/// The store in a PostgreSQL database.
pub struct PgStore {
    pool: Arc<Pool>,
    time: Time,
    notices: Arc<Notices>,
}

/// Whose time counts.
#[derive(Clone)]
enum Time {
    /// That of the database, which all processes share, whatever their own clocks say. Where it is set, leases end early or
    /// late; the attempts' numbers make that harmless.
    Database,
    /// One that tests move, with a steady side.
    #[cfg(test)]
    Given {
        clock: Arc<dyn crate::Clock>,
        origin_ms: UnixMs,
    },
}

impl Time {
    /// What is recorded and what spans are judged by, unless both are the database's.
    fn given(&self) -> Option<(UnixMs, UnixMs)> {
        match self {
            Self::Database => None,
            #[cfg(test)]
            Self::Given { clock, origin_ms } => {
                Some((clock.now_ms(), origin_ms.saturating_add(clock.steady_ms())))
            }
        }
    }
}

impl PgStore {
    /// Connects, and makes or migrates the tables. At most so many connections are kept, beside the one on which it listens.
    pub fn open(address: &PgAddress, connections_max: usize) -> Result<Self> {
        Self::with_time(address, connections_max, Time::Database)
    }

    /// The same without a change to the database: `None` where it has no tables yet, an error where they are older than this
    /// program.
    pub fn attach(address: &PgAddress, connections_max: usize) -> Result<Option<Self>> {
        let pool = Arc::new(Pool::new(address.clone(), connections_max));
        let mut session = pool.take(OPENING)?;
        let made = migrate::require_current(&mut session, address)?;
        pool.give_back(session);
        Ok(made.then(|| Self::over(pool, Time::Database)))
    }

    #[cfg(test)]
    fn open_at(address: &PgAddress, clock: Arc<dyn crate::Clock>) -> Result<Self> {
        let origin_ms = clock.now_ms().saturating_sub(clock.steady_ms());
        Self::with_time(address, 10, Time::Given { clock, origin_ms })
    }

    fn with_time(address: &PgAddress, connections_max: usize, time: Time) -> Result<Self> {
        let pool = Arc::new(Pool::new(address.clone(), connections_max));
        let mut session = pool.take(OPENING)?;
        migrate::run(&mut session, address)?;
        pool.give_back(session);
        Ok(Self::over(pool, time))
    }

    fn over(pool: Arc<Pool>, time: Time) -> Self {
        let notices = Notices::new(pool.clone(), pool.address());
        Self {
            pool,
            time,
            notices,
        }
    }

    /// The database, for people.
    pub fn shown(&self) -> &str {
        self.pool.address().shown()
    }
}

/// A condition on texts: parameter `$at` is in one of the columns, in any case of A to Z.
fn contains(columns: &[&str], at: usize) -> String {
    let parts: Vec<String> = columns
        .iter()
        .map(|column| {
            format!("position(lower(${at}::text COLLATE \"C\") IN lower(coalesce({column}, '') COLLATE \"C\")) > 0")
        })
        .collect();
    format!("({})", parts.join(" OR "))
}
