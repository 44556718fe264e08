//! Fast CPU twin: multigrid on the correction of the first fill, inside the hole's bounding box, one task per channel.
//!
//! Grids have a border of one cell on each side. A cell outside the hole holds no correction: the reciprocal of its neighbour
//! count is stored as 0, so sweeps need no branches.

use rayon::prelude::*;

use super::levels::{CYCLES, SWEEPS, SWEEPS_COARSEST, sizes};
use crate::common::native::{Isa, by_isa, part};
use crate::patchmatch::site;
use crate::tensor::TensorRef;

/// Cells of a vector, an even number.
const LANES: usize = 16;

/// What a cell is. A coarse cell is hole if all of its children in the photo are: a coarse hole that reaches beyond the fine
/// one would overshoot, and narrow parts are solved by the sweeps alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    Outside,
    Known,
    Hole,
}

/// Bounding box of the hole in the plane.
#[derive(Clone, Copy)]
struct Frame {
    x0: usize,
    y0: usize,
    width: usize,
    height: usize,
    /// Width and height of the plane.
    plane: (usize, usize),
}

/// One grid for all channels: row length with border, and the reciprocals of the neighbour counts.
struct Grid {
    width: usize,
    height: usize,
    pitch: usize,
    reciprocal: Vec<f32>,
    /// Cells that are no part of the photo.
    outside: Vec<bool>,
}

/// One channel on one grid.
struct Values {
    x: Vec<f32>,
    b: Vec<f32>,
}

pub(super) fn run(soft: Option<f32>, inputs: &[TensorRef<'_>], out: &mut [f32]) {
    let (image, slopes, sites) = (inputs[0].f32(), inputs[1].f32(), inputs[2].u32());
    let plane_width = inputs[2].shape().dims()[1];
    out.copy_from_slice(image);
    let Some(frame) = frame(sites, plane_width) else {
        return;
    };
    let grids = grids(sites, frame);
    let corrections: Vec<Vec<f32>> = (0..3)
        .into_par_iter()
        .map(|c| solve(&grids, residual(image, slopes, sites, frame, c)))
        .collect();
    let pitch = grids[0].pitch;
    for y in 0..frame.height {
        for x in 0..frame.width {
            let (at, cell) = (
                (frame.y0 + y) * plane_width + frame.x0 + x,
                (y + 1) * pitch + x + 1,
            );
            if sites[at] & site::HOLE != 0 {
                let delta = [
                    corrections[0][cell],
                    corrections[1][cell],
                    corrections[2][cell],
                ];
                let keep = super::damping(soft, delta);
                for c in 0..3 {
                    out[3 * at + c] = image[3 * at + c] + delta[c] * keep;
                }
            }
        }
    }
}

fn frame(sites: &[u32], plane_width: usize) -> Option<Frame> {
    let hole = |s: &u32| s & site::HOLE != 0;
    let (mut x0, mut x1, mut y0, mut y1) = (plane_width, 0, usize::MAX, 0);
    for (y, row) in sites.chunks(plane_width).enumerate() {
        if let (Some(first), Some(last)) = (row.iter().position(hole), row.iter().rposition(hole)) {
            (x0, x1, y0, y1) = (x0.min(first), x1.max(last + 1), y0.min(y), y + 1);
        }
    }
    let plane = (plane_width, sites.len() / plane_width);
    (x0 < x1).then(|| Frame {
        x0,
        y0,
        width: x1 - x0,
        height: y1 - y0,
        plane,
    })
}

fn grids(sites: &[u32], frame: Frame) -> Vec<Grid> {
    let pitch = frame.width + 2;
    // The finest cells with their border, which is part of the photo where the box does not end at its edge.
    let mut cells = vec![Cell::Outside; pitch * (frame.height + 2)];
    for (i, cell) in cells.iter_mut().enumerate() {
        let (x, y) = (
            (frame.x0 + i % pitch).wrapping_sub(1),
            (frame.y0 + i / pitch).wrapping_sub(1),
        );
        if x < frame.plane.0 && y < frame.plane.1 {
            *cell = match sites[y * frame.plane.0 + x] {
                s if s & site::HOLE != 0 => Cell::Hole,
                s if s & site::KNOWN != 0 => Cell::Known,
                _ => Cell::Outside,
            };
        }
    }
    let sizes = sizes(frame.height, frame.width);
    let mut out = Vec::with_capacity(sizes.len());
    for (i, (height, width)) in sizes.iter().enumerate() {
        if i > 0 {
            cells = halved(&cells, sizes[i - 1].0, sizes[i - 1].1);
        }
        let reciprocal = reciprocals(&cells, *height, width + 2);
        let outside = cells.iter().map(|c| *c == Cell::Outside).collect();
        out.push(Grid {
            width: *width,
            height: *height,
            pitch: width + 2,
            reciprocal,
            outside,
        });
    }
    out
}

fn halved(cells: &[Cell], height: usize, width: usize) -> Vec<Cell> {
    let (h, w, fine) = (height.div_ceil(2), width.div_ceil(2), width + 2);
    let pitch = w + 2;
    // Cells 1..=coarse have two children a side, of which the second may lie on the fine border.
    let children = |at: usize, limit: usize, coarse: usize| match at {
        0 => 0..1,
        at if at == coarse + 1 => limit + 1..limit + 2,
        at => 2 * at - 1..(2 * at + 1).min(limit + 2),
    };
    let mut out = vec![Cell::Outside; pitch * (h + 2)];
    for (i, cell) in out.iter_mut().enumerate() {
        for y in children(i / pitch, height, h) {
            for x in children(i % pitch, width, w) {
                *cell = match (*cell, cells[y * fine + x]) {
                    (all, Cell::Outside) => all,
                    (Cell::Outside | Cell::Hole, Cell::Hole) => Cell::Hole,
                    _ => Cell::Known,
                };
            }
        }
    }
    out
}

fn reciprocals(cells: &[Cell], height: usize, pitch: usize) -> Vec<f32> {
    let mut out = vec![0.0; cells.len()];
    for y in 1..=height {
        for at in y * pitch + 1..(y + 1) * pitch - 1 {
            if cells[at] == Cell::Hole {
                let around = [at - pitch, at - 1, at + 1, at + pitch];
                let count = around
                    .iter()
                    .filter(|n| cells[**n] != Cell::Outside)
                    .count();
                out[at] = if count > 0 { 1.0 / count as f32 } else { 0.0 };
            }
        }
    }
    out
}

/// What the first fill leaves of the slopes, for one channel.
fn residual(image: &[f32], slopes: &[f32], sites: &[u32], frame: Frame, c: usize) -> Vec<f32> {
    let (pitch, (w, h)) = (frame.width + 2, frame.plane);
    let mut out = vec![0.0; pitch * (frame.height + 2)];
    for y in 0..frame.height {
        for x in 0..frame.width {
            let (px, py) = (frame.x0 + x, frame.y0 + y);
            let at = py * w + px;
            if sites[at] & site::HOLE == 0 {
                continue;
            }
            let around = [
                (py > 0, at.wrapping_sub(w)),
                (px > 0, at.wrapping_sub(1)),
                (px + 1 < w, at + 1),
                (py + 1 < h, at + w),
            ];
            let counts = |n: usize| sites[n] & (site::HOLE | site::KNOWN) != 0;
            let differences = around
                .iter()
                .filter(|(inside, n)| *inside && counts(*n))
                .map(|(_, n)| image[3 * at + c] - image[3 * n + c]);
            out[(y + 1) * pitch + x + 1] = slopes[3 * at + c] - differences.sum::<f32>();
        }
    }
    out
}

fn solve(grids: &[Grid], residual: Vec<f32>) -> Vec<f32> {
    let blank = |grid: &Grid| Values {
        x: vec![0.0; grid.reciprocal.len()],
        b: vec![0.0; grid.reciprocal.len()],
    };
    let mut values: Vec<Values> = grids.iter().map(blank).collect();
    values[0].b = residual;
    for _ in 0..CYCLES {
        cycle(grids, &mut values);
    }
    values.swap_remove(0).x
}

fn cycle(grids: &[Grid], values: &mut [Values]) {
    let ([grid, coarser @ ..], [own, rest @ ..]) = (grids, values) else {
        return;
    };
    let (Some(coarse), Some(below)) = (coarser.first(), rest.first_mut()) else {
        sweeps(grid, own, SWEEPS_COARSEST);
        return;
    };
    sweeps(grid, own, SWEEPS);
    restrict(grid, own, coarse, below);
    cycle(coarser, rest);
    if let Some(below) = rest.first() {
        prolong(grid, own, coarse, below);
    }
    sweeps(grid, own, SWEEPS);
}

fn sweeps(grid: &Grid, values: &mut Values, count: usize) {
    let isa = Isa::active();
    for pass in 0..2 * count {
        by_isa!(isa, sweep(grid: &Grid, values: &mut Values, pass: usize));
    }
}

/// Every second cell takes the mean of its neighbours plus its slope.
#[inline(always)]
fn sweep(grid: &Grid, values: &mut Values, pass: usize) {
    for y in 1..=grid.height {
        if (y + pass).is_multiple_of(2) {
            sweep_row::<0>(grid, values, y * grid.pitch + 1);
        } else {
            sweep_row::<1>(grid, values, y * grid.pitch + 1);
        }
    }
}

/// The row from the cell `start` on, of which every second cell counts, `FIRST` being the first. Vectors compute all
/// cells and keep every second; its neighbours, the others, do not change.
#[inline(always)]
fn sweep_row<const FIRST: usize>(grid: &Grid, values: &mut Values, start: usize) {
    let (p, end) = (grid.pitch, start + grid.width);
    let whole = start + grid.width / LANES * LANES;
    for at in (start..whole).step_by(LANES) {
        let x = &values.x;
        let (b, reciprocal) = (
            part::<LANES>(&values.b, at),
            part::<LANES>(&grid.reciprocal, at),
        );
        let (up, left, right, down) = (
            part::<LANES>(x, at - p),
            part::<LANES>(x, at - 1),
            part::<LANES>(x, at + 1),
            part::<LANES>(x, at + p),
        );
        let mut own = *part::<LANES>(x, at);
        for i in 0..LANES {
            let mean = (b[i] + up[i] + left[i] + right[i] + down[i]) * reciprocal[i];
            own[i] = if i % 2 == FIRST { mean } else { own[i] };
        }
        values.x[at..at + LANES].copy_from_slice(&own);
    }
    for at in (whole + FIRST..end).step_by(2) {
        let x = &mut values.x;
        x[at] =
            (values.b[at] + x[at - p] + x[at - 1] + x[at + 1] + x[at + p]) * grid.reciprocal[at];
    }
}

/// The coarse right-hand side: what is left of the fine one, summed over each cell's children; starts from no correction.
fn restrict(grid: &Grid, values: &Values, coarse: &Grid, below: &mut Values) {
    below.x.fill(0.0);
    below.b.fill(0.0);
    let p = grid.pitch;
    for y in 1..=grid.height {
        for x in 1..=grid.width {
            let (at, v) = (y * p + x, &values.x);
            if grid.reciprocal[at] > 0.0 {
                let around = v[at - p] + v[at - 1] + v[at + 1] + v[at + p];
                below.b[y.div_ceil(2) * coarse.pitch + x.div_ceil(2)] +=
                    values.b[at] + around - v[at] / grid.reciprocal[at];
            }
        }
    }
}

/// Adds the coarse correction, interpolated linearly between cell centres; beyond the photo it goes on as at its edge.
fn prolong(grid: &Grid, values: &mut Values, coarse: &Grid, below: &Values) {
    for y in 1..=grid.height {
        for x in 1..=grid.width {
            let at = y * grid.pitch + x;
            if grid.reciprocal[at] > 0.0 {
                let (cy, cx) = (y.div_ceil(2), x.div_ceil(2));
                let (ny, nx) = (
                    if y % 2 == 1 { cy - 1 } else { cy + 1 },
                    if x % 2 == 1 { cx - 1 } else { cx + 1 },
                );
                let centre = below.x[cy * coarse.pitch + cx];
                let v = |y: usize, x: usize| {
                    let near = y * coarse.pitch + x;
                    if coarse.outside[near] {
                        centre
                    } else {
                        below.x[near]
                    }
                };
                values.x[at] +=
                    0.5625 * centre + 0.1875 * (v(cy, nx) + v(ny, cx)) + 0.0625 * v(ny, nx);
            }
        }
    }
}
