//! The operations of the admin interface.

use super::{
    AccountChange, AccountRow, AuditRow, ConfigView, Envelope, EventsQuery, FolderPair,
    FoldersReply, HistoryQuery, ImageQuery, JobDetail, JobRow, JobsQuery, KeyChange, KeyCreated,
    KeyRow, KeysQuery, ListQuery, LogQuery, LogTail, MetricsHistory, ModelFile, ModelRow,
    ModelsReply, NewAccount, NewKey, Page, PageQuery, PipelinesReply, ServerView, TopUp,
    WorkersReply,
};
use crate::endpoint::{AnyJson, Events, Interface, Json, Picture, endpoints};
use crate::error::ErrorCode;
use crate::folder::FolderStatus;

/// The admin interface.
pub static ADMIN: Interface = Interface {
    title: "Cleanplate admin",
    description: "Looks after a Cleanplate daemon.",
    key: "Admin token; only over TCP. The Unix socket knows its peer without one",
    keyless: true,
    operations: OPERATIONS,
    when: &[
        (ErrorCode::BadRequest, "a body that is not JSON"),
        (
            ErrorCode::Unauthorized,
            "TCP without the admin token, or with a wrong one; WWW-Authenticate: Bearer realm=\"cleanplate-admin\"",
        ),
        (
            ErrorCode::Forbidden,
            "a peer of the socket that is neither root nor the daemon's user",
        ),
        (ErrorCode::NotFound, "no such thing"),
        (
            ErrorCode::UploadTimeout,
            "the body did not arrive within 10 s",
        ),
        (
            ErrorCode::Conflict,
            "its state forbids it: a job that has ended cannot be cancelled, one that has not failed or whose input is gone cannot be retried, a model has a task already, a correction below zero, a picture that cannot be shown",
        ),
        (ErrorCode::Gone, "a picture that was swept"),
        (ErrorCode::TooLarge, "a body above 64 KiB"),
        (
            ErrorCode::Invalid,
            "a field or parameter that is missing, unknown or out of its limits",
        ),
        (
            ErrorCode::RateLimited,
            "too many requests with a wrong token",
        ),
        (
            ErrorCode::QueueFull,
            "too many event streams or model tasks, or the queue is full",
        ),
        (ErrorCode::Internal, "a fault of the daemon"),
        (
            ErrorCode::Unavailable,
            "the daemon is stopping, has no device, or cannot store data",
        ),
        (
            ErrorCode::StorageFull,
            "the disk of the data folder is full",
        ),
    ],
};

/// Errors of everything.
const ALL: &[ErrorCode] = &[
    ErrorCode::Unauthorized,
    ErrorCode::Forbidden,
    ErrorCode::RateLimited,
    ErrorCode::Internal,
    ErrorCode::Unavailable,
];
/// Errors of what has parameters.
const QUERY: &[ErrorCode] = &[ErrorCode::Invalid];
/// Errors of what is asked for by id or name.
const ONE: &[ErrorCode] = &[ErrorCode::NotFound];
/// Errors of what changes something.
const CHANGE: &[ErrorCode] = &[ErrorCode::Conflict, ErrorCode::StorageFull];
/// Errors of what has a body.
const BODY: &[ErrorCode] = &[
    ErrorCode::BadRequest,
    ErrorCode::UploadTimeout,
    ErrorCode::TooLarge,
    ErrorCode::Invalid,
];
/// Errors of what cannot be done for many at a time.
const BUSY: &[ErrorCode] = &[ErrorCode::QueueFull];

endpoints! {
    /// Every operation of the admin interface.
    OPERATIONS:

    /// This interface, described.
    GetDocument = get_document: Get "/admin/v1/openapi.json", "daemon", Key => 200 AnyJson, errors &[ALL];

    /// The daemon: device, queue, newest figures.
    GetServer = get_server: Get "/admin/v1/server", "daemon", Key => 200 Json<ServerView>, errors &[ALL];

    /// Figures of the last seconds, oldest first.
    GetHistory = get_history: Get "/admin/v1/metrics/history", "daemon", Key, query HistoryQuery
        => 200 Json<MetricsHistory>, errors &[ALL, QUERY];

    /// Processes that share the store: role, device, jobs under way, last sign of life.
    ListWorkers = list_workers: Get "/admin/v1/workers", "daemon", Key => 200 Json<WorkersReply>, errors &[ALL];

    /// Server-sent events; Last-Event-ID or since go on after that event.
    WatchEvents = watch_events: Get "/admin/v1/events", "daemon", Key, query EventsQuery
        => 200 Events<Envelope>, errors &[ALL, QUERY, BUSY];

    /// Every option with value and origin; secrets are not told.
    GetConfig = get_config: Get "/admin/v1/config", "daemon", Key => 200 Json<ConfigView>, errors &[ALL];

    /// The newest log lines of a level and above.
    GetLog = get_log: Get "/admin/v1/log", "daemon", Key, query LogQuery => 200 Json<LogTail>, errors &[ALL, QUERY];

    /// Actions of administrators, newest first; text in actor, action or target.
    ListActions = list_actions: Get "/admin/v1/audit", "daemon", Key, query ListQuery
        => 200 Json<Page<AuditRow>>, errors &[ALL, QUERY];

    /// Accounts, oldest first; text in the name.
    ListAccounts = list_accounts: Get "/admin/v1/accounts", "accounts", Key, query ListQuery
        => 200 Json<Page<AccountRow>>, errors &[ALL, QUERY];

    /// Makes an account.
    CreateAccount = create_account: Post "/admin/v1/accounts", "accounts", Key, body Json<NewAccount>
        => 201 Json<AccountRow>, errors &[ALL, CHANGE, BODY];

    /// One account.
    GetAccount = get_account: Get "/admin/v1/accounts/{id}", "accounts", Key => 200 Json<AccountRow>, errors &[ALL, ONE];

    /// Renames an account.
    ChangeAccount = change_account: Patch "/admin/v1/accounts/{id}", "accounts", Key, body Json<AccountChange>
        => 200 Json<AccountRow>, errors &[ALL, ONE, CHANGE, BODY];

    /// Adds credits, or takes them away.
    TopUpAccount = top_up_account: Post "/admin/v1/accounts/{id}/top-ups", "accounts", Key, body Json<TopUp>
        => 201 Json<super::LedgerRow>, errors &[ALL, ONE, CHANGE, BODY];

    /// Ledger of an account, newest first.
    ListLedger = list_ledger: Get "/admin/v1/accounts/{id}/ledger", "accounts", Key, query PageQuery
        => 200 Json<Page<super::LedgerRow>>, errors &[ALL, ONE, QUERY];

    /// Keys, oldest first; text in the name or hint.
    ListKeys = list_keys: Get "/admin/v1/keys", "keys", Key, query KeysQuery
        => 200 Json<Page<KeyRow>>, errors &[ALL, QUERY];

    /// Makes a key; tells its secret once.
    CreateKey = create_key: Post "/admin/v1/keys", "keys", Key, body Json<NewKey>
        => 201 Json<KeyCreated>, errors &[ALL, ONE, CHANGE, BODY];

    /// One key.
    GetKey = get_key: Get "/admin/v1/keys/{id}", "keys", Key => 200 Json<KeyRow>, errors &[ALL, ONE];

    /// Changes name, limits, pipelines or expiry.
    ChangeKey = change_key: Patch "/admin/v1/keys/{id}", "keys", Key, body Json<KeyChange>
        => 200 Json<KeyRow>, errors &[ALL, ONE, CHANGE, BODY];

    /// Revokes a key if need be and takes it from all lists; its jobs keep its number.
    DeleteKey = delete_key: Delete "/admin/v1/keys/{id}", "keys", Key => 200 Json<KeyRow>, errors &[ALL, ONE, CHANGE];

    /// Ends a key at once and for good, and the addresses of its results.
    RevokeKey = revoke_key: Post "/admin/v1/keys/{id}/revoke", "keys", Key => 200 Json<KeyRow>, errors &[ALL, ONE, CHANGE];

    /// Jobs, newest first; text in the file name, the error or the front of the id.
    ListJobs = list_jobs: Get "/admin/v1/jobs", "jobs", Key, query JobsQuery
        => 200 Json<Page<JobRow>>, errors &[ALL, QUERY];

    /// One job: stages, models, warnings, files.
    GetJob = get_job: Get "/admin/v1/jobs/{id}", "jobs", Key => 200 Json<JobDetail>, errors &[ALL, ONE];

    /// Bytes of input, result or mask as kept; with side_px_max upright, reduced to that longer side, as PNG.
    GetImage = get_image: Get "/admin/v1/jobs/{id}/images/{part}", "jobs", Key, query ImageQuery
        => 200 Picture, errors &[ALL, ONE, QUERY, &[ErrorCode::Gone, ErrorCode::Conflict]];

    /// Ends a waiting or running job; nothing is charged.
    CancelJob = cancel_job: Post "/admin/v1/jobs/{id}/cancel", "jobs", Key => 200 Json<JobRow>, errors &[ALL, ONE, CHANGE];

    /// Runs a failed asynchronous job again as a new job with a new reservation.
    RetryJob = retry_job: Post "/admin/v1/jobs/{id}/retry", "jobs", Key
        => 201 Json<JobRow>, errors &[ALL, ONE, CHANGE, BUSY, &[ErrorCode::InsufficientCredits]];

    /// Watched folders.
    ListFolders = list_folders: Get "/admin/v1/folders", "folders", Key => 200 Json<FoldersReply>, errors &[ALL];

    /// Takes no new pairs; until resumed or restarted.
    PauseFolder = pause_folder: Post "/admin/v1/folders/{name}/pause", "folders", Key
        => 200 Json<FolderStatus>, errors &[ALL, ONE, CHANGE];

    /// Takes pairs again.
    ResumeFolder = resume_folder: Post "/admin/v1/folders/{name}/resume", "folders", Key
        => 200 Json<FolderStatus>, errors &[ALL, ONE, CHANGE];

    /// Looks at the whole folder now.
    RescanFolder = rescan_folder: Post "/admin/v1/folders/{name}/rescan", "folders", Key
        => 200 Json<FolderStatus>, errors &[ALL, ONE, CHANGE];

    /// Puts the files of a failed pair back to where they were dropped, so that it is taken again.
    RetryPair = retry_pair: Post "/admin/v1/folders/{name}/retry", "folders", Key, body Json<FolderPair>
        => 200 Json<FolderStatus>, errors &[ALL, ONE, CHANGE, BODY];

    /// Lets a failed pair go: it is no longer listed, its files stay in `failed`.
    ReleasePair = release_pair: Post "/admin/v1/folders/{name}/release", "folders", Key, body Json<FolderPair>
        => 200 Json<FolderStatus>, errors &[ALL, ONE, CHANGE, BODY];

    /// Models: load state, hash, size, background task.
    ListModels = list_models: Get "/admin/v1/models", "models", Key => 200 Json<ModelsReply>, errors &[ALL];

    /// Loads the weights into memory.
    LoadModel = load_model: Post "/admin/v1/models/{name}/load", "models", Key
        => 200 Json<ModelRow>, errors &[ALL, ONE, CHANGE];

    /// Frees the weights; running jobs keep theirs to their end.
    UnloadModel = unload_model: Post "/admin/v1/models/{name}/unload", "models", Key
        => 200 Json<ModelRow>, errors &[ALL, ONE, CHANGE];

    /// Checks the weight file against its hash, in the background.
    VerifyModel = verify_model: Post "/admin/v1/models/{name}/verify", "models", Key
        => 202 Json<ModelRow>, "It is being checked", errors &[ALL, ONE, CHANGE, BUSY];

    /// Downloads the published weights, in the background.
    PullModel = pull_model: Post "/admin/v1/models/{name}/pull", "models", Key
        => 202 Json<ModelRow>, "They are being downloaded", errors &[ALL, ONE, CHANGE, BUSY];

    /// Imports a weight file of the daemon's machine, in the background.
    ImportModel = import_model: Post "/admin/v1/models/{name}/import", "models", Key, body Json<ModelFile>
        => 202 Json<ModelRow>, "It is being imported", errors &[ALL, ONE, CHANGE, BODY, BUSY];

    /// Pipelines.
    ListPipelines = list_pipelines: Get "/admin/v1/pipelines", "pipelines", Key
        => 200 Json<PipelinesReply>, errors &[ALL];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_has_the_prefix() {
        for operation in OPERATIONS {
            let path = operation.route.path;
            assert!(path.starts_with(super::super::PREFIX), "{path}");
        }
    }
}
