//! What a process does of the service.

use super::{Config, FilesPlace};
use crate::config::reader::Reader;

/// `server.role`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Everything.
    All,
    /// Takes calls, watches hot folders and sends webhooks; opens no device.
    Api,
    /// Does jobs; of the interface it has health and metrics only.
    Worker,
}

impl Role {
    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Role::All => "all",
            Role::Api => "api",
            Role::Worker => "worker",
        }
    }

    /// Whether calls are taken, and what comes with them.
    pub fn takes_calls(self) -> bool {
        self != Role::Worker
    }

    /// Whether jobs are done.
    pub fn does_jobs(self) -> bool {
        self != Role::Api
    }
}

pub(super) fn role(text: &str) -> Result<Role, String> {
    [Role::All, Role::Api, Role::Worker]
        .into_iter()
        .find(|role| role.word() == text)
        .ok_or_else(|| "\"all\", \"api\" or \"worker\"".to_string())
}

/// A part of the service is of use only beside the others: store and files have to be where they find them.
pub(super) fn check(r: &mut Reader<'_>, config: &Config) {
    let role = config.server.role;
    if role == Role::All {
        return;
    }
    let word = role.word();
    if config.database.address.is_none() {
        r.problem(
            "server.role",
            format!(
                "`server.role`: \"{word}\" shares its store with others, and a SQLite file has one process: set `store.url` to a PostgreSQL \
                 database, or take \"all\""
            ),
        );
    } else if matches!(config.files.place, FilesPlace::Data) {
        r.problem(
            "server.role",
            format!(
                "`server.role`: \"{word}\" shares the files of jobs with others, which do not find them in the data folder of this process: set \
                 `files.url` to a bucket or to a folder that all have mounted, or take \"all\""
            ),
        );
    }
}
