//! The eight EXIF orientations.

use rayon::prelude::*;

use crate::ImageError;
use crate::memory::zeroed;

/// How stored pixels must be turned to be upright; the EXIF values 1 to 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Orientation(u8);

impl Orientation {
    /// Stored upright.
    pub const UPRIGHT: Orientation = Orientation(1);

    /// From the EXIF value; anything but 1 to 8 counts as upright, as viewers do.
    pub fn from_exif(value: u16) -> Self {
        if (1..=8).contains(&value) {
            Orientation(value as u8)
        } else {
            Orientation::UPRIGHT
        }
    }
    /// The EXIF value.
    pub fn exif(self) -> u8 {
        self.0
    }
    /// Whether width and height change places.
    pub fn turns(self) -> bool {
        self.0 >= 5
    }
    /// Displayed width and height of stored ones.
    pub fn displayed<T>(self, width: T, height: T) -> (T, T) {
        if self.turns() {
            (height, width)
        } else {
            (width, height)
        }
    }

    /// Where the pixel stored at `(x, y)` of a picture stored as `(width, height)` is displayed.
    pub(super) fn place(
        self,
        (x, y): (usize, usize),
        (width, height): (usize, usize),
    ) -> (usize, usize) {
        match self.0 {
            2 => (width - 1 - x, y),
            3 => (width - 1 - x, height - 1 - y),
            4 => (x, height - 1 - y),
            5 => (y, x),
            6 => (height - 1 - y, x),
            7 => (height - 1 - y, width - 1 - x),
            8 => (y, width - 1 - x),
            _ => (x, y),
        }
    }

    /// Turns pixels of `N` samples each, stored `[height, width, N]`, upright. An error when there is no memory for it.
    pub(super) fn apply<T: Copy + Default + Send + Sync, const N: usize>(
        self,
        pixels: Vec<T>,
        width: usize,
    ) -> Result<Vec<T>, ImageError> {
        let height = pixels.len() / N / width.max(1);
        Ok(match self.0 {
            2 => map_rows(pixels, width * N, |row| reverse_pixels::<T, N>(row)),
            3 => {
                let mut pixels = pixels;
                reverse_pixels::<T, N>(&mut pixels);
                pixels
            }
            4 => flip_rows(pixels, width * N, height),
            5 => turn::<T, N>(&pixels, width, height, |x, y| (y, x))?,
            6 => turn::<T, N>(&pixels, width, height, |x, y| (y, height - 1 - x))?,
            7 => turn::<T, N>(&pixels, width, height, |x, y| {
                (width - 1 - y, height - 1 - x)
            })?,
            8 => turn::<T, N>(&pixels, width, height, |x, y| (width - 1 - y, x))?,
            _ => pixels,
        })
    }
}

fn map_rows<T: Send>(
    mut pixels: Vec<T>,
    stride: usize,
    change: impl Fn(&mut [T]) + Sync,
) -> Vec<T> {
    pixels.par_chunks_exact_mut(stride).for_each(&change);
    pixels
}

fn reverse_pixels<T, const N: usize>(samples: &mut [T]) {
    samples.reverse();
    samples.chunks_exact_mut(N).for_each(|px| px.reverse());
}

fn flip_rows<T>(mut pixels: Vec<T>, stride: usize, height: usize) -> Vec<T> {
    let (top, bottom) = pixels.split_at_mut(height / 2 * stride);
    let skip = if height % 2 == 1 { stride } else { 0 };
    for (a, b) in top
        .chunks_exact_mut(stride)
        .zip(bottom[skip..].chunks_exact_mut(stride).rev())
    {
        a.swap_with_slice(b);
    }
    pixels
}

/// Output rows per task: neighbouring output rows read neighbouring input columns, which share cache lines.
const BAND_ROWS: usize = 32;

/// Output pixel `(x, y)` is input pixel `from(x, y)`; output is `height` wide and `width` high.
fn turn<T: Copy + Default + Send + Sync, const N: usize>(
    pixels: &[T],
    width: usize,
    height: usize,
    from: impl Fn(usize, usize) -> (usize, usize) + Sync,
) -> Result<Vec<T>, ImageError> {
    let stride = height * N;
    let mut out = zeroed(pixels.len())?;
    out.par_chunks_mut((stride * BAND_ROWS).max(1))
        .enumerate()
        .for_each(|(band, rows)| {
            let count = rows.len() / stride;
            for x in 0..height {
                for row in 0..count {
                    let (sx, sy) = from(x, band * BAND_ROWS + row);
                    let at = (sy * width + sx) * N;
                    rows[row * stride + x * N..][..N].copy_from_slice(&pixels[at..at + N]);
                }
            }
        });
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_where_its_pixel_goes() {
        let (width, height) = (5, 3);
        let stored: Vec<u8> = (0..15).collect();
        for value in 1..=8 {
            let orientation = Orientation::from_exif(value);
            let shown = orientation.apply::<u8, 1>(stored.clone(), width).unwrap();
            let shown_width = orientation.displayed(width, height).0;
            for (i, pixel) in stored.iter().enumerate() {
                let (x, y) = orientation.place((i % width, i / width), (width, height));
                assert_eq!(shown[y * shown_width + x], *pixel, "orientation {value}");
            }
        }
    }

    /// What each EXIF value means: where the stored first row and first column are seen.
    #[test]
    fn all_eight_turn_a_letter_upright() {
        let upright = ["##.", "#..", "##.", "#..", "#.."];
        let stored: [&[&str]; 8] = [
            &["##.", "#..", "##.", "#..", "#.."],
            &[".##", "..#", ".##", "..#", "..#"],
            &["..#", "..#", ".##", "..#", ".##"],
            &["#..", "#..", "##.", "#..", "##."],
            &["#####", "#.#..", "....."],
            &[".....", "#.#..", "#####"],
            &[".....", "..#.#", "#####"],
            &["#####", "..#.#", "....."],
        ];
        for (i, rows) in stored.iter().enumerate() {
            let pixels: Vec<[u8; 2]> = rows
                .iter()
                .flat_map(|r| r.bytes().map(|b| [b, b + 1]))
                .collect();
            let o = Orientation::from_exif(i as u16 + 1);
            let turned = o.apply::<u8, 2>(pixels.concat(), rows[0].len()).unwrap();
            let want: Vec<u8> = upright
                .iter()
                .flat_map(|r| r.bytes().flat_map(|b| [b, b + 1]))
                .collect();
            assert_eq!(turned, want, "orientation {}", i + 1);
            assert_eq!(o.displayed(rows[0].len(), rows.len()), (3, 5));
        }
    }
}
