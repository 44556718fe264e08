use super::super::report::PairFault;
use super::*;

fn places(dir: &Path) -> Places {
    let places = Places {
        root: dir.join("in"),
        output: dir.join("out"),
    };
    fs::create_dir(&places.root).unwrap();
    places.prepare().unwrap();
    places.check_output().unwrap();
    fs::write(places.root.join("a.png"), b"photo").unwrap();
    fs::write(places.root.join("a_mask.png"), b"mask").unwrap();
    places
}

fn pair() -> Pair {
    Pair {
        photo: "a.png".into(),
        stem: "a".into(),
        mask: Some("a_mask.png".into()),
        shared: false,
        sidecar: None,
    }
}

fn report(claim: &Claim, error: Option<PairFault>) -> Report {
    Report {
        error,
        ..Report::of("f", "p", claim)
    }
}

fn names(dir: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_pair_goes_through_working_to_done() {
    let dir = tempfile::tempdir().unwrap();
    let places = places(dir.path());
    let claim = places.take(&pair(), |_| false, 1).unwrap().unwrap();
    assert!(
        places.take(&pair(), |_| false, 1).unwrap().is_none(),
        "a pair was taken twice"
    );
    assert_eq!(places.photo(&claim, 10).unwrap().0, b"photo");
    assert_eq!(places.mask(&claim, 10).unwrap().unwrap().0, b"mask");
    places.settle(&claim, &report(&claim, None)).unwrap();
    assert_eq!(
        names(&places.root.join(DONE)),
        ["a.png", "a.report.json", "a_mask.png"]
    );
    assert!(names(&places.working()).is_empty() && places.resume().unwrap().is_empty());
    assert_eq!(places.free_name("a", |_| false), "a-2");
    assert_eq!(places.free_name("a", |name| name == "a-2"), "a-3");
}

#[test]
fn failures_of_one_name_keep_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let places = places(dir.path());
    for photo in [b"one", b"two"] {
        fs::write(places.root.join("a.png"), photo).unwrap();
        let claim = places.take(&pair(), |_| false, 1).unwrap().unwrap();
        places
            .settle(&claim, &report(&claim, Some(PairFault::new("x", "y"))))
            .unwrap();
    }
    let photos: Vec<Vec<u8>> = names(&places.root.join(FAILED))
        .iter()
        .filter(|name| name.ends_with(".png") && !name.ends_with("_mask.png"))
        .map(|name| fs::read(places.root.join(FAILED).join(name)).unwrap())
        .collect();
    assert_eq!(photos.len(), 2);
    assert_ne!(photos[0], photos[1]);
}

#[test]
fn every_instant_of_a_crash_is_taken_up() {
    let dir = tempfile::tempdir().unwrap();
    let places = places(dir.path());
    // Died between record and rename: the pair was never ours.
    let mut lost = places.take(&pair(), |_| false, 1).unwrap().unwrap();
    places.put_back(&lost).unwrap();
    fs::create_dir(places.claim(&lost)).unwrap();
    places.record(&lost).unwrap();
    // Died before the record was whole.
    fs::create_dir(places.working().join("empty")).unwrap();
    assert!(places.resume().unwrap().is_empty());
    assert!(names(&places.working()).is_empty() && places.root.join("a.png").exists());

    // Died between the photo and its mask.
    let claim = places.take(&pair(), |_| false, 1).unwrap().unwrap();
    fs::rename(
        places.claim(&claim).join(MASK),
        places.root.join("a_mask.png"),
    )
    .unwrap();
    lost = places.resume().unwrap().pop().unwrap();
    assert_eq!(
        (&lost.id, places.mask(&lost, 10).unwrap().unwrap().0),
        (&claim.id, b"mask".to_vec())
    );

    // Died between the report and the files.
    let text = serde_json::to_vec(&report(&claim, None)).unwrap();
    take::put(&places.root.join(DONE), &report_name(&claim.name), &text).unwrap();
    assert!(places.resume().unwrap().is_empty());
    assert_eq!(
        names(&places.root.join(DONE)),
        ["a.png", "a.report.json", "a_mask.png"]
    );
    assert!(names(&places.working()).is_empty());
}

#[test]
fn a_record_that_points_elsewhere_is_not_followed() {
    let dir = tempfile::tempdir().unwrap();
    let places = places(dir.path());
    let mut claim = places.take(&pair(), |_| false, 1).unwrap().unwrap();
    claim.mask = Some("../../secret".to_string());
    places.record(&claim).unwrap();
    assert!(places.resume().unwrap().is_empty());
    assert!(
        places.claim(&claim).join(PHOTO).exists(),
        "the pair is left for someone to look at"
    );
}
