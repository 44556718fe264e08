//! Cut-outs: the alpha of a hole where only clear and opaque pixels and the edges between them lie round it.
//!
//! Patches of alpha would draw such an edge ragged, and fills of it would be transparent where the picture goes on. Here each
//! edge that enters the hole is joined to the one that it goes on as by the curve that leaves both in their own direction and bends
//! least (`curve`), and alpha rises across it over the width that the edge has outside. What is not of this kind (shadows, veils,
//! lace) is left to patches.

use std::sync::atomic::{AtomicUsize, Ordering};

use cleanplate_pictures::{Mask, Photo, Rect};
use rayon::prelude::*;

use crate::Grid;
use crate::curve::{Cells, End, Point, Side, apart, joined};

/// Alpha from here on is opaque, and below the rest of it is clear.
pub(crate) const OPAQUE: f32 = 0.96;
/// Share of the rim that may be neither, away from edges.
const VEILED_SHARE: f64 = 0.02;
/// How far from an edge its ramp reaches, in pixels.
const RAMP_PX: f64 = 6.0;
/// Most crossings of 0.5 that are looked at.
const CROSSINGS_MAX: usize = 20_000;
/// Most pixels of a rim that is looked at: longer ones are of stripes and dust, and would take memory that nobody reserved.
const RIM_MAX: usize = 1 << 20;
/// Most places where edges enter a hole that are looked at, specks among them that say nothing.
const STARTS_MAX: usize = 32;
/// How much of an edge outside of the hole says where it goes, as a share of the hole's longer side, and in pixels.
const REACH: (f64, f64, f64) = (1.0 / 3.0, 8.0, 32.0);
/// Farthest that neighbours on one edge lie apart, in pixels.
const LINK_PX: f64 = 1.5;
/// Pixels of the rim that a course is held against.
const HELD_MAX: usize = 256;
/// Share of them that may lie on the wrong side of it.
const WRONG_SHARE: f64 = 0.03;
/// Most places at which the distance from edges is computed; between them it is interpolated.
const PLACES_MAX: usize = 40_000;

/// The alpha of the groups of a hole that lie in or at a cut-out.
#[derive(Debug)]
pub(crate) struct Edges {
    grid: Grid,
    courses: Vec<Option<Course>>,
}

/// Alpha in one group of the hole.
#[derive(Debug)]
enum Course {
    /// The same everywhere.
    Flat(f32),
    /// An edge runs through it.
    Edge(Surface),
}

/// Distances from the edge in pixels, positive where it is opaque, at every `step`th pixel from the corner of `rect` on.
#[derive(Debug)]
struct Surface {
    rect: Rect,
    step: usize,
    columns: usize,
    distances: Vec<f32>,
    /// Over how many pixels alpha rises.
    ramp_px: f32,
    /// Alpha on both sides.
    levels: [f32; 2],
}

impl Edges {
    /// Of a photo with this alpha and this hole (above 0). Of what is looked at once `stop` says so, nothing is known.
    pub(crate) fn of(alpha: &Photo, hole: &Mask, stop: &Stop<'_>) -> Edges {
        let (grid, bounds) = Grid::label(hole);
        let course = |(group, rect): (usize, &Rect)| {
            let site = Site {
                alpha,
                hole,
                rect: *rect,
                stop,
            };
            site.course(&grid, group as u32)
        };
        let courses = bounds.par_iter().enumerate().map(course).collect();
        Edges { grid, courses }
    }

    /// Alpha at a pixel of the hole; `None` where it is not known here.
    pub(crate) fn at(&self, x: usize, y: usize) -> Option<f32> {
        let group = self.grid.group_at(x, y)?;
        Some(match self.courses.get(group as usize)?.as_ref()? {
            Course::Flat(alpha) => *alpha,
            Course::Edge(surface) => surface.at(x, y),
        })
    }
}

impl Surface {
    fn at(&self, x: usize, y: usize) -> f32 {
        let place = |at: usize, from: usize| {
            let offset = at.saturating_sub(from) as f32 / self.step as f32;
            (offset as usize, offset.fract())
        };
        let ((cx, fx), (cy, fy)) = (place(x, self.rect.x0), place(y, self.rect.y0));
        let value = |cx: usize, cy: usize| self.distances[cy * self.columns + cx];
        let row = |cy: usize| value(cx, cy) * (1.0 - fx) + value(cx + 1, cy) * fx;
        let distance = row(cy) * (1.0 - fy) + row(cy + 1) * fy;
        let share = if self.ramp_px > 0.0 {
            (0.5 + distance / self.ramp_px).clamp(0.0, 1.0)
        } else {
            f32::from(u8::from(distance >= 0.0))
        };
        self.levels[0] + (self.levels[1] - self.levels[0]) * share
    }
}

/// A place where alpha is 0.5, and the direction in which it rises.
type Crossing = (Point, Point);

/// A pixel: x, y.
type At = [u32; 2];

/// Whether to stop.
type Stop<'a> = dyn Fn() -> bool + Sync + 'a;

/// One group of the hole, its bounds, and the alpha round it.
struct Site<'a> {
    alpha: &'a Photo,
    hole: &'a Mask,
    rect: Rect,
    stop: &'a Stop<'a>,
}

impl Site<'_> {
    fn course(&self, grid: &Grid, group: u32) -> Option<Course> {
        let rim = self.rim(grid, group)?;
        let of = |wanted: fn(&f32) -> bool| -> Vec<f32> {
            rim.iter().map(|at| self.at(*at)).filter(wanted).collect()
        };
        let (clear, opaque) = (of(|v| *v <= 1.0 - OPAQUE), of(|v| *v >= OPAQUE));
        let (whole, levels) = (
            rim.len(),
            [(&clear, 0.0), (&opaque, 1.0)].map(|(v, or)| median(v).unwrap_or(or)),
        );
        if whole == 0 {
            return None;
        }
        if clear.len() == whole || opaque.len() == whole {
            let level = levels[usize::from(clear.is_empty())];
            // A film goes on as one: its colours are seen, and are nowhere but in it.
            return (level == 0.0 || level >= OPAQUE).then_some(Course::Flat(level));
        }
        let around = self.around();
        let edge = self.crossings(around)?;
        let ramp_px = self.ramp_px(around, &edge)?;
        if self.is_veiled(&rim, &edge) {
            return None;
        }
        let sides = joined(&self.ends(&rim, &edge)?)?;
        let held = spread(&rim, HELD_MAX).filter(|at| !(0.1..0.9).contains(&self.at(**at)));
        let wrong =
            |at: &&At| (distance(&sides, at.map(f64::from)) >= 0.0) != (self.at(**at) >= 0.5);
        let wrong = held.filter(wrong).count();
        if wrong as f64 > WRONG_SHARE * whole.min(HELD_MAX) as f64 {
            return None;
        }
        Some(Course::Edge(self.surface(&sides, ramp_px as f32, levels)))
    }

    fn value(&self, [x, y]: [usize; 2]) -> f32 {
        self.alpha.pixel_f32(x, y)[0]
    }

    fn at(&self, at: At) -> f32 {
        self.value(at.map(|v| v as usize))
    }

    fn is_known(&self, [x, y]: [usize; 2]) -> bool {
        self.hole.data[y * self.hole.width + x] == 0
    }

    fn reach(&self) -> f64 {
        let side = self.rect.width().max(self.rect.height()) as f64;
        let (share, least, most) = REACH;
        (share * side).clamp(least, most)
    }

    /// The bounds and what counts round them, within the photo.
    fn around(&self) -> Rect {
        self.grown(self.reach() as usize)
    }

    fn grown(&self, px: usize) -> Rect {
        self.rect.grown(px, self.hole.width, self.hole.height)
    }

    /// Known pixels beside pixels of the group, row by row; `None` if they are too many.
    fn rim(&self, grid: &Grid, group: u32) -> Option<Vec<At>> {
        let all = self.grown(1);
        let of_group =
            |x: usize, y: usize| !self.is_known([x, y]) && grid.group_at(x, y) == Some(group);
        let beside = |x: usize, y: usize| {
            let columns = x.saturating_sub(1)..(x + 2).min(self.hole.width);
            let rows = y.saturating_sub(1)..(y + 2).min(self.hole.height);
            rows.into_iter()
                .any(|j| columns.clone().any(|i| of_group(i, j)))
        };
        let found = AtomicUsize::new(0);
        let row = |y: usize| {
            if found.load(Ordering::Relaxed) > RIM_MAX || (self.stop)() {
                return Vec::new();
            }
            let row = (all.x0..all.x1).filter(|x| self.is_known([*x, y]) && beside(*x, y));
            let row: Vec<At> = row.map(|x| [x as u32, y as u32]).collect();
            found.fetch_add(row.len(), Ordering::Relaxed);
            row
        };
        let rim: Vec<At> = (all.y0..all.y1)
            .into_par_iter()
            .flat_map_iter(row)
            .collect();
        (rim.len() <= RIM_MAX && !(self.stop)()).then_some(rim)
    }

    /// Whether too much of the rim is neither clear nor opaque, away from edges.
    fn is_veiled(&self, rim: &[At], edge: &[Crossing]) -> bool {
        let cells = Cells::of(edge.iter().map(|(p, _)| *p), RAMP_PX);
        let veiled = |at: &&At| {
            let place = at.map(f64::from);
            let far = |i: usize| apart(edge[i].0, place) > RAMP_PX;
            (1.0 - OPAQUE..OPAQUE).contains(&self.at(**at)) && cells.near(place).all(far)
        };
        let allowed = (VEILED_SHARE * rim.len() as f64) as usize;
        rim.iter().filter(veiled).take(allowed + 1).count() > allowed
    }

    /// Where alpha crosses 0.5 between known neighbours, with the direction in which it rises; `None` if that is too often for an edge.
    fn crossings(&self, around: Rect) -> Option<Vec<Crossing>> {
        let mut found = Vec::new();
        for y in around.y0..around.y1 {
            for x in around.x0..around.x1 {
                for next in [[x + 1, y], [x, y + 1]] {
                    let inside = next[0] < around.x1 && next[1] < around.y1;
                    if !inside || !self.is_known([x, y]) || !self.is_known(next) {
                        continue;
                    }
                    let (a, b) = (self.value([x, y]), self.value(next));
                    if (a >= 0.5) == (b >= 0.5) {
                        continue;
                    }
                    let share = f64::from((0.5 - a) / (b - a));
                    let (from, to) = (middle([x, y]), middle(next));
                    let point = [0, 1].map(|i| from[i] + share * (to[i] - from[i]));
                    found.extend(self.rise(point).map(|rise| (point, rise)));
                }
            }
            if found.len() > CROSSINGS_MAX || (self.stop)() {
                return None;
            }
        }
        Some(found)
    }

    /// The direction in which alpha rises at a point, of length 1.
    fn rise(&self, point: Point) -> Option<Point> {
        const RADIUS: i64 = 3;
        let mut sum = [0.0f64; 2];
        let at = point.map(|v| v.round() as i64);
        for y in (at[1] - RADIUS).max(0)..=(at[1] + RADIUS).min(self.hole.height as i64 - 1) {
            for x in (at[0] - RADIUS).max(0)..=(at[0] + RADIUS).min(self.hole.width as i64 - 1) {
                let pixel = [x as usize, y as usize];
                if self.is_known(pixel) {
                    let offset = [x as f64 - point[0], y as f64 - point[1]];
                    let weight = (-(offset[0].powi(2) + offset[1].powi(2)) / 4.5).exp();
                    let lift = weight * f64::from(self.value(pixel) - 0.5);
                    (0..2).for_each(|i| sum[i] += lift * offset[i]);
                }
            }
        }
        let length = sum[0].hypot(sum[1]);
        (length > 1e-6).then(|| sum.map(|v| v / length))
    }

    /// Over how many pixels alpha rises across the edge, from how much of it is in between; `None` where that is no edge.
    fn ramp_px(&self, around: Rect, edge: &[Crossing]) -> Option<f64> {
        // An edge crosses the lines between pixels oftener the more it is slanted.
        let length: f64 = edge
            .iter()
            .map(|(_, n)| 1.0 / (n[0].abs() + n[1].abs()))
            .sum();
        let row = |y: usize| {
            let known = (around.x0..around.x1)
                .map(|x| [x, y])
                .filter(|at| self.is_known(*at));
            known
                .map(|at| f64::from(self.value(at)))
                .map(|v| v * (1.0 - v))
                .sum::<f64>()
        };
        let between: f64 = (around.y0..around.y1).into_par_iter().map(row).sum();
        let ramp = 6.0 * between / length.max(1.0);
        match ramp {
            ..0.35 => Some(0.0),
            ..=RAMP_PX => Some(ramp),
            _ => None,
        }
    }

    /// Where edges enter the hole, from the pairs of neighbours of the rim that lie on two sides of one; `None` if that is at too
    /// many places.
    fn ends(&self, rim: &[At], edge: &[Crossing]) -> Option<Vec<End>> {
        let of_rim = |[x, y]: Point| {
            let place = (y as u32, x as u32);
            rim.binary_search_by_key(&place, |[x, y]| (*y, *x)).is_ok()
        };
        let enters = |p: Point| of_rim(p.map(f64::floor)) && of_rim(p.map(f64::ceil));
        let cells = Cells::of(edge.iter().map(|(p, _)| *p), LINK_PX);
        let mut starts = Vec::new();
        let mut taken: Vec<bool> = edge.iter().map(|(p, _)| !enters(*p)).collect();
        for first in (0..edge.len()).rev() {
            if std::mem::replace(&mut taken[first], true) {
                continue;
            }
            if starts.len() == STARTS_MAX {
                return None;
            }
            starts.push(linked(vec![first], edge, &cells, &mut taken, |_| true));
        }
        let mut ends = Vec::new();
        for start in starts {
            if (self.stop)() {
                return None;
            }
            let from = mean(start.iter().map(|i| edge[*i].0));
            let reach = self.reach();
            let within = |p: Point| apart(p, from) <= reach;
            let mut taken = vec![false; edge.len()];
            let course = linked(start, edge, &cells, &mut taken, within);
            let course: Vec<Crossing> = course.into_iter().map(|i| edge[i]).collect();
            ends.extend(End::of(from, &course, self.inward(from)));
        }
        Some(ends)
    }

    /// The direction from a point of the rim into the hole.
    fn inward(&self, from: Point) -> Point {
        const RADIUS: i64 = 4;
        let at = from.map(|v| v.round() as i64);
        let mut sum = [0.0; 2];
        for y in (at[1] - RADIUS).max(0)..=(at[1] + RADIUS).min(self.hole.height as i64 - 1) {
            for x in (at[0] - RADIUS).max(0)..=(at[0] + RADIUS).min(self.hole.width as i64 - 1) {
                if !self.is_known([x as usize, y as usize]) {
                    sum[0] += x as f64 - from[0];
                    sum[1] += y as f64 - from[1];
                }
            }
        }
        sum
    }

    fn surface(&self, sides: &[Side], ramp_px: f32, levels: [f32; 2]) -> Surface {
        let Rect { x0, y0, .. } = self.rect;
        let step = (self.rect.pixels() as f64 / PLACES_MAX as f64)
            .sqrt()
            .ceil()
            .max(1.0) as usize;
        let count = |length: usize| length / step + 2;
        let (columns, rows) = (count(self.rect.width()), count(self.rect.height()));
        let place = |at: usize| {
            let (x, y) = (x0 + at % columns * step, y0 + at / columns * step);
            distance(sides, middle([x, y])) as f32
        };
        Surface {
            rect: self.rect,
            step,
            columns,
            distances: (0..columns * rows).into_par_iter().map(place).collect(),
            ramp_px,
            levels,
        }
    }
}

/// Distance of a point from the nearest edge, positive where it is opaque.
fn distance(sides: &[Side], point: Point) -> f64 {
    let all = sides.iter().map(|side| side.distance(point));
    all.min_by(|a, b| a.abs().total_cmp(&b.abs()))
        .unwrap_or(0.0)
}

/// `start` and what of `edge` hangs on it from neighbour to neighbour, as far as `within` goes and it is not `taken`; that is then
/// taken.
fn linked(
    mut start: Vec<usize>,
    edge: &[Crossing],
    cells: &Cells,
    taken: &mut [bool],
    within: impl Fn(Point) -> bool,
) -> Vec<usize> {
    let mut next = 0;
    while next < start.len() {
        let (at, _) = edge[start[next]];
        next += 1;
        let known = start.len();
        for other in cells.near(at) {
            let (place, _) = edge[other];
            if !taken[other] && apart(at, place) <= LINK_PX && within(place) {
                taken[other] = true;
                start.push(other);
            }
        }
        start[known..].sort_unstable();
    }
    start
}

fn mean(points: impl Iterator<Item = Point> + Clone) -> Point {
    let count = points.clone().count().max(1) as f64;
    [0, 1].map(|i| points.clone().map(|p| p[i]).sum::<f64>() / count)
}

fn middle([x, y]: [usize; 2]) -> Point {
    [x as f64, y as f64]
}

fn median(values: &[f32]) -> Option<f32> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    sorted.get(sorted.len() / 2).copied()
}

/// Every so many of a list, so that at most `count_max` are left.
fn spread<T>(list: &[T], count_max: usize) -> impl Iterator<Item = &T> {
    list.iter().step_by(list.len().div_ceil(count_max).max(1))
}

#[cfg(test)]
mod tests;
