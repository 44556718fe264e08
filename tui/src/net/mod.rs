//! The network side: everything runs in tasks and reports to the [`Inbox`]; nothing here is waited for by the screen.

pub mod call;
pub mod client;
pub mod inbox;
pub mod live;
pub mod sse;
pub mod target;

use thiserror::Error;

pub use self::call::{Call, Reply};
pub use self::client::Client;
pub use self::inbox::{Change, Inbox};
pub use self::target::Target;

/// Why a request brought nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NetError {
    /// No connection.
    #[error("{target}: {why}")]
    Connect {
        /// Where.
        target: String,
        /// Why not.
        why: String,
    },
    /// The connection broke, or no reply came in time.
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The daemon refused.
    #[error("{detail}")]
    Refused {
        /// Status of the reply.
        status: u16,
        /// What it says.
        detail: String,
    },
    /// A reply that cannot be read.
    #[error("{0}")]
    Protocol(String),
}

impl NetError {
    /// A connection that broke.
    pub fn broken(error: hyper::Error) -> NetError {
        NetError::Broken(error.to_string())
    }
}
