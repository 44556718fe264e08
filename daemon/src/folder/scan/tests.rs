//! What belongs together.

use std::time::Duration;

use super::{Pair, Sorted, Waiting, list, sort};
use crate::config::Rules;
use crate::pairing::Pattern;

pub fn rules() -> Rules {
    let pairing = [
        "{stem}_mask.*",
        "{stem}.mask.*",
        "masks/{stem}.*",
        "_mask.*",
    ];
    Rules {
        pipeline: None,
        format: None,
        mask_channel: Default::default(),
        pairing: pairing
            .iter()
            .map(|text| Pattern::parse(text).unwrap())
            .collect(),
        ignore: vec!["draft*".to_string()],
        subfolder_depth_max: 8,
        settle: Duration::from_millis(100),
        incomplete_max: Duration::from_secs(1),
        mask_wait: Duration::from_secs(1),
        scan: Duration::from_secs(300),
        poll: None,
        in_flight_max: 1,
        finish: Default::default(),
    }
}

pub fn folder(files: &[&str]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in files {
        let path = dir.path().join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, file).unwrap();
    }
    dir
}

fn sorted(files: &[&str]) -> Sorted {
    sort(list(folder(files).path(), &rules()).unwrap(), &rules())
}

fn pair<'a>(sorted: &'a Sorted, photo: &str) -> &'a Pair {
    let found = sorted.pairs.iter().find(|pair| pair.photo == photo);
    found.unwrap_or_else(|| panic!("{photo}: {sorted:?}"))
}

#[test]
fn photos_find_their_masks_in_order() {
    let files = [
        "a.jpg",
        "a_mask.png",
        "a.mask.png",
        "b.PNG",
        "masks/b.png",
        "c.webp",
        "c.json",
        "d.png",
        "e.txt",
        ".f.png",
        "draft.png",
        "done/g.png",
    ];
    let sorted_files = sorted(&files);
    assert_eq!(sorted_files.pairs.len(), 3);
    assert_eq!(
        pair(&sorted_files, "a.jpg").mask.as_deref(),
        Some("a_mask.png")
    );
    assert_eq!(
        pair(&sorted_files, "b.PNG").mask.as_deref(),
        Some("masks/b.png")
    );
    let c = pair(&sorted_files, "c.webp");
    assert_eq!(
        (c.mask.as_deref(), c.sidecar.as_deref()),
        (None, Some("c.json"))
    );
    let waiting = Waiting {
        photo: "d.png".into(),
        wanted: "d_mask.png".into(),
    };
    assert_eq!(sorted_files.waiting, [waiting]);
    let left: Vec<&str> = sorted_files
        .left
        .first
        .iter()
        .map(|file| file.name.as_str())
        .collect();
    assert_eq!(left, ["e.txt", "a.mask.png"]);

    let with_one_for_all = sorted(&[&files[..], &["_mask.png"]].concat());
    assert!(with_one_for_all.waiting.is_empty());
    assert_eq!(
        pair(&with_one_for_all, "d.png").common.as_deref(),
        Some("_mask.png")
    );
    assert_eq!(pair(&with_one_for_all, "a.jpg").common, None);
}

#[test]
fn case_form_and_type_of_a_mask_do_not_count() {
    let found = sorted(&[
        "IMG_1.JPG",
        "img_1_MASK.PNG",
        "Cafe\u{301}.png",
        "café_mask.tif",
        "x.tif",
        "x_mask.jpg",
        "y.png",
        "Y.JSON",
    ]);
    assert_eq!(
        pair(&found, "IMG_1.JPG").mask.as_deref(),
        Some("img_1_MASK.PNG")
    );
    assert_eq!(
        pair(&found, "Cafe\u{301}.png").mask.as_deref(),
        Some("café_mask.tif")
    );
    assert_eq!(pair(&found, "x.tif").mask.as_deref(), Some("x_mask.jpg"));
    assert_eq!(pair(&found, "y.png").sidecar.as_deref(), Some("Y.JSON"));
    assert!(
        found.waiting.is_empty() && found.left.count == 0,
        "{found:?}"
    );

    // Where both spellings are there, each photo has its own.
    let found = sorted(&["a.png", "A.PNG", "a_mask.png", "A_mask.png"]);
    assert_eq!(pair(&found, "a.png").mask.as_deref(), Some("a_mask.png"));
    assert_eq!(pair(&found, "A.PNG").mask.as_deref(), Some("A_mask.png"));
    assert!(found.pairs.iter().all(|pair| !pair.twin));
}

#[test]
fn photos_of_one_stem_have_one_mask() {
    let found = sorted(&["a.jpg", "A.png", "a_mask.png", "b.png", "b_mask.png"]);
    for photo in ["a.jpg", "A.png"] {
        let pair = pair(&found, photo);
        assert!(
            pair.twin && pair.mask.as_deref() == Some("a_mask.png"),
            "{pair:?}"
        );
    }
    assert!(!pair(&found, "b.png").twin);
}

#[test]
fn folders_have_masks_of_their_own_or_from_above() {
    let found = sorted(&[
        "_mask.png",
        "one/a.png",
        "one/two/b.png",
        "one/two/b_mask.png",
        "three/_mask.png",
        "three/c.png",
        "four/d.png",
        "masks/four/d.png",
        "five/e.png",
        "five/masks/e.png",
        "_folder.json",
        "three/_folder.json",
        "six/masks/by-size/4x3.png",
        "six/x/f.png",
    ]);
    let common = |photo: &str| pair(&found, photo).common.clone().unwrap_or_default();
    let mask = |photo: &str| pair(&found, photo).mask.clone().unwrap_or_default();
    assert_eq!(
        (common("one/a.png"), common("three/c.png")),
        ("_mask.png".into(), "three/_mask.png".into())
    );
    assert_eq!(mask("one/two/b.png"), "one/two/b_mask.png");
    assert_eq!(
        (mask("four/d.png"), mask("five/e.png")),
        ("masks/four/d.png".into(), "five/masks/e.png".into())
    );
    assert_eq!(pair(&found, "one/a.png").defaults, ["_folder.json"]);
    assert_eq!(pair(&found, "three/c.png").defaults, ["three/_folder.json"]);
    assert_eq!(
        pair(&found, "six/x/f.png").templates.as_deref(),
        Some("six/masks/by-size")
    );
    assert_eq!(pair(&found, "five/e.png").templates, None);
    assert!(
        found.waiting.is_empty() && found.left.count == 0,
        "{found:?}"
    );
}

#[test]
fn frames_share_the_mask_or_sidecar_of_their_shot_in_order() {
    let found = sorted(&[
        "shot_10.png",
        "shot_2.png",
        "shot_mask.png",
        "take_1.png",
        "take.json",
        "shot_3.png",
        "shot_3_mask.png",
        "a.png",
        "a_001.png",
        "a_mask.png",
    ]);
    let photos: Vec<&str> = found.pairs.iter().map(|pair| pair.photo.as_str()).collect();
    assert_eq!(
        photos,
        [
            "a.png",
            "shot_2.png",
            "shot_3.png",
            "shot_10.png",
            "take_1.png"
        ]
    );
    assert_eq!(
        pair(&found, "shot_2.png").common.as_deref(),
        Some("shot_mask.png")
    );
    assert_eq!(
        pair(&found, "shot_3.png").mask.as_deref(),
        Some("shot_3_mask.png")
    );
    assert_eq!(pair(&found, "take_1.png").defaults, ["take.json"]);
    // The mask of a photo is not that of a shot.
    assert_eq!(found.waiting[0].photo, "a_001.png");
}

#[test]
fn what_has_no_photo_is_told() {
    let found = sorted(&[
        "a_mask.png",
        "b.json",
        "_folder.json",
        "_mask.png",
        "masks/by-size/big.png",
    ]);
    let told: Vec<(&str, &str)> = found
        .left
        .first
        .iter()
        .map(|f| (f.name.as_str(), f.why.as_str()))
        .collect();
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told.contains(&("a_mask.png", "a mask; its photo is not here")));
    assert!(told.contains(&("b.json", "a sidecar; its photo is not here")));
    assert!(
        told.iter()
            .any(|(name, why)| *name == "masks/by-size/big.png" && why.contains("WIDTHxHEIGHT"))
    );
}
