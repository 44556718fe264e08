//! `[engine]`: devices, and what lies on them.

use std::time::Duration;

use cleanplate_engine::BackendChoice;

use super::options::{DAY_S, seconds};
use super::reader::Reader;

/// `[engine]`
#[derive(Debug, Clone)]
pub struct Engine {
    /// Which backend.
    pub backend: BackendChoice,
    /// Which adapters.
    pub adapters: Adapters,
    /// Bytes for weights and activations.
    pub memory_bytes_max: u64,
    /// Bounds checks in shaders.
    pub checked: bool,
    /// Pipeline cache on disk.
    pub pipeline_cache: bool,
    /// Longest wait for a submission in seconds.
    pub wait_s_max: u64,
    /// Pause between attempts to open a device.
    pub retry: Duration,
    /// Most equal-sized crops that go through a network together.
    pub micro_batch_max: usize,
    /// Longest time that a crop waits for others.
    pub micro_batch_wait_max: Duration,
    /// Most bytes of photos' embeddings kept for further prompts.
    pub embeddings_bytes_max: u64,
    /// Time without a job after which networks leave memory; zero: never.
    pub idle_unload: Duration,
}

/// The adapters that are used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Adapters {
    /// The best one.
    Best,
    /// Every one that the backend takes.
    All,
    /// Those whose names hold one of these texts.
    Named(Vec<String>),
}

impl Adapters {
    /// The one that commands use, which need only one.
    pub fn first(&self) -> Option<&str> {
        match self {
            Adapters::Named(names) => names.first().map(String::as_str),
            Adapters::Best | Adapters::All => None,
        }
    }
}

/// Reads it.
pub fn read(r: &mut Reader<'_>) -> Engine {
    let engine = Engine {
        adapters: adapters(r.list("engine.adapters")),
        backend: r.parsed("engine.backend", BackendChoice::Auto, |text| {
            backend(text).ok_or_else(|| "\"auto\", \"wgpu\" or \"cpu\"".to_string())
        }),
        memory_bytes_max: (r.whole("engine.memory_mib_max", 64..=1 << 24) as u64) << 20,
        checked: r.flag("engine.checked"),
        pipeline_cache: r.flag("engine.pipeline_cache"),
        wait_s_max: r.whole("engine.wait_s_max", 1..=3600) as u64,
        retry: seconds(r, "engine.retry_s", 1..=3600),
        micro_batch_max: r.whole("engine.micro_batch_max", 1..=64) as usize,
        micro_batch_wait_max: Duration::from_millis(
            r.whole("engine.micro_batch_wait_ms_max", 0..=1000) as u64,
        ),
        embeddings_bytes_max: (r.whole("engine.embeddings_mib_max", 0..=65_536) as u64) << 20,
        idle_unload: seconds(r, "engine.idle_unload_s", 0..=30 * DAY_S),
    };
    if engine.backend == BackendChoice::Cpu && engine.adapters != Adapters::Best {
        r.problem(
            "engine.adapters",
            "`engine.adapters` names GPUs, and `engine.backend` is \"cpu\": take one of them out"
                .to_string(),
        );
    }
    engine
}

fn adapters(listed: Vec<String>) -> Adapters {
    match &*listed {
        [] => Adapters::Best,
        [all] if all == "all" => Adapters::All,
        _ => Adapters::Named(listed),
    }
}

/// The backend of that name.
pub fn backend(text: &str) -> Option<BackendChoice> {
    match text {
        "auto" => Some(BackendChoice::Auto),
        "wgpu" => Some(BackendChoice::Wgpu),
        "cpu" => Some(BackendChoice::Cpu),
        _ => None,
    }
}
