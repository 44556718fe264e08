//! Curves that join the ends of edges.

use std::collections::HashMap;

/// A position or a direction: x, y in pixels.
pub(crate) type Point = [f64; 2];

/// Most ends that are joined: more are lace, of which nobody knows which end belongs to which.
const ENDS_MAX: usize = 8;
/// Pieces of a curve.
const PIECES: usize = 48;
/// What turning costs beside length.
const TURN_COST: f64 = 2.0;

/// Where an edge enters a hole.
#[derive(Debug, Clone, Copy)]
pub(crate) struct End {
    at: Point,
    /// The direction in which it goes on, of length 1.
    on: Point,
    /// Whether alpha rises to the right of it (x right, y down).
    right: bool,
}

/// A curve between two sides.
#[derive(Debug)]
pub(crate) struct Side {
    points: Vec<Point>,
    right: bool,
}

/// Points by the square cells that they lie in: those near a place are found without a look at all of them.
pub(crate) struct Cells {
    side: f64,
    of: HashMap<[i64; 2], Vec<usize>>,
}

impl Cells {
    /// Of points with cells of this side, in pixels.
    pub(crate) fn of(points: impl Iterator<Item = Point>, side: f64) -> Cells {
        let of = HashMap::new();
        let mut cells = Cells { side, of };
        for (i, point) in points.enumerate() {
            cells.of.entry(cells.cell(point)).or_default().push(i);
        }
        cells
    }

    fn cell(&self, at: Point) -> [i64; 2] {
        at.map(|v| (v / self.side).floor() as i64)
    }

    /// The numbers of all points up to one side away, and of some that are farther.
    pub(crate) fn near(&self, at: Point) -> impl Iterator<Item = usize> + '_ {
        let [x, y] = self.cell(at);
        let cells = (y - 1..=y + 1).flat_map(move |y| (x - 1..=x + 1).map(move |x| [x, y]));
        cells
            .filter_map(|cell| self.of.get(&cell))
            .flatten()
            .copied()
    }
}

impl End {
    /// Of the course of an edge outside of the hole: its points with the directions in which alpha rises. It enters near `from`, and
    /// `inward` points into the hole. `None` when its course says nothing.
    pub(crate) fn of(from: Point, course: &[(Point, Point)], inward: Point) -> Option<End> {
        let away = |p: Point| minus(p, from);
        let farthest = course
            .iter()
            .map(|(p, _)| length(away(*p)))
            .fold(0.0, f64::max);
        let behind = course
            .iter()
            .fold([0.0; 2], |sum, (p, _)| plus(sum, away(*p), 1.0));
        if farthest < 2.0 {
            return None;
        }
        // A parabola in the distance from where it enters.
        let terms = |p: Point| {
            let along = if dot(away(p), behind) < 0.0 {
                -length(away(p))
            } else {
                length(away(p))
            };
            [1.0, along, along * along]
        };
        let bent = course.len() >= 8;
        let fit = |i: usize| {
            let mut rows = [[0.0f64; 4]; 3];
            for (p, _) in course {
                let t = terms(*p);
                let weight = 1.0 - 0.8 * length(away(*p)) / farthest;
                for r in 0..3 {
                    (0..3).for_each(|c| rows[r][c] += weight * t[r] * t[c]);
                    rows[r][3] += weight * t[r] * p[i];
                }
            }
            // What pulls the bend to none: edges are straight unless they show that they are not.
            rows[2][2] += if bent {
                1e-3 * farthest.powi(4)
            } else {
                1e6 * farthest.powi(4)
            };
            solve(rows)
        };
        let (x, y) = (fit(0)?, fit(1)?);
        let mut on = [-x[1], -y[1]];
        let long = length(on);
        if long < 1e-6 {
            return None;
        }
        on = on.map(|v| v / long);
        if dot(on, inward) < 0.0 && dot(on, behind) > 0.0 {
            on = on.map(|v| -v);
        }
        let rise = course
            .iter()
            .fold([0.0; 2], |sum, (_, n)| plus(sum, *n, 1.0));
        Some(End {
            at: [x[0], y[0]],
            on,
            right: cross(on, rise) > 0.0,
        })
    }
}

impl Side {
    /// Distance of a point, positive on the side where alpha rises to.
    pub(crate) fn distance(&self, point: Point) -> f64 {
        let mut best = (f64::INFINITY, 0.0f64);
        for piece in self.points.windows(2) {
            let (a, along) = (piece[0], minus(piece[1], piece[0]));
            let from = minus(point, a);
            let share = (dot(from, along) / dot(along, along).max(1e-12)).clamp(0.0, 1.0);
            let off = length(minus(from, along.map(|v| v * share)));
            if off < best.0 {
                best = (off, cross(along, from));
            }
        }
        if (best.1 > 0.0) == self.right {
            best.0
        } else {
            -best.0
        }
    }

    /// From one end to another, straight on outside of the hole.
    fn between(a: &End, b: &End) -> Side {
        let chord = minus(b.at, a.at);
        let (turn_a, turn_b) = turns(a, b);
        // Near a circle's arc when both turn alike.
        let handle = length(chord) * 2.0 / (3.0 * (1.0 + (0.5 * (turn_a + turn_b)).cos()).max(0.5));
        let (p1, p2) = (plus(a.at, a.on, handle), plus(b.at, b.on, handle));
        let bezier = |t: f64| {
            let u = 1.0 - t;
            let weights = [u * u * u, 3.0 * u * u * t, 3.0 * u * t * t, t * t * t];
            let all = [a.at, p1, p2, b.at];
            [0, 1].map(|i| (0..4).map(|k| weights[k] * all[k][i]).sum())
        };
        let inside = (0..=PIECES).map(|i| bezier(i as f64 / PIECES as f64));
        let outside = 4.0 * length(chord) + 64.0;
        let mut points = vec![plus(a.at, a.on, -outside)];
        points.extend(inside);
        points.push(plus(b.at, b.on, -outside));
        Side {
            points,
            right: a.right,
        }
    }

    /// Whether it crosses another within the hole.
    fn crosses(&self, other: &Side) -> bool {
        let inner = |side: &Side| side.points[1..side.points.len() - 1].to_vec();
        let (own, others) = (inner(self), inner(other));
        let apart_by = |a: Point, b: Point, p: Point| cross(minus(b, a), minus(p, a));
        own.windows(2).any(|a| {
            others.windows(2).any(|b| {
                apart_by(a[0], a[1], b[0]) * apart_by(a[0], a[1], b[1]) < 0.0
                    && apart_by(b[0], b[1], a[0]) * apart_by(b[0], b[1], a[1]) < 0.0
            })
        })
    }
}

/// How far a curve from `a` to `b` turns from its chord at both.
fn turns(a: &End, b: &End) -> (f64, f64) {
    let chord = minus(b.at, a.at);
    let turn = |on: Point, to: Point| cross(on, to).atan2(dot(on, to)).abs();
    (turn(a.on, chord), turn(b.on, chord.map(|v| -v)))
}

fn cost(a: &End, b: &End) -> f64 {
    let (turn_a, turn_b) = turns(a, b);
    length(minus(b.at, a.at)) * (1.0 + TURN_COST * (turn_a * turn_a + turn_b * turn_b))
}

/// Joins each end with the one that its edge goes on as, so that all together bend least and none cross; `None` if they do not go
/// together.
pub(crate) fn joined(ends: &[End]) -> Option<Vec<Side>> {
    let (right, left): (Vec<&End>, Vec<&End>) = ends.iter().partition(|end| end.right);
    if right.is_empty() || right.len() != left.len() || ends.len() > ENDS_MAX {
        return None;
    }
    let mut best: Option<(f64, Vec<Side>)> = None;
    for order in orders(left.len()) {
        let pairs = || right.iter().zip(&order).map(|(a, b)| (*a, left[*b]));
        let total: f64 = pairs().map(|(a, b)| cost(a, b)).sum();
        if best.as_ref().is_some_and(|(least, _)| *least <= total) {
            continue;
        }
        let sides: Vec<Side> = pairs().map(|(a, b)| Side::between(a, b)).collect();
        let crossed =
            (0..sides.len()).any(|i| sides[..i].iter().any(|other| sides[i].crosses(other)));
        if !crossed {
            best = Some((total, sides));
        }
    }
    best.map(|(_, sides)| sides)
}

/// Every order of so many things.
fn orders(count: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for next in 0..count {
        all = all
            .iter()
            .flat_map(|order: &Vec<usize>| {
                (0..=order.len()).map(move |at| {
                    let mut longer = order.clone();
                    longer.insert(at, next);
                    longer
                })
            })
            .collect();
    }
    all
}

/// Solves three equations whose rows carry their right side at the end; `None` if they have no one answer.
fn solve(mut rows: [[f64; 4]; 3]) -> Option<[f64; 3]> {
    for column in 0..3 {
        let size = |row: usize| rows[row][column].abs();
        let best = (column..3).max_by(|a, b| size(*a).total_cmp(&size(*b)))?;
        if size(best) < 1e-12 {
            return None;
        }
        rows.swap(column, best);
        for row in 0..3 {
            if row != column {
                let factor = rows[row][column] / rows[column][column];
                (0..4).for_each(|i| rows[row][i] -= factor * rows[column][i]);
            }
        }
    }
    Some([0, 1, 2].map(|i| rows[i][3] / rows[i][i]))
}

pub(crate) fn apart(a: Point, b: Point) -> f64 {
    length(minus(a, b))
}

fn minus(a: Point, b: Point) -> Point {
    [a[0] - b[0], a[1] - b[1]]
}

fn plus(a: Point, b: Point, times: f64) -> Point {
    [a[0] + times * b[0], a[1] + times * b[1]]
}

fn dot(a: Point, b: Point) -> f64 {
    a[0] * b[0] + a[1] * b[1]
}

fn cross(a: Point, b: Point) -> f64 {
    a[0] * b[1] - a[1] * b[0]
}

fn length(a: Point) -> f64 {
    a[0].hypot(a[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_hold_all_that_is_near_and_little_else() {
        let points: Vec<Point> = (0..20_000)
            .map(|i| [f64::from(i % 100), f64::from(i / 100) * 0.5])
            .collect();
        for side in [1.5, 6.0] {
            let cells = Cells::of(points.iter().copied(), side);
            let mut looked_at = 0;
            for (i, at) in points.iter().enumerate() {
                let found: Vec<usize> = cells.near(*at).collect();
                looked_at += found.len();
                if i % 997 == 0 {
                    let near = (0..points.len()).filter(|j| apart(points[*j], *at) <= side);
                    let missed = near.filter(|j| !found.contains(j)).count();
                    assert_eq!(missed, 0, "{side} px round {at:?}");
                }
            }
            // Two points a pixel, nine cells.
            let most = (2.0 * 9.0 * (side + 1.0).powi(2)) as usize * points.len();
            assert!(looked_at <= most, "{looked_at} of at most {most}");
        }
    }
}
