//! An engine thread: takes jobs from the store one by one, ends each exactly once. Whichever needs the device first opens it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cleanplate_api::ErrorCode;
use cleanplate_pipeline::{RunLimits, Runner};
use cleanplate_store::{CODE_CANCELLED, Completion, Ended, Failure, Job, JobId, StoreError};

use super::cancel::{Current, cancelled};
use super::device::{self, DeviceState};
use super::run::{self, JobFault, SHUTTING_DOWN};
use super::{Finished, JobInput, Jobs, Taken, lock, probe_removal};
use crate::files::{Inputs, Mapped, input_paths, remove_inputs};
use crate::refusal::Refusal;
use crate::telemetry::names;

/// Longest sleep: whatever woke nobody costs at most this.
const NAP: Duration = Duration::from_millis(500);

/// Runs until told to stop.
pub fn run(jobs: &Jobs, name: &str) {
    while !jobs.abort.load(Ordering::SeqCst) {
        let seen = *lock(&jobs.gate);
        let Some(runner) = runner(jobs) else {
            if jobs.stopping.load(Ordering::SeqCst) {
                return;
            }
            sleep(jobs, seen, jobs.config.engine.retry);
            continue;
        };
        match claim(jobs, name) {
            Ok(Some((job, _room))) => {
                if !process(jobs, &runner, job) {
                    forget(jobs, &runner);
                }
            }
            Ok(None) if jobs.stopping.load(Ordering::SeqCst) => return,
            Ok(None) => sleep(jobs, seen, NAP),
            Err(error) => {
                jobs.note_store_error(&error);
                tracing::error!(%error, "no job could be claimed");
                std::thread::sleep(NAP);
            }
        }
    }
}

/// Sleeps until there is a reason to look for work that was not there when `seen` was read.
fn sleep(jobs: &Jobs, seen: u64, time: Duration) {
    let gate = lock(&jobs.gate);
    if *gate == seen {
        // Waking early is harmless.
        drop(jobs.wake.wait_timeout(gate, time));
    }
}

/// The next job and room for its photo. A job that waits for room is not overtaken by later ones.
fn claim<'a>(jobs: &'a Jobs, name: &str) -> Result<Option<(Job, Taken<'a>)>, StoreError> {
    let _turn = lock(&jobs.turn);
    if jobs.abort.load(Ordering::SeqCst) {
        return Ok(None);
    }
    let Some(job) = jobs.store.claim(name)? else {
        return Ok(None);
    };
    lock(&jobs.current).push(Current {
        id: job.id,
        cancelled: false,
        stage: String::new(),
        fraction: 0.0,
    });
    let room = jobs
        .memory
        .take(bytes_of(jobs, &job), || jobs.abort.load(Ordering::SeqCst));
    Ok(Some((job, room)))
}

/// Bytes that a job will take, by the headers of its pictures. None for pictures that are gone or damaged: it will not come to
/// decoding them.
fn bytes_of(jobs: &Jobs, job: &Job) -> u64 {
    let kept = lock(&jobs.inputs).get(&job.id).map(|work| {
        let mask = work.mask.as_ref().map(|file| file.path().to_path_buf());
        (work.image.path().to_path_buf(), mask)
    });
    let (image, mask) = kept.unwrap_or_else(|| input_paths(&jobs.dirs, job.id));
    let mapped = |path: &std::path::Path| Mapped::open(path).ok();
    let (Some(image), mask) = (mapped(&image), mask.as_deref().and_then(mapped)) else {
        return 0;
    };
    probe_removal(&image, mask.as_deref(), &jobs.image_limits()).map_or(0, |(_, bytes)| bytes)
}

/// What runs pipelines. Opens the device if there is none and the last attempt was long enough ago.
fn runner(jobs: &Jobs) -> Option<Arc<Runner>> {
    let kept = || lock(&jobs.runner).clone();
    if let Some(runner) = kept() {
        return Some(runner);
    }
    let mut failed = lock(&jobs.opening);
    // Another thread may have opened it while this one waited.
    if let Some(runner) = kept() {
        return Some(runner);
    }
    if failed.is_some_and(|at| at.elapsed() < jobs.config.engine.retry) {
        return None;
    }
    let opened = open(jobs).map(Arc::new);
    *failed = opened.is_none().then(Instant::now);
    lock(&jobs.runner).clone_from(&opened);
    opened
}

/// Has the device opened again, unless that was done since.
fn forget(jobs: &Jobs, runner: &Arc<Runner>) {
    lock(&jobs.runner).take_if(|kept| Arc::ptr_eq(kept, runner));
}

fn open(jobs: &Jobs) -> Option<Runner> {
    let engine = &jobs.config.engine;
    match device::open(engine, Some(&jobs.dirs), engine.backend) {
        Ok(backend) => {
            let info = backend.device();
            tracing::info!(
                backend = info.backend,
                name = info.name,
                driver = info.driver,
                kind = info.kind,
                "device opened"
            );
            *lock(&jobs.device) = DeviceState::Ready(backend.clone());
            let limits = RunLimits {
                micro_batch_max: engine.micro_batch_max,
                micro_batch_wait_max: engine.micro_batch_wait_max,
                embeddings_bytes_max: engine.embeddings_bytes_max,
                ..RunLimits::default()
            };
            Some(Runner::new(backend, jobs.models.clone(), limits))
        }
        Err(error) => {
            tracing::error!(%error, retry_s = engine.retry.as_secs(), "no device; service calls get 503");
            *lock(&jobs.device) = DeviceState::Failed(error.to_string());
            None
        }
    }
}

/// Does one job. False when the device must be opened again.
fn process(jobs: &Jobs, runner: &Runner, job: Job) -> bool {
    let id = job.id;
    let running = jobs.running.fetch_add(1, Ordering::Relaxed) + 1;
    let healthy = attempt(jobs, runner, job, running);
    jobs.running.fetch_sub(1, Ordering::Relaxed);
    lock(&jobs.current).retain(|current| current.id != id);
    healthy
}

fn attempt(jobs: &Jobs, runner: &Runner, job: Job, running: u32) -> bool {
    let found = lock(&jobs.inputs).remove(&job.id);
    let work = match found {
        Some(work) => Ok(work),
        None if job.asynchronous => jobs.recall(&job),
        None => Err(JobFault::new(
            "interrupted",
            Refusal::new(ErrorCode::Internal, "the upload of this job is gone"),
        )),
    };
    let work = match work {
        Ok(work) => work,
        Err(fault) => {
            conclude(
                jobs,
                job.id,
                jobs.store.fail(job.id, job.attempt, &fault.failure, None),
                None,
                None,
            );
            remove_inputs(&jobs.dirs, job.id);
            return true;
        }
    };
    let started = Instant::now();
    jobs.metrics.observe(
        names::QUEUE_SECONDS,
        &[],
        work.accepted.elapsed().as_secs_f64(),
    );
    let outcome = catch_unwind(AssertUnwindSafe(|| run::run(jobs, runner, &job, &work)));
    match outcome {
        Ok(Ok(result)) => {
            // Jobs that run together end that much more often.
            jobs.throughput.note(started.elapsed() / running);
            let keep_ms = jobs.config.results.keep.as_millis() as i64;
            let files: Vec<String> = std::iter::once(&result.output)
                .chain(&result.mask)
                .map(|file| file.name.clone())
                .collect();
            let ended = jobs.store.finish(
                job.id,
                job.attempt,
                &Completion {
                    result,
                    keep_ms,
                    reply: None,
                },
            );
            if !matches!(ended, Ok(Ended::Now { .. })) {
                files
                    .iter()
                    .for_each(|name| drop(std::fs::remove_file(jobs.dirs.results.join(name))));
            }
            conclude(jobs, job.id, ended, Some(work), None);
            true
        }
        Ok(Err(fault)) => failed(jobs, &job, work, *fault),
        Err(panic) => {
            let what = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("");
            tracing::error!(job_id = %job.id, request_id = work.request_id, what, "a job panicked; the device is opened again");
            let refusal = Refusal::new(ErrorCode::Internal, "internal error; nothing was charged");
            let failure = Failure::new("internal", "the job panicked");
            conclude(
                jobs,
                job.id,
                jobs.store.fail(job.id, job.attempt, &failure, None),
                Some(work),
                Some(refusal),
            );
            false
        }
    }
}

fn failed(jobs: &Jobs, job: &Job, work: JobInput, fault: JobFault) -> bool {
    if job.asynchronous && fault.failure.code == SHUTTING_DOWN {
        requeue(jobs, job, work, fault);
        return true;
    }
    if !fault.device_lost {
        tracing::info!(job_id = %job.id, request_id = work.request_id, code = fault.failure.code, detail = fault.failure.detail, "job failed");
        conclude(
            jobs,
            job.id,
            jobs.store.fail(job.id, job.attempt, &fault.failure, None),
            Some(work),
            Some(fault.refusal),
        );
        return true;
    }
    jobs.metrics.add(names::DEVICE_LOST, &[], 1.0);
    tracing::error!(job_id = %job.id, request_id = work.request_id, attempt = job.attempt, detail = fault.failure.detail, "device lost");
    *lock(&jobs.device) = DeviceState::Opening;
    if job.attempt < jobs.config.queue.attempts_max {
        requeue(jobs, job, work, fault);
        return false;
    }
    conclude(
        jobs,
        job.id,
        jobs.store.fail(job.id, job.attempt, &fault.failure, None),
        Some(work),
        Some(fault.refusal),
    );
    false
}

/// Puts a job back for another attempt: its work waits in memory or, when it is asynchronous, on disk.
fn requeue(jobs: &Jobs, job: &Job, work: JobInput, fault: JobFault) {
    if job.asynchronous {
        work.leave();
    } else {
        lock(&jobs.inputs).insert(job.id, work);
    }
    let outcome = jobs.store.requeue(job.id, job.attempt);
    if let Ok(true) = outcome {
        return;
    }
    let work = lock(&jobs.inputs).remove(&job.id);
    if job.asynchronous {
        remove_inputs(&jobs.dirs, job.id);
    }
    if let Err(error) = outcome {
        jobs.note_store_error(&error);
    }
    conclude(
        jobs,
        job.id,
        jobs.store.fail(job.id, job.attempt, &fault.failure, None),
        work,
        Some(fault.refusal),
    );
}

/// Tells the waiting client how the job ended.
fn conclude(
    jobs: &Jobs,
    id: JobId,
    ended: Result<Ended, cleanplate_store::StoreError>,
    work: Option<JobInput>,
    refusal: Option<Refusal>,
) {
    match ended {
        Ok(Ended::Now { job, balance }) => {
            let outcome = if refusal.is_none() && job.result.is_some() {
                "completed"
            } else {
                "failed"
            };
            jobs.metrics.add(names::JOBS, &[("outcome", outcome)], 1.0);
            if let Some(kept) = &job.result {
                jobs.metrics
                    .add(names::CREDITS, &[], kept.result.credits as f64);
            }
            if let Some(work) = work {
                let JobInput {
                    image, mask, done, ..
                } = work;
                if jobs.keeps_inputs(&job) {
                    Inputs { image, mask }.leave();
                }
                // A client that went away finds the end in the job's record.
                drop(done.send(Finished {
                    job,
                    balance,
                    refusal,
                }));
            }
        }
        Ok(Ended::Stale { status, attempt }) => {
            tracing::info!(job_id = %id, ?status, attempt, "a job had ended before its worker reported");
            tell_other_end(jobs, id, work);
        }
        Err(error) => {
            jobs.note_store_error(&error);
            tracing::error!(%error, "the end of a job could not be stored; the next start releases its credits");
        }
    }
}

/// Tells a waiting client of an end that someone else brought about: it was cancelled, or ran out of time.
fn tell_other_end(jobs: &Jobs, id: JobId, work: Option<JobInput>) {
    let Some(work) = work else { return };
    let Ok(Some(job)) = jobs.store.job(None, id) else {
        return;
    };
    let Ok(balance) = jobs.store.balance(job.account) else {
        return;
    };
    let failure = job
        .failure
        .clone()
        .unwrap_or_else(|| Failure::new(CODE_CANCELLED, "ended"));
    let refusal = if failure.code == CODE_CANCELLED {
        cancelled()
    } else {
        Refusal::new(ErrorCode::Unavailable, failure.detail)
    };
    drop(work.done.send(Finished {
        job: Box::new(job),
        balance,
        refusal: Some(refusal),
    }));
}
