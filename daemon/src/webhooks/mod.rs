//! Webhooks: a signed POST when a job has ended.

mod flights;
mod sender;

pub use sender::{Letter, Sender, secret};
