//! Reading a claimed pair: bytes, sizes, hashes, prompts, and every reason to refuse it.

use std::path::Path;
use std::sync::Arc;

use cleanplate_pictures::{EncodeOptions, ImageError, Limits, MaskChannel};
use cleanplate_pipeline::{Pipeline, Prompts};
use cleanplate_store::FailureCode;
use sha2::{Digest, Sha256};

use super::claim::{Claim, Places};
use super::executor::Task;
use super::hold;
use super::menu::Menu;
use super::report::{PairFault, Report};
use super::scan::Verdict;
use super::sidecar::{self, Said};
use super::take::{Stamp, TakeError};
use crate::config::HotFolder;
use crate::hex::hex;
use crate::jobs::ByteBudget;
use crate::pairing::path::{ending, shown};

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
pub fn look_into(root: &Path, path: &str, bounds: &Bounds) -> Verdict {
    match hold::read(root, path, bounds.bytes_max) {
        Err(TakeError::Io(_)) => Verdict::Incomplete,
        Err(_) => Verdict::Ready,
        Ok((bytes, _)) if is_sidecar(path) => {
            if bytes.len() as u64 > sidecar::BYTES_MAX || sidecar::object(&bytes).is_ok() {
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

fn is_sidecar(path: &str) -> bool {
    ending(path).1.eq_ignore_ascii_case("json")
}

/// Reads a claim into a task and notes hashes and sizes. `seen` gets the state of the photo's file.
pub fn task(
    places: &Places,
    folder: &HotFolder,
    menu: &Menu,
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
        .map_err(|error| PairFault::new(FailureCode::Image, format!("photo: {error}")))?;
    let size = (header.width as u32, header.height as u32);
    report.photo_size = Some(size);
    let asked = sidecar::read(&said(places, claim)?, bounds.points_max)?;
    report.warnings = asked.warnings;
    let tuning = asked.tuning;
    let pipeline = menu.choose(&tuning)?;
    report.pipeline = pipeline.name.clone();
    let mask = places
        .mask(claim, bounds.bytes_max)
        .map_err(|error| refused("mask", &error))?;
    let prompts = match &mask {
        Some(mask) => {
            check_mask(mask, bounds, size)?;
            None
        }
        None => Some(check_prompts(asked.prompts, &pipeline, size)?),
    };
    report.mask_sha256 = mask.as_ref().map(|mask| hex(&Sha256::digest(mask)));
    let channel = match tuning.mask_channel {
        MaskChannel::Auto => folder.rules.mask_channel,
        asked => asked,
    };
    let encode = EncodeOptions {
        format: tuning.format.or(folder.rules.format),
        quality: tuning.quality,
    };
    let photo = Arc::new(photo);
    let mut task = Task {
        folder: folder.name.clone(),
        photo_name: shown(&claim.photo),
        photo,
        mask: mask.map(Arc::new),
        prompts,
        pipeline,
        overrides: tuning
            .overrides()
            .into_iter()
            .map(|(_, path, value)| (path, value))
            .collect(),
        mask_channel: channel,
        frame: claim.frame(&folder.name),
        wants_mask: folder.rules.finish.wants_mask(),
        encode,
        size,
        content: [0; 32],
        jobs: claim.jobs.clone(),
        job: cleanplate_store::JobId::random().to_string(),
    };
    task.content = content(&task);
    report.content_sha256 = Some(hex(&task.content));
    Ok(task)
}

/// What the sidecars of a claim say, its own over those for several photos.
fn said(places: &Places, claim: &Claim) -> Result<Said, PairFault> {
    let read = |bytes: Option<Vec<u8>>| match bytes {
        Some(bytes) => sidecar::object(&bytes).map_err(|why| sidecar::broken(&why)),
        None => Ok(Said::new()),
    };
    let of = |error: &TakeError| refused("sidecar", error);
    let own = places
        .sidecar(claim, sidecar::BYTES_MAX)
        .map_err(|error| of(&error))?;
    let others = places
        .defaults(claim, sidecar::BYTES_MAX * 2)
        .map_err(|error| of(&error))?;
    Ok(sidecar::merge(read(own)?, read(others)?))
}

fn check_mask(mask: &[u8], bounds: &Bounds, size: (u32, u32)) -> Result<(), PairFault> {
    let header = cleanplate_pictures::probe(mask, &bounds.image)
        .map_err(|error| PairFault::new(FailureCode::Mask, format!("mask: {error}")))?;
    if (header.width as u32, header.height as u32) == size {
        return Ok(());
    }
    let (width, height) = size;
    let text = format!(
        "the mask is {}x{}, the photo is {width}x{height} (as displayed); they must be equal",
        header.width, header.height
    );
    Err(PairFault::new(FailureCode::MaskSize, text))
}

fn check_prompts(
    prompts: Vec<crate::prompts::Prompts>,
    pipeline: &Pipeline,
    size: (u32, u32),
) -> Result<Prompts, PairFault> {
    let many = prompts.len() > 1;
    for (prompt, number) in prompts.iter().zip(1..) {
        prompt.check_inside(size.0, size.1).map_err(|errors| {
            let mut fault = sidecar::fault(&errors);
            if many {
                fault.detail = format!("region {number}, {}", fault.detail);
            }
            fault
        })?;
    }
    let mut prompts = prompts.into_iter().map(Prompts::from);
    let first = prompts.next().ok_or_else(|| {
        PairFault::new(
            FailureCode::MissingMask,
            "there is no mask and no sidecar with points or a box any more; drop photo and mask again",
        )
    })?;
    if !pipeline.finds_objects() {
        let text = format!(
            "points and box need a segmentation model, and pipeline \"{}\" has none: drop a mask, or set a `pipeline` with a segment plugin",
            pipeline.name
        );
        return Err(PairFault::new(FailureCode::Unavailable, text));
    }
    Ok(Prompts {
        others: prompts.collect(),
        ..first
    })
}

/// Hash over everything that makes the result.
fn content(task: &Task) -> [u8; 32] {
    let all = task
        .prompts
        .iter()
        .flat_map(|first| std::iter::once(first).chain(&first.others));
    let prompts: Vec<String> = all
        .map(|prompts| format!("{:?} {:?}", prompts.points, prompts.boxes))
        .collect();
    let prompts = prompts.join(" ");
    // A pipeline is names and numbers: it always has a JSON text.
    let steps = serde_json::to_string(&task.pipeline.steps).unwrap_or_default();
    let format = task.encode.format.map_or("", |format| format.extension());
    let quality = task.encode.quality.map(|quality| quality.to_string());
    let channel = match task.mask_channel {
        MaskChannel::Auto => String::new(),
        other => format!("{other:?}"),
    };
    let mask = task.mask.as_ref().map(|mask| mask.as_slice());
    let mut parts = vec![
        task.photo.as_slice(),
        mask.unwrap_or_default(),
        prompts.as_bytes(),
        task.pipeline.name.as_bytes(),
        steps.as_bytes(),
        format.as_bytes(),
        channel.as_bytes(),
    ];
    // Contents of earlier versions, which had no quality, keep their hash.
    parts.extend(quality.as_ref().map(|quality| quality.as_bytes()));
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

fn refused(what: &str, error: &TakeError) -> PairFault {
    let code = match error {
        TakeError::NotRegular => FailureCode::NotARegularFile,
        TakeError::TooLarge { .. } => FailureCode::TooLarge,
        TakeError::Io(_) | TakeError::Json(_) => FailureCode::Unreadable,
    };
    PairFault::new(code, format!("{what}: {error}"))
}
