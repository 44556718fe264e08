//! A guided filter (He, Sun and Tang): a plane that changes where a picture's colours do. It is a linear function of the colours round
//! each pixel, found on a small copy and used at full size, as its authors propose for large pictures.

use rayon::prelude::*;

/// Variance of colours, 0..1 squared, below which they count as one surface.
const SAME: f32 = 1e-4;

/// What makes the plane of the colours: for each pixel `red, green, blue, constant`.
pub struct Guided {
    width: usize,
    height: usize,
    factors: Vec<[f32; 4]>,
}

impl Guided {
    /// Fits colours RGB 0..1 to `plane`, both `[height, width]`, in squares of `2 * radius + 1` pixels.
    pub fn new(
        rgb: &[[f32; 3]],
        plane: &[f32],
        (width, height): (usize, usize),
        radius: usize,
    ) -> Self {
        let products = rgb.par_iter().zip(plane).map(|([r, g, b], p)| {
            [
                *r,
                *g,
                *b,
                *p,
                r * p,
                g * p,
                b * p,
                r * r,
                r * g,
                r * b,
                g * g,
                g * b,
                b * b,
            ]
        });
        let means = means(&products.collect::<Vec<_>>(), width, height, radius);
        let factors: Vec<[f32; 4]> = means.par_iter().map(factors).collect();
        Guided {
            width,
            height,
            factors: self::means(&factors, width, height, radius),
        }
    }

    /// The plane at the middle of pixel `x`, `y` of a picture of `[height, width]` pixels that the small one is a copy of, where the
    /// colour is `rgb`.
    pub fn at(&self, [x, y]: [usize; 2], [height, width]: [usize; 2], rgb: [f32; 3]) -> f32 {
        let place = |at: usize, of: usize, small: usize| {
            let at = (at as f32 + 0.5) * small as f32 / of as f32 - 0.5;
            let at = at.clamp(0.0, (small - 1) as f32);
            let low = at as usize;
            (low, (low + 1).min(small - 1), at - low as f32)
        };
        let (x0, x1, u) = place(x, width, self.width);
        let (y0, y1, v) = place(y, height, self.height);
        let row = |y: usize| {
            let (a, b) = (
                self.factors[y * self.width + x0],
                self.factors[y * self.width + x1],
            );
            value(a, rgb) * (1.0 - u) + value(b, rgb) * u
        };
        row(y0) * (1.0 - v) + row(y1) * v
    }
}

fn value([r, g, b, constant]: [f32; 4], rgb: [f32; 3]) -> f32 {
    r * rgb[0] + g * rgb[1] + b * rgb[2] + constant
}

/// The linear function that fits best, by least squares, from the means of colours, plane and their products.
fn factors(means: &[f32; 13]) -> [f32; 4] {
    let [r, g, b, p, rp, gp, bp, rr, rg, rb, gg, gb, bb] = *means;
    let with_plane = [rp - r * p, gp - g * p, bp - b * p];
    let (rr, gg, bb) = (rr - r * r + SAME, gg - g * g + SAME, bb - b * b + SAME);
    let (rg, rb, gb) = (rg - r * g, rb - r * b, gb - g * b);
    // The inverse of a symmetric matrix by its cofactors.
    let (c00, c01, c02) = (gg * bb - gb * gb, rb * gb - rg * bb, rg * gb - rb * gg);
    let (c11, c12, c22) = (rr * bb - rb * rb, rg * rb - rr * gb, rr * gg - rg * rg);
    let scale = 1.0 / (rr * c00 + rg * c01 + rb * c02).max(SAME.powi(3) / 8.0);
    let along = |row: [f32; 3]| {
        scale * (row[0] * with_plane[0] + row[1] * with_plane[1] + row[2] * with_plane[2])
    };
    let [a, b2, c] = [
        along([c00, c01, c02]),
        along([c01, c11, c12]),
        along([c02, c12, c22]),
    ];
    [a, b2, c, p - a * r - b2 * g - c * b]
}

/// Means over squares of `2 * radius + 1` pixels, cut at the picture's border.
fn means<const N: usize>(
    values: &[[f32; N]],
    width: usize,
    height: usize,
    radius: usize,
) -> Vec<[f32; N]> {
    let mut along = vec![[0.0; N]; values.len()];
    let rows = along
        .par_chunks_exact_mut(width)
        .zip(values.par_chunks_exact(width));
    rows.for_each(|(out, row)| slide(width, radius, |at| row[at], |at, mean| out[at] = mean));
    // Columns in stripes, so that they can be written side by side.
    let columns: Vec<Vec<[f32; N]>> = (0..width)
        .into_par_iter()
        .map(|x| {
            let mut column = vec![[0.0; N]; height];
            slide(
                height,
                radius,
                |y| along[y * width + x],
                |y, mean| column[y] = mean,
            );
            column
        })
        .collect();
    along
        .par_chunks_exact_mut(width)
        .enumerate()
        .for_each(|(y, row)| {
            row.iter_mut()
                .zip(&columns)
                .for_each(|(out, column)| *out = column[y]);
        });
    along
}

/// Means of a row of values over windows, by a sum that moves along.
fn slide<const N: usize>(
    len: usize,
    radius: usize,
    value: impl Fn(usize) -> [f32; N],
    mut out: impl FnMut(usize, [f32; N]),
) {
    // What is added and taken away again must leave nothing behind.
    let mut sum = [0f64; N];
    let change = |sum: &mut [f64; N], at: usize, sign: f64| {
        let values = value(at);
        sum.iter_mut()
            .zip(values)
            .for_each(|(sum, value)| *sum += sign * f64::from(value));
    };
    (0..radius.min(len)).for_each(|at| change(&mut sum, at, 1.0));
    for at in 0..len {
        if at + radius < len {
            change(&mut sum, at + radius, 1.0);
        }
        if at > radius {
            change(&mut sum, at - radius - 1, -1.0);
        }
        let count = (at + radius).min(len - 1) + 1 - at.saturating_sub(radius);
        out(at, sum.map(|sum| (sum / count as f64) as f32));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_those_of_the_squares() {
        let (width, height, radius) = (7, 5, 2);
        let values: Vec<[f32; 1]> = (0..35).map(|i| [((i * 13) % 17) as f32]).collect();
        let got = means(&values, width, height, radius);
        for y in 0..height {
            for x in 0..width {
                let rows = y.saturating_sub(radius)..(y + radius + 1).min(height);
                let inside = rows.flat_map(|v| {
                    let columns = x.saturating_sub(radius)..(x + radius + 1).min(width);
                    columns.map(move |u| v * width + u)
                });
                let inside: Vec<f32> = inside.map(|at| values[at][0]).collect();
                let want = inside.iter().sum::<f32>() / inside.len() as f32;
                assert!((got[y * width + x][0] - want).abs() < 1e-5, "{x}, {y}");
            }
        }
    }

    #[test]
    fn a_plane_that_follows_the_colours_is_kept_and_its_edge_goes_to_theirs() {
        let (width, height) = (24, 16);
        // Blue up to column 11, orange from there on; the plane says so a column late.
        let rgb: Vec<[f32; 3]> = (0..width * height)
            .map(|i| {
                if i % width < 12 {
                    [0.1, 0.2, 0.7]
                } else {
                    [0.9, 0.5, 0.1]
                }
            })
            .collect();
        let plane: Vec<f32> = (0..width * height)
            .map(|i| f32::from(u8::from(i % width >= 13)))
            .collect();
        let guided = Guided::new(&rgb, &plane, (width, height), 4);
        for x in 0..width {
            let value = guided.at([x, 8], [height, width], rgb[8 * width + x]);
            assert_eq!(value > 0.5, x >= 12, "column {x}: {value}");
        }
        // Twice as large, the edge lies between the same colours.
        for x in 0..2 * width {
            let value = guided.at([x, 16], [2 * height, 2 * width], rgb[8 * width + x / 2]);
            assert_eq!(
                value > 0.5,
                x >= 24,
                "column {x} at twice the size: {value}"
            );
        }
    }
}
