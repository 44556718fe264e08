use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::super::report::{PairFault, Report};
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

/// Takes a photo with its mask; both go along.
fn take_pair(places: &Places, photo: &str, mask: &str) -> Taken {
    let pair = Pair {
        photo: photo.into(),
        mask: Some(mask.into()),
        ..Pair::default()
    };
    let mark = Mark {
        mask: pair.mask.clone(),
        ..Mark::default()
    };
    places.take(&pair, &mark, |_| false, 1).unwrap()
}

fn taken(places: &Places, photo: &str, mask: &str) -> Claim {
    match take_pair(places, photo, mask) {
        Taken::Claim(claim) => *claim,
        Taken::Gone => panic!("{photo} is gone"),
        Taken::Stuck(error) => panic!("{photo}: {error}"),
    }
}

fn take_it(places: &Places) -> Claim {
    taken(places, "a.png", "a_mask.png")
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
    let claim = take_it(&places);
    let again = take_pair(&places, "a.png", "a_mask.png");
    assert!(matches!(again, Taken::Gone), "a pair was taken twice");
    assert_eq!(places.photo(&claim, 10).unwrap().0, b"photo");
    assert_eq!(places.mask(&claim, 10).unwrap().unwrap(), b"mask");
    places.settle(&claim, &report(&claim, None)).unwrap();
    assert_eq!(
        names(&places.root.join(DONE)),
        ["a.png", "a.report.json", "a_mask.png"]
    );
    assert!(names(&places.working()).is_empty() && places.resume().unwrap().is_empty());
    assert_eq!(places.free_name(&claim, |_| false), "a-2");
    assert_eq!(places.free_name(&claim, |name| name == "a-2"), "a-3");
}

#[test]
fn failures_of_one_name_keep_each_other() {
    let dir = tempfile::tempdir().unwrap();
    let places = places(dir.path());
    for photo in [b"one", b"two"] {
        fs::write(places.root.join("a.png"), photo).unwrap();
        let claim = take_it(&places);
        places
            .settle(
                &claim,
                &report(&claim, Some(PairFault::new("x".into(), "y"))),
            )
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
    let mut lost = take_it(&places);
    places.put_back(&lost).unwrap();
    fs::create_dir(places.claim(&lost)).unwrap();
    places.record(&lost).unwrap();
    // Died before the record was whole.
    fs::create_dir(places.working().join("0".repeat(32))).unwrap();
    assert!(places.resume().unwrap().is_empty());
    assert!(names(&places.working()).is_empty() && places.root.join("a.png").exists());

    // Died between the photo and its mask.
    let claim = take_it(&places);
    fs::rename(
        places.claim(&claim).join(MASK),
        places.root.join("a_mask.png"),
    )
    .unwrap();
    lost = places.resume().unwrap().pop().unwrap();
    assert_eq!(
        (&lost.id, places.mask(&lost, 10).unwrap().unwrap()),
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
    let mut claim = take_it(&places);
    claim.mask = Some("../../secret".to_string());
    places.record(&claim).unwrap();
    assert!(places.resume().unwrap().is_empty());
    assert!(
        places.claim(&claim).join(PHOTO).exists(),
        "the pair is left for someone to look at"
    );
}

fn drop_pair(places: &Places, photo: &str, mask: &str) -> Claim {
    for (path, bytes) in [(photo, b"photo".as_slice()), (mask, b"mask")] {
        let file = place(&places.root, path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, bytes).unwrap();
    }
    taken(places, photo, mask)
}

#[test]
fn every_name_that_a_file_can_have_gets_through() {
    let dir = tempfile::tempdir().unwrap();
    let places = places(dir.path());
    let latin = crate::pairing::path::text(std::ffi::OsStr::from_bytes(b"caf\xe9"));
    let stems = [
        "한".repeat(83),
        "x".repeat(250),
        latin,
        "a\nb\"'\u{1b}[31m😀".into(),
    ];
    for stem in &stems {
        for error in [None, Some(PairFault::new("x".into(), "y"))] {
            let claim = drop_pair(&places, &format!("{stem}.png"), "m.png");
            let result = places
                .deliver(&claim, &claim.name, "png", b"result")
                .unwrap();
            assert!(place(&places.output, &result).exists(), "{stem}");
            // A crash between report and files, then the next start.
            let again = places.resume().unwrap();
            assert_eq!((again.len(), &again[0].photo), (1, &claim.photo));
            places.settle(&claim, &report(&claim, error)).unwrap();
            assert!(names(&places.working()).is_empty(), "{stem} stayed");
        }
    }
    // Photo, mask and report of each, none over another.
    for home in [DONE, FAILED] {
        assert_eq!(names(&places.root.join(home)).len(), 3 * stems.len());
    }
}

#[test]
fn folders_are_mirrored_into_output_done_and_failed() {
    let dir = tempfile::tempdir().unwrap();
    let places = places(dir.path());
    let claim = drop_pair(&places, "one/two/b.jpg", "one/masks/b.png");
    assert_eq!(
        places.deliver(&claim, "b", "jpg", b"x").unwrap(),
        "one/two/b.jpg"
    );
    let name = places.settle(&claim, &report(&claim, None)).unwrap();
    let path = report_path(&name, &claim.id);
    assert_eq!(path, "one/two/b.report.json");
    let home = places.root.join(DONE).join("one/two");
    assert_eq!(names(&home), ["b.jpg", "b.report.json", "b_mask.png"]);
    // The same name in another folder is another name.
    let other = drop_pair(&places, "one/b.jpg", "one/b_mask.png");
    assert_eq!((other.name.as_str(), other.dir()), ("b", "one"));
}

#[test]
fn what_is_there_is_never_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let places = places(dir.path());
    let claim = take_it(&places);
    fs::write(places.output.join("a.png"), b"somebody's").unwrap();
    fs::write(places.root.join(DONE).join("a.png"), b"somebody's").unwrap();
    assert_eq!(
        places.deliver(&claim, "a", "png", b"ours").unwrap(),
        "a-2.png"
    );
    assert_eq!(
        places.deliver(&claim, "a", "png", b"ours").unwrap(),
        "a-2.png",
        "once more after a crash"
    );
    places.settle(&claim, &report(&claim, None)).unwrap();
    for home in [places.output.clone(), places.root.join(DONE)] {
        assert_eq!(fs::read(home.join("a.png")).unwrap(), b"somebody's");
    }
    assert_eq!(names(&places.root.join(DONE)).len(), 4);

    // Put back: whoever dropped a new file keeps it, and nothing of the claim is lost.
    fs::write(places.root.join("a.png"), b"photo").unwrap();
    fs::write(places.root.join("a_mask.png"), b"mask").unwrap();
    let claim = take_it(&places);
    fs::write(places.root.join("a.png"), b"newer").unwrap();
    assert!(places.put_back(&claim).is_err());
    assert_eq!(fs::read(places.root.join("a.png")).unwrap(), b"newer");
    assert_eq!(places.mask(&claim, 10).unwrap().unwrap(), b"mask");
    assert_eq!(places.photo(&claim, 10).unwrap().0, b"photo");
}

#[test]
fn what_cannot_get_its_name_leaves_as_a_folder() {
    let dir = tempfile::tempdir().unwrap();
    let places = places(dir.path());
    let claim = drop_pair(&places, "sub/a.png", "sub/a_mask.png");
    // Files where folders are wanted.
    fs::write(places.root.join(DONE).join("sub"), b"").unwrap();
    fs::write(places.output.join("sub"), b"").unwrap();
    let result = places.deliver(&claim, "a", "png", b"result").unwrap();
    assert_eq!(result, format!("{}.png", claim.id));
    let name = places.settle(&claim, &report(&claim, None)).unwrap();
    let path = report_path(&name, &claim.id);
    assert!(places.root.join(DONE).join(path).exists());
    let home = places.root.join(DONE).join(&claim.id);
    assert_eq!(names(&home), [MASK, PHOTO, RECORD, "report.json"]);
    assert!(names(&places.working()).is_empty());

    // A crash before the move: the next start does it.
    let claim = drop_pair(&places, "sub/b.png", "sub/b_mask.png");
    let text = serde_json::to_vec(&report(&claim, Some(PairFault::new("x".into(), "y")))).unwrap();
    take::put(&places.claim(&claim), "report.json", &text).unwrap();
    assert!(places.resume().unwrap().is_empty());
    assert!(
        places
            .root
            .join(FAILED)
            .join(&claim.id)
            .join(PHOTO)
            .exists()
    );
}

#[test]
fn copies_of_what_stays_go_with_the_claim() {
    let dir = tempfile::tempdir().unwrap();
    let places = places(dir.path());
    let mark = Mark {
        mask: Some("a_mask.png".into()),
        mask_copy: Some(b"mask".to_vec()),
        ..Mark::default()
    };
    let pair = Pair {
        photo: "a.png".into(),
        mask: mark.mask.clone(),
        ..Pair::default()
    };
    let Taken::Claim(claim) = places.take(&pair, &mark, |_| false, 1).unwrap() else {
        panic!("not taken")
    };
    // From here on the file itself is not needed.
    fs::write(places.root.join("a_mask.png"), b"another").unwrap();
    assert_eq!(places.mask(&claim, 10).unwrap().unwrap(), b"mask");
    places.settle(&claim, &report(&claim, None)).unwrap();
    assert_eq!(names(&places.root.join(DONE)), ["a.png", "a.report.json"]);
    assert_eq!(
        fs::read(places.root.join("a_mask.png")).unwrap(),
        b"another"
    );
}

#[test]
fn records_of_earlier_versions_are_taken_up() {
    let dir = tempfile::tempdir().unwrap();
    let places = places(dir.path());
    let claim = take_it(&places);
    let old = serde_json::json!({ "id": claim.id, "name": "a", "photo": "a.png", "mask": "_mask.png", "shared": true,
        "sidecar": null, "jobs": ["one"], "claimed_at_ms": 5 });
    take::put(&places.claim(&claim), RECORD, old.to_string().as_bytes()).unwrap();
    fs::remove_file(places.claim(&claim).join(MASK)).unwrap();
    fs::write(places.root.join("_mask.png"), b"for all").unwrap();
    let resumed = places.resume().unwrap().pop().unwrap();
    assert!(resumed.mask_stays && resumed.jobs == ["one"]);
    assert_eq!(places.mask(&resumed, 10).unwrap().unwrap(), b"for all");
}

#[test]
fn a_pair_that_cannot_be_moved_is_no_trouble_of_its_folder() {
    let dir = tempfile::tempdir().unwrap();
    let places = places(dir.path());
    let impossible = format!("{}.png", "x".repeat(300));
    for (photo, mask) in [
        (impossible.as_str(), "a_mask.png"),
        ("a.png", impossible.as_str()),
    ] {
        let taken = take_pair(&places, photo, mask);
        assert!(matches!(taken, Taken::Stuck(_)), "{photo:.9}");
        assert_eq!(
            names(&places.root),
            ["a.png", "a_mask.png", DONE, FAILED, WORKING]
        );
        assert!(names(&places.working()).is_empty());
    }
}

#[test]
fn files_of_people_in_working_are_not_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let places = places(dir.path());
    // A folder that was dragged there, and one that only looks like a claim.
    for name in ["shoot".to_string(), "a".repeat(32)] {
        fs::create_dir(places.working().join(&name)).unwrap();
        fs::write(places.working().join(&name).join("b.jpg"), b"b").unwrap();
    }
    fs::create_dir(places.working().join("empty")).unwrap();
    // A photo that somebody rescued from its claim.
    let claim = take_it(&places);
    fs::rename(
        places.claim(&claim).join(PHOTO),
        places.root.join("rescued.png"),
    )
    .unwrap();
    assert!(places.resume().unwrap().is_empty());
    for name in ["shoot".to_string(), "a".repeat(32)] {
        let file = places.working().join(&name).join("b.jpg");
        assert_eq!(fs::read(file).unwrap(), b"b", "{name}");
    }
    assert!(places.working().join("empty").is_dir());
    assert_eq!(fs::read(places.claim(&claim).join(MASK)).unwrap(), b"mask");
    // The same with a record that cannot be read.
    fs::write(places.claim(&claim).join(RECORD), b"{").unwrap();
    assert!(places.resume().unwrap().is_empty());
    assert_eq!(fs::read(places.claim(&claim).join(MASK)).unwrap(), b"mask");
    // With what was moved taken out, nothing is left to keep.
    fs::remove_file(places.claim(&claim).join(MASK)).unwrap();
    assert!(places.resume().unwrap().is_empty() && !places.claim(&claim).exists());
}

#[test]
fn a_photo_that_arrived_is_ours_whatever_the_rename_says() {
    let dir = tempfile::tempdir().unwrap();
    let (there, gone) = (dir.path().join(PHOTO), dir.path().join("gone"));
    fs::write(&there, b"photo").unwrap();
    let failed = || Err(io::ErrorKind::NotFound.into());
    assert!(arrived(failed(), &there).is_ok());
    assert_eq!(
        arrived(failed(), &gone).unwrap_err().kind(),
        io::ErrorKind::NotFound
    );
    // Nor is it ever removed with the folder.
    assert!(clear(dir.path(), |_| false).is_err() && there.exists());
}

#[test]
fn files_behind_a_link_are_not_taken() {
    let dir = tempfile::tempdir().unwrap();
    let places = places(dir.path());
    let elsewhere = dir.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    fs::write(elsewhere.join("b.png"), b"b").unwrap();
    std::os::unix::fs::symlink(&elsewhere, places.root.join("sub")).unwrap();
    assert!(hold::stamp(&places.root, "sub/b.png").is_err());
    assert!(hold::stamp(&places.root, "a.png").is_ok());
    for (photo, mask) in [("sub/b.png", "a_mask.png"), ("a.png", "sub/b.png")] {
        let taken = take_pair(&places, photo, mask);
        assert!(matches!(taken, Taken::Stuck(_)), "{photo}");
        assert_eq!(fs::read(elsewhere.join("b.png")).unwrap(), b"b");
        assert!(places.root.join("a.png").exists() && names(&places.working()).is_empty());
    }
}
