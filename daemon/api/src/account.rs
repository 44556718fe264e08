//! Reply of `GET /v1/account`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The caller's account: what it may spend and what things cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AccountReply {
    /// The account.
    pub account_id: String,
    /// Its name.
    pub name: String,
    /// Credits that can be spent now.
    pub balance: i64,
    /// Credits reserved by jobs that have not ended.
    pub held: i64,
    /// The key of this request.
    pub key: KeyView,
    /// Price list in credits.
    pub prices: Prices,
    /// Limits that apply to this key.
    pub limits: Limits,
    /// Pipelines that this key may ask for; the first is what a request gets that names none.
    #[serde(default)]
    pub pipelines: Vec<PipelineView>,
}

/// A pipeline that a request may name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PipelineView {
    /// Its name.
    pub name: String,
    /// What it does.
    pub description: String,
}

/// A key, without its secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KeyView {
    /// The key's id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// First and last characters, to recognise it by.
    pub hint: String,
    /// Secret that signs webhooks of this key's jobs.
    pub webhook_secret: String,
}

/// Prices in credits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Prices {
    /// One removal, a segmentation inside it included.
    pub removal: i64,
    /// One segmentation on its own.
    pub segmentation: i64,
}

/// Limits on requests.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Limits {
    /// Greatest size of one file in bytes.
    pub upload_bytes_max: u64,
    /// Greatest number of pixels of a photo.
    pub pixels_max: u64,
    /// Jobs of one key that may be waiting or running at once.
    pub in_flight_max: u32,
    /// Requests per minute.
    pub rate_limits: RateLimits,
}

/// Requests per minute and key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RateLimits {
    /// Single removals.
    pub removal_per_minute: u32,
    /// Batches.
    pub batch_per_minute: u32,
    /// Segmentations.
    pub segmentation_per_minute: u32,
    /// Everything else that needs a key.
    pub read_per_minute: u32,
}
