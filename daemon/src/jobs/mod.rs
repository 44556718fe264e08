//! Jobs: accepted and paid for in the store, run on a few threads that share one device, ended once.
//!
//! The store decides what runs next (`claim`: in turn between keys) and what a job costs. In memory lies only what the
//! store has no use for: who waits for which job. What a job needs lies beside the others of its kind, so that any process that
//! shares store and files may do it. A client that goes away changes nothing: its job still runs and its result stays.

mod byte_budget;
mod cancel;
mod device;
mod devices;
mod elsewhere;
mod ends;
mod failures;
mod idle;
mod leases;
mod offer;
mod preview;
mod recall;
mod retry;
mod run;
mod service;
mod step_times;
#[cfg(test)]
pub mod tests;
mod throughput;
mod told;
mod waiter;
mod worker;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use cleanplate_api::{DeviceStatus, ErrorCode};
use cleanplate_basics::lock;
use cleanplate_models::ModelStore;
use cleanplate_pictures::Limits as ImageLimits;
use cleanplate_pipeline::{Pipeline, PipelineSet, Prompts};
use cleanplate_store::{Accept, Inquiry, JobId, QueueLimits, Store, StoreError};
use serde_json::Value;
use tempfile::NamedTempFile;

pub use byte_budget::{
    ByteBudget, TakenBytes, conversion_bytes, preview_bytes, probe_job, removal_bytes, to_be_had,
};
pub use cancel::Standing;
pub use elsewhere::JobsElsewhere;

use cancel::Current;
pub use device::{DeviceState, adapters, open as open_device};
use devices::Devices;
use ends::{GivenUp, Stalled, Unrecorded};
use failures::Failures;
use idle::Idle;
use leases::Renewal;
pub use offer::{Offer, Offered};
pub use preview::Preview;
pub use recall::{Recipe, Webhook};
pub use retry::RETRY_OF;
pub use run::failure_code;
pub use service::Service;
pub use step_times::Advance;
use step_times::StepTimes;
use throughput::Throughput;
use waiter::Waiters;
pub use waiter::{End, Finished, JobWaiter};

use crate::config::Config;
use crate::files::{Blobs, Dirs, DiskSpace, Reservation};
use crate::refusal::Refusal;
use crate::telemetry::Metrics;

/// Bytes set aside for each pixel of a photo: what photos take as PNG. Few take more, and `server.free_mib_min` covers them.
const RESULT_BYTES_PER_PIXEL: u64 = 2;
/// Bytes set aside for each job besides: reduced copy, mask, rows of the database.
const JOB_BYTES: u64 = 256 << 10;

/// What an engine thread needs to do a job.
pub struct JobInput {
    /// The photo.
    pub image: NamedTempFile,
    /// The mask.
    pub mask: Option<NamedTempFile>,
    /// What of the mask removes.
    pub mask_channel: cleanplate_pictures::MaskChannel,
    /// Points and box.
    pub prompts: Option<Prompts>,
    /// The pipeline, tuning applied.
    pub pipeline: Arc<Pipeline>,
    /// Form of the result.
    pub encode: cleanplate_pictures::EncodeOptions,
    /// Fills that are kept besides the result.
    pub candidates: usize,
    /// Which frame of a shot the photo is.
    pub frame: Option<cleanplate_pipeline::Frame>,
    /// For log lines.
    pub request_id: String,
    /// Since when it waits.
    pub accepted: Instant,
}

/// What a job that waits or runs has.
struct Reserved {
    _space: Reservation,
    since: Instant,
}

/// Queue and engine threads.
pub struct Jobs {
    config: Config,
    store: Arc<dyn Store>,
    blobs: Arc<Blobs>,
    pipelines: PipelineSet,
    metrics: Arc<Metrics>,
    /// Jobs that are being done.
    current: Mutex<Vec<Current>>,
    elsewhere: elsewhere::Elsewhere,
    /// Who waits for the ends of jobs here.
    waiters: Waiters,
    /// Jobs whose clients were told that they are not done, until the store has recorded it: one may be in the middle of being
    /// accepted.
    given_up: Mutex<HashMap<JobId, GivenUp>>,
    /// Counts the reasons to look for work, so that none is missed.
    gate: Mutex<u64>,
    wake: Condvar,
    devices: Devices,
    models: Arc<ModelStore>,
    idle: Idle,
    space: Arc<DiskSpace>,
    /// What was set aside for jobs that wait or run, and since when they do.
    reservations: Mutex<HashMap<JobId, Reserved>>,
    /// Ends that the store could not take; recorded once it can.
    unrecorded: Mutex<Vec<Unrecorded>>,
    /// Set while the store takes no claims.
    stalled: Mutex<Option<Stalled>>,
    /// One thread claims at a time: a job that waits for room is not overtaken.
    turn: Mutex<()>,
    memory: Arc<ByteBudget>,
    throughput: Throughput,
    step_times: StepTimes,
    running: AtomicU32,
    failures: Failures,
    renewal: Renewal,
    /// No new jobs; waiting ones still run.
    stopping: AtomicBool,
    /// Running jobs end at their next step.
    abort: AtomicBool,
    /// The store can no longer be trusted with new work.
    fatal: AtomicBool,
}

impl Jobs {
    /// A queue without a thread; [`Jobs::start`] gives it one.
    pub fn new(
        config: Config,
        store: Arc<dyn Store>,
        dirs: Dirs,
        blobs: Arc<Blobs>,
        models: Arc<ModelStore>,
        pipelines: PipelineSet,
        metrics: Arc<Metrics>,
        space: Arc<DiskSpace>,
    ) -> Arc<Jobs> {
        let memory = Arc::new(ByteBudget::new(config.limits.memory_bytes_max));
        let devices = Devices::new(&config, &dirs, &models);
        let failures = Failures::new(config.rate_limits.failures_per_day);
        Arc::new(Jobs {
            config,
            store,
            blobs,
            pipelines,
            metrics,
            current: Mutex::default(),
            elsewhere: elsewhere::Elsewhere::default(),
            waiters: Waiters::default(),
            given_up: Mutex::default(),
            gate: Mutex::default(),
            wake: Condvar::new(),
            devices,
            models,
            idle: Idle::default(),
            space,
            reservations: Mutex::default(),
            unrecorded: Mutex::default(),
            stalled: Mutex::default(),
            turn: Mutex::default(),
            memory,
            throughput: Throughput::default(),
            step_times: StepTimes::default(),
            running: AtomicU32::new(0),
            failures,
            renewal: Renewal::default(),
            stopping: AtomicBool::new(false),
            abort: AtomicBool::new(false),
            fatal: AtomicBool::new(false),
        })
    }

    /// Starts the engine threads, and the one that renews the leases of their jobs.
    pub fn start(self: &Arc<Self>) -> std::io::Result<Vec<std::thread::JoinHandle<()>>> {
        let start = |number: usize| {
            let jobs = self.clone();
            let name = format!("engine-{number}");
            std::thread::Builder::new()
                .name(name)
                .spawn(move || worker::run(&jobs, jobs.devices.of_thread(number)))
        };
        leases::start(self)?;
        let threads = match self.config.server.role.does_jobs() {
            true => self.config.queue.at_once_max.max(self.devices.count()),
            false => 0,
        };
        (0..threads).map(start).collect()
    }

    /// Why service calls are refused now, if they are.
    pub fn closed(&self) -> Option<Refusal> {
        if self.stopping.load(Ordering::Relaxed) {
            return Some(Refusal::new(ErrorCode::Unavailable, "shutting down").retry_after(10));
        }
        if self.fatal.load(Ordering::Relaxed) {
            return Some(
                Refusal::new(ErrorCode::Unavailable, "the service cannot store data")
                    .retry_after(60),
            );
        }
        if let Some(refusal) = self
            .space
            .full()
            .or_else(|| self.blobs.failing())
            .map(Refusal::from)
            .or_else(|| self.stalled())
        {
            return Some(refusal);
        }
        if !self.config.server.role.does_jobs() {
            // Jobs wait for those who do them.
            return None;
        }
        match self.device() {
            DeviceState::Ready(_) => None,
            DeviceState::Opening => Some(
                Refusal::new(ErrorCode::Unavailable, "the device is being opened").retry_after(2),
            ),
            DeviceState::Failed(error) => {
                let retry_s = self.config.engine.retry.as_secs();
                Some(
                    Refusal::new(ErrorCode::Unavailable, format!("no device: {error}"))
                        .retry_after(retry_s),
                )
            }
        }
    }

    /// Whether no new work is taken because the daemon ends.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// The device, or the first of several that is ready.
    pub fn device(&self) -> DeviceState {
        self.devices.state()
    }

    /// Each of the devices.
    pub fn devices(&self) -> Vec<DeviceStatus> {
        self.devices.statuses()
    }

    /// How many devices there are.
    pub fn device_count(&self) -> usize {
        self.devices.count()
    }

    /// Bytes that all devices hold for weights and plans.
    pub fn device_bytes(&self) -> u64 {
        let devices = self.devices.statuses().into_iter();
        devices
            .flat_map(|one| one.device)
            .map(|device| device.memory_bytes)
            .sum()
    }

    /// How often a network ran since the devices were opened, and crops that went through.
    pub fn network_counts(&self) -> (u64, u64) {
        let counts = self.devices.runners().map(|runner| runner.network_counts());
        counts.fold((0, 0), |(runs, crops), (r, c)| (runs + r, crops + c))
    }

    /// Frees what is compiled with these weights; a job under way keeps what it uses.
    pub fn forget_weights(&self, sha256: &str) {
        let runners = self.devices.runners();
        let dropped: usize = runners.map(|runner| runner.forget(sha256)).sum();
        tracing::info!(sha256, dropped, "weights unloaded");
    }

    /// Jobs that clients of this process wait for and that are not under way here, and jobs under way here.
    pub fn load(&self) -> (u32, u32) {
        let waiting = self.not_under_way().len();
        (waiting as u32, self.running.load(Ordering::Relaxed))
    }

    /// Where the files of jobs lie.
    pub fn blobs(&self) -> &Arc<Blobs> {
        &self.blobs
    }

    /// Room for decoded pictures, shared by everything that decodes any.
    pub fn memory(&self) -> Arc<ByteBudget> {
        self.memory.clone()
    }

    /// Limits on pictures.
    pub fn image_limits(&self) -> ImageLimits {
        crate::picture::limits(&self.config.limits)
    }

    /// Sets space aside for the results of a job until it ends, if that was not done before.
    fn reserve(
        &self,
        job: JobId,
        (width, height): (u32, u32),
        request: &Value,
    ) -> Result<(), Refusal> {
        if lock(&self.reservations).contains_key(&job) {
            return Ok(());
        }
        let pictures = 1 + recall::candidates_of(request);
        let pixels = u64::from(width) * u64::from(height);
        let bytes = pictures * pixels * RESULT_BYTES_PER_PIXEL + JOB_BYTES;
        let reserved = Reserved {
            _space: self.space.take(bytes)?,
            since: Instant::now(),
        };
        lock(&self.reservations).insert(job, reserved);
        Ok(())
    }

    /// The refusal for an error of the store, which is noted.
    fn refuse(&self, error: &StoreError) -> Refusal {
        self.note_store_error(error);
        Refusal::from(error)
    }

    /// Why a job to come would be refused now, if so. Blocks on the store.
    pub fn foresee(
        &self,
        inquiry: &Inquiry,
        limits: &QueueLimits,
    ) -> Result<Option<Accept>, Refusal> {
        self.failures.admit(inquiry.account, Instant::now())?;
        let foreseen = self.store.foresee(inquiry, limits);
        foreseen.map_err(|error| self.refuse(&error))
    }

    /// What a client is told when its job was not taken.
    pub fn refusal(&self, outcome: &Accept) -> Refusal {
        match outcome {
            Accept::InsufficientCredits { .. } => {
                Refusal::new(ErrorCode::InsufficientCredits, "Insufficient credits")
            }
            Accept::QueueFull { pending_max } => {
                let text = format!("the queue is full ({pending_max} jobs are waiting)");
                Refusal::new(ErrorCode::QueueFull, text)
                    .retry_after(self.throughput.seconds_for((*pending_max).div_ceil(10)))
            }
            Accept::TooManyInFlight { in_flight_max } => {
                let text = format!(
                    "this key has {in_flight_max} jobs waiting or running, which is its limit"
                );
                Refusal::new(ErrorCode::QueueFull, text).retry_after(self.throughput.seconds_for(1))
            }
            Accept::KeyRefused => {
                Refusal::new(ErrorCode::Unauthorized, "Invalid or missing API key")
            }
            Accept::InFlight(job) => Refusal::new(
                ErrorCode::Conflict,
                format!(
                    "a request with this Idempotency-Key is under way (job {job}); repeat it later"
                ),
            ),
            Accept::KeyReused => Refusal::field(
                &["header", "Idempotency-Key"],
                "this key was used for another request within the last 24 hours",
                "value_error.idempotency_key.reused",
            ),
            other => Refusal::internal(
                "a job was neither accepted nor refused",
                &format!("{other:?}"),
            ),
        }
    }

    fn wake(&self) {
        *lock(&self.gate) += 1;
        self.wake.notify_all();
    }

    /// Wakes one thread: there is a job more.
    fn wake_one(&self) {
        *lock(&self.gate) += 1;
        self.wake.notify_one();
    }

    /// Takes no new jobs, lets accepted ones end, and fails those that have not after `limit`. Blocks.
    pub fn shut_down(&self, limit: Duration, threads: Vec<std::thread::JoinHandle<()>>) {
        self.stopping.store(true, Ordering::SeqCst);
        self.wake();
        // Where others may do jobs, clients wait here for those, too.
        let waits = || self.shares_store() && !self.not_under_way().is_empty();
        let ended = || threads.iter().all(std::thread::JoinHandle::is_finished) && !waits();
        let until = Instant::now() + limit;
        while Instant::now() < until && !ended() && !self.is_fatal() {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.abort.store(true, Ordering::SeqCst);
        self.wake();
        // A stage that does not look at `abort` is left behind: the next start releases its credits.
        let until = Instant::now() + Duration::from_secs(5);
        while Instant::now() < until && !ended() {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.give_up_waiting(&GivenUp::shutting_down());
        for thread in threads {
            if !thread.is_finished() {
                tracing::warn!("an engine thread did not end in time");
            } else if thread.join().is_err() {
                tracing::error!("an engine thread panicked");
            }
        }
        self.end_renewal();
    }
}
