//! The daemon itself.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::health::{DatabaseCheck, DeviceStatus, DeviceView, QueueView};

/// Whether work is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ServerState {
    /// The device is being opened.
    Starting,
    /// Service calls are taken.
    Ready,
    /// The daemon runs but takes no calls; `reason` says why.
    Degraded,
    /// It is stopping: running jobs end, new ones are refused.
    Draining,
}

/// Who is asking, as the audit table names them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Admin {
    /// `uid 1000 (ada)`, `token NAME`.
    pub actor: String,
}

/// Jobs by state; those that have ended are counted since the beginning of the database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Totals {
    /// Waiting.
    pub pending: u64,
    /// On the device.
    pub processing: u64,
    /// Ended well.
    pub completed: u64,
    /// Ended otherwise.
    pub failed: u64,
}

/// Reply of `GET /server`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ServerView {
    /// Version of the daemon.
    pub version: String,
    /// Changes with every start; the front part of event ids.
    pub boot: String,
    /// Number of the newest event: a client that read this view has seen all up to it.
    pub seq: u64,
    /// When it started.
    pub started_at_ms: i64,
    /// Its clock now.
    pub now_at_ms: i64,
    /// Process number.
    pub pid: u32,
    /// Whether work is taken.
    pub state: ServerState,
    /// Why it is not ready.
    pub reason: Option<String>,
    /// Address of the public interface.
    pub listen: String,
    /// Data folder.
    pub data_dir: String,
    /// `auto`, `wgpu` or `cpu`, as configured.
    pub backend: String,
    /// The device, when there is one.
    pub device: Option<DeviceView>,
    /// Each of the devices.
    pub devices: Vec<DeviceStatus>,
    /// The queue.
    pub queue: QueueView,
    /// All jobs.
    pub totals: Totals,
    /// The newest figures.
    pub metrics: MetricsTick,
    /// The last check of the database file, once there was one.
    pub database: Option<DatabaseCheck>,
    /// Who is asking.
    pub you: Admin,
}

/// Percentiles of a span in ms; null where nothing ended in the window.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Latency {
    /// Half are faster.
    pub p50_ms: Option<f64>,
    /// 95 of 100 are faster.
    pub p95_ms: Option<f64>,
    /// 99 of 100 are faster.
    pub p99_ms: Option<f64>,
}

/// Figures of one second. Percentiles are over the last 60 seconds, rates over the last second.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricsTick {
    /// End of the second.
    pub at_ms: i64,
    /// Jobs that ended well in this second.
    pub completed: u32,
    /// Jobs that ended otherwise in this second.
    pub failed: u32,
    /// HTTP requests of the public interface in this second.
    pub requests: u32,
    /// Error replies (4xx and 5xx) among them.
    pub errors: u32,
    /// Credits charged in this second.
    pub credits: i64,
    /// Jobs waiting.
    pub waiting: u32,
    /// Jobs on the device.
    pub running: u32,
    /// Share of the second that the device worked, 0 to 1.
    pub busy: f64,
    /// From acceptance to result, completed jobs.
    pub latency: Latency,
    /// From acceptance to the device.
    pub wait: Latency,
    /// Resident memory of the process, bytes.
    pub rss_bytes: u64,
    /// Held on the device for weights and plans, bytes.
    pub device_bytes: u64,
    /// Processor time of the process in this second, in cores: 1.5 = one and a half.
    pub cpu_cores: f64,
    /// Free space on the volume of the data folder, bytes.
    pub disk_free_bytes: u64,
}

/// Query of the figures of the last seconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct HistoryQuery {
    /// Seconds, 1 to 300; 300 if not given.
    pub seconds: Option<u32>,
}

/// Reply of `GET /metrics/history`: the last seconds, oldest first, without gaps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MetricsHistory {
    /// One per second.
    pub ticks: Vec<MetricsTick>,
}
