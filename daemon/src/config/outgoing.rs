//! `[webhooks]` and `[fetch]`: where the daemon goes when a client names the address.

use std::time::Duration;

use super::options::seconds;
use super::reader::Reader;
use crate::outbound::Allowed;

/// `[webhooks]`
#[derive(Debug, Clone)]
pub struct Webhooks {
    /// Hosts that may have private addresses.
    pub allowed: Allowed,
    /// Webhooks sent at a time.
    pub at_once_max: usize,
    /// Attempts before one is given up.
    pub attempts_max: u32,
    /// Pause after the first failed attempt.
    pub retry: Duration,
}

/// `[fetch]`: photos that requests name instead of sending them.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// Fetched at a time; 0: none are.
    pub at_once_max: usize,
    /// Time for one.
    pub time_max: Duration,
    /// Hosts that may have private addresses.
    pub allowed: Allowed,
}

pub(super) fn webhooks(r: &mut Reader<'_>) -> Webhooks {
    Webhooks {
        allowed: allowed(r, "webhooks.allowed_hosts"),
        at_once_max: r.whole("webhooks.at_once_max", 1..=256) as usize,
        attempts_max: r.whole("webhooks.attempts_max", 1..=20) as u32,
        retry: seconds(r, "webhooks.retry_s", 1..=3600),
    }
}

pub(super) fn fetch(r: &mut Reader<'_>) -> Fetch {
    Fetch {
        at_once_max: r.whole("fetch.at_once_max", 0..=64) as usize,
        time_max: seconds(r, "fetch.time_s_max", 1..=300),
        allowed: allowed(r, "fetch.allowed_hosts"),
    }
}

pub(super) fn allowed(r: &mut Reader<'_>, option: &'static str) -> Allowed {
    Allowed {
        hosts: r.list(option),
        option,
    }
}
