//! Drops specks of a mask.

use cleanplate_pictures::Mask;

/// A stretch of masked pixels in one row.
struct Run {
    y: usize,
    x0: usize,
    x1: usize,
    parent: usize,
    /// Pixels of the whole part, kept at its root.
    area: usize,
    /// A click lies on the part. Kept at the root.
    clicked: bool,
}

/// Empties every part (8-connected masked pixels) smaller than `share` of the largest, unless one of the clicks `[x, y]`
/// lies on it.
pub fn drop_small(mask: &mut Mask, share: f64, clicks: &[[usize; 2]]) {
    let mut runs = collect(mask, clicks);
    join_rows(&mut runs);
    let largest = runs
        .iter()
        .enumerate()
        .filter(|(at, run)| run.parent == *at)
        .map(|(_, run)| run.area)
        .max()
        .unwrap_or(0);
    let least = largest as f64 * share;
    for at in 0..runs.len() {
        let root = &runs[find(&runs, at)];
        if (root.area as f64) < least && !root.clicked {
            let Run { y, x0, x1, .. } = runs[at];
            mask.data[y * mask.width + x0..y * mask.width + x1].fill(0);
        }
    }
}

fn collect(mask: &Mask, clicks: &[[usize; 2]]) -> Vec<Run> {
    let mut runs = Vec::new();
    for (y, row) in mask.data.chunks_exact(mask.width.max(1)).enumerate() {
        let mut x = 0;
        while x < row.len() {
            let x0 = x;
            while x < row.len() && row[x] != 0 {
                x += 1;
            }
            if x > x0 {
                let clicked = clicks.iter().any(|c| c[1] == y && (x0..x).contains(&c[0]));
                runs.push(Run {
                    y,
                    x0,
                    x1: x,
                    parent: runs.len(),
                    area: x - x0,
                    clicked,
                });
            } else {
                x += 1;
            }
        }
    }
    runs
}

/// Joins every run with those of the row above that touch it, corners included.
fn join_rows(runs: &mut [Run]) {
    let mut up = 0;
    for at in 0..runs.len() {
        let (y, x0, x1) = (runs[at].y, runs[at].x0, runs[at].x1);
        while up < at && (runs[up].y + 1 < y || (runs[up].y + 1 == y && runs[up].x1 < x0)) {
            up += 1;
        }
        let mut touching = up;
        while touching < at && runs[touching].y + 1 == y && runs[touching].x0 <= x1 {
            unite(runs, touching, at);
            touching += 1;
        }
    }
}

fn find(runs: &[Run], mut at: usize) -> usize {
    while runs[at].parent != at {
        at = runs[at].parent;
    }
    at
}

fn unite(runs: &mut [Run], a: usize, b: usize) {
    let (a, b) = (find(runs, a), find(runs, b));
    if a == b {
        return;
    }
    // The larger part stays the root, which keeps the trees shallow.
    let (root, leaf) = if runs[a].area >= runs[b].area {
        (a, b)
    } else {
        (b, a)
    };
    runs[leaf].parent = root;
    runs[root].area += runs[leaf].area;
    runs[root].clicked |= runs[leaf].clicked;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(rows: &[&str]) -> Mask {
        let data = rows
            .iter()
            .flat_map(|r| r.bytes().map(|b| if b == b'#' { 255 } else { 0 }))
            .collect();
        Mask {
            width: rows[0].len(),
            height: rows.len(),
            data,
        }
    }

    #[test]
    fn specks_go_and_corners_hold_parts_together() {
        let rows = [
            "##....#..",
            "##......#",
            "..#...#.#",
            ".#.......",
            "......##.",
        ];
        let mut mask = draw(&rows);
        drop_small(&mut mask, 0.4, &[]);
        assert_eq!(
            mask,
            draw(&[
                "##.......",
                "##.......",
                "..#......",
                ".#.......",
                "........."
            ])
        );
    }

    #[test]
    fn a_clicked_speck_stays() {
        let rows = ["####..#", "####...", "......."];
        let mut mask = draw(&rows);
        drop_small(&mut mask, 0.5, &[[6, 0]]);
        assert_eq!(mask, draw(&rows));
        drop_small(&mut mask, 0.5, &[[6, 2]]);
        assert_eq!(mask, draw(&["####...", "####...", "......."]));
    }

    #[test]
    fn a_ring_is_one_part() {
        let rows = ["#####", "#...#", "#.#.#", "#...#", "#####"];
        let mut mask = draw(&rows);
        drop_small(&mut mask, 0.5, &[]);
        assert_eq!(mask, draw(&["#####", "#...#", "#...#", "#...#", "#####"]));
    }
}
