//! Types of the admin interface, shared by the daemon and the terminal dashboard.
//!
//! It has a listener of its own: a Unix socket (mode 0600, `admin.sock` in the data folder), and TCP only where an admin
//! token is configured (`Authorization: Bearer TOKEN`). All paths start with [`PREFIX`]. [`ADMIN`] lists the operations;
//! the daemon serves exactly these, `GET /admin/v1/openapi.json` describes them.
//!
//! # Conventions
//!
//! - Accounts, keys, ledger and audit entries have whole numbers as ids, jobs and batches have texts of 36 characters.
//! - Times are milliseconds since 1970 (`_at_ms`), spans say their unit in their name.
//! - Lists are [`Page`]s: `rows` (1 to 100, default 100) and `after` (the `next` of the page before). A page without `next`
//!   is the last. `text` in a filter is looked for without regard to case, as it stands (no wildcards), at most 100 characters.
//! - Bodies are JSON, at most 64 KiB; unknown fields are refused. In a change, a field that is absent stays as it is, and
//!   `null` removes it (no limit, no expiry, all pipelines).
//! - Every change is written to the audit table with who asked, before and after. A change that is repeated is done again:
//!   a client must not repeat a top-up by itself after a lost connection, but look at the ledger first.
//!
//! # Errors
//!
//! The bodies are those of the public interface: [`crate::ErrorBody`], for 422 [`crate::InvalidBody`]. [`ADMIN`] says when each
//! is sent.
//!
//! # Events
//!
//! `GET /admin/v1/events` answers with server-sent events: `id: BOOT-SEQ`, `event: TYPE`, `data: {"seq":..,"at_ms":..,"type":TYPE,"data":{..}}`
//! ([`Envelope`]). The first is always `hello`. Numbers rise by one; after a reconnect with `Last-Event-ID` (or `?since=BOOT-SEQ`) the
//! stream goes on where it ended if the daemon still has those events (`hello.resumed`), else the client fetches everything
//! anew. A client that reads too slowly gets `resync` in place of what it missed. A comment line comes after 15 s of silence.

mod accounts;
mod audit;
mod config;
mod endpoints;
mod events;
mod folders;
mod jobs;
mod keys;
mod log;
mod models;
mod page;
mod server;
mod workers;

pub use accounts::{AccountChange, AccountRow, LedgerCause, LedgerRow, NewAccount, TopUp};
pub use audit::AuditRow;
pub use config::{ConfigOption, ConfigView};
pub use endpoints::*;
pub use events::{
    Envelope, Event, EventsQuery, Hello, JobsChanged, LogLines, Resync, StateChanged,
};
pub use folders::{FolderPair, FoldersReply};
pub use jobs::{ImagePart, ImageQuery, JobDetail, JobRow, JobsQuery, KeptFile};
pub use keys::{KeyChange, KeyCreated, KeyRow, KeyState, KeysQuery, NewKey};
pub use log::{LogLevel, LogLine, LogQuery, LogTail};
pub use models::{
    LoadState, ModelFile, ModelRow, ModelTask, ModelsReply, PipelineRow, PipelinesReply, TaskKind,
    TaskState,
};
pub use page::{ListQuery, Page, PageQuery};
pub use server::{
    Admin, HistoryQuery, Latency, MetricsHistory, MetricsTick, ServerState, ServerView, Totals,
};
pub use workers::{WorkerRow, WorkersReply};

/// Front of every path.
pub const PREFIX: &str = "/admin/v1";

/// Name of the socket in the data folder, unless the configuration says otherwise.
pub const SOCKET_FILE: &str = "admin.sock";

/// Rows of a page that asks for no number, and the most a page can have.
pub const PAGE_ROWS_MAX: u32 = 100;
