//! Every command of the README does what a reader expects of it.

use std::path::Path;
use std::process::Command;

use crate::common::{Daemon, root};

/// The commands of the README's shell blocks, one a line.
fn commands() -> Vec<String> {
    let text = std::fs::read_to_string(root().join("README.md")).unwrap();
    let mut found = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside {
            found.push(line.to_string());
        }
    }
    found
}

/// A folder with what the commands name: photo.jpg, mask.png, a folder of pairs, the repository's photos.
fn scratch(dir: &Path) {
    let photos = root().join("benches/photos");
    std::fs::create_dir_all(dir.join("benches")).unwrap();
    std::os::unix::fs::symlink(&photos, dir.join("benches/photos")).unwrap();
    let photo = image::open(photos.join("beach.png")).unwrap().to_rgb8();
    photo.save(dir.join("photo.jpg")).unwrap();
    std::fs::copy(photos.join("beach_mask.png"), dir.join("mask.png")).unwrap();
    std::fs::create_dir(dir.join("pairs")).unwrap();
    std::fs::copy(photos.join("boat.png"), dir.join("pairs/boat.png")).unwrap();
    std::fs::copy(
        photos.join("boat_mask.png"),
        dir.join("pairs/boat_mask.png"),
    )
    .unwrap();
}

fn shell(dir: &Path, line: &str, key: &str) -> (bool, String) {
    let binary = Path::new(env!("CARGO_BIN_EXE_cleanplate"));
    let path = std::env::var("PATH").unwrap_or_default();
    let out = Command::new("bash")
        .args(["-c", line])
        .current_dir(dir)
        .env(
            "PATH",
            format!("{}:{path}", binary.parent().unwrap().display()),
        )
        .env("HOME", dir)
        .env("XDG_DATA_HOME", dir.join("data"))
        .env("XDG_CONFIG_HOME", dir.join("config"))
        .env("CLEANPLATE_ENGINE_BACKEND", "cpu")
        .env("KEY", key)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (out.status.success(), text(&out.stdout) + &text(&out.stderr))
}

#[test]
fn every_command_of_the_readme_works() {
    let dir = tempfile::tempdir().unwrap();
    scratch(dir.path());
    let daemon = Daemon::start(&dir.path().join("served"), "");
    let key = daemon.key();
    let mut seen = Vec::new();
    for command in commands() {
        // The test command is what runs this test; cargo builds what is already built here.
        if command == "./tests/all.sh" {
            continue;
        }
        let line = command
            .replace("127.0.0.1:8080", &daemon.addr)
            .replace("cargo run --release -- ", "cleanplate ")
            .replace("curl ", "curl -sS --fail-with-body ");
        let (works, said) = shell(dir.path(), &line, &key);
        assert!(works, "{command}\n{said}");
        if command.contains("object-removal") {
            assert!(
                said.contains("\"status\":\"completed\""),
                "{command}\n{said}"
            );
        }
        seen.push(command);
    }
    assert!(
        seen.len() >= 8,
        "only {} commands found: {seen:?}",
        seen.len()
    );
    for made in ["clean.png", "out.jpg", "mask.png"] {
        assert!(dir.path().join(made).is_file(), "{made} was not made");
    }
    let results = std::fs::read_dir(dir.path().join("pairs/output")).unwrap();
    assert_eq!(results.count(), 1);
}
