//! Groups of hole pixels, found on a coarse grid so that any mask costs bounded time and memory.

use cleanplate_pictures::{Mask, Rect};

/// What a pixel of the crop is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pixel {
    /// Not to be read or written: transparent, or the hole of another crop.
    Void,
    /// A pixel of the photo.
    Known,
    /// To be filled.
    Hole,
}

/// Side of a cell in pixels. Regions closer than this count as one group, which is finer than any context margin.
const CELL_PX: usize = 64;

/// The photo divided into cells of 64 x 64 pixels; cells that hold a hole pixel carry the number of their group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grid {
    columns: usize,
    width: usize,
    height: usize,
    /// Group of each cell, `NONE` for cells without hole.
    groups: Vec<u32>,
}

const NONE: u32 = u32::MAX;

impl Grid {
    /// Labels the cells of `alpha` (hole = above 0), neighbours in all 8 directions joined. Returns the grid and the exact
    /// bounds of each group's hole pixels; the group number is the index.
    pub fn label(alpha: &Mask) -> (Grid, Vec<Rect>) {
        let columns = alpha.width.div_ceil(CELL_PX);
        let rows = alpha.height.div_ceil(CELL_PX);
        let mut grid = Grid {
            columns,
            width: alpha.width,
            height: alpha.height,
            groups: vec![NONE; columns * rows],
        };
        let bounds: Vec<Option<Rect>> = (0..grid.groups.len())
            .map(|cell| bounds_in(alpha, grid.rect(cell)))
            .collect();
        let mut groups = Vec::new();
        for start in 0..bounds.len() {
            if bounds[start].is_some() && grid.groups[start] == NONE {
                groups.push(grid.flood(start, groups.len() as u32, &bounds));
            }
        }
        (grid, groups)
    }

    /// Group of the cell at `(x, y)` in pixels, `None` when it has no hole pixel.
    pub fn group_at(&self, x: usize, y: usize) -> Option<u32> {
        Some(self.groups[(y / CELL_PX) * self.columns + x / CELL_PX]).filter(|&g| g != NONE)
    }

    /// Stretches of row `y` that belong to `group` within `rect`, as `x0..x1`.
    pub fn spans(
        &self,
        group: u32,
        rect: Rect,
        y: usize,
    ) -> impl Iterator<Item = std::ops::Range<usize>> + '_ {
        let row = (y / CELL_PX) * self.columns;
        (rect.x0 / CELL_PX..rect.x1.div_ceil(CELL_PX))
            .filter(move |&column| self.groups[row + column] == group)
            .map(move |column| {
                (column * CELL_PX).max(rect.x0)..((column + 1) * CELL_PX).min(rect.x1)
            })
    }

    /// What each pixel of `rect` is to `group`, `[rect.height(), rect.width()]`: hole where `alpha` is above 0 and the group's own,
    /// void where it is another group's.
    pub fn pixels(&self, group: u32, rect: Rect, alpha: &Mask) -> Vec<Pixel> {
        let mut out = Vec::with_capacity(rect.pixels());
        for y in rect.y0..rect.y1 {
            let row = &alpha.row(y)[rect.x0..rect.x1];
            let start = out.len();
            out.extend(row.iter().map(|share| {
                if *share > 0 {
                    Pixel::Void
                } else {
                    Pixel::Known
                }
            }));
            for x in self.spans(group, rect, y).flatten() {
                if row[x - rect.x0] > 0 {
                    out[start + x - rect.x0] = Pixel::Hole;
                }
            }
        }
        out
    }

    /// Renumbers groups: `to[old]` is the new number.
    pub(super) fn renumber(&mut self, to: &[u32]) {
        for g in self.groups.iter_mut().filter(|g| **g != NONE) {
            *g = to.get(*g as usize).copied().unwrap_or(NONE);
        }
    }

    fn flood(&mut self, start: usize, group: u32, bounds: &[Option<Rect>]) -> Rect {
        let rows = self.groups.len() / self.columns;
        let mut around = Rect {
            x0: usize::MAX,
            y0: usize::MAX,
            x1: 0,
            y1: 0,
        };
        let mut open = vec![start];
        self.groups[start] = group;
        while let Some(cell) = open.pop() {
            if let Some(inside) = bounds[cell] {
                around = around.union(&inside);
            }
            let (cx, cy) = (cell % self.columns, cell / self.columns);
            for ny in cy.saturating_sub(1)..=(cy + 1).min(rows - 1) {
                for nx in cx.saturating_sub(1)..=(cx + 1).min(self.columns - 1) {
                    let next = ny * self.columns + nx;
                    if bounds[next].is_some() && self.groups[next] == NONE {
                        self.groups[next] = group;
                        open.push(next);
                    }
                }
            }
        }
        around
    }

    fn rect(&self, cell: usize) -> Rect {
        let (x0, y0) = (
            (cell % self.columns) * CELL_PX,
            (cell / self.columns) * CELL_PX,
        );
        Rect {
            x0,
            y0,
            x1: (x0 + CELL_PX).min(self.width),
            y1: (y0 + CELL_PX).min(self.height),
        }
    }
}

fn bounds_in(alpha: &Mask, rect: Rect) -> Option<Rect> {
    let mut found: Option<Rect> = None;
    for y in rect.y0..rect.y1 {
        let row = &alpha.row(y)[rect.x0..rect.x1];
        let (Some(first), Some(last)) = (
            row.iter().position(|&v| v != 0),
            row.iter().rposition(|&v| v != 0),
        ) else {
            continue;
        };
        let line = Rect {
            x0: rect.x0 + first,
            y0: y,
            x1: rect.x0 + last + 1,
            y1: y + 1,
        };
        found = Some(found.map_or(line, |r| r.union(&line)));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_regions_are_one_group_and_far_ones_are_not() {
        let mut alpha = Mask::empty(400, 300);
        for (x, y) in [(10, 10), (70, 70), (390, 290)] {
            alpha.data[y * 400 + x] = 1;
        }
        let (grid, groups) = Grid::label(&alpha);
        assert_eq!(
            groups,
            [
                Rect {
                    x0: 10,
                    y0: 10,
                    x1: 71,
                    y1: 71
                },
                Rect {
                    x0: 390,
                    y0: 290,
                    x1: 391,
                    y1: 291
                }
            ]
        );
        assert_eq!(grid.group_at(70, 70), Some(0));
        assert_eq!(grid.group_at(399, 299), Some(1));
        assert_eq!(grid.group_at(200, 10), None);
        let all = Rect {
            x0: 0,
            y0: 0,
            x1: 400,
            y1: 300,
        };
        assert_eq!(
            grid.spans(1, all, 290).collect::<Vec<_>>(),
            vec![std::ops::Range {
                start: 384,
                end: 400
            }]
        );
    }
}
