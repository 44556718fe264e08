//! Where points and boxes lie: photos on their side, and the command line.

use super::*;

#[test]
fn prompts_and_masks_are_in_the_displayed_orientation() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = start(dir.path(), "");
    let key = daemon.key();
    let form = Form::new().file("image", "p.jpg", &on_its_side(80, 40));
    let ask = |query: &str| daemon.post(&with(SEGMENTATION, query), Some(&key), &form);
    // Displayed it is 40 wide and 80 high.
    assert_eq!(gray(&ask("points=[[20,70]]")).dimensions(), (40, 80));
    let outside = ask("points=[[70,20]]");
    assert_eq!(
        (outside.status, &outside.json()["detail"][0]["type"]),
        (422, &Value::from("value_error.out_of_image"))
    );
}

#[test]
fn the_command_line_takes_points_and_boxes() {
    let dir = tempfile::tempdir().unwrap();
    import_model(dir.path(), &published(dir.path()), "tiny");
    let (bytes, [width, height]) = known_photo(&answers());
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    std::fs::write(at("p.png"), bytes).unwrap();
    let run = |args: &[&str]| {
        let data = dir.path().to_str().unwrap();
        let fixed = [
            "--pipeline",
            "clicked",
            "--backend",
            "cpu",
            "--json",
            "--data",
            data,
        ];
        cleanplate()
            .args([
                "run",
                &at("p.png"),
                "-o",
                &at("out.png"),
                "--mask-out",
                &at("m.png"),
            ])
            .args(args)
            .args(fixed)
            .output()
            .unwrap()
    };
    let report = json(&run(&["--point", "320,213.5"]));
    assert!(
        report["predicted_iou"].is_number() && report["mask_share"].as_f64().unwrap() > 0.0,
        "{report}"
    );
    let mask = image::open(at("m.png")).unwrap().to_luma8();
    assert_eq!(mask.dimensions(), (width, height));
    assert!(
        overlap(
            &mask,
            &answers()
                .get("case0.prompt0.expect.mask_u8")
                .unwrap()
                .to_bytes()
                .unwrap()
        ) > 0.99
    );
    assert_eq!(
        image::open(at("out.png")).unwrap().to_rgb8().dimensions(),
        (width, height)
    );
    json(&run(&["--point", "320,213.5", "--point", "100,300,1"]));
    assert!(image::open(at("m.png")).unwrap().to_luma8() != mask);
    // This network takes nearly the whole photo for it, which nobody points at.
    let whole = run(&["--point", "256,213.5,0", "--box", "576,384.3,64,42.7"]);
    assert_eq!(whole.status.code(), Some(1));
    let told = String::from_utf8_lossy(&whole.stderr);
    assert!(told.contains("covers the whole image"), "{told}");
    for (args, code) in [
        (&["--point", "1"][..], 2),
        (&["--point", "1,2,7"], 2),
        (&["--point", "1,nan"], 2),
        (&["--box", "1,2,3"], 2),
        (&["--point", "9999,2"], 1),
        (&[], 1),
    ] {
        let failed = run(args);
        assert_eq!(
            failed.status.code(),
            Some(code),
            "{args:?}: {}",
            String::from_utf8_lossy(&failed.stderr)
        );
    }
}
