//! Patches of 8 x 8 pixels by their first DCT coefficients, and the nearest one among many.

use std::ops::Range;

use super::lab::Plane;

/// Side of a patch in pixels.
pub(super) const PATCH: usize = 8;
/// Numbers that describe a patch: 10 of lightness, 3 of a, 3 of b.
pub(super) const NUMBERS: usize = 16;
/// Vertical and horizontal frequency of the coefficients in zigzag order.
const ZIGZAG: [(usize, usize); 10] = [
    (0, 0),
    (0, 1),
    (1, 0),
    (2, 0),
    (1, 1),
    (0, 2),
    (0, 3),
    (1, 2),
    (2, 1),
    (3, 0),
];
const KEPT: [usize; 3] = [10, 3, 3];
/// Highest frequency kept, and 1.
const FREQUENCIES: usize = 4;

/// A patch: its distance to another is the root mean square difference per pixel and channel.
pub(super) type Patch = [f32; NUMBERS];

/// The patches of a picture by their top left corners, `[height - 7, width - 7]`.
pub(super) struct Patches {
    pub(super) width: usize,
    pub(super) all: Vec<Patch>,
}

impl Patches {
    /// All patches of a picture in Lab; none if it is smaller than a patch.
    pub(super) fn of(lab: &[Plane; 3]) -> Patches {
        let (w, h) = (lab[0].width, lab[0].height);
        if w < PATCH || h < PATCH {
            return Patches {
                width: 0,
                all: Vec::new(),
            };
        }
        let basis = basis();
        let (pw, ph) = (w - PATCH + 1, h - PATCH + 1);
        let mut all = vec![[0.0; NUMBERS]; pw * ph];
        let mut first = 0;
        for (plane, kept) in lab.iter().zip(KEPT) {
            // Along rows once for each frequency, `[height, pw]`.
            let rows: Vec<Vec<f32>> = basis
                .iter()
                .map(|taps| {
                    let mut out = Vec::with_capacity(pw * h);
                    for row in plane.values.chunks_exact(w) {
                        out.extend(row.windows(PATCH).map(|part| dot(part, taps)));
                    }
                    out
                })
                .collect();
            for (i, (ky, kx)) in ZIGZAG.iter().take(kept).enumerate() {
                for y in 0..ph {
                    for x in 0..pw {
                        let column =
                            (0..PATCH).map(|dy| basis[*ky][dy] * rows[*kx][(y + dy) * pw + x]);
                        all[y * pw + x][first + i] = column.sum::<f32>() / PATCH as f32;
                    }
                }
            }
            first += kept;
        }
        Patches { width: pw, all }
    }
}

fn dot(a: &[f32], b: &[f32; PATCH]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// The orthonormal DCT-II of 8 points, its first rows.
fn basis() -> [[f32; PATCH]; FREQUENCIES] {
    let mut out = [[0.0; PATCH]; FREQUENCIES];
    for (k, row) in out.iter_mut().enumerate() {
        let scale = if k == 0 { 1.0 } else { 2.0f32 };
        for (n, value) in row.iter_mut().enumerate() {
            let angle = std::f32::consts::PI * (n as f32 + 0.5) * k as f32 / PATCH as f32;
            *value = (scale / PATCH as f32).sqrt() * angle.cos();
        }
    }
    out
}

/// The distance of two patches.
pub(super) fn apart(a: &Patch, b: &Patch) -> f32 {
    squares(a, b).sqrt()
}

fn squares(a: &Patch, b: &Patch) -> f32 {
    let mut lanes = [0.0f32; 4];
    for (a, b) in a.chunks_exact(4).zip(b.chunks_exact(4)) {
        for (lane, (a, b)) in lanes.iter_mut().zip(a.iter().zip(b)) {
            *lane += (a - b) * (a - b);
        }
    }
    (lanes[0] + lanes[1]) + (lanes[2] + lanes[3])
}

/// How many pixels of each patch are set in `mask`, by top left corners.
pub(super) fn covered(mask: &[bool], width: usize) -> Vec<u32> {
    let height = mask.len() / width;
    if width < PATCH || height < PATCH {
        return Vec::new();
    }
    let (pw, ph) = (width - PATCH + 1, height - PATCH + 1);
    let mut rows = Vec::with_capacity(pw * height);
    for row in mask.chunks_exact(width) {
        rows.extend(
            row.windows(PATCH)
                .map(|part| part.iter().filter(|m| **m).count() as u32),
        );
    }
    let mut out = vec![0; pw * ph];
    for y in 0..ph {
        for x in 0..pw {
            out[y * pw + x] = (0..PATCH).map(|dy| rows[(y + dy) * pw + x]).sum();
        }
    }
    out
}

/// Patches to be searched: a k-d tree, whose cells hold patches that are like each other.
pub(super) struct Index {
    /// The patches, those of one leaf side by side.
    patches: Vec<Patch>,
    root: Node,
}

/// A range of [`Index::patches`].
enum Node {
    Leaf(Range<usize>),
    /// Those whose number `along` is `at` or less, and those where it is `at` or more.
    Split {
        along: usize,
        at: f32,
        sides: Box<[Node; 2]>,
    },
}

/// Most patches in a leaf.
const LEAF: usize = 12;
/// Patches that tell along which number a range is widest.
const SAMPLED: usize = 128;
/// Smaller ranges are not worth a thread.
const SHARED: usize = 4096;

impl Node {
    /// Sorts `patches`, which begin at `start` of all, into a tree.
    fn of(patches: &mut [Patch], start: usize) -> Node {
        let count = patches.len();
        if count <= LEAF {
            return Node::Leaf(start..start + count);
        }
        // No number splits these, and a search would have to look into both sides each time; one stands for all.
        if patches.iter().all(|patch| *patch == patches[0]) {
            return Node::Leaf(start..start + 1);
        }
        let (along, middle) = (widest(patches), count / 2);
        patches.select_nth_unstable_by(middle, |a, b| a[along].total_cmp(&b[along]));
        let at = patches[middle][along];
        let (low, high) = patches.split_at_mut(middle);
        let mut low = || Node::of(low, start);
        let mut high = || Node::of(high, start + middle);
        let (low, high) = if count < SHARED {
            (low(), high())
        } else {
            rayon::join(low, high)
        };
        Node::Split {
            along,
            at,
            sides: Box::new([low, high]),
        }
    }
}

/// The number in which these patches differ most.
fn widest(patches: &[Patch]) -> usize {
    let mut sums = [[0.0f32; NUMBERS]; 2];
    let mut count = 0.0;
    for patch in patches.iter().step_by(patches.len().div_ceil(SAMPLED)) {
        count += 1.0;
        for (i, v) in patch.iter().enumerate() {
            sums[0][i] += v;
            sums[1][i] += v * v;
        }
    }
    let spread = |i: &usize| sums[1][*i] - sums[0][*i] * sums[0][*i] / count;
    (0..NUMBERS)
        .max_by(|a, b| spread(a).total_cmp(&spread(b)))
        .unwrap_or_default()
}

impl Index {
    pub(super) fn new(patches: impl Iterator<Item = Patch>) -> Index {
        let mut patches: Vec<Patch> = patches.collect();
        let root = Node::of(&mut patches, 0);
        Index { patches, root }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.patches.is_empty()
    }

    /// Distance to the nearest patch, infinite if there is none: the exact answer.
    pub(super) fn nearest(&self, patch: &Patch) -> f32 {
        let mut search = Search {
            patches: &self.patches,
            patch,
            away: [0.0; NUMBERS],
            best: f32::INFINITY,
        };
        search.visit(&self.root, 0.0);
        search.best.sqrt()
    }
}

/// A search for the nearest patch.
struct Search<'a> {
    patches: &'a [Patch],
    patch: &'a Patch,
    /// How far away the cell is that is looked at, along each number.
    away: [f32; NUMBERS],
    /// The least square of a distance so far.
    best: f32,
}

impl Search<'_> {
    /// Looks into a cell that is at least the root of `bound` away.
    fn visit(&mut self, node: &Node, bound: f32) {
        let (along, at, sides) = match node {
            Node::Leaf(range) => return self.compare(range.clone()),
            Node::Split { along, at, sides } => (*along, *at, sides),
        };
        let beyond = self.patch[along] - at;
        let own = usize::from(beyond >= 0.0);
        self.visit(&sides[own], bound);
        let before = self.away[along];
        let farther = bound - before * before + beyond * beyond;
        if farther < self.best {
            self.away[along] = beyond;
            self.visit(&sides[1 - own], farther);
            self.away[along] = before;
        }
    }

    fn compare(&mut self, range: Range<usize>) {
        for other in &self.patches[range] {
            let sum = squares(self.patch, other);
            self.best = self.best.min(sum);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        (0..n)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 8) as f32 / (1 << 24) as f32
            })
            .collect()
    }

    #[test]
    fn a_flat_patch_is_its_mean_and_distances_are_per_pixel() {
        let flat = |v: f32| Plane::new(9, 8, vec![v; 72]);
        let a = Patches::of(&[flat(0.5), flat(0.1), flat(0.0)]);
        let b = Patches::of(&[flat(0.7), flat(0.1), flat(0.0)]);
        assert_eq!((a.width, a.all.len()), (2, 2));
        let index = Index::new(b.all.iter().copied());
        assert!((index.nearest(&a.all[0]) - 0.2).abs() < 1e-5);
        assert!(
            Index::new(std::iter::empty())
                .nearest(&a.all[0])
                .is_infinite()
        );
    }

    #[test]
    fn the_index_finds_what_a_full_search_finds() {
        let (w, h) = (40, 31);
        let planes = [1, 2, 3].map(|seed| Plane::new(w, h, noise(w * h, seed)));
        let patches = Patches::of(&planes);
        let (some, others) = patches.all.split_at(patches.all.len() / 3);
        let index = Index::new(others.iter().copied());
        for patch in some.iter().step_by(17) {
            let full = others.iter().map(|other| {
                let squares = patch.iter().zip(other).map(|(a, b)| (a - b) * (a - b));
                squares.sum::<f32>()
            });
            let full = full.fold(f32::INFINITY, f32::min).sqrt();
            let found = index.nearest(patch);
            assert!((found - full).abs() < 1e-5, "{found} {full}");
        }
    }

    #[test]
    fn equal_patches_are_looked_at_once() {
        let flat = |v: f32| [v; NUMBERS];
        let equal = Index::new((0..5000).map(|_| flat(0.25)));
        assert!(matches!(&equal.root, Node::Leaf(range) if range.len() == 1));
        assert_eq!(equal.nearest(&flat(0.5)), 1.0);
        let mixed = (0..5000).map(|i| flat(if i % 100 == 0 { i as f32 } else { 0.25 }));
        let mixed = Index::new(mixed);
        assert_eq!(mixed.nearest(&flat(0.25)), 0.0);
        assert_eq!(mixed.nearest(&flat(440.0)), 160.0);
        assert_eq!(mixed.nearest(&flat(4950.0)), 200.0);
    }

    #[test]
    fn covered_counts_pixels() {
        let mut mask = vec![false; 10 * 9];
        mask[0] = true;
        mask[9 * 8 + 3] = true;
        let counts = covered(&mask, 10);
        assert_eq!(counts.len(), 3 * 2);
        assert_eq!(counts[0], 2);
    }
}
