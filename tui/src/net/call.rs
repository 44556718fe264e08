//! Requests to the daemon and what comes back.

use cleanplate_api::FolderStatus;
use cleanplate_api::admin::{
    AccountChange, AccountRow, FoldersReply, ImagePart, JobDetail, JobRow, KeyChange, KeyCreated,
    KeyRow, LedgerRow, LogTail, MetricsHistory, ModelRow, ModelsReply, NewAccount, NewKey, PREFIX,
    Page, ServerView, TopUp,
};
use serde::Serialize;
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

/// Method, path with query, and body of a call.
pub struct Request {
    /// Method.
    pub method: hyper::Method,
    /// Path and query.
    pub path: String,
    /// JSON, or nothing.
    pub body: Vec<u8>,
}

impl Call {
    /// Whether it changes something in the daemon: not with `--readonly`, and never repeated by itself.
    pub fn changes(&self) -> bool {
        !matches!(
            self.request(),
            Ok(Request {
                method: hyper::Method::GET,
                ..
            })
        )
    }

    /// What is sent.
    pub fn request(&self) -> Result<Request, NetError> {
        let page = |path: &str, after: &Option<String>| match after {
            Some(after) => format!("{path}?after={}", escape(after)),
            None => path.to_string(),
        };
        match self {
            Call::Server => get("/server"),
            Call::History => get("/metrics/history"),
            Call::Jobs { text, after } => {
                let after = after
                    .as_ref()
                    .map(|after| format!("&after={}", escape(after)))
                    .unwrap_or_default();
                let text = if text.is_empty() {
                    String::new()
                } else {
                    format!("&text={}", escape(text))
                };
                get(&format!("/jobs?rows=100{text}{after}"))
            }
            Call::Job(id) => get(&format!("/jobs/{}", escape(id))),
            Call::Picture(id, part) => get(&format!(
                "/jobs/{}/images/{}?side_px_max={PICTURE_SIDE_PX_MAX}",
                escape(id),
                part.as_str()
            )),
            Call::Accounts(after) => get(&page("/accounts", after)),
            Call::Ledger(id, after) => get(&page(&format!("/accounts/{id}/ledger"), after)),
            Call::Keys(after) => get(&page("/keys", after)),
            Call::Folders => get("/folders"),
            Call::Models => get("/models"),
            Call::Log => get(&format!("/log?rows={LOG_ROWS}")),
            Call::CancelJob(id) => post(&format!("/jobs/{}/cancel", escape(id))),
            Call::RetryJob(id) => post(&format!("/jobs/{}/retry", escape(id))),
            Call::CreateKey(new) => with(hyper::Method::POST, "/keys", new),
            Call::ChangeKey(id, change) => {
                with(hyper::Method::PATCH, &format!("/keys/{id}"), change)
            }
            Call::RevokeKey(id) => post(&format!("/keys/{id}/revoke")),
            Call::DeleteKey(id) => plain(hyper::Method::DELETE, &format!("/keys/{id}")),
            Call::CreateAccount(new) => with(hyper::Method::POST, "/accounts", new),
            Call::ChangeAccount(id, change) => {
                with(hyper::Method::PATCH, &format!("/accounts/{id}"), change)
            }
            Call::TopUp(id, top_up) => with(
                hyper::Method::POST,
                &format!("/accounts/{id}/top-ups"),
                top_up,
            ),
            Call::Folder(name, verb) => {
                post(&format!("/folders/{}/{}", escape(name), verb.as_str()))
            }
            Call::Model(name, verb) => post(&format!("/models/{}/{}", escape(name), verb.as_str())),
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

fn plain(method: hyper::Method, path: &str) -> Result<Request, NetError> {
    Ok(Request {
        method,
        path: format!("{PREFIX}{path}"),
        body: Vec::new(),
    })
}

fn get(path: &str) -> Result<Request, NetError> {
    plain(hyper::Method::GET, path)
}

fn post(path: &str) -> Result<Request, NetError> {
    plain(hyper::Method::POST, path)
}

fn with<T: Serialize>(method: hyper::Method, path: &str, body: &T) -> Result<Request, NetError> {
    let body = serde_json::to_vec(body)
        .map_err(|e| NetError::Protocol(format!("the request cannot be written: {e}")))?;
    Ok(Request {
        method,
        path: format!("{PREFIX}{path}"),
        body,
    })
}

fn json<T: DeserializeOwned>(body: &[u8]) -> Result<T, NetError> {
    serde_json::from_slice(body).map_err(|e| {
        NetError::Protocol(format!(
            "the reply is not what this version understands: {e}"
        ))
    })
}

/// The text as part of a path or a query: everything but letters, digits and `-_.~` as `%XX`.
fn escape(text: &str) -> String {
    let kept = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    text.bytes()
        .map(|b| {
            if kept(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_leave_their_place_in_the_path() {
        let request = Call::Folder("../keys/1?x=1#é".to_string(), Verb::Pause)
            .request()
            .unwrap();
        assert_eq!(
            request.path,
            "/admin/v1/folders/..%2Fkeys%2F1%3Fx%3D1%23%C3%A9/pause"
        );
        let request = Call::Jobs {
            text: "a&after=b".to_string(),
            after: Some("c d".to_string()),
        }
        .request()
        .unwrap();
        assert_eq!(
            request.path,
            "/admin/v1/jobs?rows=100&text=a%26after%3Db&after=c%20d"
        );
    }

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

    #[test]
    fn every_call_is_a_route_of_the_interface() {
        use cleanplate_api::admin::ROUTES;
        let id = || "ID".to_string();
        let new_key = serde_json::from_str(r#"{"account_id":1,"name":"n"}"#).unwrap();
        let calls = [
            Call::Server,
            Call::History,
            Call::Jobs {
                text: "t".to_string(),
                after: Some("a".to_string()),
            },
            Call::Job(id()),
            Call::Picture(id(), ImagePart::Input),
            Call::Accounts(Some(id())),
            Call::Ledger(1, Some(id())),
            Call::Keys(Some(id())),
            Call::Folders,
            Call::Models,
            Call::Log,
            Call::CancelJob(id()),
            Call::RetryJob(id()),
            Call::CreateKey(new_key),
            Call::ChangeKey(1, KeyChange::default()),
            Call::RevokeKey(1),
            Call::DeleteKey(1),
            Call::CreateAccount(NewAccount {
                name: id(),
                credits: 0,
            }),
            Call::ChangeAccount(1, AccountChange::default()),
            Call::TopUp(
                1,
                TopUp {
                    credits: 1,
                    note: String::new(),
                },
            ),
            Call::Folder(id(), Verb::Pause),
            Call::Folder(id(), Verb::Resume),
            Call::Folder(id(), Verb::Rescan),
            Call::Model(id(), Verb::Load),
            Call::Model(id(), Verb::Unload),
            Call::Model(id(), Verb::Verify),
            Call::Model(id(), Verb::Pull),
        ];
        for call in calls {
            let request = call.request().unwrap();
            let (path, query) = request.path.split_once('?').unwrap_or((&request.path, ""));
            let fits = |route: &str| {
                let (ours, theirs) = (path.trim_start_matches(PREFIX).split('/'), route.split('/'));
                ours.clone().count() == theirs.clone().count()
                    && ours.zip(theirs).all(|(a, b)| b.starts_with('{') || a == b)
            };
            let route = ROUTES
                .iter()
                .find(|route| route.method.as_str() == request.method.as_str() && fits(route.path));
            let route = route.unwrap_or_else(|| panic!("{} {path} is no route", request.method));
            for parameter in query.split('&').filter(|p| !p.is_empty()) {
                let name = parameter.split('=').next().unwrap();
                assert!(route.query.contains(&name), "{path} takes no `{name}`");
            }
            assert_eq!(route.body.is_empty(), request.body.is_empty(), "{path}");
        }
    }
}
