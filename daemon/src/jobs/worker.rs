//! An engine thread: takes jobs from the store one by one, ends each exactly once. Whichever needs its device first opens it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use cleanplate_api::ErrorCode;
use cleanplate_pipeline::Runner;
use cleanplate_store::{Completion, Failure, FailureCode, Job, JobResult, StoreError};
use tempfile::NamedTempFile;

use super::cancel::Current;
use super::device::Device;
use super::ends::{GivenUp, passing};
use super::recall::candidates_of;
use super::run::{self, JobFault};
use super::{JobInput, Jobs, Service, TakenBytes, lock, probe_job};
use crate::files::{Mapped, remove_preview, remove_results};
use crate::refusal::Refusal;
use crate::telemetry::names;

/// Longest sleep: whatever woke nobody costs at most this.
const NAP: Duration = Duration::from_millis(500);

/// Runs until told to stop.
pub fn run(jobs: &Jobs, device: &Device) {
    let aborted = || jobs.abort.load(Ordering::SeqCst);
    while !aborted() {
        let seen = *lock(&jobs.gate);
        let stopping = jobs.stopping.load(Ordering::SeqCst);
        jobs.record_ends();
        if let Some(error) = jobs.space.exhausted().or_else(|| jobs.blobs.failing()) {
            jobs.give_up_waiting(&GivenUp::without_files(error));
            if stopping {
                return;
            }
            sleep(jobs, seen, NAP);
            continue;
        }
        // Looked for before a job is claimed, taken after it: nobody keeps a lost device while waiting for work.
        if device.runner(aborted).is_none() {
            if stopping {
                return;
            }
            sleep(jobs, seen, jobs.config.engine.retry);
            continue;
        }
        match claim(jobs) {
            Ok(Some((job, recalled, _room))) => process(jobs, device, job, recalled),
            Ok(None) if stopping => return,
            Ok(None) => {
                jobs.unload_when_idle();
                sleep(jobs, seen, NAP);
            }
            Err(error) => {
                jobs.store_failed(&error, "no job could be claimed");
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

/// The work of a job, from where it is kept.
type Recalled = Result<JobInput, Box<JobFault>>;

/// The next job, its work, and room for its photo. A job that waits for room is not overtaken by later ones.
fn claim(jobs: &Jobs) -> Result<Option<(Job, Recalled, Option<TakenBytes<'_>>)>, StoreError> {
    let mut turn = Some(lock(&jobs.turn));
    if jobs.abort.load(Ordering::SeqCst) {
        return Ok(None);
    }
    let claimed = jobs.store.claim(jobs.name(), jobs.lease_ms());
    jobs.note_claim(claimed.as_ref().err());
    let Some(job) = claimed? else {
        return Ok(None);
    };
    lock(&jobs.current).push(Current::new(&job));
    let fetched = !jobs.blobs.is_private();
    if fetched {
        // Others need not wait while it comes.
        drop(turn.take());
    }
    let recalled = jobs.recall(&job);
    let _turn = turn.or_else(|| fetched.then(|| lock(&jobs.turn)));
    let room = jobs.memory.take(bytes_of(jobs, &job, &recalled), || {
        jobs.abort.load(Ordering::SeqCst)
    });
    Ok(Some(match room {
        Ok(room) => (job, recalled, Some(room)),
        Err(error) => {
            let refusal = Refusal::image("image", &error);
            let fault = JobFault::new(FailureCode::Image, refusal);
            (job, recalled.and(Err(fault)), None)
        }
    }))
}

/// Bytes that a job will take, by the headers of its pictures. None for pictures that are gone or damaged: it will not come to
/// decoding them.
fn bytes_of(jobs: &Jobs, job: &Job, recalled: &Recalled) -> u64 {
    let mapped = |file: &NamedTempFile| Mapped::of(file).ok();
    let Ok(work) = recalled else { return 0 };
    let (image, mask) = (mapped(&work.image), work.mask.as_ref().and_then(mapped));
    let Some(image) = image else { return 0 };
    let (service, candidates) = (Service::of(&job.service), candidates_of(&job.request));
    let limits = jobs.image_limits();
    probe_job(service, &image, mask.as_deref(), candidates, &limits).unwrap_or(0)
}

/// Does one job.
fn process(jobs: &Jobs, device: &Device, job: Job, recalled: Recalled) {
    let (id, number) = (job.id, job.attempt);
    let running = jobs.running.fetch_add(1, Ordering::Relaxed) + 1;
    attempt(jobs, device, job, recalled, running);
    jobs.running.fetch_sub(1, Ordering::Relaxed);
    jobs.idle.begin();
    lock(&jobs.current).retain(|current| !current.is(id, number));
}

fn attempt(jobs: &Jobs, device: &Device, job: Job, recalled: Recalled, running: u32) {
    let work = match recalled {
        Ok(work) => work,
        Err(fault) => return failed(jobs, &job, *fault),
    };
    if let Err(refusal) = jobs.reserve(
        job.id,
        (job.original_width, job.original_height),
        &job.request,
    ) {
        return jobs.fail(&job, passing(&refusal), refusal);
    }
    let Some(runner) = device.runner(|| jobs.abort.load(Ordering::SeqCst)) else {
        let fault = JobFault::no_device(&device.state());
        return failed(jobs, &job, fault);
    };
    let started = Instant::now();
    jobs.metrics.observe(
        names::QUEUE_SECONDS,
        &[],
        work.accepted.elapsed().as_secs_f64(),
    );
    match catch_unwind(AssertUnwindSafe(|| run::run(jobs, &runner, &job, &work))) {
        Ok(Ok(result)) => {
            // Jobs that run together end that much more often.
            jobs.throughput.note(started.elapsed() / running);
            // Copies of the upload are gone before anybody is told.
            drop(work);
            finished(jobs, &job, result);
        }
        Ok(Err(fault)) => {
            if fault.device_lost {
                lose(jobs, device, &job, &runner, &fault.failure.detail);
            }
            // Before the job waits again, for a device that is opened once nobody uses this one.
            drop((runner, work));
            failed(jobs, &job, *fault);
        }
        Err(panic) => {
            let what = panic
                .downcast_ref::<String>()
                .map(String::as_str)
                .or_else(|| panic.downcast_ref::<&str>().copied())
                .unwrap_or("");
            tracing::error!(job_id = %job.id, request_id = work.request_id, what, "a job panicked; the device is opened again");
            device.lost(&runner);
            let refusal = Refusal::new(ErrorCode::Internal, "internal error; nothing was charged");
            let failure = Failure::new(FailureCode::Internal, "the job panicked");
            jobs.fail(&job, failure, refusal);
        }
    }
}

fn lose(jobs: &Jobs, device: &Device, job: &Job, runner: &Arc<Runner>, detail: &str) {
    jobs.metrics.add(names::DEVICE_LOST, &[], 1.0);
    tracing::error!(job_id = %job.id, attempt = job.attempt, detail, "device lost");
    device.lost(runner);
}

/// Records a result. One that cannot be recorded is given up, and its credits with it.
fn finished(jobs: &Jobs, job: &Job, result: JobResult) {
    let files = result.files().into_iter().map(|file| file.name.clone());
    let files: Vec<String> = files.collect();
    let remove = || {
        remove_results(&jobs.blobs, files.iter().map(String::as_str));
        remove_preview(&jobs.blobs, job);
    };
    let completion = Completion {
        result,
        keep_ms: jobs.config.results.keep.as_millis() as i64,
        reply: None,
    };
    let ended = jobs.insist(|| jobs.store.finish(job.id, job.attempt, &completion));
    match ended {
        Ok(ended) => {
            if !matches!(ended, cleanplate_store::Ended::Now { .. }) {
                remove();
            }
            jobs.conclude(job.id, ended, None);
        }
        // Where the connection broke it may have been recorded: its files stay, and the job's lease or its row tells what it is.
        Err(error) if error.is_transient() && !matches!(error, StoreError::Unavailable { .. }) => {
            remove();
            let refusal = Refusal::from(&error);
            jobs.fail(job, passing(&refusal), refusal);
        }
        // The files of one that was not are removed as those of no job.
        Err(error) => jobs.settle(job, &error),
    }
}

fn failed(jobs: &Jobs, job: &Job, fault: JobFault) {
    let again = if fault.device_lost {
        job.attempt < jobs.config.queue.attempts_max
    } else {
        job.asynchronous
            && match fault.failure.code {
                FailureCode::ShuttingDown => true,
                FailureCode::FilesAway => job.attempt < jobs.config.queue.attempts_max,
                _ => false,
            }
    };
    if again {
        return requeue(jobs, job, fault);
    }
    let request_id = job.request["request_id"].as_str();
    tracing::info!(job_id = %job.id, request_id, code = fault.failure.code.as_str(), detail = fault.failure.detail, "job failed");
    jobs.fail(job, fault.failure, fault.refusal);
}

/// Puts a job back for another attempt.
fn requeue(jobs: &Jobs, job: &Job, fault: JobFault) {
    match jobs.store.requeue(job.id, job.attempt) {
        Ok(true) => return,
        Ok(false) => {}
        Err(error) => jobs.store_failed(&error, "a job could not be put back"),
    }
    jobs.fail(job, fault.failure, fault.refusal);
}
