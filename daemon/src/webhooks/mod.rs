//! Webhooks: a signed POST when a job has ended.

mod flights;
mod sender;
mod target;

pub use sender::{Letter, Sender, secret};
pub use target::check;
