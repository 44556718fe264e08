//! Why jobs fail.

use std::fmt;

use serde::{Serialize, Serializer};
use serde_json::Value;

/// Why a job failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Stable code for programs.
    pub code: FailureCode,
    /// One line for people; cut at 1,000 characters.
    pub detail: String,
    /// Time of each stage up to the failure, null when nothing ran. At most 64 KiB as JSON.
    pub timings: Value,
}

impl Failure {
    /// A failure of this code.
    pub fn new(code: FailureCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            timings: Value::Null,
        }
    }
}

macro_rules! codes {
    ($($(#[$doc:meta])+ $code:ident = $name:literal,)+) => {
        /// Why a job failed, for programs: in job records, lists, reports of watched folders and logs.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum FailureCode {
            $($(#[$doc])+ $code,)+
            /// The interface's code of the error with which a pair of a batch was refused, or a code of another version.
            Other(String),
        }

        impl FailureCode {
            /// Every code of this version.
            pub const ALL: &'static [FailureCode] = &[$(FailureCode::$code),+];

            /// The name used in the database and on the wire: lower case with underscores.
            pub fn as_str(&self) -> &str {
                match self {
                    $(FailureCode::$code => $name,)+
                    FailureCode::Other(name) => name,
                }
            }
        }

        impl From<&str> for FailureCode {
            fn from(name: &str) -> Self {
                match name {
                    $($name => FailureCode::$code,)+
                    other => FailureCode::Other(other.to_owned()),
                }
            }
        }
    };
}

codes! {
    /// Its client or an administrator cancelled it.
    Cancelled = "cancelled",
    /// A synchronous job that was under way when the daemon died.
    Interrupted = "interrupted",
    /// An asynchronous job under which the daemon died as often as attempts are allowed.
    AttemptsExhausted = "attempts_exhausted",
    /// It was processed for longer than jobs or holds may last.
    TimedOut = "timed_out",
    /// The daemon's end cut it short.
    ShuttingDown = "shutting_down",
    /// The volume had no room.
    StorageFull = "storage_full",
    /// Another process held the database.
    StoreLocked = "store_locked",
    /// The store of files was not reached.
    FilesAway = "files_away",
    /// A fault of the program.
    Internal = "internal",
    /// The device failed, or there was none.
    Engine = "engine",
    /// What it needs is not there: a model, a segmentation step.
    Unavailable = "unavailable",
    /// A model's weights cannot be used.
    Model = "model",
    /// A network gave what cannot be used.
    NetworkOutput = "network_output",
    /// A plugin of the operator failed.
    UserPlugin = "user_plugin",
    /// The pipeline it was accepted with is gone.
    Pipeline = "pipeline",
    /// A plugin, parameter or pipeline of a name that there is not.
    UnknownName = "unknown_name",
    /// A parameter out of its limits.
    Parameter = "parameter",
    /// A file of a pipeline or plugin cannot be read.
    File = "file",
    /// The photo cannot be read.
    Image = "image",
    /// The mask cannot be read.
    Mask = "mask",
    /// Neither a mask nor points or a box.
    MissingMask = "missing_mask",
    /// The mask marks nothing.
    EmptyMask = "empty_mask",
    /// The mask marks everything.
    WholeImageMask = "whole_image_mask",
    /// The mask is strewn over the photo.
    ScatteredMask = "scattered_mask",
    /// The mask has another size than the photo.
    MaskSize = "mask_size",
    /// Points or a box found nothing.
    NothingFound = "nothing_found",
    /// Points or a box found the whole photo.
    WholeImageFound = "whole_image_found",
    /// The result cannot be written.
    Encode = "encode",
    /// Watched folders: the sidecar of a pair is wrong.
    Sidecar = "sidecar",
    /// Watched folders: a file of the pair is a link, a folder or a device.
    NotARegularFile = "not_a_regular_file",
    /// Watched folders: a file of the pair is larger than allowed.
    TooLarge = "too_large",
    /// Watched folders: a file of the pair cannot be read.
    Unreadable = "unreadable",
}

impl fmt::Display for FailureCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for FailureCode {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_has_a_name_of_its_own() {
        for code in FailureCode::ALL {
            assert_eq!(&FailureCode::from(code.as_str()), code);
        }
        let other = FailureCode::from("of_another_version");
        assert_eq!(other.to_string(), "of_another_version");
    }
}
