//! Crops of holes of all kinds.

use super::*;

const WISH: CropPlan = CropPlan {
    side_px_min: 0,
    context_px_min: 128,
    context_share: 0.25,
    working_px_max: 512,
    working_px_min: 0,
    bucket_px: BUCKET_PX,
};

fn mask(width: usize, height: usize, rects: &[[usize; 4]]) -> Mask {
    let mut m = Mask::empty(width, height);
    for &[x0, y0, x1, y1] in rects {
        for y in y0..y1 {
            m.data[y * width + x0..y * width + x1].fill(255);
        }
    }
    m
}

#[test]
fn a_small_object_is_worked_on_unscaled_in_a_bucketed_crop() {
    let (_, crops) = plan(&mask(4000, 3000, &[[1000, 1000, 1100, 1050]]), &WISH).unwrap();
    assert_eq!(crops.len(), 1);
    let c = crops[0];
    assert_eq!((c.width, c.height), (384, 320));
    assert_eq!((c.rect.width(), c.rect.height()), (384, 320));
    assert!(
        c.rect.x0 <= 1000 - 128
            && c.rect.x1 >= 1100 + 128
            && c.rect.y0 <= 1000 - 128
            && c.rect.y1 >= 1050 + 128
    );
}

#[test]
fn a_crop_has_its_least_side_where_the_photo_has_it() {
    let wish = CropPlan {
        side_px_min: 512,
        ..WISH
    };
    let hole = [[1000, 700, 1100, 750]];
    let crop = plan(&mask(4000, 3000, &hole), &wish).unwrap().1[0];
    assert_eq!((crop.width, crop.height), (512, 512));
    let crop = plan(&mask(4000, 300, &[[1000, 70, 1100, 90]]), &wish)
        .unwrap()
        .1[0];
    assert_eq!((crop.rect.width(), crop.rect.height()), (512, 300));
}

#[test]
fn a_small_crop_is_enlarged_to_its_least_working_size_with_its_shape_kept() {
    let wish = CropPlan {
        context_px_min: 16,
        context_share: 0.5,
        working_px_min: 512,
        ..WISH
    };
    let crop = |hole| plan(&mask(4000, 3000, &[hole]), &wish).unwrap().1[0];
    let small = crop([1000, 700, 1100, 750]);
    assert_eq!((small.rect.width(), small.rect.height()), (200, 150));
    assert_eq!((small.width, small.height), (512, 384));
    let dust: Vec<[usize; 4]> = (0..30)
        .map(|i| [100 + i * 120, 90, 104 + i * 120, 94])
        .collect();
    let (_, many) = plan(&mask(4000, 3000, &dust), &wish).unwrap();
    assert!(many.iter().all(|c| c.width == c.rect.width()), "{many:?}");
    // Those that are large anyway do not count.
    let large: Vec<[usize; 4]> = (0..5)
        .map(|i| [i * 800, 400, i * 800 + 300, 700])
        .chain([[1000, 1700, 1030, 1730]])
        .collect();
    let (_, mixed) = plan(&mask(4000, 3000, &large), &wish).unwrap();
    let (seen, at_all) = (
        mixed.iter().filter(|c| c.width > c.rect.width()),
        mixed.len(),
    );
    assert_eq!((seen.count(), at_all), (1, 6), "{mixed:?}");
    let large = crop([1000, 700, 2000, 1700]);
    assert_eq!((large.rect.width(), large.width), (2000, 512));
    // Where the photo ends, the working size follows.
    let (_, cut) = plan(&mask(4000, 110, &[[1000, 0, 1200, 110]]), &wish).unwrap();
    assert_eq!((cut[0].rect.width(), cut[0].rect.height()), (400, 110));
    assert_eq!((cut[0].width, cut[0].height), (512, 144));
}

/// A hole wherever row and column lie within one of these stretches, which repeat after `period` pixels.
fn grid((width, height): (usize, usize), period: usize, stretches: &[(usize, usize)]) -> Mask {
    let starts = |length: usize| {
        let each = (0..length).step_by(period);
        let all = each.flat_map(|at| stretches.iter().map(move |s| (at + s.0, at + s.1)));
        all.filter(move |s| s.1 <= length)
    };
    let rects: Vec<[usize; 4]> = starts(height)
        .flat_map(|y| starts(width).map(move |x| [x.0, y.0, x.1, y.1]))
        .collect();
    mask(width, height, &rects)
}

#[test]
fn all_looks_together_leave_no_more_than_is_set_aside() {
    let wide = CropPlan {
        side_px_min: 512,
        ..WISH
    };
    let closer = CropPlan {
        context_px_min: 16,
        context_share: 0.5,
        working_px_min: 512,
        ..WISH
    };
    let mut shrunk = 0;
    let pairs = [(63, 64), (128, 320)];
    for (size, period, stretches) in [
        ((4000, 3000), 320, &[(64, 320)][..]),
        ((1984, 1344), 320, &[(64, 320)]),
        ((2000, 1400), 384, &pairs),
        ((3000, 2000), 384, &pairs),
        ((4000, 3000), 320, &[(64, 100)]),
        ((700, 500), 256, &[(64, 94)]),
    ] {
        let holes = grid(size, period, stretches);
        let mut room = fill_pixels_max(size.0 * size.1);
        for wish in [wide, closer] {
            let (_, crops, working) = plan_within(&holes, &wish, room).unwrap();
            let fills: usize = crops.iter().map(Planned::fill_pixels).sum();
            println!(
                "{size:?} {period}: {} crops at {working}, {fills}",
                crops.len()
            );
            assert!(fills <= room, "{size:?} {period}: {fills} of {room}");
            room -= fills;
            shrunk += usize::from(working < 512);
        }
    }
    assert!(shrunk > 0);
}

#[test]
fn a_crop_at_a_corner_is_shifted_into_the_photo() {
    let (_, crops) = plan(&mask(1000, 800, &[[990, 790, 1000, 800]]), &WISH).unwrap();
    assert_eq!(
        crops[0].rect,
        Rect {
            x0: 680,
            y0: 480,
            x1: 1000,
            y1: 800
        }
    );
}

#[test]
fn a_large_object_is_scaled_to_the_working_size_with_its_shape_kept() {
    let (_, crops) = plan(&mask(6000, 5000, &[[1000, 1000, 3000, 2000]]), &WISH).unwrap();
    let c = crops[0];
    assert_eq!(c.width, 512);
    let (sx, sy) = (
        c.rect.width() as f64 / c.width as f64,
        c.rect.height() as f64 / c.height as f64,
    );
    assert!((sx / sy - 1.0).abs() < 0.01, "{sx} {sy}");
}

#[test]
fn far_groups_stay_apart_and_near_ones_merge() {
    let (_, far) = plan(
        &mask(
            4000,
            3000,
            &[[100, 100, 200, 200], [3000, 2000, 3100, 2100]],
        ),
        &WISH,
    )
    .unwrap();
    assert_eq!(far.len(), 2);
    let (grid, near) = plan(
        &mask(4000, 3000, &[[500, 500, 550, 550], [620, 500, 660, 550]]),
        &WISH,
    )
    .unwrap();
    assert_eq!(near.len(), 1);
    assert_eq!(grid.group_at(510, 510), grid.group_at(650, 510));
}

#[test]
fn neighbours_that_would_need_scaling_stay_apart_and_own_their_pixels() {
    let m = mask(4000, 3000, &[[500, 500, 700, 700], [900, 500, 1100, 700]]);
    let (grid, crops) = plan(&m, &WISH).unwrap();
    assert_eq!(crops.len(), 2);
    assert!(crops[0].rect.intersects(&crops[1].rect));
    assert_ne!(grid.group_at(600, 600), grid.group_at(1000, 600));
}

#[test]
fn a_scattered_mask_over_a_large_photo_is_planned_quickly() {
    let mut m = Mask::empty(8660, 5773);
    for i in (0..m.data.len()).step_by(130) {
        m.data[i] = 255;
    }
    let started = std::time::Instant::now();
    let (_, crops) = plan(&m, &WISH).unwrap();
    assert!(!crops.is_empty());
    assert!(started.elapsed().as_secs() < 5);
}

/// Dots spread evenly over 50 million pixels.
fn dots(count: usize) -> Mask {
    let mut m = Mask::empty(8660, 5773);
    let columns = (count as f64 * 1.5).sqrt() as usize;
    let rows = count.div_ceil(columns);
    for i in 0..count {
        let (x, y) = (i % columns * 8660 / columns, i / columns * 5773 / rows);
        m.data[y * 8660 + x] = 255;
    }
    m
}

#[test]
fn more_regions_than_can_be_worked_on_are_refused_before_any_is() {
    let started = std::time::Instant::now();
    let error = plan(&dots(3_000), &WISH).unwrap_err();
    assert!(started.elapsed().as_secs() < 5);
    let PluginError::Scattered { crops, pixels, .. } = error else {
        panic!("{error}")
    };
    println!("3,000 dots: {crops} crops, {pixels} pixels");
    assert!(pixels > WORK_PIXELS_MAX);
    let (_, crops) = plan(&dots(150), &WISH).unwrap();
    assert_eq!(crops.len(), 150);
}
