//! Frames of one shot.

/// Digits that make a frame without anything between them and the name of the shot.
const DIGITS: usize = 3;

/// The name of the shot and the number of the frame, for stems such as `shot_0001`.
pub fn sequence(stem: &str) -> Option<(&str, &str)> {
    let shot = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    let frame = &stem[shot.len()..];
    let name = shot.trim_end_matches(['_', '-', '.', ' ']);
    // `a1` is a photo beside `a`, not a frame of it.
    let apart = name.len() < shot.len() || frame.len() >= DIGITS;
    (!frame.is_empty() && !name.is_empty() && apart).then_some((name, frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_at_the_end_makes_a_frame() {
        assert_eq!(sequence("shot_0001"), Some(("shot", "0001")));
        assert_eq!(sequence("A001.00042"), Some(("A001", "00042")));
        assert_eq!(sequence("장면 7"), Some(("장면", "7")));
        assert_eq!(sequence("DSC00042"), Some(("DSC", "00042")));
        for none in ["shot", "0001", "_12", "", "a1"] {
            assert_eq!(sequence(none), None, "{none}");
        }
    }
}
