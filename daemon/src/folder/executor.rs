//! Where claimed pairs are worked on: the daemon's queue, or a runner of one's own.

use std::sync::Arc;
use std::time::Duration;

use cleanplate_pictures::{EncodeOptions, MaskChannel};
use cleanplate_pipeline::{Frame, Pipeline, Prompts};
use serde_json::Value;

use super::report::PairFault;
use crate::files::{Blobs, FilesError, Kind};

/// A claimed pair, read and checked.
#[derive(Clone)]
pub struct Task {
    /// Name of the watched folder: the scope of duplicates.
    pub folder: String,
    /// Name of the photo as dropped.
    pub photo_name: String,
    /// Bytes of the photo.
    pub photo: Arc<Vec<u8>>,
    /// Bytes of the mask.
    pub mask: Option<Arc<Vec<u8>>>,
    /// What of the mask removes.
    pub mask_channel: MaskChannel,
    /// Prompts in place of a mask.
    pub prompts: Option<Prompts>,
    /// The pipeline.
    pub pipeline: Arc<Pipeline>,
    /// Which frame of a shot it is, where the shot says what to remove.
    pub frame: Option<Frame>,
    /// What makes it of the one of its name: `plugin.parameter` and value.
    pub overrides: Vec<(String, String)>,
    /// Whether the mask that was used is wanted, too.
    pub wants_mask: bool,
    /// Format and quality of the result.
    pub encode: EncodeOptions,
    /// Width and height of the photo as displayed.
    pub size: (u32, u32),
    /// SHA-256 over everything that makes the result.
    pub content: [u8; 32],
    /// Jobs that were started for it before.
    pub jobs: Vec<String>,
    /// Name for a new job.
    pub job: String,
}

/// Where the bytes of a result are.
pub enum Bytes {
    /// In memory.
    Here(Vec<u8>),
    /// Among the results, under this name.
    Kept(Arc<Blobs>, String),
}

impl Bytes {
    /// The bytes; `None` when they are no longer kept.
    pub fn read(&self) -> Result<Option<Vec<u8>>, FilesError> {
        match self {
            Bytes::Here(bytes) => Ok(Some(bytes.clone())),
            Bytes::Kept(blobs, name) => blobs.read(Kind::Results, name),
        }
    }
}

/// What came of a task.
pub struct Made {
    /// The picture.
    pub bytes: Bytes,
    /// The mask that was used, as a PNG, where it is wanted.
    pub mask: Option<Bytes>,
    /// Ending of its name.
    pub extension: &'static str,
    /// Width and height.
    pub size: (u32, u32),
    /// The job, where there is a store.
    pub job: Option<String>,
    /// Credits charged.
    pub credits: i64,
    /// The result of an earlier pair of the same content.
    pub duplicate: bool,
    /// Time of the work, ms.
    pub processing_ms: f64,
    /// Time of each stage.
    pub timings: Value,
    /// Models used.
    pub models: Value,
    /// The device.
    pub device: Value,
    /// Remarks.
    pub warnings: Value,
}

/// How a task ended.
pub enum Ending {
    /// With a result.
    Made(Box<Made>),
    /// Without one; trying again would not help. The job, where there is a store.
    Failed(PairFault, Option<String>),
    /// Not at all: try again after a while.
    Later(Later),
}

/// Why a task has to wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Later {
    /// For people.
    pub why: String,
    /// How long at least.
    pub after: Duration,
    /// Whether it concerns every pair of the folder, such as missing credits.
    pub all: bool,
}

/// A task under way.
pub trait Running: Send {
    /// Its end, once.
    fn poll(&mut self) -> Option<Ending>;
}

/// What happened to a task that was handed in.
pub enum Begun {
    /// It runs.
    Running(Box<dyn Running>),
    /// It has ended.
    Ended(Ending),
}

/// Takes tasks.
pub trait Executor: Send + Sync {
    /// Starts a task, or ends it.
    fn begin(&self, task: Task) -> Begun;

    /// Why no task can be taken at all, if so.
    fn closed(&self) -> Option<String>;

    /// Whether the folder is this process's to work on, or why not. Asked again and again.
    fn ours(&self) -> Result<(), String> {
        Ok(())
    }
}
