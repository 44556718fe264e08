//! Names in a watched folder: which file is a photo, which mask belongs to it, what is left alone.

/// Folders that are made in a watched folder and never scanned.
pub const WORKING: &str = "working";
/// Pairs that came to a result.
pub const DONE: &str = "done";
/// Pairs that did not.
pub const FAILED: &str = "failed";

/// Where results go, within the watched folder, when nothing else is said.
pub const OUTPUT: &str = "output";

/// Endings of photos, lower case.
const PHOTO_ENDINGS: [&str; 7] = ["jpg", "jpeg", "png", "webp", "tif", "tiff", "bmp"];
/// Files of systems, browsers, editors and copy programs.
const IGNORED: [&str; 12] = [
    ".*",
    "~$*",
    "*~",
    "*.tmp",
    "*.temp",
    "*.part",
    "*.partial",
    "*.crdownload",
    "*.filepart",
    "*.download",
    "desktop.ini",
    "Thumbs.db",
];
const STEM: &str = "{stem}";

/// Where the mask of a photo is looked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    dir: Option<String>,
    before: String,
    /// What follows the stem; `None` = one mask for all photos.
    after: Option<String>,
}

impl Pattern {
    /// Reads a pattern such as `{stem}_mask.png`, `masks/{stem}.png` or `_mask.png`; the error says what is wanted.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        let (dir, file) = text
            .rsplit_once('/')
            .map_or((None, text), |(dir, file)| (Some(dir), file));
        if let Some(dir) = dir
            && (dir.is_empty() || dir.contains(['/', '{']) || dir.starts_with('.') || is_own(dir))
        {
            return Err(format!(
                "the folder must be one plain name, not {WORKING}, {DONE}, {FAILED} or {}",
                OUTPUT
            ));
        }
        let ending = file
            .rsplit_once('.')
            .map(|(_, ending)| ending.to_ascii_lowercase());
        if !ending.is_some_and(|ending| PHOTO_ENDINGS.contains(&ending.as_str()))
            || file.starts_with('.')
        {
            return Err(
                "it must end in .png, .jpg, .webp, .tif or .bmp and not start with a dot"
                    .to_string(),
            );
        }
        let (before, after) = file
            .split_once(STEM)
            .map_or((file, None), |(before, after)| (before, Some(after)));
        if after.is_some_and(|after| after.contains(STEM))
            || file.replace(STEM, "").contains(['{', '}'])
        {
            return Err(format!("{STEM} may stand once, other braces may not"));
        }
        if dir.is_none()
            && before.is_empty()
            && after.is_some_and(|after| after.matches('.').count() == 1 && after.starts_with('.'))
        {
            return Err("it would take every photo for a mask".to_string());
        }
        Ok(Pattern {
            dir: dir.map(str::to_string),
            before: before.to_string(),
            after: after.map(str::to_string),
        })
    }

    /// The folder within the watched one that masks lie in.
    pub fn dir(&self) -> Option<&str> {
        self.dir.as_deref()
    }

    /// Whether one mask serves all photos.
    pub fn is_shared(&self) -> bool {
        self.after.is_none()
    }

    /// Relative path of the mask of a photo.
    pub fn mask_of(&self, stem: &str) -> String {
        let dir = self
            .dir
            .as_ref()
            .map_or(String::new(), |dir| format!("{dir}/"));
        match &self.after {
            Some(after) => format!("{dir}{}{stem}{after}", self.before),
            None => format!("{dir}{}", self.before),
        }
    }

    /// Whether this relative path is a mask.
    pub fn fits(&self, path: &str) -> bool {
        let (dir, file) = path
            .rsplit_once('/')
            .map_or((None, path), |(dir, file)| (Some(dir), file));
        if dir != self.dir() {
            return false;
        }
        let Some(after) = &self.after else {
            return file == self.before;
        };
        file.strip_prefix(self.before.as_str())
            .and_then(|rest| rest.strip_suffix(after.as_str()))
            .is_some_and(|stem| !stem.is_empty())
    }
}

/// Whether a folder is one of those that are never scanned.
pub fn is_own(name: &str) -> bool {
    [WORKING, DONE, FAILED, OUTPUT].contains(&name)
}

/// Name without ending, for a name that ends like a photo.
pub fn photo_stem(name: &str) -> Option<&str> {
    let (stem, ending) = name.rsplit_once('.')?;
    (!stem.is_empty() && PHOTO_ENDINGS.contains(&ending.to_ascii_lowercase().as_str()))
        .then_some(stem)
}

/// Whether a file is left alone, by the list above or the folder's own.
pub fn is_ignored(name: &str, own: &[String]) -> bool {
    IGNORED
        .iter()
        .copied()
        .chain(own.iter().map(String::as_str))
        .any(|glob| matches(glob.as_bytes(), name.as_bytes()))
}

/// Whether a name fits a glob with `*` and `?`. Linear in name times glob.
fn matches(glob: &[u8], name: &[u8]) -> bool {
    let (mut g, mut n, mut star) = (0, 0, None);
    while n < name.len() {
        if g < glob.len() && glob[g] == b'*' {
            star = Some((g, n));
            g += 1;
        } else if g < glob.len() && (glob[g] == b'?' || glob[g] == name[n]) {
            (g, n) = (g + 1, n + 1);
        } else if let Some((at, from)) = star {
            // The last star takes one more character.
            star = Some((at, from + 1));
            (g, n) = (at + 1, from + 1);
        } else {
            return false;
        }
    }
    glob[g..].iter().all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_masks_and_recognise_them() {
        for (text, mask, other) in [
            ("{stem}_mask.png", "a.b_mask.png", "_mask.png"),
            ("{stem}.mask.png", "a.b.mask.png", ".mask.png"),
            ("masks/{stem}.png", "masks/a.b.png", "a.b.png"),
            ("m-{stem}.png", "m-a.b.png", "m-.png"),
        ] {
            let pattern = Pattern::parse(text).unwrap();
            assert_eq!(pattern.mask_of("a.b"), mask);
            assert!(
                pattern.fits(mask) && !pattern.fits(other) && !pattern.is_shared(),
                "{text}"
            );
        }
        let shared = Pattern::parse("_mask.png").unwrap();
        assert!(shared.is_shared() && shared.fits("_mask.png") && !shared.fits("a_mask.png"));
        assert_eq!(shared.mask_of("a"), "_mask.png");
    }

    #[test]
    fn patterns_that_cannot_work_are_refused() {
        for bad in [
            "{stem}.png",
            "../{stem}.png",
            "a/b/{stem}.png",
            "done/{stem}.png",
            "{stem}{stem}.png",
            "{x}.png",
            "{stem}_mask",
            "",
            "/x.png",
            ".png",
        ] {
            assert!(Pattern::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn globs() {
        for (glob, name, fits) in [
            ("*.tmp", "a.tmp", true),
            ("*.tmp", "a.tmp.png", false),
            ("~$*", "~$a", true),
            ("a?c*", "abcd", true),
            ("*a*b", "xaxxb", true),
            ("", "a", false),
            ("*", "", true),
        ] {
            assert_eq!(
                matches(glob.as_bytes(), name.as_bytes()),
                fits,
                "{glob} {name}"
            );
        }
        assert!(
            is_ignored(".photo.png.Xy12", &[])
                && is_ignored("draft-1.png", &["draft-*".to_string()])
                && !is_ignored("photo.png", &[])
        );
    }
}
