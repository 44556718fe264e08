//! What the mask says about every pixel, on every level of the pyramid: [`site`] words, sources, the first random field.

use cleanplate_kernels::patchmatch::{NONE, hash, site};

use super::Settings;
use cleanplate_pipeline::Pixel;

/// One level of the pyramid.
#[derive(Debug, Clone)]
pub struct Level {
    /// Pixels per row.
    pub width: usize,
    /// Rows.
    pub height: usize,
    /// Site words, `[height, width]`.
    pub sites: Vec<u32>,
    /// [`SOURCES_KEPT`] valid sources in random order, repeated if there are fewer.
    pub sources: Vec<u32>,
    /// Pixels whose patch touches the hole.
    pub targets: usize,
}

/// Levels whose short side would fall below this are not made.
const SIDE_MIN: usize = 32;
/// With fewer sources than this the ring around the hole is given back, or the level is not used.
const SOURCES_MIN: usize = 60;
/// Sources in [`Level::sources`]: a fixed number, so that equal sizes share a compiled graph.
pub const SOURCES_KEPT: usize = 1024;

/// All levels, finest first; empty if the crop has no patch to copy from.
pub fn levels(
    pixels: &[Pixel],
    (width, height): (usize, usize),
    settings: &Settings,
    count_max: usize,
) -> Vec<Level> {
    let mut out = Vec::new();
    let (mut map, mut w, mut h) = (pixels.to_vec(), width, height);
    loop {
        let ring = (settings.ring_px / (1 << out.len()) as f32)
            .round()
            .max(1.0) as usize;
        match level(&map, w, h, ring, settings, out.is_empty()) {
            Some(level) => out.push(level),
            None => return out,
        }
        if out.len() == count_max || w.min(h).div_ceil(2) < SIDE_MIN {
            return out;
        }
        (map, w, h) = halved(&map, w, h);
    }
}

impl Level {
    /// A random source for every target.
    pub fn random_field(&self, seed: u32) -> Vec<u32> {
        let pick =
            |at: usize| self.sources[hash(seed, at as u32, 0x7261) as usize % self.sources.len()];
        self.sites
            .iter()
            .enumerate()
            .map(|(at, s)| {
                if s & site::TARGET != 0 {
                    pick(at)
                } else {
                    NONE
                }
            })
            .collect()
    }
}

/// A coarse pixel is hole if any child is, otherwise known if any child is.
fn halved(map: &[Pixel], width: usize, height: usize) -> (Vec<Pixel>, usize, usize) {
    let (w, h) = (width.div_ceil(2), height.div_ceil(2));
    let mut out = vec![Pixel::Void; w * h];
    for (y, row) in map.chunks(width).enumerate() {
        for (x, pixel) in row.iter().enumerate() {
            let at = &mut out[y / 2 * w + x / 2];
            if *pixel == Pixel::Hole || *at == Pixel::Void {
                *at = *pixel;
            }
        }
    }
    (out, w, h)
}

fn level(
    map: &[Pixel],
    width: usize,
    height: usize,
    ring: usize,
    settings: &Settings,
    finest: bool,
) -> Option<Level> {
    let r = settings.radius;
    let count =
        |what: Pixel, radius: usize| window_count(map, width, height, radius, |p| p == what);
    let (known, hole) = (count(Pixel::Known, r), count(Pixel::Hole, r));
    let full = ((2 * r + 1) * (2 * r + 1)) as u32;
    let whole: Vec<bool> = known.iter().map(|n| *n == full).collect();
    let ringed = if ring > r {
        let near = count(Pixel::Hole, ring);
        whole
            .iter()
            .zip(&near)
            .map(|(whole, near)| *whole && *near == 0)
            .collect()
    } else {
        whole.clone()
    };
    let many = |sources: &[bool]| sources.iter().filter(|s| **s).count() >= SOURCES_MIN;
    let valid = if many(&ringed) { ringed } else { whole };
    if !valid.contains(&true) || !finest && !many(&valid) {
        return None;
    }
    let distances = distances(map, width);
    let sites = (0..map.len()).map(|at| {
        let mut flags = match map[at] {
            Pixel::Void => 0,
            Pixel::Known => site::KNOWN,
            Pixel::Hole => site::HOLE,
        };
        if hole[at] > 0 && map[at] != Pixel::Void {
            flags |= site::TARGET;
        }
        if valid[at] {
            flags |= site::SOURCE;
        }
        site::pack(
            flags,
            known[at] * settings.known_weight + hole[at],
            distances[at],
        )
    });
    let sites: Vec<u32> = sites.collect();
    let sources = kept_sources(&valid, settings.seed);
    let targets = sites.iter().filter(|s| **s & site::TARGET != 0).count();
    Some(Level {
        width,
        height,
        sites,
        sources,
        targets,
    })
}

/// [`SOURCES_KEPT`] of the `valid` pixels in random order, repeated if there are fewer.
fn kept_sources(valid: &[bool], seed: u32) -> Vec<u32> {
    let mut all: Vec<u32> = (0..valid.len() as u32)
        .filter(|at| valid[*at as usize])
        .collect();
    let shuffled = all.len().min(SOURCES_KEPT);
    for i in 0..shuffled {
        let j = i + hash(seed, i as u32, 0x736f) as usize % (all.len() - i);
        all.swap(i, j);
    }
    let chosen = all[..shuffled].iter().copied();
    chosen.cycle().take(SOURCES_KEPT).collect()
}

/// How many pixels of the window of `radius` around each pixel, cut at the border, satisfy `what`.
fn window_count(
    map: &[Pixel],
    width: usize,
    height: usize,
    radius: usize,
    what: impl Fn(Pixel) -> bool,
) -> Vec<u32> {
    let mut rows = vec![0u32; map.len()];
    for (out, row) in rows.chunks_mut(width).zip(map.chunks(width)) {
        let mut sum = row.iter().take(radius).filter(|p| what(**p)).count() as u32;
        for x in 0..width {
            sum += row.get(x + radius).is_some_and(|p| what(*p)) as u32;
            out[x] = sum;
            sum -= (x >= radius && what(row[x - radius])) as u32;
        }
    }
    let mut out = vec![0u32; map.len()];
    let mut sums = vec![0u32; width];
    let add = |sums: &mut [u32], row: &[u32], sign: bool| {
        for (sum, n) in sums.iter_mut().zip(row) {
            *sum = if sign { *sum + n } else { *sum - n };
        }
    };
    for y in 0..radius.min(height) {
        add(&mut sums, &rows[y * width..][..width], true);
    }
    for y in 0..height {
        if y + radius < height {
            add(&mut sums, &rows[(y + radius) * width..][..width], true);
        }
        out[y * width..][..width].copy_from_slice(&sums);
        if y >= radius {
            add(&mut sums, &rows[(y - radius) * width..][..width], false);
        }
    }
    out
}

/// Chamfer distance from each hole pixel to the nearest pixel that is none, in 1/16 pixel (within 5 % of the exact one).
fn distances(map: &[Pixel], width: usize) -> Vec<u32> {
    const STRAIGHT: u32 = site::DISTANCE_STEPS;
    const DIAGONAL: u32 = 22;
    const FAR: u32 = 0xffff;
    let height = map.len() / width;
    let mut out: Vec<u32> = map
        .iter()
        .map(|p| if *p == Pixel::Hole { FAR } else { 0 })
        .collect();
    let relax = |out: &mut [u32], x: usize, y: usize, forward: bool| {
        let at = y * width + x;
        if out[at] == 0 {
            return;
        }
        let mut best = out[at];
        let (row, has_row) = if forward {
            (at.wrapping_sub(width), y > 0)
        } else {
            (at + width, y + 1 < height)
        };
        if has_row {
            best = best.min(out[row] + STRAIGHT);
            if x > 0 {
                best = best.min(out[row - 1] + DIAGONAL);
            }
            if x + 1 < width {
                best = best.min(out[row + 1] + DIAGONAL);
            }
        }
        if forward && x > 0 {
            best = best.min(out[at - 1] + STRAIGHT);
        }
        if !forward && x + 1 < width {
            best = best.min(out[at + 1] + STRAIGHT);
        }
        out[at] = best;
    };
    for y in 0..height {
        (0..width).for_each(|x| relax(&mut out, x, y, true));
    }
    for y in (0..height).rev() {
        (0..width).rev().for_each(|x| relax(&mut out, x, y, false));
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn map(width: usize, height: usize, hole: impl Fn(usize, usize) -> bool) -> Vec<Pixel> {
        (0..width * height)
            .map(|at| {
                if hole(at % width, at / width) {
                    Pixel::Hole
                } else {
                    Pixel::Known
                }
            })
            .collect()
    }

    proptest! {
        #[test]
        fn windows_count_like_plain_loops(width in 1usize..20, height in 1usize..20, radius in 0usize..24, bits in any::<u64>()) {
            let map = map(width, height, |x, y| bits >> ((x * 7 + y * 13) % 64) & 1 == 1);
            let counts = window_count(&map, width, height, radius, |p| p == Pixel::Hole);
            for (at, count) in counts.iter().enumerate() {
                let (x, y) = (at % width, at / width);
                let near = |i: &usize| (i % width).abs_diff(x) <= radius && (i / width).abs_diff(y) <= radius;
                prop_assert_eq!(*count, (0..map.len()).filter(near).filter(|i| map[*i] == Pixel::Hole).count() as u32);
            }
        }

        #[test]
        fn sources_are_known_patches_clear_of_the_ring(x0 in 0usize..60, y0 in 0usize..40, w in 5usize..40, h in 5usize..40, ring in 0u8..30) {
            let settings = Settings { ring_px: f32::from(ring), ..Settings::best() };
            let hole = |x: usize, y: usize| (x0..x0 + w).contains(&x) && (y0..y0 + h).contains(&y);
            let all = |count_max| levels(&map(110, 90, hole), (110, 90), &settings, count_max);
            let levels = all(usize::MAX);
            let first = all(1);
            assert_eq!(first.len(), 1);
            assert!(first[0].sites == levels[0].sites && first[0].sources == levels[0].sources);
            prop_assert!(!levels.is_empty());
            for (i, level) in levels.iter().enumerate() {
                let scale = 1 << i;
                prop_assert_eq!((level.width, level.height), (110usize.div_ceil(scale), 90usize.div_ceil(scale)));
                for source in &level.sources {
                    let (x, y) = (*source as usize % level.width, *source as usize / level.width);
                    prop_assert!(level.sites[*source as usize] & site::SOURCE != 0);
                    prop_assert!(x >= 3 && y >= 3 && x + 3 < level.width && y + 3 < level.height);
                    let touched = (y - 3..=y + 3).any(|j| (x - 3..=x + 3).any(|i| level.sites[j * level.width + i] & site::KNOWN == 0));
                    prop_assert!(!touched);
                }
            }
        }
    }

    #[test]
    fn distances_are_near_the_exact_ones() {
        let map = map(61, 61, |x, y| x > 0 && y > 0 && x < 60 && y < 60);
        let middle = distances(&map, 61)[30 * 61 + 30];
        assert_eq!(middle, 30 * site::DISTANCE_STEPS);
        let mut one = vec![Pixel::Hole; 61 * 61];
        one[0] = Pixel::Known;
        let corner = f64::from(distances(&one, 61)[40 * 61 + 30]) / f64::from(site::DISTANCE_STEPS);
        assert!((corner / 50.0 - 1.0).abs() < 0.06, "{corner} for 50");
    }

    #[test]
    fn a_photo_of_only_hole_has_no_level() {
        assert!(levels(&map(50, 50, |_, _| true), (50, 50), &Settings::best(), 9).is_empty());
        assert!(levels(&map(6, 6, |x, _| x == 3), (6, 6), &Settings::best(), 9).is_empty());
    }
}
