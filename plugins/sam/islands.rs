//! Drops specks of a mask.

use cleanplate_pictures::{Mask, components};

/// Empties every part (8-connected masked pixels) smaller than `share` of the largest, unless one of the clicks `[x, y]`
/// lies on it.
pub fn drop_small(mask: &mut Mask, share: f64, clicks: &[[usize; 2]]) {
    let Some(rect) = mask.bounds() else {
        return;
    };
    let (runs, parts) = components::runs(mask, rect, true, true);
    // Pixels of each part, and whether a click lies on it.
    let mut found = vec![(0usize, false); runs.len()];
    for (run, part) in runs.iter().zip(&parts) {
        let (columns, y) = (run.x0 as usize..run.x1 as usize, run.y as usize);
        let clicked = clicks.iter().any(|c| c[1] == y && columns.contains(&c[0]));
        found[*part].0 += run.pixels();
        found[*part].1 |= clicked;
    }
    let largest = found.iter().map(|(area, _)| *area).max().unwrap_or(0);
    let least = largest as f64 * share;
    for (run, part) in runs.iter().zip(&parts) {
        let (area, clicked) = found[*part];
        if (area as f64) < least && !clicked {
            let at = run.range(mask.width);
            mask.data[at].fill(0);
        }
    }
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
