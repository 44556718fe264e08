//! Where the mask of a photo is looked for.

use super::path::{ending, join};
use super::{DONE, FAILED, OUTPUT, PHOTO_ENDINGS, WORKING, fold, is_own};

const STEM: &str = "{stem}";
/// Ending of a pattern that takes a mask of any type.
const ANY: &str = "*";

/// Where the mask of a photo is looked for. Names are compared as folds: see [`fold()`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern {
    dir: Option<Part>,
    before: Part,
    /// What follows the stem; `None` = one mask for all photos.
    after: Option<Part>,
    /// Lower case; `None` = that of any picture.
    ending: Option<String>,
}

/// A part of a pattern as written, and its fold.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    written: String,
    key: String,
}

impl From<&str> for Part {
    fn from(text: &str) -> Part {
        Part {
            written: text.to_string(),
            key: fold(text),
        }
    }
}

impl Pattern {
    /// Reads a pattern such as `{stem}_mask.*`, `masks/{stem}.png` or `_mask.png`; the error says what is wanted.
    pub fn parse(text: &str) -> Result<Pattern, String> {
        let (dir, file) = text
            .rsplit_once('/')
            .map_or((None, text), |(dir, file)| (Some(dir), file));
        if let Some(dir) = dir
            && (dir.is_empty() || dir.contains(['/', '{']) || dir.starts_with('.') || is_own(dir))
        {
            return Err(format!(
                "the folder must be one plain name, not {WORKING}, {DONE}, {FAILED} or {OUTPUT}"
            ));
        }
        let (name, last) = ending(file);
        let last = last.to_ascii_lowercase();
        if !(last == ANY || PHOTO_ENDINGS.contains(&last.as_str()))
            || name.is_empty()
            || file.starts_with('.')
        {
            return Err(
                "it must end in .png, .jpg, .webp, .tif, .bmp or .* and not start with a dot"
                    .to_string(),
            );
        }
        let (before, after) = name
            .split_once(STEM)
            .map_or((name, None), |(before, after)| (before, Some(after)));
        if after.is_some_and(|after| after.contains(STEM))
            || name.replace(STEM, "").contains(['{', '}', '*'])
        {
            return Err(format!(
                "{STEM} may stand once, other braces and stars may not"
            ));
        }
        if dir.is_none() && before.is_empty() && after == Some("") {
            return Err("it would take every photo for a mask".to_string());
        }
        Ok(Pattern {
            dir: dir.map(Part::from),
            before: before.into(),
            after: after.map(Part::from),
            ending: (last != ANY).then_some(last),
        })
    }

    /// Fold of the folder that masks lie in, beside the photos or further up.
    pub fn dir(&self) -> Option<&str> {
        self.dir.as_ref().map(|part| part.key.as_str())
    }

    /// Whether one mask serves all photos.
    pub fn is_shared(&self) -> bool {
        self.after.is_none()
    }

    /// Fold of the mask's name without ending, for the fold of a photo's stem.
    pub fn key(&self, stem: &str) -> String {
        let before = &self.before.key;
        match &self.after {
            Some(after) => format!("{before}{stem}{}", after.key),
            None => before.clone(),
        }
    }

    /// Whether a mask may have this ending.
    pub fn takes(&self, ending: &str) -> bool {
        self.ending
            .as_ref()
            .is_none_or(|own| own.eq_ignore_ascii_case(ending))
    }

    /// Name of the mask of a photo without ending, as written.
    pub fn name(&self, stem: &str) -> String {
        let before = &self.before.written;
        match &self.after {
            Some(after) => format!("{before}{stem}{}", after.written),
            None => before.clone(),
        }
    }

    /// A path that the mask of a photo may have, from the folder of the photo on.
    pub fn wanted(&self, stem: &str) -> String {
        let ending = self.ending.as_deref().unwrap_or("png");
        let dir = self.dir.as_ref().map_or("", |part| &part.written);
        join(dir, &format!("{}.{ending}", self.name(stem)))
    }

    /// Whether a file is a mask by this pattern. Folds of its folder and of its name without ending, and its ending.
    pub fn fits(&self, dir: &str, name: &str, ending: &str) -> bool {
        let here = self
            .dir()
            .is_none_or(|own| dir.split('/').any(|part| part == own));
        if !here || !self.takes(ending) {
            return false;
        }
        let Some(after) = &self.after else {
            return name == self.before.key;
        };
        name.strip_prefix(self.before.key.as_str())
            .and_then(|rest| rest.strip_suffix(after.key.as_str()))
            .is_some_and(|stem| !stem.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_masks_and_recognise_them() {
        for (text, dir, mask, other) in [
            ("{stem}_mask.png", "", "a.b_mask", "_mask"),
            ("{stem}.mask.*", "x", "a.b.mask", ".mask"),
            ("masks/{stem}.png", "x/masks/y", "a.b", ""),
            ("M-{stem}.png", "", "m-a.b", "m-"),
        ] {
            let pattern = Pattern::parse(text).unwrap();
            assert_eq!(pattern.key("a.b"), mask);
            assert!(
                pattern.fits(dir, mask, "png") && !pattern.fits(dir, other, "png"),
                "{text}"
            );
            assert!(!pattern.is_shared());
        }
        assert!(
            !Pattern::parse("masks/{stem}.png")
                .unwrap()
                .fits("x", "a", "png")
        );
        let shared = Pattern::parse("_mask.png").unwrap();
        assert!(shared.is_shared() && shared.fits("x", "_mask", "png"));
        assert!(!shared.fits("", "a_mask", "png") && !shared.fits("", "_mask", "jpg"));
        assert_eq!(shared.key("a"), "_mask");
    }

    #[test]
    fn the_ending_is_that_of_the_pattern_or_any() {
        let any = Pattern::parse("{stem}_mask.*").unwrap();
        assert!(any.takes("tif") && any.takes("JPG") && any.wanted("a") == "a_mask.png");
        let jpeg = Pattern::parse("masks/{stem}_Mask.JPG").unwrap();
        assert!(jpeg.takes("jpg") && !jpeg.takes("png"));
        assert_eq!(jpeg.wanted("A"), "masks/A_Mask.jpg");
    }

    #[test]
    fn patterns_that_cannot_work_are_refused() {
        for bad in [
            "{stem}.png",
            "{stem}.*",
            "../{stem}.png",
            "a/b/{stem}.png",
            "done/{stem}.png",
            "{stem}{stem}.png",
            "{x}.png",
            "{stem}_*.png",
            "{stem}_mask",
            "{stem}_mask.gif",
            "",
            "/x.png",
            ".png",
            ".*",
        ] {
            assert!(Pattern::parse(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
