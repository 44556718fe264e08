//! Rate limits: exact windows per key and route, and guards per address.

mod address;
mod shares;
mod uploads;
mod window;

use std::sync::Arc;
use std::time::{Duration, Instant};

use cleanplate_store::KeyRecord;

pub use address::{AddressLimit, block};
pub use shares::{Share, Shares};
pub use uploads::{Held, Uploads};
pub use window::WindowLimit;

use crate::config;
use crate::files::DiskSpace;

/// Routes that are counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// Single removals.
    Removal,
    /// Batches of removals.
    Batch,
    /// Segmentations: a page asks for one at each move of the pointer.
    Segmentation,
    /// Everything else that needs a key.
    Read,
}

impl Route {
    /// Name of its policy in headers.
    pub fn policy(self) -> &'static str {
        match self {
            Route::Removal => "removal",
            Route::Batch => "batch",
            Route::Segmentation => "segmentation",
            Route::Read => "read",
        }
    }
}

/// State of a limit after a request, as told in headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitState {
    /// Name of the policy.
    pub policy: &'static str,
    /// Requests per window.
    pub limit: u32,
    /// Requests left now.
    pub remaining: u32,
    /// Time until more are left than now.
    pub reset: Duration,
    /// Whether this request passed.
    pub allowed: bool,
}

impl LimitState {
    /// Whole seconds, never early, after which a request passes again.
    pub fn retry_after_s(&self) -> u64 {
        ceil_s(self.reset).max(1)
    }

    /// The headers of this state.
    pub fn headers(&self) -> [(&'static str, String); 5] {
        let now_s = crate::clock::now_s() as u64;
        let (policy, reset_s) = (self.policy, ceil_s(self.reset));
        [
            ("X-RateLimit-Limit", self.limit.to_string()),
            ("X-RateLimit-Remaining", self.remaining.to_string()),
            ("X-RateLimit-Reset", (now_s + reset_s).to_string()),
            (
                "RateLimit-Policy",
                format!("\"{policy}\";q={};w={WINDOW_S}", self.limit),
            ),
            (
                "RateLimit",
                format!("\"{policy}\";r={};t={reset_s}", self.remaining),
            ),
        ]
    }
}

fn ceil_s(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

/// Length of every window in seconds.
pub const WINDOW_S: u64 = 60;

/// All limits of the daemon.
pub struct RateLimiters {
    config: config::RateLimits,
    keys: WindowLimit,
    /// Requests without a key.
    pub public: AddressLimit,
    /// Requests with a wrong key.
    pub auth_failures: AddressLimit,
    /// Bytes of uploads under way.
    pub uploads: Arc<Uploads>,
}

impl RateLimiters {
    /// Limits as configured; all windows are empty.
    pub fn new(config: &config::RateLimits, sizes: &config::Limits, space: Arc<DiskSpace>) -> Self {
        RateLimiters {
            config: config.clone(),
            keys: WindowLimit::default(),
            public: AddressLimit::new("public", config.public_per_minute),
            auth_failures: AddressLimit::new("auth", config.auth_failures_per_minute),
            uploads: Uploads::new(
                sizes.uploads_bytes_max,
                sizes.uploads_per_key_bytes_max,
                space,
            ),
        }
    }

    /// Requests per window that this key may make on this route.
    pub fn quota(&self, key: &KeyRecord, route: Route) -> u32 {
        match route {
            Route::Removal => key
                .limits
                .removals_per_minute
                .unwrap_or(self.config.removal_per_minute),
            Route::Batch => key
                .limits
                .batches_per_minute
                .unwrap_or(self.config.batch_per_minute),
            Route::Segmentation => self.config.segmentation_per_minute,
            Route::Read => self.config.read_per_minute,
        }
    }

    /// Counts a request of this key.
    pub fn count(&self, key: &KeyRecord, route: Route) -> LimitState {
        self.keys
            .count(key.id, route, self.quota(key, route), Instant::now())
    }

    /// Forgets keys and addresses without recent requests.
    pub fn forget_idle(&self) {
        self.keys.forget_idle(Instant::now());
        self.public.forget_idle();
        self.auth_failures.forget_idle();
    }
}
