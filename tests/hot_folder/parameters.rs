//! Sidecars, masks by size, other formats, and what happens after a pair has ended.

use super::*;
use crate::api_webhooks::receiver;
use cleanplate_pictures::{EncodeOptions, Format, Limits, Samples, decode};
use hmac::{Hmac, Mac};

/// Fill of one colour round the hole, so that each way to say what to remove is seen in the result.
fn plain(width: u32, height: u32, spot: [u32; 4]) -> Vec<u8> {
    let hole = mask(width, height, spot);
    png(image::RgbImage::from_fn(width, height, |x, y| {
        if hole.get_pixel(x, y).0[0] > 0 {
            image::Rgb([250, 10, 10])
        } else {
            image::Rgb([20, 120, 60])
        }
    }))
}

/// Whether the spot is gone.
fn is_clean(path: &Path) -> bool {
    wait_for(path);
    let picture = image::open(path).unwrap().to_rgb8();
    picture.pixels().all(|pixel| pixel.0[0] < 120)
}

#[test]
fn sidecars_carry_the_parameters_of_a_request() {
    let bench = Bench::new();
    let _daemon = Daemon::start(&bench.data, &bench.config(""));
    let (image, hole) = numbered(1);
    bench.put(
        "sub/_folder.json",
        br#"{"output_format":"webp","dilate":3}"#,
    );
    bench.put(
        "a.JSON",
        b"\xef\xbb\xbf{\"output_format\":\"jpeg\",\"quality\":60,\"dialte\":1}",
    );
    bench.put("a_mask.png", &hole);
    bench.put("a.png", &image);
    let report = bench.report("done", "a");
    assert_eq!(report["result"]["name"], "a.jpg");
    assert!(
        report["warnings"][0]
            .as_str()
            .unwrap()
            .contains("did you mean dilate?"),
        "{report}"
    );
    bench.put("sub/b_mask.png", &hole);
    bench.put("sub/b.png", &image);
    let report = bench.report("done", "sub/b");
    assert_eq!(report["result"]["name"], "sub/b.webp");

    for (name, text, says) in [
        ("bad", r#"{"quality":0}"#.to_string(), "quality: ensure"),
        (
            "other",
            r#"{"pipeline":"nobody"}"#.to_string(),
            "pipelines.allowed",
        ),
        (
            "set",
            r#"{"set":{"sam.secret":1}}"#.to_string(),
            "pipelines.settable",
        ),
        (
            "huge",
            format!("{{\"comment\":\"{}\"}}", "x".repeat(70_000)),
            "bytes, at most",
        ),
    ] {
        bench.put(&format!("{name}.json"), text.as_bytes());
        bench.put(&format!("{name}_mask.png"), &hole);
        bench.put(&format!("{name}.png"), &image);
        let report = bench.report("failed", name);
        let detail = report["error"]["detail"].as_str().unwrap();
        assert!(detail.contains(says), "{name}: {report}");
    }
}

#[test]
fn masks_by_size_and_masks_of_shots_are_for_many_photos() {
    let bench = Bench::new();
    let daemon = Daemon::start(&bench.data, &bench.config(""));
    // At half its size and in another folder, the spot lies where the scaled mask says.
    bench.put(
        "masks/by-size/96x64.png",
        &png(mask(96, 64, [70, 44, 90, 58])),
    );
    bench.put("whole.png", &plain(96, 64, [72, 46, 88, 56]));
    bench.put("sub/half.png", &plain(48, 32, [36, 23, 44, 28]));
    bench.put("square.png", &plain(40, 40, [10, 10, 12, 12]));
    assert!(is_clean(&bench.at("output/whole.png")));
    assert!(is_clean(&bench.at("output/sub/half.png")));
    assert_eq!(
        bench.report("done", "sub/half")["mask"],
        "masks/by-size/96x64.png"
    );
    wait_until("the missing size is named", Duration::from_secs(30), || {
        let left = bench.status()["left"].to_string();
        left.contains("square.png") && left.contains("masks/by-size/40x40.png")
    });

    // Misnamed, it would mark another place in photos of the size in its name.
    bench.put("masks/by-size/80x80.png", &png(mask(40, 40, [0, 0, 9, 9])));
    bench.put("named.png", &plain(80, 80, [10, 10, 12, 12]));
    wait_until("the misnamed mask is told", Duration::from_secs(30), || {
        let left = bench.status()["left"].to_string();
        left.contains("80x80.png: its name says 80x80, but it has 40x40 pixels")
    });
    assert!(bench.at("named.png").exists());

    bench.put("shot/shot_mask.png", &png(mask(48, 32, [10, 10, 20, 20])));
    for frame in [8, 9, 10] {
        let spot = [11, 11, 18, 17 + frame % 3];
        bench.put(&format!("shot/shot_{frame}.png"), &plain(48, 32, spot));
    }
    for frame in [8, 9, 10] {
        let name = format!("shot/shot_{frame}");
        assert!(is_clean(&bench.at(&format!("output/{name}.png"))), "{name}");
        let report = bench.report("done", &name);
        assert_eq!(report["frame"]["shot"], "shot");
        assert_eq!(report["mask"], "shot/shot_mask.png");
        let reason = report["result"]["timings"]["choices"][0]["reason"].to_string();
        assert_eq!(
            reason.contains("frame before"),
            frame > 8,
            "{name}: {reason}"
        );
    }
    assert!(
        bench.at("shot/shot_mask.png").exists(),
        "the mask of a shot stays"
    );
    assert_eq!(credits(&daemon), (10_000 - 15, 0));
}

#[test]
fn sixteen_bits_and_tiff_go_through_as_they_are() {
    let bench = Bench::new();
    let _daemon = Daemon::start(
        &bench.data,
        &bench.config("output_name = \"{stem}_clean.{ext}\"\nmask_copy = true"),
    );
    let deep = png(image::ImageBuffer::from_fn(64, 48, |x, y| {
        let value = |c: u32| (x * 700 + y * 300 + c * 5000 + (x * 7919 + y * 104_729) % 997) as u16;
        image::Rgb([value(0), value(1), value(2)])
    }));
    let options = EncodeOptions {
        format: Some(Format::Tiff),
        quality: None,
    };
    let photo = decode(&deep, &Limits::default()).unwrap();
    let hole = mask(64, 48, [24, 18, 32, 26]);
    let tiff_mask = decode(&png(hole.clone()), &Limits::default()).unwrap();
    bench.put("deep.png", &deep);
    bench.put("deep_mask.png", &png(hole));
    bench.put("scan.tiff", &photo.encode(&options).unwrap());
    bench.put("scan_mask.tif", &tiff_mask.encode(&options).unwrap());
    for (name, result) in [("deep", "deep_clean.png"), ("scan", "scan_clean.tif")] {
        let report = bench.report("done", name);
        assert_eq!(report["result"]["name"], result);
        let bytes = fs::read(bench.at(&format!("output/{result}"))).unwrap();
        let after = decode(&bytes, &Limits::default()).unwrap();
        let (Samples::U16(before), Samples::U16(after)) = (&photo.samples, &after.samples) else {
            panic!("{name} lost its 16 bits")
        };
        let changed = before.iter().zip(after).filter(|(a, b)| a != b).count();
        assert!(changed > 0 && before[..64 * 3] == after[..64 * 3], "{name}");
        let kept = report["result"]["mask"].as_str().unwrap();
        let used = image::open(bench.at("output").join(kept))
            .unwrap()
            .to_luma8();
        assert!(used.get_pixel(28, 22).0[0] == 255 && used.get_pixel(1, 1).0[0] == 0);
    }
}

#[test]
fn the_end_of_a_pair_is_told_by_webhook_command_sheet_and_csv() {
    let bench = Bench::new();
    let copies = bench.root.parent().unwrap().join("copies");
    fs::create_dir(&copies).unwrap();
    let (url, calls) = receiver(&[200]);
    let more = format!(
        "webhook_url = {url:?}\ncontact_sheet = true\non_done = [\"/bin/cp\", \"{{report}}\", {copies:?}]\n[webhooks]\nallowed_hosts = [\"127.0.0.1\"]\n"
    );
    let config = bench.config(&more).replace(
        "settle_ms = 150\n",
        "settle_ms = 150\ncommands = [\"/bin/cp\"]\n",
    );
    let daemon = Daemon::start(&bench.data, &config);
    let (image, hole) = numbered(1);
    bench.put("good_mask.png", &hole);
    bench.put("good.png", &image);
    let call = calls.recv_timeout(Duration::from_secs(60)).unwrap();
    let secret = daemon.cli(&["folder", "--webhook-secret"]);
    let secret = String::from_utf8(secret.stdout).unwrap();
    let mut mac = <Hmac<sha2::Sha256> as Mac>::new_from_slice(secret.trim().as_bytes()).unwrap();
    mac.update(call.header("x-cleanplate-timestamp").as_bytes());
    mac.update(b".");
    mac.update(&call.body);
    let wanted: String = mac
        .finalize()
        .into_bytes()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        call.header("x-cleanplate-signature"),
        format!("v1={wanted}")
    );
    let body: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(
        (
            body["status"].as_str(),
            body["result"]["input_filename"].as_str()
        ),
        (Some("completed"), Some("good.png"))
    );
    let address = body["result"]["output_url"].as_str().unwrap();
    assert_eq!(daemon.get(address, None).status, 200);

    bench.put("odd_mask.png", &small_pair().1);
    bench.put("odd.png", &image);
    // A command runs for every pair that ended, and reads its report.
    wait_for(&copies.join("good.report.json"));
    wait_for(&copies.join("odd.report.json"));
    fs::write(bench.at("failed/cut.report.json"), b"{").unwrap();
    let day = daemon.cli(&["folder", "--report", bench.root.to_str().unwrap()]);
    let text = String::from_utf8(day.stdout).unwrap();
    let told = String::from_utf8(day.stderr).unwrap();
    assert!(
        told.contains("left out: failed/cut.report.json (it is no JSON")
            && told.contains("reports left out: 1;"),
        "{told}"
    );
    assert!(
        text.contains(",done,good.png,") && text.contains(",failed,odd.png,"),
        "{text}"
    );
    assert!(
        text.lines()
            .next()
            .unwrap()
            .starts_with("date,time,status,photo"),
        "{text}"
    );
    let sheet = || {
        let names = fs::read_dir(bench.at("output"))
            .unwrap()
            .map(|entry| entry.unwrap().path());
        names
            .into_iter()
            .find(|path| path.extension().is_some_and(|ending| ending == "html"))
    };
    wait_until("the contact sheet", Duration::from_secs(60), || {
        sheet().is_some()
    });
    let page = fs::read_to_string(sheet().unwrap()).unwrap();
    assert_eq!(page.matches("data:image/jpeg").count(), 3, "{page}");
}

#[test]
fn commands_and_names_that_are_not_allowed_are_refused_at_the_start() {
    let bench = Bench::new();
    fs::create_dir_all(&bench.data).unwrap();
    let file = bench.data.join("check.toml");
    for (more, says) in [
        (
            "on_done = [\"/bin/sh\", \"-c\", \"true\"]",
            "hot_folders.commands",
        ),
        ("on_done = [\"sh\"]", "absolute path"),
        ("output_name = \"../{stem}.{ext}\"", "no slash"),
        ("webhook_url = \"ftp://example.com/\"", "http://"),
        ("subfolder_depth_max = 99", "32"),
    ] {
        fs::write(&file, bench.config(more)).unwrap();
        let checked = cleanplate()
            .args(["config", "check", file.to_str().unwrap()])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(
            !checked.status.success() && said.contains(says),
            "{more}: {said}"
        );
    }
}
