//! Names in a watched folder: which file is a photo, which mask belongs to it, what is left alone.

mod fold;
mod glob;
mod natural;
pub mod path;
mod pattern;
mod sequence;

pub use fold::fold;
pub use glob::is_ignored;
pub use natural::natural;
pub use pattern::Pattern;
pub use sequence::sequence;

/// Folders that are made in a watched folder and never scanned.
pub const WORKING: &str = "working";
/// Pairs that came to a result.
pub const DONE: &str = "done";
/// Pairs that did not.
pub const FAILED: &str = "failed";

/// Where results go, within the watched folder, when nothing else is said.
pub const OUTPUT: &str = "output";
/// Where masks by the size of the photo lie, beside photos or further up.
pub const TEMPLATES: &str = "masks/by-size";
/// The sidecar for every photo of a folder and the folders in it.
pub const FOR_ALL: &str = "_folder.json";

/// Endings of photos, lower case: every type that is read, under every name it goes by.
const PHOTO_ENDINGS: [&str; 9] = [
    "jpg", "jpeg", "jpe", "jfif", "png", "webp", "tif", "tiff", "bmp",
];

/// Whether a folder at the top of a watched one is one of those that are never scanned. On some mounts `Output` is `output`.
pub fn is_own(name: &str) -> bool {
    [WORKING, DONE, FAILED, OUTPUT]
        .iter()
        .any(|own| name.eq_ignore_ascii_case(own))
}

/// Name without ending, for a name that ends like a photo.
pub fn photo_stem(name: &str) -> Option<&str> {
    let (stem, ending) = name.rsplit_once('.')?;
    (!stem.is_empty() && PHOTO_ENDINGS.contains(&ending.to_ascii_lowercase().as_str()))
        .then_some(stem)
}

/// Name without ending, for a sidecar.
pub fn sidecar_stem(name: &str) -> Option<&str> {
    let (stem, ending) = name.rsplit_once('.')?;
    (!stem.is_empty() && ending.eq_ignore_ascii_case("json")).then_some(stem)
}

/// Width and height that the name of a template says, as in `4000x3000.png`.
pub fn template_size(name: &str) -> Option<(u32, u32)> {
    let (width, height) = photo_stem(name)?.split_once(['x', 'X'])?;
    let side = |text: &str| text.parse().ok().filter(|side| *side > 0);
    Some((side(width)?, side(height)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn own_folders_are_known_in_any_case() {
        for own in ["working", "Done", "FAILED", "Output"] {
            assert!(is_own(own), "{own}");
        }
        assert!(!is_own("outputs") && !is_own("masks"));
    }

    #[test]
    fn endings_say_what_a_file_is() {
        assert_eq!(photo_stem("a.b.TIFF"), Some("a.b"));
        assert_eq!((photo_stem(".png"), photo_stem("a.gif")), (None, None));
        assert_eq!(sidecar_stem("a.JSON"), Some("a"));
        assert_eq!(template_size("4000x3000.png"), Some((4000, 3000)));
        for none in ["4000.png", "0x3.png", "ax3.png", "4x3.txt", "4x3x2.png"] {
            assert_eq!(template_size(none), None, "{none}");
        }
    }

    #[test]
    fn every_type_that_is_read_has_its_ending() {
        use cleanplate_pictures::Format;
        for format in Format::WRITTEN.into_iter().chain([Format::Bmp]) {
            assert!(PHOTO_ENDINGS.contains(&format.extension()), "{format}");
        }
    }
}
