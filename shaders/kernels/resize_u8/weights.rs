//! Fixed-point filter weights of one axis.

/// Fraction bits of a weight.
pub const BITS: u32 = 22;

/// The source pixels of one output pixel: `first`, and the weight of each from there on (sum about `1 << BITS`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// First source pixel.
    pub first: usize,
    /// Weights in units of `2^-BITS`.
    pub weights: Vec<i32>,
}

/// Triangle-filter windows for resizing an axis of `from` pixels to `to`.
pub fn windows(from: usize, to: usize) -> Vec<Window> {
    let scale = from as f64 / to as f64;
    let support = scale.max(1.0);
    let window = |i: usize| {
        let centre = (i as f64 + 0.5) * scale;
        // Pillow truncates after adding a half, also for negative values (which the maximum then removes).
        let first = (centre - support + 0.5).max(0.0) as usize;
        let end = ((centre + support + 0.5) as usize).min(from);
        let raw: Vec<f64> = (first..end)
            .map(|x| (1.0 - ((x as f64 - centre + 0.5) / support).abs()).max(0.0))
            .collect();
        let sum: f64 = raw.iter().sum();
        let fixed = |w: &f64| (0.5 + w / sum * f64::from(1u32 << BITS)) as i32;
        Window {
            first,
            weights: raw.iter().map(fixed).collect(),
        }
    };
    (0..to).map(window).collect()
}

/// A weighted sum in fixed point as a byte.
pub fn round(sum: i32) -> u8 {
    (sum >> BITS).clamp(0, 255) as u8
}
