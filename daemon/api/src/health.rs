//! Replies of `/healthz` and `/readyz`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Reply of `/healthz`: the process lives; what it runs on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HealthReply {
    /// `ok`, or `degraded` when there is no device or an invariant is broken.
    pub status: String,
    /// Version of the daemon.
    pub version: String,
    /// Seconds since start.
    pub uptime_s: u64,
    /// The device, when there is one.
    pub device: Option<DeviceView>,
    /// Why there is no device.
    pub device_error: Option<String>,
    /// Each of the devices that `engine.adapters` asks for.
    pub devices: Vec<DeviceStatus>,
    /// The queue.
    pub queue: QueueView,
}

/// The device in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceView {
    /// `wgpu` or `cpu`.
    pub backend: String,
    /// Adapter or processor name.
    pub name: String,
    /// Driver and version, or the processor's vector width.
    pub driver: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `cpu`.
    pub kind: String,
    /// Bytes held for weights and plans.
    pub memory_bytes: u64,
}

/// A device, or why it is not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeviceStatus {
    /// Name of the adapter that was asked for; null where it is the best one.
    pub adapter: Option<String>,
    /// The device, when it is open.
    pub device: Option<DeviceView>,
    /// Why it is not.
    pub error: Option<String>,
}

/// Load of the queue.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct QueueView {
    /// Jobs waiting.
    pub waiting: u32,
    /// Jobs on the device.
    pub running: u32,
    /// Jobs that may wait.
    pub length_max: u32,
}

/// Reply of `/readyz`: 200 when service calls would be taken, otherwise 503.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadyReply {
    /// Whether service calls are taken.
    pub ready: bool,
    /// Why not.
    pub reason: Option<String>,
    /// The last check of the database file, once there was one.
    pub database: Option<DatabaseCheck>,
}

/// A check of every page of the database file and of the account books.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DatabaseCheck {
    /// When it ended.
    pub checked_at_ms: i64,
    /// What it found first; null when all is sound.
    pub problem: Option<String>,
}
