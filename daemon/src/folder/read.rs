//! Reading a claimed pair: bytes, sizes, hashes, prompts, and every reason to refuse it.

use std::sync::Arc;

use cleanplate_pictures::{ImageError, Limits, MaskChannel};
use cleanplate_pipeline::{Pipeline, Prompts};
use sha2::{Digest, Sha256};

use super::claim::{Claim, Places};
use super::executor::Task;
use super::report::{PairFault, Report};
use super::scan::Verdict;
use super::sidecar;
use super::take::{self, Stamp, TakeError};
use crate::config::HotFolder;
use crate::hex::hex;
use crate::jobs::ByteBudget;

/// Bounds of what is read.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Bytes of a photo or mask.
    pub bytes_max: u64,
    /// Points of a sidecar.
    pub points_max: usize,
    /// Pictures.
    pub image: Limits,
    /// Room for decoded pictures.
    pub memory: Arc<ByteBudget>,
}

/// Whether a file that holds still is whole: it decodes, or waiting would not mend it.
pub fn look_into(path: &std::path::Path, bounds: &Bounds) -> Verdict {
    match take::read(path, bounds.bytes_max) {
        Err(TakeError::Io(_)) => Verdict::Incomplete,
        Err(_) => Verdict::Ready,
        Ok((bytes, _)) if path.extension().is_some_and(|ending| ending == "json") => {
            let whole = bytes.len() as u64 > sidecar::BYTES_MAX
                || serde_json::from_slice::<serde_json::Value>(&bytes).is_ok();
            if whole {
                Verdict::Ready
            } else {
                Verdict::Incomplete
            }
        }
        Ok((bytes, _)) => {
            let decoded = cleanplate_pictures::probe(&bytes, &bounds.image).and_then(|header| {
                let _room = bounds.memory.take(header.need.decode_bytes_max, || false);
                cleanplate_pictures::decode(&bytes, &bounds.image)
            });
            match decoded {
                Err(ImageError::Corrupt { .. } | ImageError::UnsupportedType { .. }) => {
                    Verdict::Incomplete
                }
                Ok(photo) if photo.metadata.unended => Verdict::Incomplete,
                _ => Verdict::Ready,
            }
        }
    }
}

/// Reads a claim into a task and notes hashes and sizes. `seen` gets the state of the photo's file.
pub fn task(
    places: &Places,
    folder: &HotFolder,
    pipeline: &Arc<Pipeline>,
    bounds: &Bounds,
    claim: &Claim,
    report: &mut Report,
    seen: &mut Option<Stamp>,
) -> Result<Task, PairFault> {
    let (photo, stamp) = places
        .photo(claim, bounds.bytes_max)
        .map_err(|error| refused("photo", &error))?;
    *seen = Some(stamp);
    report.photo_bytes = Some(photo.len() as u64);
    report.photo_sha256 = Some(hex(&Sha256::digest(&photo)));
    let header = cleanplate_pictures::probe(&photo, &bounds.image)
        .map_err(|error| PairFault::new("image", format!("photo: {error}")))?;
    let size = (header.width as u32, header.height as u32);
    report.photo_size = Some(size);
    let (mask, prompts) = mark(places, pipeline, bounds, claim, size)?;
    report.mask_sha256 = mask.as_ref().map(|mask| hex(&Sha256::digest(mask)));
    let content = content(&photo, mask.as_deref(), prompts.as_ref(), pipeline, folder);
    report.content_sha256 = Some(hex(&content));
    Ok(Task {
        folder: folder.name.clone(),
        photo_name: claim.photo.clone(),
        photo: Arc::new(photo),
        mask: mask.map(Arc::new),
        prompts,
        pipeline: pipeline.clone(),
        mask_channel: folder.rules.mask_channel,
        format: folder.rules.format,
        size,
        content,
        jobs: claim.jobs.clone(),
        job: cleanplate_store::JobId::random().to_string(),
    })
}

/// What says what to remove: the mask, else the prompts.
fn mark(
    places: &Places,
    pipeline: &Pipeline,
    bounds: &Bounds,
    claim: &Claim,
    size: (u32, u32),
) -> Result<(Option<Vec<u8>>, Option<Prompts>), PairFault> {
    if let Some((mask, _)) = places
        .mask(claim, bounds.bytes_max)
        .map_err(|error| refused("mask", &error))?
    {
        let header = cleanplate_pictures::probe(&mask, &bounds.image)
            .map_err(|error| PairFault::new("mask", format!("mask: {error}")))?;
        if (header.width as u32, header.height as u32) != size {
            let (width, height) = size;
            let text = format!(
                "the mask is {}x{}, the photo is {width}x{height} (as displayed); they must be equal",
                header.width, header.height
            );
            return Err(PairFault::new("mask_size", text));
        }
        return Ok((Some(mask), None));
    }
    let Some(text) = places
        .sidecar(claim, sidecar::BYTES_MAX)
        .map_err(|error| refused("sidecar", &error))?
    else {
        return Err(PairFault::new(
            "missing_mask",
            "the mask was taken away before it was read; drop photo and mask again",
        ));
    };
    let prompts = sidecar::parse(&text, bounds.points_max, size)?;
    if !pipeline.finds_objects() {
        let text = format!(
            "points and box need a segmentation model, and pipeline \"{}\" has none: drop a mask, or set a `pipeline` with a segment plugin",
            pipeline.name
        );
        return Err(PairFault::new("unavailable", text));
    }
    Ok((None, Some(prompts)))
}

/// Hash over everything that makes the result.
fn content(
    photo: &[u8],
    mask: Option<&[u8]>,
    prompts: Option<&Prompts>,
    pipeline: &Pipeline,
    folder: &HotFolder,
) -> [u8; 32] {
    let prompts = prompts
        .map(|prompts| format!("{:?} {:?}", prompts.points, prompts.boxes))
        .unwrap_or_default();
    // A pipeline is names and numbers: it always has a JSON text.
    let steps = serde_json::to_string(&pipeline.steps).unwrap_or_default();
    let format = folder.rules.format.map_or("", |format| format.extension());
    let channel = match folder.rules.mask_channel {
        MaskChannel::Auto => String::new(),
        other => format!("{other:?}"),
    };
    let mut hash = Sha256::new();
    for part in [
        photo,
        mask.unwrap_or_default(),
        prompts.as_bytes(),
        pipeline.name.as_bytes(),
        steps.as_bytes(),
        format.as_bytes(),
        channel.as_bytes(),
    ] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

fn refused(what: &str, error: &TakeError) -> PairFault {
    let code = match error {
        TakeError::NotRegular => "not_a_regular_file",
        TakeError::TooLarge { .. } => "too_large",
        TakeError::Io(_) => "unreadable",
    };
    PairFault::new(code, format!("{what}: {error}"))
}
