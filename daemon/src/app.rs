//! Everything a request handler needs, in one place.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use cleanplate_api::{DatabaseCheck, ErrorCode};
use cleanplate_basics::lock;
use cleanplate_models::ModelStore;
use cleanplate_pipeline::PipelineSet;
use cleanplate_store::{PgStore, Store, StoreError};

use crate::config::Config;
use crate::feed::Feed;
use crate::files::{Blobs, Dirs, DiskSpace, UrlKeys};
use crate::jobs::Jobs;
use crate::limits::{RateLimiters, Shares};
use crate::local::Local;
use crate::refusal::Refusal;
use crate::telemetry::{Metrics, Tail};

/// State shared by all handlers.
pub struct App {
    /// Configuration.
    pub config: Config,
    /// Data folder.
    pub dirs: Dirs,
    /// Accounts, keys, credits, jobs.
    pub store: Arc<dyn Store>,
    /// Single-user mode: whoever sits at this machine needs no key.
    pub local: Option<Local>,
    /// Keys that sign result addresses.
    pub url_keys: UrlKeys,
    /// The store again, where it is a database that other processes may share.
    pub shared: Option<Arc<PgStore>>,
    /// Key from which the secrets of webhooks are derived.
    pub webhook_key: UrlKeys,
    /// Where the files of jobs lie.
    pub blobs: Arc<Blobs>,
    /// Rate limits.
    pub limits: RateLimiters,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Queue and engine thread.
    pub jobs: Arc<Jobs>,
    /// Room on the volume of the data folder.
    pub space: Arc<DiskSpace>,
    /// Pipelines.
    pub pipelines: PipelineSet,
    /// Models.
    pub models: Arc<ModelStore>,
    /// What happens, for those who look on.
    pub feed: Arc<Feed>,
    /// The newest log lines.
    pub tail: Arc<Tail>,
    /// When the daemon started.
    pub started_at_ms: i64,
    /// When the daemon started.
    pub started: Instant,
    /// The books were found wrong: no new jobs until someone looked.
    pub breached: AtomicBool,
    /// Places for those who fetch photos.
    pub fetches: Arc<Shares>,
    /// Places for previews.
    pub previews: Arc<Shares>,
    /// Places for pictures that are written in another format.
    pub conversions: Arc<Shares>,
    /// Places for those who watch jobs.
    pub streams: Arc<Shares>,
    /// The last check of the database file.
    pub database: Mutex<Option<DatabaseCheck>>,
}

impl App {
    /// Runs a store operation off the threads that serve HTTP.
    pub async fn store<T: Send + 'static>(
        &self,
        act: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, Refusal> {
        let store = self.store.clone();
        let outcome = crate::blocking::blocking(move || act(&*store)).await?;
        outcome
            .inspect_err(|error| self.jobs.note_store_error(error))
            .map_err(Refusal::from)
    }

    /// Why service calls are refused now, if they are.
    pub fn closed(&self) -> Option<Refusal> {
        if self.breached.load(Ordering::Relaxed) {
            let text =
                "the account books failed their check; an administrator has to look at the log";
            return Some(Refusal::new(ErrorCode::Unavailable, text).retry_after(60));
        }
        if self.database().is_some_and(|check| check.problem.is_some()) {
            let text =
                "the database file failed its check; an administrator has to look at the log";
            return Some(Refusal::new(ErrorCode::Unavailable, text).retry_after(60));
        }
        self.jobs.closed()
    }

    /// The last check of the database file.
    pub fn database(&self) -> Option<DatabaseCheck> {
        let check = lock(&self.database);
        check.clone()
    }
}
