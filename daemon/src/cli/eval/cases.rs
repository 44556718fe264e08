//! The photos of a folder, each with its mask.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail, ensure};
use cleanplate_pictures::{Limits, Mask, MaskChannel, Photo};

use super::metrics::Picture;

/// Most photos in one folder.
const CASES_MAX: usize = 10_000;

/// A photo and its mask, not read yet.
pub struct Found {
    /// File name without its ending.
    pub name: String,
    photo: PathBuf,
    mask: PathBuf,
}

/// A photo with a known hole.
pub struct Case {
    photo: Photo,
    /// What is truly there, 8-bit RGB.
    pub truth: Picture,
    /// The hole: 0 or 255.
    pub mask: Mask,
}

/// Every `NAME.png` of a folder with its `NAME_mask.png`, by name.
pub fn find(dir: &Path) -> anyhow::Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        let photo = entry
            .with_context(|| format!("reading {}", dir.display()))?
            .path();
        let Some(name) = photo
            .file_stem()
            .and_then(|stem| stem.to_str())
            .map(str::to_string)
        else {
            continue;
        };
        if photo.extension().is_none_or(|ending| ending != "png") || name.ends_with("_mask") {
            continue;
        }
        let mask = dir.join(format!("{name}_mask.png"));
        ensure!(
            mask.is_file(),
            "{} has no mask: there is no {}",
            photo.display(),
            mask.display()
        );
        found.push(Found { name, photo, mask });
    }
    match found.len() {
        0 => bail!(
            "{} holds no photos: expected NAME.png with NAME_mask.png",
            dir.display()
        ),
        n if n > CASES_MAX => bail!(
            "{} holds {n} photos, at most {CASES_MAX} are measured at once",
            dir.display()
        ),
        _ => {}
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

impl Found {
    /// Reads and checks both files.
    pub fn read(&self, limits: &Limits) -> anyhow::Result<Case> {
        let bytes = |path: &Path| {
            std::fs::read(path).with_context(|| format!("reading {}", path.display()))
        };
        let photo = cleanplate_pictures::decode(&bytes(&self.photo)?, limits)
            .with_context(|| self.photo.display().to_string())?;
        let mut mask =
            cleanplate_pictures::decode_mask(&bytes(&self.mask)?, limits, MaskChannel::Luma)
                .with_context(|| self.mask.display().to_string())?
                .mask;
        mask.harden();
        let sizes = ((mask.width, mask.height), (photo.width, photo.height));
        ensure!(
            sizes.0 == sizes.1,
            "{}: the mask is {:?}, the photo {:?}; they must be equal",
            self.name,
            sizes.0,
            sizes.1
        );
        let share = mask.count() as f64 / mask.data.len().max(1) as f64;
        ensure!(
            share > 0.0 && share < 1.0,
            "{}: the mask covers nothing or everything",
            self.mask.display()
        );
        Ok(Case {
            truth: Picture::of(&photo),
            photo,
            mask,
        })
    }
}

impl Case {
    /// The photo with mid-gray in the hole: nothing of the truth reaches a pipeline.
    pub fn blank_photo(&self) -> Photo {
        let mut photo = self.photo.clone();
        let whole = cleanplate_pictures::Rect {
            x0: 0,
            y0: 0,
            x1: photo.width,
            y1: photo.height,
        };
        photo.blend_rows(whole, |y, blend| {
            for (x, hole) in self.mask.row(y).iter().enumerate() {
                blend(x, [0.5; 3], *hole);
            }
        });
        photo
    }

    /// The same as a picture to look at.
    pub fn blanked(&self) -> Picture {
        Picture::of(&self.blank_photo())
    }
}
