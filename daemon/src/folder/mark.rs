//! What says what to remove from a photo: its mask, its sidecar, what is there for its shot or for all, a mask by its size.

use std::path::Path;

use cleanplate_pictures::MaskChannel;
use serde_json::Value;

use super::hold;
use super::read::Bounds;
use super::scan::{Pair, PhotoSize};
use super::sidecar::{self, Said};
use super::take::TakeError;
use super::template;
use crate::pairing::path::shown;

/// What a claim takes along with its photo.
#[derive(Debug, Clone, Default)]
pub struct Mark {
    /// Relative path of the mask.
    pub mask: Option<String>,
    /// Its bytes, when the file stays where it is.
    pub mask_copy: Option<Vec<u8>>,
    /// Bytes of the photo's own sidecar, when it stays where it is.
    pub sidecar_copy: Option<Vec<u8>>,
    /// What the sidecars for several photos say.
    pub defaults: Option<Vec<u8>>,
    /// Whether it is the mask or the sidecar of its shot.
    pub of_shot: bool,
}

/// Whether a photo is marked.
#[derive(Debug)]
pub enum Marked {
    /// Yes, so.
    Yes(Mark),
    /// Not yet: what it waits for.
    Waits(String),
}

/// Reads the size of a photo; the error is for people.
pub fn size(root: &Path, photo: &str, bounds: &Bounds) -> Result<PhotoSize, String> {
    let read = hold::read(root, photo, bounds.bytes_max);
    let (bytes, _) = read.map_err(|error| error.to_string())?;
    let header = cleanplate_pictures::probe(&bytes, &bounds.image).ok();
    Ok(header.map(|header| (header.width as u32, header.height as u32)))
}

/// Looks for what marks a pair. With `stays`, its own mask and sidecar are another photo's too. `size` is asked for the photo's
/// size only where a mask by size may mark it.
pub fn find(
    root: &Path,
    pair: &Pair,
    stays: bool,
    bounds: &Bounds,
    channel: MaskChannel,
    size: impl FnOnce() -> Result<PhotoSize, String>,
) -> Marked {
    if pair.refused {
        return Marked::Yes(Mark::default());
    }
    look(root, pair, stays, bounds, channel, size).unwrap_or_else(Marked::Waits)
}

/// The error is what a photo waits for.
fn look(
    root: &Path,
    pair: &Pair,
    stays: bool,
    bounds: &Bounds,
    channel: MaskChannel,
    size: impl FnOnce() -> Result<PhotoSize, String>,
) -> Result<Marked, String> {
    let copy = |path: &str, bytes_max: u64| {
        let read = hold::read(root, path, bytes_max);
        read.map(|(bytes, _)| bytes)
            .map_err(|error| format!("{}: {error}", shown(path)))
    };
    let mut mark = Mark::default();
    let mut common = Said::new();
    for path in &pair.defaults {
        let said = copy(path, sidecar::BYTES_MAX).and_then(|bytes| {
            sidecar::object(&bytes).map_err(|why| format!("{}: {why}", shown(path)))
        })?;
        common = sidecar::merge(common, said);
    }
    if !common.is_empty() {
        mark.defaults = Some(Value::Object(common.clone()).to_string().into_bytes());
    }
    let own = pair.sidecar.as_ref();
    let own = own.map(|path| hold::read(root, path, sidecar::BYTES_MAX));
    if let (true, Some(Ok((bytes, _)))) = (stays, &own) {
        mark.sidecar_copy = Some(bytes.clone());
    }
    if let Some(path) = &pair.mask {
        mark.mask = Some(path.clone());
        if stays {
            mark.mask_copy = Some(copy(path, bounds.bytes_max)?);
        }
        return Ok(Marked::Yes(mark));
    }
    let said = match own {
        Some(Ok((bytes, _))) => sidecar::object(&bytes).ok(),
        Some(Err(TakeError::Io(error))) => return Err(format!("its sidecar: {error}")),
        // One that is no file, or is too long, is taken and refused.
        Some(Err(_)) => None,
        None => Some(Said::new()),
    };
    let Some(said) = said else {
        return Ok(Marked::Yes(mark));
    };
    if sidecar::has_prompts(&said) {
        return Ok(Marked::Yes(mark));
    }
    if let Some(path) = &pair.common {
        mark.mask = Some(path.clone());
        mark.mask_copy = Some(copy(path, bounds.bytes_max)?);
        mark.of_shot = pair.of_shot;
        return Ok(Marked::Yes(mark));
    }
    if sidecar::has_prompts(&common) {
        mark.of_shot = pair.of_shot;
        return Ok(Marked::Yes(mark));
    }
    let by_size = by_size(root, pair, size, bounds, channel, &mut mark)?;
    if mark.mask.is_some() {
        return Ok(Marked::Yes(mark));
    }
    let remarks = sidecar::remarks(&said)
        .into_iter()
        .chain(sidecar::remarks(&common));
    let why: Vec<String> = by_size.into_iter().chain(remarks).collect();
    Ok(Marked::Waits(why.join("; ")))
}

/// Takes the template for the photo's size; else says which is wanted.
fn by_size(
    root: &Path,
    pair: &Pair,
    size: impl FnOnce() -> Result<PhotoSize, String>,
    bounds: &Bounds,
    channel: MaskChannel,
    mark: &mut Mark,
) -> Result<Option<String>, String> {
    let Some(dir) = &pair.templates else {
        return Ok(None);
    };
    let Some(size) = size()? else {
        // Broken: it is taken without a mask and refused for what it is.
        mark.mask = Some(dir.clone());
        mark.mask_copy = Some(Vec::new());
        return Ok(None);
    };
    let chosen = template::choose(root, dir, size).map_err(|error| error.to_string())?;
    let Some((path, own)) = chosen else {
        return Ok(Some(format!("{}/{}x{}.png", shown(dir), size.0, size.1)));
    };
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", shown(&path));
    let (bytes, _) = hold::read(root, &path, bounds.bytes_max).map_err(|e| told(&e))?;
    let mask = template::scaled(bytes, own, size, channel, bounds).map_err(|e| told(&e))?;
    mark.mask_copy = Some(mask);
    mark.mask = Some(path);
    Ok(None)
}
