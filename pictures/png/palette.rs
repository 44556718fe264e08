//! Writing back into the input's palette.

use std::collections::HashMap;

use crate::memory::with_capacity;
use crate::{ImageError, PALETTE_DISTANCE_MAX, Palette, Photo, Samples};

/// An index per pixel, and the palette they point into.
pub(super) struct Indexed {
    /// The input's colours in their order, then new ones.
    pub colours: Vec<[u8; 4]>,
    /// `[height, width]`.
    pub indices: Vec<u8>,
}

/// The photo as indices. Pixels that still have their colour keep exactly their index. New colours are added as long as there
/// is room; then those that stand best for all new ones are, and changed pixels take the nearest colour. A picture of one bit
/// keeps its two colours. `None` when that would be too far from the photo.
pub(super) fn index(
    photo: &Photo,
    source: &Palette,
    depth: u8,
) -> Result<Option<Indexed>, ImageError> {
    let Samples::U8(samples) = &photo.samples else {
        return Ok(None);
    };
    let n = photo.channels.count();
    if n < 3 || source.indices.len() * n != samples.len() {
        return Ok(None);
    }
    let most = match depth {
        1 => source.colours.len(),
        _ => 256,
    };
    let pixels = Pixels { samples, n, source };
    match exact(&pixels, most)? {
        Some(indexed) => Ok(Some(indexed)),
        None => nearest(&pixels, most, depth),
    }
}

/// The photo's pixels beside the indices that they had.
struct Pixels<'a> {
    samples: &'a [u8],
    n: usize,
    source: &'a Palette,
}

impl Pixels<'_> {
    /// Colour of each pixel, and its old index where it still has that colour.
    fn iter(&self) -> impl Iterator<Item = ([u8; 4], Option<u8>)> {
        let pixels = self.samples.chunks_exact(self.n);
        pixels.zip(&self.source.indices).map(|(px, &old)| {
            let alpha = if self.n == 4 { px[3] } else { 255 };
            let colour = [px[0], px[1], px[2], alpha];
            let same = self.source.colours.get(usize::from(old)) == Some(&colour);
            (colour, same.then_some(old))
        })
    }
}

/// Every pixel in its own colour; `None` when that takes more than `most` colours.
fn exact(pixels: &Pixels<'_>, most: usize) -> Result<Option<Indexed>, ImageError> {
    let mut colours = pixels.source.colours.clone();
    let mut found: HashMap<[u8; 4], u8> = HashMap::new();
    for (i, colour) in colours.iter().enumerate() {
        found.entry(*colour).or_insert(i as u8);
    }
    let mut indices = with_capacity(pixels.source.indices.len())?;
    for (colour, old) in pixels.iter() {
        let index = match old.or_else(|| found.get(&colour).copied()) {
            Some(index) => index,
            None if colours.len() < most => {
                let index = colours.len() as u8;
                colours.push(colour);
                found.insert(colour, index);
                index
            }
            None => return Ok(None),
        };
        indices.push(index);
    }
    Ok(Some(Indexed { colours, indices }))
}

/// Changed pixels of nearly the same colour.
#[derive(Clone, Copy, Default)]
struct Bin {
    sum: [u64; 4],
    count: u64,
}

impl Bin {
    fn mean(&self) -> [u8; 4] {
        self.sum
            .map(|sum| (sum as f64 / self.count.max(1) as f64).round() as u8)
    }
}

/// Five bits of each colour and three of alpha: what two pixels of one bin share.
fn bin([r, g, b, a]: [u8; 4]) -> u32 {
    let five = |v: u8| u32::from(v >> 3);
    five(r) << 13 | five(g) << 8 | five(b) << 3 | u32::from(a >> 5)
}

/// Changed pixels in the nearest colour of the palette and of those that the free places are given to.
fn nearest(pixels: &Pixels<'_>, most: usize, depth: u8) -> Result<Option<Indexed>, ImageError> {
    let mut bins: HashMap<u32, Bin> = HashMap::new();
    for (colour, _) in pixels.iter().filter(|(_, old)| old.is_none()) {
        let bin = bins.entry(bin(colour)).or_default();
        (0..4).for_each(|c| bin.sum[c] += u64::from(colour[c]));
        bin.count += 1;
    }
    let mut colours = pixels.source.colours.clone();
    let free = most.saturating_sub(colours.len());
    let mut all: Vec<Bin> = bins.values().copied().collect();
    all.sort_unstable_by_key(|bin| bin.mean());
    colours.extend(representatives(all, free));
    let table: HashMap<u32, u8> = bins
        .iter()
        .map(|(&key, bin)| (key, closest(&colours, bin.mean())))
        .collect();
    let (mut off, mut changed) = (0, 0);
    let mut indices = with_capacity(pixels.source.indices.len())?;
    for (colour, old) in pixels.iter() {
        let index = old.unwrap_or_else(|| table[&bin(colour)]);
        if old.is_none() {
            off += u64::from(distance(colour, colours[usize::from(index)]));
            changed += pixels.n as u64;
        }
        indices.push(index);
    }
    let fits = depth == 1 || off as f64 <= PALETTE_DISTANCE_MAX * changed as f64;
    Ok(fits.then_some(Indexed { colours, indices }))
}

fn distance(a: [u8; 4], b: [u8; 4]) -> u32 {
    (0..4).map(|c| u32::from(a[c].abs_diff(b[c]))).sum()
}

fn closest(colours: &[[u8; 4]], colour: [u8; 4]) -> u8 {
    let square = |other: &[u8; 4]| -> u32 {
        (0..4)
            .map(|c| u32::from(colour[c].abs_diff(other[c])).pow(2))
            .sum()
    };
    let all = colours.iter().enumerate();
    all.min_by_key(|(_, other)| square(other))
        .map_or(0, |(i, _)| i as u8)
}

/// At most `count` colours that stand for the bins: the group with the widest spread is cut in two at its middle pixel, again
/// and again.
fn representatives(bins: Vec<Bin>, count: usize) -> Vec<[u8; 4]> {
    let mut groups = vec![bins];
    groups.retain(|group| !group.is_empty());
    while groups.len() < count {
        let widest = (0..groups.len())
            .map(|i| (spread(&groups[i]), i))
            .max_by_key(|((width, _), i)| (*width, std::cmp::Reverse(*i)));
        let Some(((width, channel), i)) = widest.filter(|((width, _), _)| *width > 0) else {
            break;
        };
        debug_assert!(width > 0);
        let mut low = groups.swap_remove(i);
        low.sort_by_key(|bin| bin.mean()[channel]);
        let half = low.iter().map(|bin| bin.count).sum::<u64>() / 2;
        let mut seen = 0;
        let cut = low.iter().position(|bin| {
            seen += bin.count;
            seen > half
        });
        let high = low.split_off(cut.unwrap_or(0).clamp(1, low.len() - 1));
        groups.extend([low, high]);
    }
    let mean = |group: &Vec<Bin>| {
        let mut all = Bin::default();
        for bin in group {
            (0..4).for_each(|c| all.sum[c] += bin.sum[c]);
            all.count += bin.count;
        }
        all.mean()
    };
    groups.iter().map(mean).take(count).collect()
}

/// The widest spread of a group over its channels, and that channel; 0 for a group that cannot be cut.
fn spread(group: &[Bin]) -> (u8, usize) {
    if group.len() < 2 {
        return (0, 0);
    }
    let width = |c: usize| {
        let values = group.iter().map(|bin| bin.mean()[c]);
        let low = values.clone().min().unwrap_or(0);
        values.max().unwrap_or(0) - low
    };
    (0..4).map(|c| (width(c), c)).max().unwrap_or((0, 0))
}
