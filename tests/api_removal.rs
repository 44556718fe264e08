//! The main job over HTTP: photo and mask in, the object gone in the photo that comes back, charged to the key.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::common::{Daemon, Form, REMOVAL, mask, photo, png, small_pair, wait_until};

#[test]
fn a_removal_returns_the_documented_reply_and_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    let (image, hole) = small_pair();

    let reply = daemon.post(REMOVAL, Some(&key), &Form::pair(&image, &hole));
    assert_eq!(
        reply.status,
        200,
        "{}",
        String::from_utf8_lossy(&reply.body)
    );
    let body = reply.json();
    assert_eq!(body["status"], "completed");
    assert!(body["error"].is_null());
    let result = &body["result"];
    assert_eq!(result["job_id"], body["job_id"]);
    assert_eq!(result["status"], "completed");
    assert_eq!(result["input_filename"], "photo.png");
    assert_eq!(
        (
            result["original_width"].as_u64(),
            result["original_height"].as_u64()
        ),
        (Some(64), Some(48))
    );
    assert_eq!(
        (
            result["output_width"].as_u64(),
            result["output_height"].as_u64()
        ),
        (Some(64), Some(48))
    );
    assert_eq!(result["credits_used"], 3);
    assert!(result["processing_time_ms"].as_f64().unwrap() > 0.0);
    assert_eq!(reply.header("X-Credits-Charged"), Some("3"));
    assert_eq!(reply.header("X-Credits-Remaining"), Some("97"));
    assert!(reply.header("X-Request-Id").is_some());
    for name in [
        "X-RateLimit-Limit",
        "X-RateLimit-Remaining",
        "X-RateLimit-Reset",
        "RateLimit",
        "RateLimit-Policy",
    ] {
        assert!(reply.header(name).is_some(), "{name} is missing");
    }

    let url = result["output_url"].as_str().unwrap();
    let file = daemon.get(url, None);
    assert_eq!(file.status, 200);
    let before = photo(64, 48);
    let after = image::load_from_memory(&file.body).unwrap().to_rgb8();
    assert_eq!(after.dimensions(), (64, 48));
    // Far outside the grown and feathered mask every pixel is the photo's.
    for (x, y, pixel) in after.enumerate_pixels() {
        let far = !(10..54).contains(&x) || !(2..46).contains(&y);
        assert!(
            !far || pixel == before.get_pixel(x, y),
            "pixel {x},{y} changed"
        );
    }
    let inside = (26..38).flat_map(|x| (18..30).map(move |y| (x, y)));
    let changed = inside
        .filter(|(x, y)| after.get_pixel(*x, *y) != before.get_pixel(*x, *y))
        .count();
    assert!(
        changed > 100,
        "only {changed} of 144 pixels of the hole changed"
    );
}

/// All that comes back for a HEAD request, names of headers in small letters.
fn head_of(daemon: &Daemon, path: &str) -> String {
    let mut stream = TcpStream::connect(&daemon.addr).unwrap();
    write!(
        stream,
        "HEAD {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut reply = String::new();
    stream.read_to_string(&mut reply).unwrap();
    let lower = |line: &str| match line.split_once(": ") {
        Some((name, value)) => format!("{}: {value}", name.to_ascii_lowercase()),
        None => line.to_string(),
    };
    reply
        .split("\r\n")
        .map(lower)
        .collect::<Vec<_>>()
        .join("\r\n")
}

#[test]
fn a_result_is_fetched_in_another_format() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let (image, hole) = small_pair();
    let reply = daemon.post(REMOVAL, Some(&daemon.key()), &Form::pair(&image, &hole));
    let body = reply.json();
    let url = body["result"]["output_url"].as_str().unwrap();
    let get = |form: &str| daemon.get(&format!("{url}{form}"), None);
    let own = get("");
    let picture = |bytes: &[u8]| image::load_from_memory(bytes).unwrap().to_rgb8();
    let jpeg = get("&output_format=jpeg&quality=95");
    assert_eq!(
        (jpeg.status, jpeg.header("Content-Type")),
        (200, Some("image/jpeg"))
    );
    assert!(
        jpeg.header("Content-Disposition")
            .unwrap()
            .ends_with(".jpg\"")
    );
    assert_ne!(jpeg.header("ETag"), own.header("ETag"));
    let (before, after) = (picture(&own.body), picture(&jpeg.body));
    assert_eq!(before.dimensions(), after.dimensions());
    let off: u64 = before
        .iter()
        .zip(after.iter())
        .map(|(a, b)| u64::from(a.abs_diff(*b)))
        .sum();
    assert!(
        off < 6 * before.len() as u64,
        "the colours differ by {off} in {}",
        before.len()
    );
    assert!(get("&output_format=jpeg&quality=20").body.len() < jpeg.body.len());
    let tiff = get("&output_format=tiff");
    assert_eq!(tiff.header("Content-Type"), Some("image/tiff"));
    assert!(tiff.body.starts_with(b"II*\0"));
    assert!(
        get("&output_format=png").body == own.body,
        "its own format is the stored file"
    );
    let ignored = get("&quality=80&candidates=9&set=x");
    assert_eq!(ignored.status, 200, "other parameters are ignored");
    assert!(ignored.body == own.body, "a PNG has no quality");
    let mask = body["result"]["mask_url"].as_str().unwrap();
    let mask = daemon.get(&format!("{mask}&output_format=jpeg"), None);
    assert_eq!(mask.header("Content-Type"), Some("image/png"));
    let path = &url[url.find("/v1/").unwrap()..];
    let head = head_of(&daemon, &format!("{path}&output_format=jpeg"));
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains("content-type: image/jpeg"), "{head}");
    assert!(
        !head.contains("content-length"),
        "not made for its head: {head}"
    );
    assert!(head.ends_with("\r\n\r\n"), "a body: {head}");
    for (form, status) in [
        ("&output_format=gif", 422),
        ("&quality=0", 422),
        ("x&output_format=jpeg", 400),
    ] {
        assert_eq!(get(form).status, status, "{form}");
    }
    let forged = url.replace("expires=", "expires=9") + "&output_format=jpeg";
    assert_eq!(daemon.get(&forged, None).status, 403);
}

#[test]
fn files_answer_ranges_etags_and_refuse_tampering() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    let (image, hole) = small_pair();
    let body = daemon
        .post(REMOVAL, Some(&key), &Form::pair(&image, &hole))
        .json();
    let url = body["result"]["output_url"].as_str().unwrap().to_string();

    let whole = daemon.get(&url, None);
    assert!(whole.header("ETag").is_some());
    assert!(
        whole
            .header("Content-Disposition")
            .unwrap()
            .contains("attachment")
    );
    assert_eq!(whole.header("X-Content-Type-Options"), Some("nosniff"));
    assert_eq!(whole.header("Content-Type"), Some("image/png"));

    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .build()
        .into();
    let mut part = agent
        .get(&url)
        .header("Range", "bytes=8-15")
        .call()
        .unwrap();
    assert_eq!(part.status().as_u16(), 206);
    assert_eq!(part.body_mut().read_to_vec().unwrap(), &whole.body[8..16]);
    let cached = agent
        .get(&url)
        .header("If-None-Match", whole.header("ETag").unwrap())
        .call()
        .unwrap();
    assert_eq!(cached.status().as_u16(), 304);

    let (path, query) = url.split_once('?').unwrap();
    let flipped = format!("{path}?{}", query.replace("sig=", "sig=A"));
    assert!([400, 403].contains(&daemon.get(&flipped, None).status));
    let expires: u64 = query.split(['=', '&']).nth(1).unwrap().parse().unwrap();
    let later = url.replace(
        &format!("expires={expires}"),
        &format!("expires={}", expires + 1),
    );
    assert_eq!(daemon.get(&later, None).status, 403);
    assert_eq!(daemon.get(&format!("{path}?expires=1"), None).status, 400);
    assert_eq!(daemon.get(path, None).status, 400);
    let mask_url = url.replace(
        path.rsplit('/').next().unwrap(),
        &format!("{}/mask", path.rsplit('/').next().unwrap()),
    );
    assert_eq!(
        daemon.get(&mask_url, None).status,
        403,
        "the result's signature must not open the mask"
    );
}

#[test]
fn every_fill_can_be_had_within_one_charge() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    let form = Form::pair(
        &png(photo(160, 120)),
        &png(mask(160, 120, [60, 40, 100, 80])),
    );
    let plain = daemon.post(REMOVAL, Some(&key), &form).json();
    assert_eq!(plain["result"]["candidates"], serde_json::json!([]));

    let reply = daemon.post(&format!("{REMOVAL}?candidates=4"), Some(&key), &form);
    assert_eq!(reply.header("X-Credits-Charged"), Some("3"));
    let body = reply.json();
    let result = &body["result"];
    let candidates = result["candidates"].as_array().unwrap();
    let names: BTreeSet<&str> = candidates
        .iter()
        .map(|c| c["name"].as_str().unwrap())
        .collect();
    assert_eq!(candidates.len(), 3, "{body}");
    assert_eq!(names, BTreeSet::from(["closer", "network", "patches"]));
    let (first, second, third) = (&candidates[0], &candidates[1], &candidates[2]);
    assert_eq!(
        (&first["chosen"], &second["chosen"]),
        (&true.into(), &false.into())
    );
    assert!(first["score"].as_f64() >= second["score"].as_f64());
    assert!(second["score"].as_f64() >= third["score"].as_f64());

    let of = |url: &serde_json::Value| {
        let file = daemon.get(url.as_str().unwrap(), None);
        assert_eq!(
            (file.status, file.header("Content-Type")),
            (200, Some("image/png"))
        );
        file.body
    };
    assert_eq!(
        of(&result["output_url"]),
        of(&plain["result"]["output_url"])
    );
    assert_eq!(of(&first["url"]), of(&result["output_url"]));
    assert_ne!(of(&second["url"]), of(&first["url"]));
    assert_ne!(of(&third["url"]), of(&second["url"]));
    let url = second["url"].as_str().unwrap();
    let other = url.replace("/candidates/1?", "/candidates/0?");
    assert_eq!(daemon.get(&other, None).status, 403, "one signature each");

    let job = format!("/v1/jobs/{}", body["job_id"].as_str().unwrap());
    let told = daemon.get(&job, Some(&key)).json();
    assert_eq!(told["choices"][0]["candidate"], first["name"]);
    assert_eq!(told["result"]["candidates"][1]["name"], second["name"]);

    let too_many = daemon.post(&format!("{REMOVAL}?candidates=5"), Some(&key), &form);
    assert_eq!(too_many.status, 422);
    assert_eq!(
        too_many.json()["detail"][0]["loc"],
        serde_json::json!(["query", "candidates"])
    );
}

#[test]
fn a_signed_url_expires() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "[results]\nurl_ttl_s = 1\n");
    let (image, hole) = small_pair();
    let body = daemon
        .post(REMOVAL, Some(&daemon.key()), &Form::pair(&image, &hole))
        .json();
    let url = body["result"]["output_url"].as_str().unwrap().to_string();
    wait_until(
        "the address is void",
        std::time::Duration::from_secs(20),
        || match daemon.get(&url, None).status {
            200 => false,
            status => {
                assert_eq!(status, 410);
                true
            }
        },
    );
}

#[test]
fn jobs_and_accounts_are_private_to_their_key() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    let (image, hole) = small_pair();
    let body = daemon
        .post(REMOVAL, Some(&key), &Form::pair(&image, &hole))
        .json();
    let job = format!("/v1/jobs/{}", body["job_id"].as_str().unwrap());
    let mine = daemon.get(&job, Some(&key));
    assert_eq!(mine.status, 200);
    assert_eq!(mine.json()["result"]["credits_used"], 3);

    let theirs = daemon.key_of("other", 0);
    assert_eq!(daemon.get(&job, Some(&theirs)).status, 404);
    assert_eq!(daemon.get(&job, None).status, 401);
    assert_eq!(daemon.get("/v1/account", Some(&key)).json()["balance"], 97);
    assert_eq!(
        daemon.get("/v1/account", Some(&theirs)).json()["balance"],
        0
    );
}

#[test]
fn kinds_of_pictures_come_back_as_they_were() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    let hole = png(mask(64, 48, [26, 18, 38, 30]));
    let rgb = photo(64, 48);
    let gray16 =
        image::ImageBuffer::from_fn(64, 48, |x, y| image::Luma([(x * 1000 + y * 37) as u16]));
    let rgba = image::RgbaImage::from_fn(64, 48, |x, y| {
        image::Rgba([x as u8, y as u8, 99, (x * 4) as u8])
    });
    let jpeg = crate::common::encode(rgb.clone(), image::ImageFormat::Jpeg);
    let webp = crate::common::encode(rgb, image::ImageFormat::WebP);
    let inputs = [
        (png(gray16.clone()), "png"),
        (png(rgba.clone()), "png"),
        (jpeg, "jpeg"),
        (webp, "webp"),
    ];
    for (bytes, kind) in &inputs {
        let reply = daemon.post(REMOVAL, Some(&key), &Form::pair(bytes, &hole));
        assert_eq!(
            reply.status,
            200,
            "{kind}: {}",
            String::from_utf8_lossy(&reply.body)
        );
        let file = daemon.get(reply.json()["result"]["output_url"].as_str().unwrap(), None);
        assert_eq!(
            file.header("Content-Type"),
            Some(format!("image/{kind}").as_str())
        );
        let (was, is) = (
            image::load_from_memory(bytes).unwrap(),
            image::load_from_memory(&file.body).unwrap(),
        );
        assert_eq!(is.color(), was.color(), "{kind} changed its kind");
        if was.color() == image::ColorType::Rgba8 {
            let alpha =
                |p: &image::DynamicImage| p.to_rgba8().pixels().map(|p| p[3]).collect::<Vec<_>>();
            assert_eq!(alpha(&is), alpha(&was), "alpha changed");
        }
    }
}

#[test]
fn a_file_may_have_a_name_in_any_encoding() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    let (image, hole) = small_pair();
    let latin: &[u8] = b"stra\xdfe.png";
    let gbk: &[u8] = b"\xd5\xd5\xc6\xac.png";
    let (shift_jis, backslash): (&[u8], &[u8]) = (b"\x8e\xca\x90^.png", b"\x95\\");
    for name in [latin, gbk, shift_jis, backslash, "\u{5199}.png".as_bytes()] {
        let form = Form::new()
            .file("image", name, &image)
            .file("mask", name, &hole);
        let path = format!("{REMOVAL}?dry_run=true");
        let reply = daemon.post(&path, Some(&key), &form);
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert_eq!(reply.status, 200, "{name:?}: {text}");
        let batch = Form::new()
            .file("images", name, &image)
            .file("masks", name, &hole);
        let path = format!("{REMOVAL}/batch?dry_run=true");
        let reply = daemon.post(&path, Some(&key), &batch);
        assert_eq!(reply.status, 200, "{name:?}");
        assert_eq!(reply.json()["valid"], 1, "{name:?}");
    }
    let form = Form::new()
        .file("image", latin, &image)
        .file("mask", "m.png", &hole);
    let reply = daemon.post(REMOVAL, Some(&key), &form).json();
    assert_eq!(reply["result"]["input_filename"], "stra\u{fffd}e.png");
    // Control characters are in no encoding of a name: a header cannot hold them.
    let form = Form::new()
        .file("image", b"a\0b.png", &image)
        .file("mask", "m.png", &hole);
    let reply = daemon.post(REMOVAL, Some(&key), &form);
    let said = reply.json()["detail"][0]["msg"].to_string();
    assert!(
        reply.status == 422 && said.contains("such as NUL"),
        "{said}"
    );
}

#[test]
fn a_result_in_another_format_takes_room_of_its_keys_uploads() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "[limits]\nuploads_per_key_mib_max = 1\n");
    let mut sent = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut sent, 30);
    let noise = |i: u32| (i.wrapping_mul(2_654_435_761) ^ 0x5bd1).wrapping_mul(i ^ 40_503) >> 17;
    let rough = image::RgbImage::from_fn(1000, 800, |x, y| {
        image::Rgb([0, 1, 2].map(|channel| noise(3 * (y * 1000 + x) + channel) as u8))
    });
    rough.write_with_encoder(encoder).unwrap();
    let form = Form::pair(&sent, &png(mask(1000, 800, [40, 40, 60, 60])));
    let body = daemon.post(REMOVAL, Some(&daemon.key()), &form).json();
    let url = body["result"]["output_url"].as_str().unwrap();
    assert_eq!(daemon.get(url, None).status, 200);
    // Without loss it has more than 1 MiB, as a JPEG it has less.
    let tiff = daemon.get(&format!("{url}&output_format=tiff"), None);
    assert_eq!(
        (tiff.status, tiff.json()["code"].as_str().unwrap()),
        (429, "queue_full")
    );
    assert!(tiff.header("Retry-After").is_some());
    let jpeg = format!("{url}&output_format=jpeg");
    let mut sent = 0;
    while sent <= 2 << 20 {
        let reply = daemon.get(&jpeg, None);
        assert_eq!(reply.status, 200, "after {sent} bytes room is given back");
        assert!(!reply.body.is_empty());
        sent += reply.body.len();
    }
}
