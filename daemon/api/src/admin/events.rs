//! The stream of events.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::accounts::AccountRow;
use super::jobs::JobRow;
use super::keys::KeyRow;
use super::log::LogLine;
use super::models::ModelRow;
use super::server::{MetricsTick, ServerState};
use crate::folder::FolderStatus;
use crate::health::QueueView;

/// One event with its number: the `data` of a server-sent event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Envelope {
    /// Rises by one from event to event; `hello` and `resync` carry the number of the last event before them.
    pub seq: u64,
    /// When it was sent out.
    pub at_ms: i64,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
}

/// What happened. On the wire: `"type"` and `"data"`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "type", content = "data", rename_all = "snake_case")]
pub enum Event {
    /// First event of every stream.
    Hello(Hello),
    /// Events were lost on the way: fetch anew what is shown.
    Resync(Resync),
    /// Jobs that changed in the last tenth of a second, each in its newest state.
    Jobs(JobsChanged),
    /// The queue changed.
    Queue(QueueView),
    /// Whether work is taken changed.
    State(StateChanged),
    /// Once a second.
    Metrics(MetricsTick),
    /// A watched folder changed.
    Folder(FolderStatus),
    /// A watched folder is no longer watched; its name.
    FolderGone(String),
    /// A model was loaded or unloaded, or its task went on.
    Model(ModelRow),
    /// An account was made or changed by an administrator.
    Account(AccountRow),
    /// A key was made, changed or revoked.
    Key(KeyRow),
    /// A key was deleted; its number.
    KeyGone(i64),
    /// Log lines of the last tenth of a second.
    Log(LogLines),
}

impl Event {
    /// Its name on the wire.
    pub fn name(&self) -> &'static str {
        match self {
            Event::Hello(_) => "hello",
            Event::Resync(_) => "resync",
            Event::Jobs(_) => "jobs",
            Event::Queue(_) => "queue",
            Event::State(_) => "state",
            Event::Metrics(_) => "metrics",
            Event::Folder(_) => "folder",
            Event::FolderGone(_) => "folder_gone",
            Event::Model(_) => "model",
            Event::Account(_) => "account",
            Event::Key(_) => "key",
            Event::KeyGone(_) => "key_gone",
            Event::Log(_) => "log",
        }
    }
}

/// Query of the stream.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub struct EventsQuery {
    /// Id of the last event that the client has, where it cannot send Last-Event-ID.
    pub since: Option<String>,
}

/// Start of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Hello {
    /// Version of the daemon.
    pub version: String,
    /// Changes with every start of the daemon.
    pub boot: String,
    /// Whether the stream goes on where the client's last one ended. Otherwise the client fetches everything anew.
    pub resumed: bool,
}

/// Whether work is taken now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StateChanged {
    /// Whether it is.
    pub state: ServerState,
    /// Why it is not.
    pub reason: Option<String>,
}

/// Events that the client did not get.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Resync {
    /// How many.
    pub missed: u64,
}

/// Jobs that changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct JobsChanged {
    /// The jobs, those that changed last come last. At most 200.
    pub jobs: Vec<JobRow>,
    /// Jobs that changed too and are left out; their states are told by `GET /jobs`.
    pub omitted: u64,
}

/// New log lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLines {
    /// The lines, oldest first. At most 100, level `info` and above.
    pub lines: Vec<LogLine>,
    /// Lines that are left out; `GET /log` has them.
    pub omitted: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_have_the_documented_form() {
        let event = Event::Hello(Hello {
            version: "1".to_string(),
            boot: "b".to_string(),
            resumed: false,
        });
        let name = event.name();
        let json = serde_json::to_value(Envelope {
            seq: 7,
            at_ms: 9,
            event,
        })
        .unwrap();
        assert_eq!(json["type"], name);
        let want = serde_json::json!({"seq":7,"at_ms":9,"type":"hello","data":{"version":"1","boot":"b","resumed":false}});
        assert_eq!(json, want);
        let gone: Envelope =
            serde_json::from_str(r#"{"seq":1,"at_ms":2,"type":"key_gone","data":3}"#).unwrap();
        assert_eq!(gone.event, Event::KeyGone(3));
        assert_eq!(gone.event.name(), "key_gone");
    }
}
