//! Webhooks: a signed POST when a job has ended.

mod sender;
mod target;

pub use sender::{Sender, secret};
pub use target::check;
