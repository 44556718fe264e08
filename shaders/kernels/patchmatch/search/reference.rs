//! The meaning of [`super::Search`].

use super::Search;
use crate::patchmatch::{NONE, Texel, hash, site, texels_of};
use crate::tensor::{Tensor, TensorRef};

pub(super) fn run(op: &Search, inputs: &[TensorRef<'_>]) -> Vec<Tensor> {
    let dims = inputs[1].shape().dims();
    let pass = Pass {
        op,
        texels: texels_of(inputs[0].u32()),
        site: inputs[1].u32(),
        height: dims[0] as i64,
        width: dims[1] as i64,
    };
    let (nnf, distance) = (inputs[2].u32(), inputs[3].u32());
    let found: Vec<(u32, u32)> = (0..nnf.len())
        .map(|at| pass.target(at, nnf, distance))
        .collect();
    vec![
        Tensor::u32(dims, found.iter().map(|f| f.1).collect()),
        Tensor::u32(dims, found.iter().map(|f| f.0).collect()),
    ]
}

struct Pass<'a> {
    op: &'a Search,
    texels: &'a [Texel],
    site: &'a [u32],
    height: i64,
    width: i64,
}

impl Pass<'_> {
    /// Distance and source of one target.
    fn target(&self, at: usize, nnf: &[u32], distance: &[u32]) -> (u32, u32) {
        if self.site[at] & site::TARGET == 0 {
            return (0, NONE);
        }
        let (x, y, step) = (
            at as i64 % self.width,
            at as i64 / self.width,
            self.op.step as i64,
        );
        let measure = |source: u32| (self.measure(x, y, i64::from(source)), source);
        let mut best = if self.op.fresh {
            measure(nnf[at])
        } else {
            (distance[at], nnf[at])
        };
        for (dx, dy) in [(0, -step), (-step, 0), (step, 0), (0, step)] {
            if !self.inside(x + dx, y + dy) {
                continue;
            }
            let source = nnf[((y + dy) * self.width + x + dx) as usize];
            if source != NONE {
                let (sx, sy) = (
                    i64::from(source) % self.width - dx,
                    i64::from(source) / self.width - dy,
                );
                best = self
                    .source(sx, sy)
                    .filter(|s| *s != best.1)
                    .map_or(best, |s| best.min(measure(s)));
            }
        }
        let (mut reach, mut draw) = (self.op.reach, 0);
        while reach > 0 {
            let bits = hash(
                self.op.seed,
                at as u32,
                self.op.salt.wrapping_mul(64).wrapping_add(draw),
            );
            let offset = |part: u32| i64::from((part * (2 * reach + 1)) >> 16) - i64::from(reach);
            let sx = i64::from(best.1) % self.width + offset(bits & 0xffff);
            let sy = i64::from(best.1) / self.width + offset(bits >> 16);
            best = self
                .source(sx, sy)
                .filter(|s| *s != best.1)
                .map_or(best, |s| best.min(measure(s)));
            (reach, draw) = (reach / 2, draw + 1);
        }
        best
    }

    fn inside(&self, x: i64, y: i64) -> bool {
        (0..self.width).contains(&x) && (0..self.height).contains(&y)
    }

    fn source(&self, x: i64, y: i64) -> Option<u32> {
        let at = y * self.width + x;
        (self.inside(x, y) && self.site[at as usize] & site::SOURCE != 0).then_some(at as u32)
    }

    fn measure(&self, x: i64, y: i64, source: i64) -> u32 {
        let r = self.op.radius as i64;
        let taps = (-r..=r).flat_map(|j| (-r..=r).map(move |i| (i, j)));
        let inside = taps.filter(|(i, j)| self.inside(x + i, y + j));
        let one = |(i, j): (i64, i64)| {
            let (at, from) = (
                ((y + j) * self.width + x + i) as usize,
                (source + j * self.width + i) as usize,
            );
            let weight = i32::from(site::tap(self.site[at], self.op.known_factor)).pow(2);
            let differences = self.texels[at]
                .iter()
                .zip(&self.texels[from])
                .map(|(a, b)| i32::from(*a) - i32::from(*b));
            differences.map(|d| (weight * d * d) as u32).sum::<u32>()
        };
        inside.map(one).sum()
    }
}
