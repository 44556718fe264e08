//! Which sources a pass tries for one target, in order.

use super::Search;
use super::native::Planes;
use crate::patchmatch::{NONE, hash, site};

/// The candidates of one target: the neighbours' sources shifted back, then random ones around the best so far.
pub(super) struct Candidates<'a> {
    op: &'a Search,
    planes: Planes<'a>,
    x: usize,
    y: usize,
    step: usize,
    reach: u32,
    draw: u32,
}

impl<'a> Candidates<'a> {
    pub(super) fn new(op: &'a Search, planes: Planes<'a>, x: usize, y: usize) -> Self {
        Candidates {
            op,
            planes,
            x,
            y,
            step: 0,
            reach: op.reach,
            draw: 0,
        }
    }

    /// The next source worth measuring, given the best source so far.
    #[inline(always)]
    pub(super) fn next(&mut self, best: u32) -> Option<u32> {
        while self.step < 4 {
            let found = self.neighbour(self.step);
            self.step += 1;
            if let Some(source) = found.filter(|s| *s != best) {
                return Some(source);
            }
        }
        while self.reach > 0 {
            let found = self.random(best);
            self.reach /= 2;
            self.draw += 1;
            if let Some(source) = found.filter(|s| *s != best) {
                return Some(source);
            }
        }
        None
    }

    #[inline(always)]
    fn neighbour(&self, direction: usize) -> Option<u32> {
        let (w, h, step) = (self.planes.width, self.planes.height, self.op.step);
        let (dx, dy) = [
            (0, step.wrapping_neg()),
            (step.wrapping_neg(), 0),
            (step, 0),
            (0, step),
        ][direction];
        let (nx, ny) = (self.x.wrapping_add(dx), self.y.wrapping_add(dy));
        if nx >= w || ny >= h {
            return None;
        }
        let source = self.planes.nnf[ny * w + nx];
        if source == NONE {
            return None;
        }
        let (sx, sy) = (
            (source as usize % w).wrapping_sub(dx),
            (source as usize / w).wrapping_sub(dy),
        );
        self.valid(sx, sy)
    }

    #[inline(always)]
    fn random(&self, best: u32) -> Option<u32> {
        let w = self.planes.width;
        let at = (self.y * w + self.x) as u32;
        let bits = hash(
            self.op.seed,
            at,
            self.op.salt.wrapping_mul(64).wrapping_add(self.draw),
        );
        let span = 2 * self.reach + 1;
        let dx = ((bits & 0xffff) * span) >> 16;
        let dy = ((bits >> 16) * span) >> 16;
        let sx = (best as usize % w + dx as usize).wrapping_sub(self.reach as usize);
        let sy = (best as usize / w + dy as usize).wrapping_sub(self.reach as usize);
        self.valid(sx, sy)
    }

    #[inline(always)]
    fn valid(&self, sx: usize, sy: usize) -> Option<u32> {
        let (w, h) = (self.planes.width, self.planes.height);
        let at = sy.wrapping_mul(w).wrapping_add(sx);
        (sx < w && sy < h && self.planes.site[at] & site::SOURCE != 0).then_some(at as u32)
    }
}
