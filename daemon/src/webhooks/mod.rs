//! Webhooks: a signed POST when a job has ended.

mod flights;
mod sender;

pub use sender::{Letter, OF_FOLDERS, Sender, secret};
