//! Small made-up photos with holes, for the cases of the patch kernels.

use super::{NONE, TEXEL_MAX, site};
use crate::tensor::Tensor;
use crate::testing::Rng;

/// A photo with a hole and a plausible state of its fill.
pub(crate) struct Scene {
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) sites: Vec<u32>,
    rng: Rng,
}

impl Scene {
    /// A hole in the middle (at the left border with `edge`), some void pixels, patches of `radius`.
    pub(crate) fn new(height: usize, width: usize, radius: usize, edge: bool, seed: u64) -> Self {
        let left = if edge { 0 } else { width / 3 };
        let hole = |x: usize, y: usize| {
            (left..width / 2).contains(&x) && (height / 4..height * 2 / 3).contains(&y)
        };
        let void = |x: usize, y: usize| x + 2 >= width && y < 3;
        let window = |x: usize, y: usize| {
            let rows = y.saturating_sub(radius)..(y + radius + 1).min(height);
            rows.flat_map(move |j| {
                (x.saturating_sub(radius)..(x + radius + 1).min(width)).map(move |i| (i, j))
            })
        };
        let full = (2 * radius + 1) * (2 * radius + 1);
        let sites = (0..height * width).map(|at| {
            let (x, y) = (at % width, at / width);
            let known = window(x, y)
                .filter(|(i, j)| !hole(*i, *j) && !void(*i, *j))
                .count();
            let holes = window(x, y).filter(|(i, j)| hole(*i, *j)).count();
            let mut flags = if hole(x, y) { site::HOLE } else { site::KNOWN };
            flags |= if holes > 0 { site::TARGET } else { 0 }
                | if known == full { site::SOURCE } else { 0 };
            let depth = if hole(x, y) {
                (x + 1 - left).min(width / 2 - x) as u32 * site::DISTANCE_STEPS
            } else {
                0
            };
            if void(x, y) {
                0
            } else {
                site::pack(flags, (4 * known + holes) as u32, depth)
            }
        });
        Scene {
            height,
            width,
            sites: sites.collect(),
            rng: Rng::new(seed),
        }
    }

    fn dims(&self) -> [usize; 2] {
        [self.height, self.width]
    }
    pub(crate) fn sites(&self) -> Tensor {
        Tensor::u32(&self.dims(), self.sites.clone())
    }
    /// Random texels; three quarters of them flat, so that equal distances occur.
    pub(crate) fn texels(&mut self) -> Tensor {
        let mut word = || {
            let mut half = || (self.rng.unit() * (TEXEL_MAX / 2) as f32) as i32 as u32 & 0xffff;
            half() | half() << 16
        };
        let mut data = Vec::new();
        for at in 0..self.height * self.width {
            let flat = at / 5 % 4 != 0;
            data.extend((0..4).map(|k| if flat { 0x0010_0200 + k } else { word() }));
        }
        Tensor::u32(&[self.height, self.width, 4], data)
    }
    /// A random picture in 0..1 of whole bytes.
    pub(crate) fn image(&mut self) -> Tensor {
        let data = self
            .rng
            .bytes(self.height * self.width * 3)
            .iter()
            .map(|b| f32::from(*b) / 255.0)
            .collect();
        Tensor::f32(&[self.height, self.width, 3], data)
    }
    /// Valid sources, in row order.
    pub(crate) fn sources(&self) -> Vec<u32> {
        (0..self.sites.len() as u32)
            .filter(|at| self.sites[*at as usize] & site::SOURCE != 0)
            .collect()
    }
    /// A random valid field.
    pub(crate) fn field(&mut self) -> Tensor {
        let sources = self.sources();
        let mut pick = || sources[self.rng.bits() as usize % sources.len()];
        let data = self
            .sites
            .iter()
            .map(|s| if s & site::TARGET != 0 { pick() } else { NONE })
            .collect();
        Tensor::u32(&self.dims(), data)
    }
    /// For each hole pixel a random pixel of a random source patch of `radius`.
    pub(crate) fn picks(&mut self, radius: usize) -> Tensor {
        let (sources, w, side) = (self.sources(), self.width, 2 * radius + 1);
        let mut pick = || {
            let (centre, place) = (
                sources[self.rng.bits() as usize % sources.len()] as usize,
                self.rng.bits() as usize % (side * side),
            );
            ((centre / w + place / side - radius) * w + centre % w + place % side - radius) as u32
        };
        let data = self
            .sites
            .iter()
            .map(|s| if s & site::HOLE != 0 { pick() } else { NONE })
            .collect();
        Tensor::u32(&self.dims(), data)
    }
    /// Random distances, some zero.
    pub(crate) fn distances(&mut self) -> Tensor {
        let mut pick = || {
            if self.rng.bits().is_multiple_of(5) {
                0
            } else {
                (self.rng.bits() % 300_000_000) as u32
            }
        };
        let data = self
            .sites
            .iter()
            .map(|s| if s & site::TARGET != 0 { pick() } else { 0 })
            .collect();
        Tensor::u32(&self.dims(), data)
    }
}
