//! Names as people mean them.

use icu_normalizer::ComposingNormalizerBorrowed;

/// Two names are one to people when their folds are equal: letter case and Unicode form do not count.
pub fn fold(name: &str) -> String {
    if name.is_ascii() {
        return name.to_ascii_lowercase();
    }
    let composed = ComposingNormalizerBorrowed::new_nfc();
    // Lower case of a composed letter may be decomposed.
    let lower = composed.normalize(name).to_lowercase();
    composed.normalize(&lower).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_form_do_not_count() {
        for (one, other) in [
            ("IMG_1.JPG", "img_1.jpg"),
            ("Cafe\u{301}.png", "CAFÉ.PNG"),
            ("\u{1112}\u{1161}\u{11ab}.png", "한.png"),
            ("I\u{307}.png", "İ.png"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} {other}");
        }
        assert_ne!(fold("cafe.png"), fold("café.png"));
        let stands_for_a_byte = "\u{10ffe9}";
        assert_eq!(fold(stands_for_a_byte), stands_for_a_byte);
    }
}
