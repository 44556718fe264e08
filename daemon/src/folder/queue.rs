//! The daemon's queue as a executor: each pair is a job, paid for by the folder's account, at most once per content.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use cleanplate_api::ErrorCode;
use cleanplate_pictures::Format;
use cleanplate_store::{
    Accept, Account, AccountId, FailureCode, Idempotency, IdempotencyKey, IdempotencyScope, Job,
    JobId, NewJob, PageRequest, Store, StoreError,
};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::executor::{Begun, Bytes, Ending, Executor, Later, Made, Running, Task};
use super::report::PairFault;
use super::turn::Turn;
use crate::config::Payer;
use crate::files::{Blobs, FilesError, Inputs, Kind};
use crate::hex::hex;
use crate::jobs::{DeviceState, JobWaiter, Jobs, Offered, Recipe, Webhook};
use crate::refusal::Refusal;

/// How long a content counts as seen: 7 days.
const SEEN_MS: i64 = 7 * 24 * 60 * 60 * 1000;
/// Pause before a look at a job of the same content that is under way.
const TWIN: Duration = Duration::from_millis(300);
/// Pause after what cannot be foreseen.
const PAUSE: Duration = Duration::from_secs(5);
/// Failures of a job that say nothing about its pair.
const PASSING: [FailureCode; 5] = [
    FailureCode::ShuttingDown,
    FailureCode::Interrupted,
    FailureCode::StorageFull,
    FailureCode::StoreLocked,
    FailureCode::FilesAway,
];
/// Accounts read at a time.
const ACCOUNTS: u32 = 100;
const NO_CREDITS: &str =
    "the account has too few credits; top it up with `cleanplate accounts top-up`";

/// Queue and store of the daemon.
pub struct QueueExecutor {
    /// The queue.
    pub jobs: Arc<Jobs>,
    /// Accounts and jobs.
    pub store: Arc<dyn Store>,
    /// Where copies of pairs go.
    pub uploads: PathBuf,
    /// Who pays.
    pub payer: Payer,
    /// Where the end of each job is told.
    pub webhook: Option<Webhook>,
    /// Credits of one removal.
    pub price: i64,
    /// The folder's lease.
    pub turn: Turn,
}

impl Executor for QueueExecutor {
    fn closed(&self) -> Option<String> {
        if let Some(refusal) = self.jobs.closed() {
            return Some(refusal.text);
        }
        match payer(&*self.store, &self.payer) {
            Ok(account) => (account.balance.available < self.price).then(|| NO_CREDITS.to_string()),
            Err(why) => Some(why),
        }
    }

    fn ours(&self) -> Result<(), String> {
        self.turn.keep(&*self.store, &self.jobs)
    }

    fn begin(&self, task: Task) -> Begun {
        self.offer(&task, true)
            .unwrap_or_else(|refusal| Begun::Ended(Ending::Later(later(&refusal))))
    }
}

impl QueueExecutor {
    /// Waits while the device is being opened: at the start nothing is wrong yet.
    pub fn wait_for_device(&self, stop: &AtomicBool) {
        while matches!(self.jobs.device(), DeviceState::Opening) && !stop.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Hands the task to the queue. An unpaid one has been paid for before.
    fn offer(&self, task: &Task, paid: bool) -> Result<Begun, Refusal> {
        let id: JobId = task
            .job
            .parse()
            .map_err(|error| Refusal::internal("a job id of a hot folder", &error))?;
        let account = match payer(&*self.store, &self.payer) {
            Ok(account) => account.id,
            Err(why) => {
                return Ok(Begun::Ended(Ending::Later(Later {
                    why,
                    after: PAUSE,
                    all: true,
                })));
            }
        };
        let new = self.new_job(account, id, task, paid)?;
        let mask = task.mask.as_ref().map(|mask| self.stage(mask));
        let inputs = Inputs {
            image: self.stage(&task.photo)?,
            mask: mask.transpose()?,
        };
        Ok(match self.jobs.offer(self.jobs.prepare(new, inputs))? {
            Offered::Accepted(waiter) => {
                tracing::info!(folder = task.folder, photo = task.photo_name, job_id = %id, %account, "job accepted");
                Begun::Running(Box::new(Waiting {
                    waiter,
                    blobs: self.jobs.blobs().clone(),
                }))
            }
            Offered::Declined(Accept::Done(job), declined) => {
                // It takes its pictures along, which lie where those of the next offer will.
                drop(declined);
                match self.earlier(task, &job) {
                    Some(made) => Begun::Ended(Ending::Made(Box::new(made))),
                    None => self.offer(task, false)?,
                }
            }
            Offered::Declined(Accept::InFlight(_), _) => {
                let why = "a pair of the same content is under way".to_string();
                Begun::Ended(Ending::Later(Later {
                    why,
                    after: TWIN,
                    all: false,
                }))
            }
            Offered::Declined(other, _) => return Err(self.jobs.refusal(&other)),
        })
    }

    fn new_job(
        &self,
        account: AccountId,
        id: JobId,
        task: &Task,
        paid: bool,
    ) -> Result<NewJob, Refusal> {
        let key = IdempotencyKey::parse(&hex(&task.content))
            .map_err(|error| Refusal::internal("the key of a pair", &error))?;
        let scope = IdempotencyScope::Folder(task.folder.clone());
        let once = Idempotency {
            scope,
            key,
            request_hash: task.content,
            keep_ms: SEEN_MS,
            reply: None,
        };
        Ok(NewJob {
            id,
            account,
            key: None,
            batch: None,
            service: "object-removal".to_string(),
            pipeline: task.pipeline.name.clone(),
            // A job that dies with the daemon is released; its claim starts another at the next start.
            asynchronous: false,
            origin: self.jobs.name().to_string(),
            price: if paid { self.price } else { 0 },
            input_filename: Some(task.photo_name.chars().take(255).collect()),
            original_width: task.size.0,
            original_height: task.size.1,
            request: self.recipe(task),
            idempotency: paid.then_some(once),
        })
    }

    /// What is needed to do the pair, with its folder and the steps for the record.
    fn recipe(&self, task: &Task) -> Value {
        let prompts = task.prompts.clone().unwrap_or_default();
        let recipe = Recipe {
            overrides: task.overrides.clone(),
            points: prompts.points,
            rect: prompts.boxes,
            others: prompts.others,
            frame: task.frame.clone(),
            mask_channel: task.mask_channel,
            output_format: task.encode.format,
            quality: task.encode.quality,
            candidates: 0,
            request_id: format!("folder:{}", task.folder),
            webhook: self.webhook.clone(),
        };
        let mut value = json!(recipe);
        value["folder"] = json!(task.folder);
        value["steps"] = json!(task.pipeline.steps);
        value
    }

    /// A copy of its own: whoever still has the dropped file open cannot change what is worked on.
    fn stage(&self, bytes: &[u8]) -> Result<NamedTempFile, FilesError> {
        let mut file = NamedTempFile::new_in(&self.uploads)
            .map_err(FilesError::io("writing into", &self.uploads))?;
        std::io::Write::write_all(&mut file, bytes)
            .map_err(FilesError::io("writing", file.path()))?;
        Ok(file)
    }

    /// The kept result of a job of the same content, if it is still there.
    fn earlier(&self, task: &Task, job: &Job) -> Option<Made> {
        let there = |name: &str| self.jobs.blobs().has(Kind::Results, name).unwrap_or(false);
        let mut made = made(job, self.jobs.blobs())
            .filter(|made| matches!(&made.bytes, Bytes::Kept(_, name) if there(name)))?;
        // A job of this very claim was cut off between its end and the delivery: it is no duplicate.
        made.duplicate = !task.jobs.contains(&job.id.to_string());
        if made.duplicate {
            made.credits = 0;
        }
        Some(made)
    }
}

/// The account that pays, or why there is none.
pub fn payer(store: &dyn Store, payer: &Payer) -> Result<Account, String> {
    let remedy = "`cleanplate accounts list` shows all of them";
    match payer {
        Payer::Id(id) => {
            let found = store.account(*id).map_err(|error| error.to_string())?;
            found.ok_or_else(|| format!("account {id} does not exist; {remedy}"))
        }
        Payer::Name(name) => match named(store, name)
            .map_err(|error| error.to_string())?
            .as_slice()
        {
            [one] => Ok(one.clone()),
            [] => Err(format!("no account is named {name:?}; {remedy}")),
            several => Err(format!(
                "{} accounts are named {name:?}; write the number of one; {remedy}",
                several.len()
            )),
        },
    }
}

/// Accounts of exactly this name.
fn named(store: &dyn Store, name: &str) -> Result<Vec<Account>, StoreError> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = store.list_accounts(
            Some(name),
            &PageRequest {
                after,
                rows: ACCOUNTS,
            },
        )?;
        found.extend(
            page.items
                .into_iter()
                .filter(|account| account.name == name),
        );
        after = page.next;
        if after.is_none() {
            return Ok(found);
        }
    }
}

/// A job of the queue.
struct Waiting {
    waiter: JobWaiter,
    blobs: Arc<Blobs>,
}

impl Running for Waiting {
    fn poll(&mut self) -> Option<Ending> {
        let finished = match self.waiter.poll()? {
            Ok(finished) => finished,
            Err(refusal) => return Some(Ending::Later(later(&refusal))),
        };
        let id = finished.job.id.to_string();
        Some(
            match (made(&finished.job, &self.blobs), &finished.job.failure) {
                (Some(made), _) => Ending::Made(Box::new(made)),
                (None, Some(failure)) if PASSING.contains(&failure.code) => Ending::Later(Later {
                    why: failure.detail.clone(),
                    after: PAUSE,
                    all: true,
                }),
                (None, Some(failure)) => Ending::Failed(
                    PairFault::new(failure.code.clone(), failure.detail.clone()),
                    Some(id),
                ),
                (None, None) => Ending::Failed(
                    PairFault::new(
                        FailureCode::Internal,
                        "the job ended without result and without reason",
                    ),
                    Some(id),
                ),
            },
        )
    }
}

fn made(job: &Job, blobs: &Arc<Blobs>) -> Option<Made> {
    let kept = job
        .result
        .as_ref()
        .filter(|kept| kept.swept_at_ms.is_none())?;
    let result = &kept.result;
    let extension = Format::WRITTEN
        .into_iter()
        .find(|format| format.media_type() == result.output.media_type)?
        .extension();
    Some(Made {
        bytes: Bytes::Kept(blobs.clone(), result.output.name.clone()),
        mask: (result.mask.as_ref()).map(|mask| Bytes::Kept(blobs.clone(), mask.name.clone())),
        extension,
        size: (result.width, result.height),
        job: Some(job.id.to_string()),
        credits: result.credits,
        duplicate: false,
        processing_ms: result.processing_ms,
        timings: result.timings.clone(),
        models: result.models.clone(),
        device: result.device.clone(),
        warnings: result.warnings.clone(),
    })
}

fn later(refusal: &Refusal) -> Later {
    let why = match refusal.code {
        ErrorCode::InsufficientCredits => NO_CREDITS.to_string(),
        _ => refusal.text.clone(),
    };
    let after = refusal
        .retry_after_s
        .map_or(PAUSE, |seconds| Duration::from_secs(seconds.min(30)));
    Later {
        why,
        after,
        all: true,
    }
}
