//! What an earlier run left under `working`.

use std::fs;
use std::io;
use std::path::Path;

use super::{Claim, MASK, PHOTO, Places, RECORD, SIDECAR, clear, take};
use crate::pairing::path::is_inside;

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
            // Nothing is moved before the record is whole: only a folder without files of a pair can lack one.
            let name = dir.file_name().unwrap_or_default().as_encoded_bytes();
            if has_photo || name.len() != 32 || !name.iter().all(u8::is_ascii_hexdigit) {
                let text = "it has no readable record";
                return Err(io::Error::new(io::ErrorKind::InvalidData, text));
            }
            // A record that cannot be read does not say whether they are copies.
            let unknown = dir.join(RECORD).symlink_metadata().is_ok();
            clear(dir, |name| unknown && [MASK, SIDECAR].contains(&name))?;
            return Ok(None);
        };
        if let Some(report) = self.reported(&claim) {
            self.leave(&claim, &report)?;
        } else if has_photo {
            self.gather(&claim)?;
            return Ok(Some(claim));
        } else {
            // What was moved in and has no photo any more is for people to look at.
            let own: Vec<_> = Places::own(&claim).map(|(_, name)| name).collect();
            clear(dir, |name| own.contains(&name))?;
        }
        Ok(None)
    }

    fn read_record(&self, dir: &Path) -> Option<Claim> {
        let claim: Claim = take::read_json(&dir.join(RECORD)).ok()?;
        let named = dir.file_name().is_some_and(|name| *name == *claim.id);
        let fits = named
            && !claim.name.contains('/')
            && [&claim.name, &claim.photo]
                .into_iter()
                .chain(&claim.mask)
                .chain(&claim.sidecar)
                .all(|path| is_inside(path));
        fits.then_some(claim)
    }
}
