//! Requests to the daemon and what comes back.

use cleanplate_api::FolderStatus;
use cleanplate_api::admin::{
    self, AccountChange, AccountRow, FoldersReply, ImagePart, JobDetail, JobRow, KeyChange,
    KeyCreated, KeyRow, LedgerRow, LogTail, MetricsHistory, ModelRow, ModelsReply, NewAccount,
    NewKey, Page, ServerView, TopUp,
};
use cleanplate_api::endpoint::{Encode, Endpoint, Json, Method, NoQuery, Request};
use serde::de::DeserializeOwned;

use super::NetError;
use crate::action::Verb;

/// Longer side of pictures that are asked for, pixels: as much as a terminal shows, and cheap to decode.
pub const PICTURE_SIDE_PX_MAX: u32 = 768;
/// Lines of log that are asked for.
const LOG_ROWS: u32 = 1000;

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub enum Call {
    /// The daemon itself.
    Server,
    /// Figures of the last minutes.
    History,
    /// A page of jobs: text to look for, and where the page before ended.
    Jobs {
        /// Text that the daemon looks for.
        text: String,
        /// `next` of the page before.
        after: Option<String>,
    },
    /// One job.
    Job(String),
    /// A picture of a job.
    Picture(String, ImagePart),
    /// A page of accounts.
    Accounts(Option<String>),
    /// A page of an account's ledger.
    Ledger(i64, Option<String>),
    /// A page of keys.
    Keys(Option<String>),
    /// Folders.
    Folders,
    /// Models.
    Models,
    /// The newest log lines.
    Log,
    /// End a job.
    CancelJob(String),
    /// Run a failed job again.
    RetryJob(String),
    /// Make a key.
    CreateKey(NewKey),
    /// Change a key.
    ChangeKey(i64, KeyChange),
    /// Revoke a key.
    RevokeKey(i64),
    /// Delete a key.
    DeleteKey(i64),
    /// Make an account.
    CreateAccount(NewAccount),
    /// Rename an account.
    ChangeAccount(i64, AccountChange),
    /// Add credits.
    TopUp(i64, TopUp),
    /// Do something with a folder.
    Folder(String, Verb),
    /// Do something with a model.
    Model(String, Verb),
}

/// What a request brings.
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// The daemon itself.
    Server(Box<ServerView>),
    /// Figures.
    History(MetricsHistory),
    /// Jobs.
    Jobs(Page<JobRow>),
    /// A job with its particulars.
    Job(Box<JobDetail>),
    /// The bytes of a picture.
    Picture(Vec<u8>),
    /// Accounts.
    Accounts(Page<AccountRow>),
    /// Ledger entries.
    Ledger(Page<LedgerRow>),
    /// Keys.
    Keys(Page<KeyRow>),
    /// Folders.
    Folders(FoldersReply),
    /// Models.
    Models(ModelsReply),
    /// Log lines.
    Log(LogTail),
    /// A job that was changed or made.
    JobRow(Box<JobRow>),
    /// A key that was made.
    KeyCreated(Box<KeyCreated>),
    /// A key that was changed.
    KeyRow(Box<KeyRow>),
    /// An account that was made or changed.
    AccountRow(AccountRow),
    /// The entry that a top-up made.
    LedgerRow(LedgerRow),
    /// A folder that was changed.
    Folder(Box<FolderStatus>),
    /// A model that was changed.
    Model(Box<ModelRow>),
}

impl Call {
    /// Whether it changes something in the daemon: not with `--readonly`, and never repeated by itself.
    pub fn changes(&self) -> bool {
        !matches!(self.request(), Ok(request) if request.method == Method::Get)
    }

    /// What is sent.
    pub fn request(&self) -> Result<Request, NetError> {
        let page = |after: &Option<String>| admin::ListQuery {
            after: after.clone(),
            ..Default::default()
        };
        match self {
            Call::Server => plain::<admin::GetServer>(&[]),
            Call::History => with::<admin::GetHistory>(&[], &Default::default(), &()),
            Call::Jobs { text, after } => {
                let query = admin::JobsQuery {
                    text: Some(text.clone()).filter(|text| !text.is_empty()),
                    after: after.clone(),
                    ..Default::default()
                };
                with::<admin::ListJobs>(&[], &query, &())
            }
            Call::Job(id) => plain::<admin::GetJob>(&[id]),
            Call::Picture(id, part) => {
                let query = admin::ImageQuery {
                    side_px_max: Some(PICTURE_SIDE_PX_MAX),
                };
                with::<admin::GetImage>(&[id, part.as_str()], &query, &())
            }
            Call::Accounts(after) => with::<admin::ListAccounts>(&[], &page(after), &()),
            Call::Ledger(id, after) => {
                let query = admin::PageQuery {
                    after: after.clone(),
                    rows: None,
                };
                with::<admin::ListLedger>(&[&id.to_string()], &query, &())
            }
            Call::Keys(after) => {
                let query = admin::KeysQuery {
                    after: after.clone(),
                    ..Default::default()
                };
                with::<admin::ListKeys>(&[], &query, &())
            }
            Call::Folders => plain::<admin::ListFolders>(&[]),
            Call::Models => plain::<admin::ListModels>(&[]),
            Call::Log => {
                let query = admin::LogQuery {
                    rows: Some(LOG_ROWS),
                    ..Default::default()
                };
                with::<admin::GetLog>(&[], &query, &())
            }
            Call::CancelJob(id) => plain::<admin::CancelJob>(&[id]),
            Call::RetryJob(id) => plain::<admin::RetryJob>(&[id]),
            Call::CreateKey(new) => made::<admin::CreateKey>(&[], Json(new.clone())),
            Call::ChangeKey(id, change) => {
                made::<admin::ChangeKey>(&[&id.to_string()], Json(change.clone()))
            }
            Call::RevokeKey(id) => plain::<admin::RevokeKey>(&[&id.to_string()]),
            Call::DeleteKey(id) => plain::<admin::DeleteKey>(&[&id.to_string()]),
            Call::CreateAccount(new) => made::<admin::CreateAccount>(&[], Json(new.clone())),
            Call::ChangeAccount(id, change) => {
                made::<admin::ChangeAccount>(&[&id.to_string()], Json(change.clone()))
            }
            Call::TopUp(id, top_up) => {
                made::<admin::TopUpAccount>(&[&id.to_string()], Json(top_up.clone()))
            }
            Call::Folder(name, Verb::Pause) => plain::<admin::PauseFolder>(&[name]),
            Call::Folder(name, Verb::Resume) => plain::<admin::ResumeFolder>(&[name]),
            Call::Folder(name, _) => plain::<admin::RescanFolder>(&[name]),
            Call::Model(name, Verb::Load) => plain::<admin::LoadModel>(&[name]),
            Call::Model(name, Verb::Unload) => plain::<admin::UnloadModel>(&[name]),
            Call::Model(name, Verb::Verify) => plain::<admin::VerifyModel>(&[name]),
            Call::Model(name, _) => plain::<admin::PullModel>(&[name]),
        }
    }

    /// Reads the body of a reply that says success.
    pub fn read(&self, body: Vec<u8>) -> Result<Reply, NetError> {
        Ok(match self {
            Call::Server => Reply::Server(Box::new(json(&body)?)),
            Call::History => Reply::History(json(&body)?),
            Call::Jobs { .. } => Reply::Jobs(json(&body)?),
            Call::Job(_) => Reply::Job(Box::new(json(&body)?)),
            Call::Picture(..) => Reply::Picture(body),
            Call::Accounts(_) => Reply::Accounts(json(&body)?),
            Call::Ledger(..) => Reply::Ledger(json(&body)?),
            Call::Keys(_) => Reply::Keys(json(&body)?),
            Call::Folders => Reply::Folders(json(&body)?),
            Call::Models => Reply::Models(json(&body)?),
            Call::Log => Reply::Log(json(&body)?),
            Call::CancelJob(_) | Call::RetryJob(_) => Reply::JobRow(Box::new(json(&body)?)),
            Call::CreateKey(_) => Reply::KeyCreated(Box::new(json(&body)?)),
            Call::ChangeKey(..) | Call::RevokeKey(_) | Call::DeleteKey(_) => {
                Reply::KeyRow(Box::new(json(&body)?))
            }
            Call::CreateAccount(_) | Call::ChangeAccount(..) => Reply::AccountRow(json(&body)?),
            Call::TopUp(..) => Reply::LedgerRow(json(&body)?),
            Call::Folder(..) => Reply::Folder(Box::new(json(&body)?)),
            Call::Model(..) => Reply::Model(Box::new(json(&body)?)),
        })
    }
}

fn with<E: Endpoint<Body: Encode>>(
    places: &[&str],
    query: &E::Query,
    body: &E::Body,
) -> Result<Request, NetError> {
    Request::of::<E>(places, query, body)
        .map_err(|e| NetError::Protocol(format!("the request cannot be written: {e}")))
}

fn plain<E: Endpoint<Query = NoQuery, Body = ()>>(places: &[&str]) -> Result<Request, NetError> {
    with::<E>(places, &NoQuery {}, &())
}

fn made<E: Endpoint<Query = NoQuery, Body: Encode>>(
    places: &[&str],
    body: E::Body,
) -> Result<Request, NetError> {
    with::<E>(places, &NoQuery {}, &body)
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, NetError> {
    serde_json::from_slice(body).map_err(|e| {
        NetError::Protocol(format!(
            "the reply is not what this version understands: {e}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_reads_count_as_reads() {
        assert!(
            !Call::Server.changes() && !Call::Picture("a".to_string(), ImagePart::Mask).changes()
        );
        for call in [
            Call::CancelJob("a".to_string()),
            Call::RevokeKey(1),
            Call::DeleteKey(1),
            Call::Model("m".to_string(), Verb::Load),
        ] {
            assert!(call.changes(), "{call:?}");
        }
    }
}
