//! Photos with transparent pixels: what stages see of them, and how their alpha is filled.
//!
//! The colour under a fully transparent pixel is nobody's: often black, often what was cut away. No stage sees it. Segment
//! stages see the photo on a ground that its colours stand out from; all later ones see hidden colours completed from the visible
//! ones around them, the hole's left out. The photo as it came is kept, and only what is blended into it changes.

use cleanplate_pictures::{Mask, Photo, Rect, Samples};
use rayon::prelude::*;

use crate::Pixel;
use crate::composite::Filled;
use crate::cutout::{Edges, OPAQUE};

/// A photo that has pixels which are not opaque, and its alpha.
#[derive(Debug)]
pub struct Transparency {
    /// The photo as it came.
    original: Photo,
    /// Its alpha as a gray photo of the same depth.
    pub alpha: Photo,
    /// Where edges of cut-outs run through the hole, once that is known.
    edges: Option<Edges>,
    /// Alpha with the hole filled by patches, once a fill needed it.
    pub(crate) filled: Option<Photo>,
}

/// What is known of alpha in a hole before anything is filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Nothing: it is filled with the colours.
    Not,
    /// It is clear everywhere: no colour is seen.
    Clear,
    /// What is opaque, and where its edge runs.
    Drawn,
}

impl Transparency {
    /// Of `photo`; `None` if all of it is opaque.
    pub(crate) fn of(photo: &Photo) -> Option<Box<Transparency>> {
        photo.is_transparent().then(|| {
            Box::new(Transparency {
                original: photo.clone(),
                alpha: photo.alpha_plane(),
                edges: None,
                filled: None,
            })
        })
    }

    /// Makes `photo`, a copy of it, the photo as it came.
    pub(crate) fn bring_back(&self, photo: &mut Photo) {
        match (&mut photo.samples, &self.original.samples) {
            (Samples::U8(to), Samples::U8(from)) => to.copy_from_slice(from),
            (Samples::U16(to), Samples::U16(from)) => to.copy_from_slice(from),
            (to, from) => *to = from.clone(),
        }
    }

    /// The photo as it came, for good.
    pub(crate) fn into_original(self) -> Photo {
        self.original
    }

    /// Its alpha in the hole, as far as it was filled.
    pub(crate) fn filled(&self) -> Filled<'_> {
        Filled {
            edges: self.edges.as_ref(),
            plane: self.filled.as_ref(),
        }
    }

    /// What is known of alpha in the hole of a part of the photo.
    pub fn settled(&self, pixels: &[Pixel], rect: Rect) -> Settled {
        let width = rect.width();
        let hole = pixels
            .iter()
            .enumerate()
            .filter(|(_, pixel)| **pixel == Pixel::Hole);
        let mut found = Settled::Clear;
        for (at, _) in hole {
            let edges = self.edges.as_ref();
            match edges.and_then(|edges| edges.at(rect.x0 + at % width, rect.y0 + at / width)) {
                None => return Settled::Not,
                Some(alpha) if alpha > 0.0 => found = Settled::Drawn,
                Some(_) => {}
            }
        }
        found
    }

    /// Puts `photo`, a copy of it, on a ground that its colours stand out from.
    pub(crate) fn put_on_ground(&self, photo: &mut Photo) {
        let seen = (0..photo.height).flat_map(|y| (0..photo.width).map(move |x| (x, y)));
        let seen = seen.step_by(photo.width * photo.height / SAMPLES_MAX + 1);
        let seen = seen.map(|(x, y)| (photo.pixel_f32(x, y), self.alpha.pixel_f32(x, y)[0]));
        let ground = ground(seen, &GRAYS);
        photo.recolour(|_, _, rgb, alpha| (alpha < 1.0).then(|| over(rgb, alpha, ground)));
    }

    /// Makes `photo`, a copy of it, its own again, but for the colours of fully transparent pixels: those are completed from visible
    /// ones outside of `hole` (above 0). Finds where edges run through the hole, unless `stop` says to stop.
    pub(crate) fn complete(
        &mut self,
        photo: &mut Photo,
        hole: &Mask,
        stop: &(dyn Fn() -> bool + Sync),
    ) {
        self.edges = Some(Edges::of(&self.alpha, hole, stop));
        self.bring_back(photo);
        let levels = levels(&self.original, &self.alpha, hole);
        photo.recolour(|x, y, _, alpha| (alpha == 0.0).then(|| levels.at(x, y)));
    }

    /// Makes the transparent ones of the known pixels of `rect` void; where it is known what of the hole is opaque, all that are not
    /// opaque: what goes on is not made of its edge.
    pub fn veil(&self, pixels: &mut [Pixel], rect: Rect) {
        let width = rect.width();
        let whole = self.settled(pixels, rect) == Settled::Drawn;
        let least = if whole { OPAQUE } else { f32::MIN_POSITIVE };
        for (at, pixel) in pixels.iter_mut().enumerate() {
            let value = |x, y| self.alpha.pixel_f32(x, y)[0];
            if *pixel == Pixel::Known && value(rect.x0 + at % width, rect.y0 + at / width) < least {
                *pixel = Pixel::Void;
            }
        }
    }

    /// Whether nothing of this pixel can be seen.
    pub(crate) fn hides(&self, x: usize, y: usize) -> bool {
        self.alpha.pixel_f32(x, y)[0] == 0.0
    }
}

/// Most pixels looked at when a ground is chosen.
const SAMPLES_MAX: usize = 1 << 18;

/// Grounds without a colour.
const GRAYS: [[f32; 3]; 3] = [[0.5; 3], [1.0; 3], [0.0; 3]];

/// Middle gray and the corners of the colours.
pub const GROUNDS: [[f32; 3]; 9] = [
    [0.5; 3],
    [1.0; 3],
    [0.0; 3],
    [1.0, 0.0, 1.0],
    [0.0, 1.0, 0.0],
    [0.0, 1.0, 1.0],
    [1.0, 0.0, 0.0],
    [1.0, 1.0, 0.0],
    [0.0, 0.0, 1.0],
];

/// The one of `grounds` that is farthest from the nearest colour that counts: `(colour, alpha)` of pixels, 0..1. One that hardly
/// occurs does not count.
pub fn ground(colours: impl Iterator<Item = ([f32; 3], f32)>, grounds: &[[f32; 3]]) -> [f32; 3] {
    const SIDE: usize = 8;
    const SHARE_MIN: f32 = 0.002;
    let mut bins = vec![0.0f32; SIDE * SIDE * SIDE];
    let bin = |v: f32| ((v * SIDE as f32) as usize).min(SIDE - 1);
    let mut total = 0.0;
    for (rgb, alpha) in colours {
        bins[(bin(rgb[0]) * SIDE + bin(rgb[1])) * SIDE + bin(rgb[2])] += alpha;
        total += alpha;
    }
    let middle = |i: usize| (i as f32 + 0.5) / SIDE as f32;
    let used: Vec<[f32; 3]> = (0..bins.len())
        .filter(|at| bins[*at] > SHARE_MIN * total)
        .map(|at| [at / (SIDE * SIDE), at / SIDE % SIDE, at % SIDE].map(middle))
        .collect();
    let apart = |ground: &[f32; 3]| {
        let square = |c: &[f32; 3]| (0..3).map(|i| (c[i] - ground[i]).powi(2)).sum::<f32>();
        used.iter().map(square).fold(f32::INFINITY, f32::min)
    };
    let first = grounds.first().copied().unwrap_or([0.5; 3]);
    grounds.iter().fold(first, |best, ground| {
        if apart(ground) > apart(&best) {
            *ground
        } else {
            best
        }
    })
}

/// A colour with its alpha on a ground.
pub fn over(rgb: [f32; 3], alpha: f32, ground: [f32; 3]) -> [f32; 3] {
    [0, 1, 2].map(|c| rgb[c] * alpha + ground[c] * (1.0 - alpha))
}

/// Mean colours of the visible pixels under the cells of ever coarser grids, halved each time, finest first; what has none takes
/// those of the next coarser grid.
struct Levels(Vec<Level>);

struct Level {
    width: usize,
    /// Red, green, blue and how much of them is visible.
    cells: Vec<[f32; 4]>,
}

impl Levels {
    /// The completed colour at a pixel of the photo.
    fn at(&self, x: usize, y: usize) -> [f32; 3] {
        self.0.first().map_or([0.5; 3], |level| level.between(x, y))
    }
}

impl Level {
    /// A grid of half the size whose cells sum up what `value` says of this one's pixels.
    fn half(
        (width, height): (usize, usize),
        value: impl Fn(usize, usize) -> [f32; 4] + Sync,
    ) -> Level {
        let (w, h) = (width.div_ceil(2), height.div_ceil(2));
        let mut cells = vec![[0.0f32; 4]; w * h];
        let rows = cells.par_chunks_exact_mut(w).enumerate();
        rows.for_each(|(cy, row)| {
            for (cx, cell) in row.iter_mut().enumerate() {
                for y in 2 * cy..(2 * cy + 2).min(height) {
                    for x in 2 * cx..(2 * cx + 2).min(width) {
                        let [r, g, b, share] = value(x, y);
                        cell[3] += share;
                        (0..3).for_each(|c| cell[c] += share * [r, g, b][c]);
                    }
                }
                if cell[3] > 0.0 {
                    (0..3).for_each(|c| cell[c] /= cell[3]);
                }
            }
        });
        Level { width: w, cells }
    }

    fn height(&self) -> usize {
        self.cells.len() / self.width
    }

    /// The colour at a pixel of the finer grid, linear between the cells around it.
    fn between(&self, x: usize, y: usize) -> [f32; 3] {
        let axis = |at: usize, length: usize| {
            let (near, far) = (
                at / 2,
                if at.is_multiple_of(2) {
                    at / 2 - (at > 0) as usize
                } else {
                    at / 2 + 1
                },
            );
            (near.min(length - 1), far.min(length - 1))
        };
        let ((x0, x1), (y0, y1)) = (axis(x, self.width), axis(y, self.height()));
        let cell = |x: usize, y: usize| self.cells[y * self.width + x];
        [0, 1, 2].map(|c| {
            let (top, bottom) = (
                0.75 * cell(x0, y0)[c] + 0.25 * cell(x1, y0)[c],
                0.75 * cell(x0, y1)[c] + 0.25 * cell(x1, y1)[c],
            );
            0.75 * top + 0.25 * bottom
        })
    }
}

fn levels(photo: &Photo, alpha: &Photo, hole: &Mask) -> Levels {
    let seen = |x: usize, y: usize| {
        let share = if hole.data[y * hole.width + x] > 0 {
            0.0
        } else {
            alpha.pixel_f32(x, y)[0]
        };
        let [r, g, b] = photo.pixel_f32(x, y);
        [r, g, b, share]
    };
    let mut levels = vec![Level::half((photo.width, photo.height), seen)];
    while let Some(last) = levels.last().filter(|last| last.cells.len() > 1) {
        let size = (last.width, last.height());
        let next = Level::half(size, |x, y| last.cells[y * last.width + x]);
        levels.push(next);
    }
    if let Some([_, _, _, 0.0]) = levels.last().and_then(|top| top.cells.first()) {
        levels
            .iter_mut()
            .flat_map(|level| &mut level.cells)
            .for_each(|cell| *cell = [0.5, 0.5, 0.5, 0.0]);
    }
    for at in (0..levels.len() - 1).rev() {
        let (fine, coarse) = levels.split_at_mut(at + 1);
        let (fine, coarse) = (&mut fine[at], &coarse[0]);
        let width = fine.width;
        let cells = fine.cells.iter_mut().enumerate();
        for (at, cell) in cells.filter(|(_, cell)| cell[3] == 0.0) {
            let [r, g, b] = coarse.between(at % width, at / width);
            *cell = [r, g, b, 0.0];
        }
    }
    Levels(levels)
}
