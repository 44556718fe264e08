//! A guard per address (GCRA, eight bytes per address): not a promise to clients but a bound on strangers.
//!
//! Burst equals the quota, so at most twice the quota passes in any minute. IPv6 addresses count by their /64, the smallest
//! block that one subscriber gets.

use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock, DefaultClock};
use governor::middleware::StateInformationMiddleware;
use governor::state::keyed::DashMapStateStore;
use governor::{Quota, RateLimiter};

use super::LimitState;

/// A limit per address.
pub struct AddressLimit {
    policy: &'static str,
    quota: u32,
    clock: DefaultClock,
    limiter:
        RateLimiter<IpAddr, DashMapStateStore<IpAddr>, DefaultClock, StateInformationMiddleware>,
}

impl AddressLimit {
    /// `per_minute` requests per minute, all of which may come at once.
    pub fn new(policy: &'static str, per_minute: u32) -> Self {
        let burst = NonZeroU32::new(per_minute).unwrap_or(NonZeroU32::MIN);
        let limiter = RateLimiter::dashmap(Quota::per_minute(burst))
            .with_middleware::<StateInformationMiddleware>();
        AddressLimit {
            policy,
            quota: burst.get(),
            clock: DefaultClock::default(),
            limiter,
        }
    }

    /// Counts one request from `address`.
    pub fn count(&self, address: IpAddr) -> LimitState {
        let state = |remaining, reset, allowed| LimitState {
            policy: self.policy,
            limit: self.quota,
            remaining,
            reset,
            allowed,
        };
        match self.limiter.check_key(&block(address)) {
            Ok(snapshot) => state(
                snapshot.remaining_burst_capacity(),
                snapshot.quota().replenish_interval(),
                true,
            ),
            Err(refused) => state(
                0,
                refused
                    .wait_time_from(self.clock.now())
                    .max(Duration::from_millis(1)),
                false,
            ),
        }
    }

    /// Drops addresses whose quota is whole again.
    pub fn forget_idle(&self) {
        self.limiter.retain_recent();
        self.limiter.shrink_to_fit();
    }
}

/// What an address counts by.
pub fn block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => {
            let [a, b, c, d, ..] = v6.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quota_passes_at_once_then_the_address_waits() {
        let limit = AddressLimit::new("auth", 20);
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let passed = (0..30).filter(|_| limit.count(address).allowed).count();
        assert_eq!(passed, 20);
        let refused = limit.count(address);
        assert!(
            !refused.allowed && (1..=3).contains(&refused.retry_after_s()),
            "{refused:?}"
        );
        assert!(limit.count("192.0.2.2".parse().unwrap()).allowed);
    }

    #[test]
    fn ipv6_counts_by_block_and_mapped_addresses_as_ipv4() {
        assert_eq!(
            block("2001:db8:1:2:3:4:5:6".parse().unwrap()),
            "2001:db8:1:2::".parse::<IpAddr>().unwrap()
        );
        assert_eq!(
            block("::ffff:192.0.2.1".parse().unwrap()),
            "192.0.2.1".parse::<IpAddr>().unwrap()
        );
    }
}
