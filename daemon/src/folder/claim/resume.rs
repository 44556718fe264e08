//! What an earlier run left under `working`.

use std::fs;
use std::io;
use std::path::Path;

use super::{Claim, PHOTO, Places, RECORD, RECORD_BYTES_MAX, take};

impl Places {
    /// Claims that were done are tidied; the others are returned. One that cannot be taken up stays for the next start.
    pub fn resume(&self) -> io::Result<Vec<Claim>> {
        let mut claims = Vec::new();
        for entry in fs::read_dir(self.working())? {
            let dir = entry?.path();
            if !dir.symlink_metadata()?.is_dir() {
                continue;
            }
            match self.resume_one(&dir) {
                Ok(claim) => claims.extend(claim),
                Err(error) => {
                    tracing::error!(path = %dir.display(), %error, "a claimed pair could not be taken up; it stays where it is until the next start");
                }
            }
        }
        claims.sort_by_key(|claim| claim.claimed_at_ms);
        Ok(claims)
    }

    fn resume_one(&self, dir: &Path) -> io::Result<Option<Claim>> {
        let has_photo = dir.join(PHOTO).symlink_metadata().is_ok();
        let Some(claim) = self.read_record(dir) else {
            // Nothing is moved before the record is whole: only a folder without files can lack one.
            if has_photo {
                let text = "it has no readable record";
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            fs::remove_dir_all(dir)?;
            return Ok(None);
        };
        if let Some(report) = self.reported(&claim) {
            self.leave(&claim, &report)?;
        } else if has_photo {
            self.gather(&claim)?;
            return Ok(Some(claim));
        } else {
            fs::remove_dir_all(dir)?;
        }
        Ok(None)
    }

    fn read_record(&self, dir: &Path) -> Option<Claim> {
        let (bytes, _) = take::read(&dir.join(RECORD), RECORD_BYTES_MAX).ok()?;
        let claim: Claim = serde_json::from_slice(&bytes).ok()?;
        let plain = |name: &str| !name.is_empty() && !name.contains('/') && !name.starts_with('.');
        let inside = |path: &String| path.split('/').all(plain);
        let named = dir.file_name().is_some_and(|name| *name == *claim.id);
        let fits = named
            && plain(&claim.name)
            && inside(&claim.photo)
            && claim.mask.iter().chain(&claim.sidecar).all(inside);
        fits.then_some(claim)
    }
}
