//! Holes at cut-outs that must not cost more than they are worth.

use cleanplate_pictures::{Channels, Format, Metadata, PngSource, Samples, Source};

use super::*;

/// A plane of alpha and a hole of the pixels of which `in_hole` holds.
fn site(
    [width, height]: [usize; 2],
    value: impl Fn(usize, usize) -> u8,
    in_hole: impl Fn(usize, usize) -> bool,
) -> (Photo, Mask) {
    let places = || (0..height).flat_map(|y| (0..width).map(move |x| (x, y)));
    let alpha = Photo {
        width,
        height,
        format: Format::Png,
        channels: Channels::Gray,
        samples: Samples::U8(places().map(|(x, y)| value(x, y)).collect()),
        metadata: Metadata::default(),
        source: Source::Png(PngSource {
            bit_depth: 8,
            palette: None,
        }),
    };
    let hole = places().map(|(x, y)| if in_hole(x, y) { 255 } else { 0 });
    let data = hole.collect();
    let hole = Mask {
        width,
        height,
        data,
    };
    (alpha, hole)
}

fn square(x: usize, y: usize) -> bool {
    (30..130).contains(&x) && (30..130).contains(&y)
}

#[test]
fn where_edges_enter_at_too_many_places_none_is_followed() {
    let dots = |x: usize, y: usize| if x % 4 == 1 && y % 4 == 1 { 255 } else { 0 };
    let (alpha, hole) = site([160, 160], dots, square);
    let (grid, bounds) = Grid::label(&hole);
    let asked = AtomicUsize::new(0);
    let site = Site {
        alpha: &alpha,
        hole: &hole,
        rect: bounds[0],
        stop: &|| asked.fetch_add(1, Ordering::Relaxed) == usize::MAX,
    };
    let (rim, edge) = (site.rim(&grid, 0), site.crossings(site.around()));
    let (rim, edge) = (rim.unwrap(), edge.unwrap());
    let before = asked.load(Ordering::Relaxed);
    assert!(site.ends(&rim, &edge).is_none());
    // It asks before each course that it follows.
    assert_eq!(asked.load(Ordering::Relaxed), before);
    let half = |x: usize, _: usize| if x < 80 { 255 } else { 0 };
    let (alpha, _) = self::site([160, 160], half, square);
    let site = Site {
        alpha: &alpha,
        ..site
    };
    let edge = site.crossings(site.around()).unwrap();
    assert_eq!(site.ends(&rim, &edge).unwrap().len(), 2);
    assert_eq!(
        asked.load(Ordering::Relaxed),
        before + site.around().height() + 2
    );
}

#[test]
fn an_edge_is_not_looked_for_once_told_to_stop() {
    let half = |x: usize, _: usize| if x < 80 { 255 } else { 0 };
    let (alpha, hole) = site([160, 160], half, square);
    assert_eq!(Edges::of(&alpha, &hole, &|| false).at(40, 80), Some(1.0));
    assert_eq!(Edges::of(&alpha, &hole, &|| true).at(40, 80), None);
}

#[test]
fn a_film_is_left_to_patches_and_what_is_clear_or_opaque_is_not() {
    for (level, known) in [(0, Some(0.0)), (1, None), (10, None), (255, Some(1.0))] {
        let (alpha, hole) = site([160, 160], |_, _| level, square);
        let edges = Edges::of(&alpha, &hole, &|| false);
        assert_eq!(edges.at(80, 80), known, "alpha {level}");
    }
}

#[test]
fn a_rim_that_is_too_long_is_given_up() {
    let stripes = |x: usize, _: usize| x.is_multiple_of(2);
    let known = |size: [usize; 2]| {
        let (alpha, hole) = site(size, |_, _| 0, stripes);
        Edges::of(&alpha, &hole, &|| false).at(2, 2)
    };
    assert_eq!(known([2048, 1000]), Some(0.0));
    assert_eq!(known([2048, 1040]), None);
}
