//! Types of Cleanplate's HTTP interface: what travels over the wire, and nothing else.
//!
//! Shared by the daemon and its clients. Field names and status codes are a contract with programs
//! that were written against it: adding is allowed, renaming and removing are not.

mod account;
pub mod admin;
mod batch;
pub mod endpoint;
mod error;
mod folder;
mod health;
mod job;
mod models;
pub mod public;

pub use account::{AccountReply, KeyView, Limits, PipelineView, Prices, RateLimits};
pub use batch::{BatchQuoteReply, BatchReply};
pub use error::{BodyShape, ERRORS, ErrorBody, ErrorCode, ErrorRow, FieldError, InvalidBody, Loc};
pub use folder::{FolderFailure, FolderFile, FolderStatus};
pub use health::{DatabaseCheck, DeviceStatus, DeviceView, HealthReply, QueueView, ReadyReply};
pub use job::{
    Candidate, Choice, JobEvent, JobReply, JobStatus, ModelUse, QuoteReply, RemovalReply,
    RemovalResult, Score, StageTiming,
};
pub use models::{ModelView, ModelsReply};
pub use public::PUBLIC;
