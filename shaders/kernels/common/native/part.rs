//! Pieces of slices whose length the compiler knows.

/// `L` values from `at` on: what a vector loop reads without checks inside. There are that many; otherwise zeros come.
#[inline(always)]
pub fn part<const L: usize>(values: &[f32], at: usize) -> &[f32; L] {
    values[at..].first_chunk().unwrap_or(&[0.0; L])
}
