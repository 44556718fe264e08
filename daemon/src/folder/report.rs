//! What is told about a pair once it has ended.

use cleanplate_store::FailureCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::claim::Claim;
use crate::pairing::path::shown;
use crate::pairing::sequence;

/// Why a pair has no result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PairFault {
    /// Stable, for programs.
    pub code: FailureCode,
    /// For people, with the remedy.
    pub detail: String,
}

impl PairFault {
    /// A fault of this code.
    pub fn new(code: FailureCode, detail: impl Into<String>) -> PairFault {
        PairFault {
            code,
            detail: detail.into(),
        }
    }
}

/// The JSON file beside a finished or failed pair. Times in ms since 1970 (`_at_ms`), sizes in bytes and pixels.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Report {
    /// Id of the claim.
    pub claim: String,
    /// `done` or `failed`.
    pub status: String,
    /// Name of the watched folder.
    pub folder: String,
    /// Path of the photo as dropped, from the watched folder on; bytes that are no UTF-8 as `\\xe9`.
    pub photo: String,
    /// Which frame of a shot it is, by its name.
    pub frame: Option<Frame>,
    /// Mask as dropped.
    pub mask: Option<String>,
    /// Sidecar as dropped.
    pub sidecar: Option<String>,
    /// Pipeline.
    pub pipeline: String,
    /// SHA-256 of the photo.
    pub photo_sha256: Option<String>,
    /// SHA-256 of the mask.
    pub mask_sha256: Option<String>,
    /// SHA-256 over photo, mask or sidecar, pipeline and format: the same value means the same result.
    pub content_sha256: Option<String>,
    /// Size of the photo.
    pub photo_bytes: Option<u64>,
    /// Width and height of the photo as displayed.
    pub photo_size: Option<(u32, u32)>,
    /// What came of it.
    pub result: Option<ResultView>,
    /// What of the sidecar was left out.
    pub warnings: Vec<String>,
    /// Why there is no result.
    pub error: Option<PairFault>,
    /// The job, where there is a store.
    pub job_id: Option<String>,
    /// Credits charged.
    pub credits: i64,
    /// The content was seen before: its result was used again.
    pub duplicate: bool,
    /// The files that were taken along, by the paths that they go back to when the pair is tried again.
    pub dropped: Dropped,
    /// When the pair was claimed.
    pub claimed_at_ms: i64,
    /// When it ended.
    pub ended_at_ms: i64,
}

/// The files of a pair that lie in `done` or `failed`, by their paths when they were dropped. Bytes that are no UTF-8 are
/// characters of their own.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Dropped {
    /// The photo.
    pub photo: Option<String>,
    /// The mask, unless it stayed for others.
    pub mask: Option<String>,
    /// The sidecar, unless it stayed for others.
    pub sidecar: Option<String>,
}

/// A frame, within a [`Report`].
#[derive(Debug, Clone, Serialize)]
pub struct Frame {
    /// Name of the shot.
    pub shot: String,
    /// Its number, as written.
    pub frame: String,
}

/// A result, within a [`Report`].
#[derive(Debug, Clone, Serialize)]
pub struct ResultView {
    /// Path in the output folder.
    pub name: String,
    /// Path in the output folder of the mask that was used, where it is kept.
    pub mask: Option<String>,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Width and height.
    pub size: (u32, u32),
    /// Time from claim to result, ms.
    pub processing_ms: f64,
    /// Time of each stage.
    pub timings: Value,
    /// Name and hash of each model used.
    pub models: Value,
    /// The device.
    pub device: Value,
    /// Remarks.
    pub warnings: Value,
}

impl Report {
    /// What is known when a pair is claimed.
    pub fn of(folder: &str, pipeline: &str, claim: &Claim) -> Report {
        let frame = sequence(claim.stem());
        Report {
            claim: claim.id.clone(),
            folder: folder.to_string(),
            photo: shown(&claim.photo),
            frame: frame.map(|(shot, frame)| Frame {
                shot: shown(shot),
                frame: frame.to_string(),
            }),
            mask: claim.mask.as_deref().map(shown),
            sidecar: claim.sidecar.as_deref().map(shown),
            pipeline: pipeline.to_string(),
            dropped: Dropped {
                photo: Some(claim.photo.clone()),
                mask: claim.mask.clone().filter(|_| !claim.mask_stays),
                sidecar: claim.sidecar.clone().filter(|_| !claim.sidecar_stays),
            },
            claimed_at_ms: claim.claimed_at_ms,
            ..Report::default()
        }
    }
}
