//! Planes of numbers and their means over square windows.

use cleanplate_pictures::Rect;
use cleanplate_pipeline::Fill;
use rayon::prelude::*;

/// One number a pixel, `[height, width]`.
pub(super) struct Plane {
    width: usize,
    pub(super) values: Vec<f32>,
}

impl Plane {
    /// `value` of each pixel of a part of a fill.
    pub(super) fn of(fill: &Fill, part: Rect, value: impl Fn([f32; 3]) -> f32) -> Plane {
        let mut values = Vec::with_capacity(part.pixels());
        for y in part.y0..part.y1 {
            let row = &fill.rgb[3 * (y * fill.width + part.x0)..3 * (y * fill.width + part.x1)];
            values.extend(row.chunks_exact(3).map(|p| value([p[0], p[1], p[2]])));
        }
        Plane {
            width: part.width(),
            values,
        }
    }

    /// 1 where a part of a picture is no hole, else 0.
    pub(super) fn known(width: usize, part: Rect, hole: &[u8]) -> Plane {
        let mut values = Vec::with_capacity(part.pixels());
        for y in part.y0..part.y1 {
            let row = &hole[y * width + part.x0..y * width + part.x1];
            values.extend(row.iter().map(|share| f32::from(u8::from(*share == 0))));
        }
        Plane {
            width: part.width(),
            values,
        }
    }

    /// What `of` makes of the numbers of both planes, pixel by pixel.
    pub(super) fn with(&self, other: &Plane, of: impl Fn(f32, f32) -> f32) -> Plane {
        let pairs = self.values.iter().zip(&other.values);
        Plane {
            width: self.width,
            values: pairs.map(|(a, b)| of(*a, *b)).collect(),
        }
    }

    pub(super) fn times(&self, other: &Plane) -> Plane {
        self.with(other, |a, b| a * b)
    }

    /// The mean of each pixel's window of 2 `radius` + 1 pixels a side, as far as it lies in the plane.
    pub(super) fn averaged(&self, radius: usize) -> Plane {
        let width = self.width;
        let height = self.values.len() / width;
        let mut across = vec![0.0; self.values.len()];
        let rows = across.par_chunks_exact_mut(width);
        rows.zip(self.values.par_chunks_exact(width))
            .for_each(|(out, row)| means(row, radius, out));
        let mut sums = vec![0.0f64; width];
        let mut values = vec![0.0; self.values.len()];
        let row = |y: usize| &across[y * width..(y + 1) * width];
        let add = |sums: &mut Vec<f64>, y: usize, sign: f64| {
            let pairs = sums.iter_mut().zip(row(y));
            pairs.for_each(|(sum, v)| *sum += sign * f64::from(*v));
        };
        (0..radius.min(height)).for_each(|y| add(&mut sums, y, 1.0));
        for y in 0..height {
            if y + radius < height {
                add(&mut sums, y + radius, 1.0);
            }
            if y > radius {
                add(&mut sums, y - radius - 1, -1.0);
            }
            let count = (y + radius + 1).min(height) - y.saturating_sub(radius);
            let out = &mut values[y * width..(y + 1) * width];
            for (out, sum) in out.iter_mut().zip(&sums) {
                *out = (sum / count as f64) as f32;
            }
        }
        Plane { width, values }
    }
}

/// Means of windows along one row.
fn means(row: &[f32], radius: usize, out: &mut [f32]) {
    let mut sum: f64 = row.iter().take(radius).map(|v| f64::from(*v)).sum();
    for x in 0..row.len() {
        if let Some(v) = row.get(x + radius) {
            sum += f64::from(*v);
        }
        if x > radius {
            sum -= f64::from(row[x - radius - 1]);
        }
        let count = (x + radius + 1).min(row.len()) - x.saturating_sub(radius);
        out[x] = (sum / count as f64) as f32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_those_of_the_windows() {
        let (width, height) = (7usize, 5usize);
        let values: Vec<f32> = (0..35).map(|i| ((i * 17) % 23) as f32).collect();
        let plane = Plane { width, values };
        for radius in [1, 2, 9] {
            let found = plane.averaged(radius);
            for y in 0..height {
                for x in 0..width {
                    let rows = y.saturating_sub(radius)..(y + radius + 1).min(height);
                    let columns = x.saturating_sub(radius)..(x + radius + 1).min(width);
                    let count = rows.len() * columns.len();
                    let part = rows.flat_map(|y| columns.clone().map(move |x| y * width + x));
                    let mean = part.map(|at| plane.values[at]).sum::<f32>() / count as f32;
                    assert!((found.values[y * width + x] - mean).abs() < 1e-4);
                }
            }
        }
    }
}
