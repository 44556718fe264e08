//! Masks as people have them, through the API: which channel counts, what is said of a mask that was meant otherwise, and what
//! may come as a field of the form.

use crate::common::{Daemon, Form, REMOVAL, Reply, mask, photo, png, small_pair};
use serde_json::{Value, json};

/// A mask whose hole has this colour, on nothing.
fn stroke(colour: [u8; 4]) -> Vec<u8> {
    png(image::RgbaImage::from_fn(64, 48, |x, y| {
        let inside = (26..38).contains(&x) && (18..30).contains(&y);
        image::Rgba(if inside { colour } else { [0; 4] })
    }))
}

fn send(daemon: &Daemon, key: &str, query: &str, form: &Form) -> Reply {
    daemon.post(&format!("{REMOVAL}{query}"), Some(key), form)
}

/// The only fault of a 422 that charged nothing.
fn fault(reply: &Reply) -> Value {
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert_eq!(reply.status, 422, "{text}");
    assert_eq!(reply.header("X-Credits-Charged"), Some("0"));
    reply.json()["detail"][0].clone()
}

#[test]
fn a_mask_that_was_meant_otherwise_is_refused_with_what_to_send() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    let image = png(photo(64, 48));
    let ones = png(mask(64, 48, [26, 18, 38, 30])
        .pixels()
        .map(|p| p[0] / 255)
        .collect::<Vec<u8>>()
        .chunks(64)
        .enumerate()
        .fold(image::GrayImage::new(64, 48), |mut out, (y, row)| {
            (0..64).for_each(|x| out.put_pixel(x, y as u32, image::Luma([row[x as usize]])));
            out
        }));
    for (mask, kind, word) in [
        (
            stroke([189, 255, 1, 115]),
            "value_error.mask.empty",
            "#bdff01",
        ),
        (
            stroke([0, 0, 0, 255]),
            "value_error.mask.empty",
            "alpha channel",
        ),
        (ones, "value_error.mask.empty", "0 and 1"),
        (
            image.clone(),
            "value_error.mask.photo",
            "looks like a photo",
        ),
        (
            png(image::GrayImage::new(64, 48)),
            "value_error.mask.empty",
            "",
        ),
    ] {
        let detail = fault(&send(&daemon, &key, "", &Form::pair(&image, &mask)));
        assert_eq!(detail["loc"], json!(["body", "mask"]));
        assert_eq!(detail["type"], kind, "{detail}");
        assert!(detail["msg"].as_str().unwrap().contains(word), "{detail}");
    }
}

#[test]
fn alpha_counts_when_it_is_asked_for_in_the_query_or_the_form() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    let image = png(photo(64, 48));
    let form = Form::pair(&image, &stroke([189, 255, 1, 115]));
    let in_form = form.clone().file("mask_channel", "", b"alpha");
    for (query, form) in [
        ("?mask_channel=alpha&dilate=0", &form),
        ("?dilate=0", &in_form),
    ] {
        let reply = send(&daemon, &key, query, form);
        assert_eq!(
            reply.status,
            200,
            "{}",
            String::from_utf8_lossy(&reply.body)
        );
        let share = reply.json()["result"]["mask_share"].as_f64().unwrap();
        assert!((share - 144.0 / 3072.0).abs() < 1e-9, "{share}");
        assert_eq!(reply.json()["result"]["warnings"], json!([]));
    }
    let detail = fault(&send(&daemon, &key, "?mask_channel=alpha", &in_form));
    assert_eq!(detail["type"], "value_error.duplicate");
    let wrong = Form::pair(&image, &image).file("mask_channel", "", b"red");
    let detail = fault(&send(&daemon, &key, "", &wrong));
    assert_eq!(
        (&detail["loc"], &detail["type"]),
        (&json!(["body", "mask_channel"]), &json!("type_error.enum"))
    );
}

#[test]
fn a_large_or_inverted_mask_is_done_with_a_warning() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    let image = png(photo(64, 48));
    let warned = |hole: image::GrayImage| -> String {
        let reply = send(
            &daemon,
            &key,
            "?dilate=0&feather=0",
            &Form::pair(&image, &png(hole)),
        );
        assert_eq!(
            reply.status,
            200,
            "{}",
            String::from_utf8_lossy(&reply.body)
        );
        reply.json()["result"]["warnings"].to_string()
    };
    let half = warned(mask(64, 48, [0, 0, 32, 48]));
    assert!(
        half.contains("covers 50 %") && !half.contains("inverted"),
        "{half}"
    );
    let small = warned(mask(64, 48, [0, 0, 24, 48]));
    assert_eq!(small, "[]");
    let mut inverted = mask(64, 48, [20, 10, 52, 40]);
    inverted.pixels_mut().for_each(|p| p[0] = 255 - p[0]);
    let inverted = warned(inverted);
    assert!(inverted.contains("looks inverted"), "{inverted}");
}

#[test]
fn points_in_the_form_count_and_fields_that_nobody_reads_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "[pipelines]\nallowed = [\"patchmatch\"]\n");
    let key = daemon.key();
    let (image, hole) = small_pair();
    let only = Form::new().file("image", "p.png", &image);
    for (field, text, kind) in [
        ("points", "[[99,2]]", "value_error.out_of_image"),
        ("points", "[[1,", "value_error.jsondecode"),
        ("box", "[1,2,1,9]", "value_error.box.empty"),
    ] {
        let form = only.clone().file(field, "", text.as_bytes());
        let detail = fault(&send(&daemon, &key, "", &form));
        assert_eq!(
            (&detail["loc"], &detail["type"]),
            (&json!(["body", field]), &json!(kind))
        );
    }
    let back = only
        .clone()
        .file("points", "", b"[[9,9]]")
        .file("labels", "", b"[0.0]");
    let detail = fault(&send(&daemon, &key, "", &back));
    assert_eq!(detail["type"], "value_error.labels.no_foreground");
    let point = only.clone().file("points", "", b"[[9,9]]");
    let detail = fault(&send(&daemon, &key, "?pipeline=patchmatch", &point));
    assert_eq!(detail["type"], "value_error.pipeline.no_segmentation");
    let long = vec![b'x'; 70_000];
    for (field, words) in [
        ("imgae", vec!["did you mean image?"]),
        ("thumb", vec!["65536", "image and mask"]),
    ] {
        let form = Form::pair(&image, &hole).file(field, "t.png", &long);
        let detail = fault(&send(&daemon, &key, "", &form));
        assert_eq!(detail["loc"], json!(["body", field]));
        let text = detail["msg"].as_str().unwrap();
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
    }
    let form = Form::pair(&image, &hole).file("dry_run", "", b"true");
    let detail = fault(&send(&daemon, &key, "", &form));
    assert!(
        detail["msg"]
            .as_str()
            .unwrap()
            .contains("parameter of the query"),
        "{detail}"
    );
    // A short note of a client is read past.
    let form = Form::pair(&image, &hole).file("note", "", b"hello");
    assert_eq!(send(&daemon, &key, "?dry_run=1", &form).status, 200);
}

#[test]
fn a_batch_takes_the_channel_of_its_masks_from_query_or_form() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    let image = png(photo(64, 48));
    let pair = Form::new().file("images", "p.png", &image).file(
        "masks",
        "m.png",
        &stroke([189, 255, 1, 115]),
    );
    let in_form = pair.clone().file("mask_channel", "", b"alpha");
    let batch = |query: &str, form: &Form| {
        let path = format!("{REMOVAL}/batch{query}");
        daemon.post(&path, Some(&key), form)
    };
    for (query, form, done) in [
        ("?dilate=0", &pair, 0),
        ("?dilate=0&mask_channel=alpha", &pair, 1),
        ("?dilate=0", &in_form, 1),
    ] {
        let reply = batch(query, form).json();
        assert_eq!(reply["completed"], done, "{query}: {reply}");
        let result = &reply["results"][0];
        if done == 1 {
            let share = result["mask_share"].as_f64().unwrap();
            assert!((share - 144.0 / 3072.0).abs() < 1e-9, "{share}");
        } else {
            let why = result["error"].to_string();
            assert!(why.contains("mask_channel=alpha"), "{why}");
        }
    }
    let twice = batch("?mask_channel=luma", &in_form);
    assert_eq!(fault(&twice)["type"], "value_error.duplicate");
    let wrong = pair.clone().file("mask_channel", "", b"red");
    assert_eq!(
        fault(&batch("", &wrong))["loc"],
        json!(["body", "mask_channel"])
    );
}
