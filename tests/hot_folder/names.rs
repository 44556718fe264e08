//! Names of every kind, folders in folders, and what lies there without being taken.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use super::*;

fn name(bytes: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(bytes))
}

/// Photo and mask under names of every kind. Pairs of the same content would not be charged, so each differs.
fn odd_pairs() -> Vec<(PathBuf, PathBuf)> {
    let long = "한".repeat(83);
    let pair = |photo: &str, mask: &str| (PathBuf::from(photo), PathBuf::from(mask));
    vec![
        pair(&format!("{long}.png"), &format!("masks/{long}.png")),
        pair("IMG_1.PNG", "img_1_MASK.png"),
        pair("Cafe\u{301}.png", "caf\u{e9}_mask.tif"),
        pair("a\nb\"c'\u{1b}[31m.png", "a\nb\"c'\u{1b}[31m_mask.png"),
        pair("😀 (1).png", "😀 (1).mask.png"),
        pair("one/two/😀 (1).png", "one/two/😀 (1)_mask.png"),
        pair("one/x.png/deep.png", "masks/one/x.png/deep.png"),
        (name(b"latin-\xe9.png"), name(b"latin-\xe9_mask.png")),
    ]
}

fn put(bench: &Bench, path: &Path, bytes: &[u8]) {
    let place = bench.root.join(path);
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(place, bytes).unwrap();
}

fn drop_odd_pairs(bench: &Bench) {
    for (number, (photo, mask)) in (0..).zip(odd_pairs()) {
        let (image, hole) = numbered(number);
        put(bench, &mask, &hole);
        put(bench, &photo, &image);
    }
}

/// Every photo is done, under its own name or a shortened one, and its result lies in a folder of the same name.
fn check_odd_pairs(bench: &Bench) {
    for (photo, _) in odd_pairs() {
        let place = |home: &str| bench.at(home).join(&photo);
        if photo.to_str().is_some_and(|text| text.len() > 200) {
            let shortened = fs::read_dir(bench.at("output"))
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string())
                .filter(|name| {
                    name.as_ref()
                        .is_ok_and(|name| name.starts_with("한") && name.contains('~'))
                });
            assert_eq!(
                shortened.count(),
                1,
                "the long name has no shortened result"
            );
        } else {
            // A result has the usual ending of its type.
            let result = place("output").with_extension("png");
            assert!(result.exists() && place("done").exists(), "{photo:?}");
        }
        assert!(!bench.root.join(&photo).exists(), "{photo:?}");
    }
    assert_eq!(fs::read_dir(bench.at("failed")).unwrap().count(), 0);
}

#[test]
fn odd_names_get_through_and_none_is_charged_twice() {
    let bench = Bench::new();
    let daemon = Daemon::start(&bench.data, &bench.config(""));
    drop_odd_pairs(&bench);
    // Two photos of one stem have one mask.
    let (image, hole) = numbered(100);
    let other = png(photo(32, 32));
    bench.put("twin_mask.png", &hole);
    bench.put("twin.PNG", &image);
    bench.put("twin.png", &other);
    let pairs = odd_pairs().len() + 2;
    wait_until("every pair ends", Duration::from_secs(120), || {
        bench.at("working/status.json").exists()
            && bench.status()["done"] == pairs
            && bench.claims() == 0
    });
    check_odd_pairs(&bench);
    assert!(bench.at("output/twin.png").exists() && bench.at("output/twin-2.png").exists());
    assert!(
        !bench.at("twin_mask.png").exists(),
        "the last of the twins takes the mask along"
    );
    assert_eq!(bench.status()["paused"], Value::Null);
    assert_eq!(credits(&daemon), (10_000 - 3 * pairs as i64, 0));
}

#[test]
fn a_single_run_over_odd_names_ends() {
    let bench = Bench::new();
    drop_odd_pairs(&bench);
    bench.put("alone\u{1b}[31m.png", &numbered(99).0);
    bench.put("scan.gif", b"GIF89a");
    let run = cleanplate()
        .args(["folder", "--once", bench.root.to_str().unwrap()])
        .args(["--data", bench.data.to_str().unwrap(), "--backend", "cpu"])
        .output()
        .unwrap();
    check_odd_pairs(&bench);
    let said = String::from_utf8_lossy(&run.stderr);
    assert_eq!(
        run.status.code(),
        Some(1),
        "a photo without a mask is not done: {said}"
    );
    assert!(
        said.contains(
            "no mask: alone\\u{1b}[31m.png (waits for a mask: alone\\u{1b}[31m_mask.png)"
        ),
        "{said}"
    );
    assert!(
        said.contains("not taken: scan.gif (not of a type that is read"),
        "{said}"
    );
}

#[test]
fn nothing_that_lies_there_is_passed_over_in_silence() {
    let bench = Bench::new();
    let _daemon = Daemon::start(&bench.data, &bench.config("subfolder_depth_max = 1"));
    let (image, hole) = numbered(1);
    bench.put("lonely.png", &image);
    bench.put("sub/lonely.jpg", &image);
    bench.put("scan.heic", b"heic");
    bench.put("gone_mask.png", &hole);
    bench.put("gone.json", b"{}");
    bench.put("sub/deeper/a.png", &image);
    bench.put("typo.png", &numbered(2).0);
    bench.put("typo.json", br#"{"point":[[1,2]]}"#);
    let why = |name: &str| -> Option<String> {
        let status = bench
            .at("working/status.json")
            .exists()
            .then(|| bench.status())?;
        let left = status["left"].as_array()?.clone();
        let found = left.into_iter().find(|file| file["name"] == name)?;
        found["why"].as_str().map(str::to_string)
    };
    for (name, says) in [
        ("lonely.png", "waits for a mask: lonely_mask.png"),
        ("sub/lonely.jpg", "waits for a mask: sub/lonely_mask.png"),
        ("scan.heic", "not of a type that is read"),
        ("gone_mask.png", "its photo is not here"),
        ("gone.json", "its photo is not here"),
        ("sub/deeper", "deeper than `subfolder_depth_max`"),
        ("typo.png", "did you mean points?"),
    ] {
        wait_until(name, Duration::from_secs(30), || {
            why(name).is_some_and(|why| why.contains(says))
        });
    }
    assert_eq!(bench.status()["left_count"], 7);
    // What was missing comes, and each goes its way.
    bench.put("sub/lonely_mask.png", &hole);
    assert_eq!(
        bench.report("done", "sub/lonely")["photo"],
        "sub/lonely.jpg"
    );
    bench.put("typo.json", br#"{"comment":"none"}"#);
    bench.put("typo_mask.png", &numbered(2).1);
    let report = bench.report("done", "typo");
    assert!(
        report["warnings"][0]
            .as_str()
            .unwrap()
            .contains("no parameter \"comment\""),
        "{report}"
    );
}
