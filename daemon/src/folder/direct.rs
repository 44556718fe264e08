//! A runner as a executor: no store, no account. Pairs run on threads of their own and share the device.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Instant;

use cleanplate_pictures::Limits;
use cleanplate_pipeline::{NoObserver, Request, Runner};
use cleanplate_store::FailureCode;
use serde_json::json;

use super::executor::{Begun, Bytes, Ending, Executor, Made, Running, Task};
use super::report::PairFault;
use crate::jobs::failure_code;
use crate::jobs::{ByteBudget, Service, probe_job};

/// A runner with its limits.
struct Bench {
    runner: Runner,
    limits: Limits,
    memory: Arc<ByteBudget>,
}

/// Works on pairs without a daemon.
pub struct DirectExecutor(Arc<Bench>);

impl DirectExecutor {
    /// A executor on this runner.
    pub fn new(runner: Runner, limits: Limits, memory: Arc<ByteBudget>) -> Self {
        DirectExecutor(Arc::new(Bench {
            runner,
            limits,
            memory,
        }))
    }
}

impl Bench {
    fn make(&self, task: &Task) -> Result<Made, PairFault> {
        let picture = |what: &str, error: &cleanplate_pictures::ImageError| {
            PairFault::new(FailureCode::Image, format!("{what}: {error}"))
        };
        let mask = task.mask.as_ref().map(|mask| mask.as_slice());
        let bytes = probe_job(Service::Removal, &task.photo, mask, 0, &self.limits)
            .map_err(|error| picture("photo or mask", &error))?;
        let room = self.memory.take(bytes, || false);
        let _room = room.map_err(|error| picture("photo or mask", &error))?;
        let started = Instant::now();
        let photo = cleanplate_pictures::decode(&task.photo, &self.limits)
            .map_err(|error| picture("photo", &error))?;
        let options = task.encode;
        photo
            .check_format(&options)
            .map_err(|error| picture("result", &error))?;
        let mask = match &task.mask {
            Some(bytes) => {
                let read = cleanplate_pictures::decode_mask(bytes, &self.limits, task.mask_channel);
                Some(read.map_err(|error| picture("mask", &error))?)
            }
            None => None,
        };
        let (mask, remarks) =
            mask.map_or((None, Vec::new()), |file| (Some(file.mask), file.warnings));
        let request = Request {
            photo,
            mask,
            prompts: task.prompts.clone(),
            overrides: Vec::new(),
            frame: task.frame.clone(),
        };
        let mut outcome = self
            .runner
            .run(&task.pipeline, request, &NoObserver)
            .map_err(|error| PairFault::new(failure_code(&error), error.to_string()))?;
        outcome.warnings.extend(remarks);
        let bytes = outcome
            .photo
            .encode_with_warnings(&options, &mut outcome.warnings)
            .map_err(|error| picture("result", &error))?;
        let mask = task
            .wants_mask
            .then(|| crate::picture::mask_png(&outcome.mask))
            .transpose()
            .map_err(|error| picture("mask", &error))?;
        Ok(Made {
            bytes: Bytes::Here(bytes),
            mask: mask.map(Bytes::Here),
            extension: options.format_of(outcome.photo.format).extension(),
            size: (outcome.photo.width as u32, outcome.photo.height as u32),
            job: None,
            credits: 0,
            duplicate: false,
            processing_ms: started.elapsed().as_secs_f64() * 1000.0,
            timings: json!({ "stages": outcome.stages, "choices": outcome.choices, "mask_share": outcome.mask_share, "predicted_iou": outcome.predicted_iou }),
            models: json!(outcome.models),
            device: json!(outcome.device),
            warnings: json!(outcome.warnings),
        })
    }
}

impl Executor for DirectExecutor {
    fn closed(&self) -> Option<String> {
        None
    }

    fn begin(&self, task: Task) -> Begun {
        let (sender, receiver) = channel();
        let bench = self.0.clone();
        let run = move || {
            // Nobody listens any more once the run as a whole has failed.
            drop(sender.send(bench.make(&task)));
        };
        match std::thread::Builder::new()
            .name("pair".to_string())
            .spawn(run)
        {
            Ok(_) => Begun::Running(Box::new(Waiting(receiver))),
            Err(error) => Begun::Ended(Ending::Failed(
                PairFault::new(FailureCode::Internal, format!("starting a thread: {error}")),
                None,
            )),
        }
    }
}

/// A pair on its thread.
struct Waiting(Receiver<Result<Made, PairFault>>);

impl Running for Waiting {
    fn poll(&mut self) -> Option<Ending> {
        match self.0.try_recv() {
            Ok(Ok(made)) => Some(Ending::Made(Box::new(made))),
            Ok(Err(fault)) => Some(Ending::Failed(fault, None)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Ending::Failed(
                PairFault::new(FailureCode::Internal, "the work on this pair panicked"),
                None,
            )),
        }
    }
}
