//! `fill-holes`: closes small gaps that the mask encloses.

use serde::Deserialize;

use cleanplate_pictures::{Mask, components};
use cleanplate_pipeline::{PluginError, PluginInfo};
use cleanplate_pipeline::{Stage, Work};

/// The plugin.
pub static INFO: PluginInfo = PluginInfo::builtin::<FillHoles>(include_str!("plugin.toml"));

#[derive(Deserialize)]
struct FillHoles {
    share_max: f64,
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

/// Fills every gap (4-connected unmasked pixels that do not reach the mask's bounding box) of at most `area_max` pixels.
pub fn fill(mask: &mut Mask, area_max: usize) {
    let Some(rect) = mask.bounds().filter(|_| area_max > 0) else {
        return;
    };
    let (runs, parts) = components::runs(mask, rect, false, false);
    // Pixels of each gap; one that reaches the edge of the bounding box is the outside, and larger than any.
    let mut areas = vec![0usize; runs.len()];
    for (run, part) in runs.iter().zip(&parts) {
        let (x0, x1, y) = (run.x0 as usize, run.x1 as usize, run.y as usize);
        let open = y == rect.y0 || y + 1 == rect.y1 || x0 == rect.x0 || x1 == rect.x1;
        let area = if open { usize::MAX } else { run.pixels() };
        areas[*part] = areas[*part].saturating_add(area);
    }
    for (run, part) in runs.iter().zip(&parts) {
        if areas[*part] <= area_max {
            let at = run.range(mask.width);
            mask.data[at].fill(255);
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
