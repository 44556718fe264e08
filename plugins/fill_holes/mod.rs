//! `fill-holes`: closes small gaps that the mask encloses.

use cleanplate_pictures::{Mask, Rect};
use cleanplate_pipeline::parameter::Values;
use cleanplate_pipeline::{PluginError, PluginInfo};
use cleanplate_pipeline::{Stage, Work};

/// The plugin.
pub static INFO: PluginInfo = PluginInfo::builtin(include_str!("plugin.toml"), |values| {
    Ok(Box::new(FillHoles::new(values)))
});

struct FillHoles {
    share_max: f64,
}

impl FillHoles {
    fn new(values: &Values) -> Self {
        FillHoles {
            share_max: values.number("share_max").unwrap_or(0.0),
        }
    }
}

impl Stage for FillHoles {
    fn run(&self, work: &mut Work<'_>) -> Result<(), PluginError> {
        let area_max = (work.mask.count() as f64 * self.share_max) as usize;
        let mut mask = std::mem::replace(&mut work.mask, Mask::empty(0, 0));
        fill(&mut mask, area_max);
        work.set_mask(mask);
        Ok(())
    }
}

/// A stretch of unmasked pixels in one row of the bounding box.
struct Run {
    x0: u32,
    x1: u32,
    parent: u32,
    /// Pixels of the whole gap, kept at its root.
    area: u32,
    /// The gap reaches the edge of the bounding box: it is the outside. Kept at the root.
    open: bool,
}

/// Fills every gap (4-connected unmasked pixels that do not reach the mask's bounding box) of at most `area_max` pixels.
pub fn fill(mask: &mut Mask, area_max: usize) {
    let Some(rect) = mask.bounds().filter(|_| area_max > 0) else {
        return;
    };
    let mut runs: Vec<Run> = Vec::new();
    let mut row_starts = vec![0usize];
    for y in rect.y0..rect.y1 {
        push_runs(mask, rect, y, &mut runs);
        let above = row_starts.len().checked_sub(2).map_or(0, |i| row_starts[i])
            ..row_starts[row_starts.len() - 1];
        join(&mut runs, above, row_starts[row_starts.len() - 1]);
        row_starts.push(runs.len());
    }
    for (i, pair) in row_starts.windows(2).enumerate() {
        for at in pair[0]..pair[1] {
            let root = &runs[find(&runs, at)];
            if !root.open && root.area as usize <= area_max {
                let start = (rect.y0 + i) * mask.width;
                mask.data[start + runs[at].x0 as usize..start + runs[at].x1 as usize].fill(255);
            }
        }
    }
}

fn push_runs(mask: &Mask, rect: Rect, y: usize, runs: &mut Vec<Run>) {
    let row = mask.row(y);
    let mut x = rect.x0;
    while x < rect.x1 {
        if row[x] != 0 {
            x += 1;
            continue;
        }
        let x0 = x;
        while x < rect.x1 && row[x] == 0 {
            x += 1;
        }
        let open = y == rect.y0 || y + 1 == rect.y1 || x0 == rect.x0 || x == rect.x1;
        runs.push(Run {
            x0: x0 as u32,
            x1: x as u32,
            parent: runs.len() as u32,
            area: (x - x0) as u32,
            open,
        });
    }
}

/// Joins the runs from `below` on with those of the row above that touch them.
fn join(runs: &mut [Run], above: std::ops::Range<usize>, below: usize) {
    let mut up = above.start;
    for at in below..runs.len() {
        while up < above.end && runs[up].x1 <= runs[at].x0 {
            up += 1;
        }
        let mut touching = up;
        while touching < above.end && runs[touching].x0 < runs[at].x1 {
            unite(runs, touching, at);
            touching += 1;
        }
    }
}

fn find(runs: &[Run], mut at: usize) -> usize {
    while runs[at].parent as usize != at {
        at = runs[at].parent as usize;
    }
    at
}

fn unite(runs: &mut [Run], a: usize, b: usize) {
    let (a, b) = (find(runs, a), find(runs, b));
    if a == b {
        return;
    }
    // The larger gap stays the root, which keeps the trees shallow.
    let (root, leaf) = if runs[a].area >= runs[b].area {
        (a, b)
    } else {
        (b, a)
    };
    runs[leaf].parent = root as u32;
    runs[root].area += runs[leaf].area;
    runs[root].open |= runs[leaf].open;
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
    fn small_enclosed_gaps_are_filled_and_others_stay() {
        let mut mask = draw(&[
            "###########",
            "#.##...##.#",
            "####...##..",
            "#..#...####",
            "#.##...####",
            "###########",
        ]);
        fill(&mut mask, 3);
        assert_eq!(
            mask,
            draw(&[
                "###########",
                "####...##.#",
                "####...##..",
                "####...####",
                "####...####",
                "###########"
            ])
        );
    }

    #[test]
    fn a_spiral_gap_that_leads_outside_stays() {
        let rows = [
            "#######", "#.....#", "#.###.#", "#.#...#", "#.#####", "#......", "#######",
        ];
        let mut mask = draw(&rows);
        fill(&mut mask, 1000);
        assert_eq!(mask, draw(&rows));
    }
}
