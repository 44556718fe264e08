//! The discrete cosine transform of 8x8 blocks, plainly: only changed blocks go through it.

/// The transform's matrix: `[frequency][place]`, orthonormal.
pub struct Dct([[f32; 8]; 8]);

impl Dct {
    /// Computes the matrix.
    pub fn new() -> Self {
        Dct(std::array::from_fn(|u| {
            std::array::from_fn(|x| {
                let scale = if u == 0 { 0.125f64.sqrt() } else { 0.5 };
                let angle = (2 * x + 1) as f64 * u as f64 * std::f64::consts::PI / 16.0;
                (scale * angle.cos()) as f32
            })
        }))
    }

    /// Samples (row by row, level-shifted) to coefficients (row by row).
    pub fn forward(&self, samples: &[f32; 64]) -> [f32; 64] {
        let Dct(m) = self;
        apply(&apply(samples, |u, x| m[u][x]), |u, x| m[u][x])
    }

    /// Coefficients to samples, not clamped.
    pub fn inverse(&self, coefficients: &[f32; 64]) -> [f32; 64] {
        let Dct(m) = self;
        apply(&apply(coefficients, |x, u| m[u][x]), |x, u| m[u][x])
    }
}

/// Multiplies every row by the matrix and transposes; twice is the transform in two dimensions.
fn apply(block: &[f32; 64], matrix: impl Fn(usize, usize) -> f32) -> [f32; 64] {
    std::array::from_fn(|i| {
        let (to, row) = (i / 8, i % 8);
        (0..8)
            .map(|from| block[row * 8 + from] * matrix(to, from))
            .sum()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flat_block_is_its_mean_and_a_ripple_one_frequency() {
        let dct = Dct::new();
        let flat = dct.forward(&[10.0; 64]);
        assert!((flat[0] - 80.0).abs() < 1e-3 && flat[1..].iter().all(|v| v.abs() < 1e-3));
        let mut one = [0.0; 64];
        one[2 * 8 + 3] = 50.0;
        let samples = dct.inverse(&one);
        // Vertical frequency 2, horizontal frequency 3.
        let expected = |x: usize, y: usize| {
            let wave = |at: usize, u: f32| {
                ((2 * at + 1) as f32 * u * std::f32::consts::PI / 16.0).cos() / 2.0
            };
            50.0 * wave(x, 3.0) * wave(y, 2.0)
        };
        for (i, sample) in samples.iter().enumerate() {
            assert!((sample - expected(i % 8, i / 8)).abs() < 1e-3, "at {i}");
        }
    }

    #[test]
    fn there_and_back_is_the_same() {
        let dct = Dct::new();
        let block: [f32; 64] = std::array::from_fn(|i| ((i * 37) % 255) as f32 - 128.0);
        let back = dct.inverse(&dct.forward(&block));
        assert!(block.iter().zip(back).all(|(a, b)| (a - b).abs() < 1e-3));
    }
}
