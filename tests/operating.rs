//! What an operator does: back up and restore, watch, reload, keep secrets in files, meet a port in use; and plugins of their own.

use std::io::Write;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use crate::common::{
    Daemon, Form, REMOVAL, cleanplate, free_port, json, mask, photo, png, run, small_pair,
    wait_until,
};

fn text(output: &Output) -> String {
    let both = [output.stdout.as_slice(), &output.stderr].concat();
    String::from_utf8_lossy(&both).into_owned()
}

fn removed(daemon: &Daemon, key: &str) -> String {
    let (image, hole) = small_pair();
    let reply = daemon
        .post(REMOVAL, Some(key), &Form::pair(&image, &hole))
        .json();
    reply["result"]["output_url"].as_str().unwrap().to_string()
}

fn backup(daemon: &Daemon, file: &Path, more: &[&str]) -> Output {
    daemon.cli(&[&["backup", file.to_str().unwrap()], more].concat())
}

fn restore(file: &Path, data: &Path, more: &[&str]) -> Output {
    let args = [
        "restore",
        file.to_str().unwrap(),
        "--data",
        data.to_str().unwrap(),
    ];
    cleanplate().args(args).args(more).output().unwrap()
}

/// Where the path of an address leads on another daemon.
fn path_of(url: &str) -> &str {
    &url[url.find("/v1/files/").unwrap()..]
}

#[test]
fn a_backup_of_a_running_daemon_is_a_daemon_again() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("first"), dir.path().join("second"));
    let daemon = Daemon::start(&first, "");
    let key = daemon.key();
    let url = removed(&daemon, &key);
    let picture = daemon.get(&url, None).body;
    let (small, all) = (dir.path().join("small.tar"), dir.path().join("all.tar"));
    for (file, more) in [(&small, &[][..]), (&all, &["--results"][..])] {
        let made = backup(&daemon, file, more);
        assert!(made.status.success(), "{}", text(&made));
    }
    let again = backup(&daemon, &all, &[]);
    assert!(
        !again.status.success() && text(&again).contains("exists"),
        "{}",
        text(&again)
    );
    // Nothing is put under a running daemon, nor over what is there.
    let running = restore(&all, &first, &["--force"]);
    assert!(
        text(&running).contains("stop it first"),
        "{}",
        text(&running)
    );
    removed(&daemon, &key);
    daemon.terminate_and_wait();
    let there = restore(&all, &first, &[]);
    assert!(
        !there.status.success() && text(&there).contains("--force"),
        "{}",
        text(&there)
    );
    let made = restore(&all, &second, &["--json"]);
    assert!(made.status.success(), "{}", text(&made));
    assert_eq!(
        (&json(&made)["accounts"], &json(&made)["jobs"]),
        (&1.into(), &1.into())
    );
    let daemon = Daemon::start(&second, "");
    let account = daemon.get("/v1/account", Some(&key)).json();
    assert_eq!(
        account["balance"], 97,
        "as it was when the backup was taken"
    );
    let again = daemon.get(path_of(&url), None);
    assert_eq!(
        (again.status, &again.body),
        (200, &picture),
        "the old address still holds"
    );
    daemon.terminate_and_wait();
    // Without results, over what is there: it moves aside, and the result is gone.
    let made = restore(&small, &second, &["--force", "--json"]);
    assert!(made.status.success(), "{}", text(&made));
    let kept = Path::new(json(&made)["before"].as_str().unwrap()).join("cleanplate.db");
    assert!(kept.is_file());
    let daemon = Daemon::start(&second, "");
    assert_eq!(daemon.get("/v1/account", Some(&key)).json()["balance"], 97);
    assert_eq!(daemon.get(path_of(&url), None).status, 410);
}

#[test]
fn a_damaged_or_foreign_backup_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let daemon = Daemon::start(&data, "");
    let good = dir.path().join("good.tar");
    assert!(backup(&daemon, &good, &[]).status.success());
    daemon.terminate_and_wait();
    let bytes = std::fs::read(&good).unwrap();
    let bad = dir.path().join("bad.tar");
    let target = dir.path().join("target");
    // Cut short; a page of the database overwritten; another archive; a name that leads out.
    let page = bytes
        .windows(16)
        .position(|at| at == b"SQLite format 3\0")
        .unwrap()
        + 4096;
    let mut torn = bytes.clone();
    torn[page..page + 4096].fill(0xa5);
    let mut leading = bytes.clone();
    let name = leading
        .windows(9)
        .rposition(|at| at == b"webhook-k")
        .unwrap();
    leading[name..name + 9].copy_from_slice(b"../ook-ke");
    // The head's sum over itself, its own field counted as spaces.
    leading[name + 148..name + 156].fill(b' ');
    let sum: u32 = leading[name..name + 512]
        .iter()
        .map(|byte| u32::from(*byte))
        .sum();
    leading[name + 148..name + 156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    for (what, content) in [
        ("cut", &bytes[..bytes.len() / 2]),
        ("torn", &torn),
        ("other", &b"no archive".repeat(200)),
        ("leading out", &leading),
    ] {
        std::fs::write(&bad, content).unwrap();
        let refused = restore(&bad, &target, &[]);
        assert!(!refused.status.success(), "{what}: {}", text(&refused));
        assert!(what != "leading out" || text(&refused).contains("which no backup does"));
        let left: Vec<_> = std::fs::read_dir(&target)
            .unwrap()
            .map(|e| e.unwrap().file_name())
            .collect();
        assert_eq!(left, ["cleanplate.lock"], "{what}");
    }
    assert!(restore(&good, &target, &[]).status.success());
}

fn wait_for(daemon: &Daemon, says: &str) {
    let what = format!("the log says {says:?}");
    wait_until(&what, Duration::from_secs(20), || {
        daemon.log.lock().unwrap().contains(says)
    });
}

#[test]
fn figures_have_a_listener_of_their_own_and_begin_at_zero() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let own = format!("http://127.0.0.1:{port}/metrics");
    let daemon = Daemon::start(
        dir.path(),
        &format!("[server]\nmetrics_listen = \"127.0.0.1:{port}\"\n"),
    );
    assert_eq!(daemon.get("/metrics", None).status, 404);
    assert_eq!(
        daemon
            .get(&own.replace("/metrics", "/v1/account"), None)
            .status,
        404
    );
    let figures = String::from_utf8(daemon.get(&own, None).body).unwrap();
    let value = |name: &str| -> f64 {
        let line = figures
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {figures}"))
            .parse()
            .unwrap()
    };
    for zero in [
        "cleanplate_device_lost_total",
        "cleanplate_webhooks_total{outcome=\"given_up\"}",
        "cleanplate_jobs_total{outcome=\"failed\"}",
    ] {
        assert_eq!(value(zero), 0.0, "{zero}");
    }
    for positive in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_max_fds",
        "process_start_time_seconds",
        "cleanplate_disk_free_bytes",
        "cleanplate_database_bytes",
    ] {
        assert!(value(positive) > 0.0, "{positive}");
    }
}

#[test]
fn sighup_takes_keys_and_level_and_tells_what_waits() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    let url = removed(&daemon, &key);
    let keys = dir.path().join("url-keys");
    let old = std::fs::read_to_string(&keys).unwrap();
    std::fs::write(&keys, format!("{}\n{old}", "ab".repeat(32))).unwrap();
    std::fs::write(
        dir.path().join("test.toml"),
        "[queue]\nlength_max = 7\n[logging]\nlevel = \"debug\"\n",
    )
    .unwrap();
    daemon.signal("-HUP");
    wait_for(&daemon, "queue.length_max");
    wait_for(&daemon, "logging.level");
    wait_for(&daemon, "keys=2");
    assert_eq!(
        daemon.get(&url, None).status,
        200,
        "the old key still verifies"
    );
    let fresh = removed(&daemon, &key);
    std::fs::write(&keys, "ab".repeat(32)).unwrap();
    daemon.signal("-HUP");
    wait_for(&daemon, "keys=1");
    assert_eq!(daemon.get(&fresh, None).status, 200, "the new key signs");
    assert_eq!(daemon.get(&url, None).status, 403, "the old key is gone");
}

#[test]
fn a_port_in_use_is_told_before_anything_is_made() {
    let dir = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, data) = (
        taken.local_addr().unwrap().to_string(),
        dir.path().join("data"),
    );
    let out = run(&[
        "serve",
        "--listen",
        &address,
        "--data",
        data.to_str().unwrap(),
        "--backend",
        "cpu",
    ]);
    assert_eq!(out.status.code(), Some(1));
    assert!(
        text(&out).contains(&format!("{address} cannot be listened on")),
        "{}",
        text(&out)
    );
    assert!(!data.exists(), "a data folder was made");
}

#[test]
fn secrets_are_read_from_files_and_never_shown() {
    let dir = tempfile::tempdir().unwrap();
    let (file, secret) = (
        dir.path().join("tokens"),
        "0123456789abcdef0123456789abcdef",
    );
    let show = |path: &Path| {
        let mut command = cleanplate();
        command.args(["config", "show", "--data", dir.path().to_str().unwrap()]);
        command
            .env("CLEANPLATE_ADMIN_TOKENS_FILE", path)
            .env("CLEANPLATE_ADMIN_LISTEN", "127.0.0.1:1");
        command.output().unwrap()
    };
    std::fs::write(&file, format!("ada:{secret}\nbob:{secret}x\n")).unwrap();
    let shown = show(&file);
    assert!(shown.status.success(), "{}", text(&shown));
    assert!(
        text(&shown).contains("variable CLEANPLATE_ADMIN_TOKENS_FILE"),
        "{}",
        text(&shown)
    );
    std::fs::write(&file, "ada:short\n").unwrap();
    let wrong = show(&file);
    assert!(
        text(&wrong).contains("less than 32") && !text(&wrong).contains("short"),
        "{}",
        text(&wrong)
    );
    let missing = show(&dir.path().join("none"));
    assert!(
        !missing.status.success() && text(&missing).contains("cannot be read"),
        "{}",
        text(&missing)
    );
}

#[test]
fn config_check_misses_folders_and_accounts() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let there = dir.path().join("there");
    std::fs::create_dir(&there).unwrap();
    let at = |name: &str| dir.path().join(name).display().to_string();
    drop(Daemon::start(&data, ""));
    let file = dir.path().join("own.toml");
    let check = |folder: &str, account: &str| {
        let config = format!(
            "[server]\ndata_dir = {:?}\n[[hot_folder]]\npath = {folder:?}\naccount = {account}\n",
            at("data")
        );
        std::fs::write(&file, config).unwrap();
        run(&["config", "check", file.to_str().unwrap()])
    };
    let good = check(&at("there"), "\"default\"");
    assert!(good.status.success(), "{}", text(&good));
    let missing = check(&at("missing"), "99");
    assert_eq!(missing.status.code(), Some(1));
    let said = text(&missing);
    assert!(said.contains("own.toml:4: there is no folder"), "{said}");
    assert!(
        said.contains("own.toml:5: `account`") && said.contains("does not exist"),
        "{said}"
    );
}

#[test]
fn a_photo_comes_from_standard_input_and_a_result_has_a_name() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    let source = png(photo(96, 80));
    std::fs::write(at("in.png"), &source).unwrap();
    std::fs::write(at("mask.png"), png(mask(96, 80, [40, 30, 56, 46]))).unwrap();
    let named = run(&["run", &at("in.png"), &at("mask.png"), "--backend", "cpu"]);
    assert!(named.status.success(), "{}", text(&named));
    let result = std::fs::read(at("in-clean.png")).unwrap();
    let mut child = cleanplate()
        .args(["run", "-", &at("mask.png"), "--backend", "cpu"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&source).unwrap();
    let piped = child.wait_with_output().unwrap();
    assert!(
        piped.status.success(),
        "{}",
        String::from_utf8_lossy(&piped.stderr)
    );
    assert_eq!(piped.stdout, result);
    let both = run(&["run", "-", "-"]);
    assert_eq!(both.status.code(), Some(2), "{}", text(&both));
}

#[test]
fn plugins_are_begun_and_checked() {
    let dir = tempfile::tempdir().unwrap();
    let into = dir.path().to_str().unwrap();
    for (name, entry) in [("soften", "process"), ("my-grain", "wgsl")] {
        let made = run(&["plugins", "new", name, "--entry", entry, "--into", into]);
        assert!(made.status.success(), "{}", text(&made));
        let folder = dir.path().join(name);
        let checked = run(&["plugins", "check", folder.to_str().unwrap(), "--json"]);
        assert_eq!(json(&checked)["plugin"]["name"], name, "{}", text(&checked));
        let twice = run(&["plugins", "new", name, "--entry", entry, "--into", into]);
        assert!(!twice.status.success(), "an existing folder is left alone");
    }
    let shader = dir.path().join("my-grain/film-grain.wgsl");
    let broken = std::fs::read_to_string(&shader)
        .unwrap()
        .replace("let grain", "lte grain");
    std::fs::write(&shader, broken).unwrap();
    let refused = run(&[
        "plugins",
        "check",
        dir.path().join("my-grain").to_str().unwrap(),
    ]);
    assert!(
        !refused.status.success() && text(&refused).contains("film-grain.wgsl:"),
        "{}",
        text(&refused)
    );
    for bad in ["Upper", "a/b", "lama", ""] {
        let refused = run(&["plugins", "new", bad, "--entry", "wgsl", "--into", into]);
        assert!(!refused.status.success(), "{bad}");
    }
    let shown = text(&run(&["pipelines", "fast"]));
    assert!(
        shown.contains("radius_px = \"auto\"   (a whole number from 0 to 250"),
        "{shown}"
    );
}

#[test]
fn requests_set_what_the_operator_allows() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(
        dir.path(),
        "[pipelines]\nsettable = [\"grow.radius_px\", \"feather.*\"]\n",
    );
    let key = daemon.key();
    let (image, hole) = small_pair();
    let ask = |query: &str| {
        daemon.post(
            &format!("{REMOVAL}?{query}"),
            Some(&key),
            &Form::pair(&image, &hole),
        )
    };
    let good = ask("set=grow.radius_px%3D0&set=feather.width_px%3D0");
    assert_eq!(good.status, 200, "{}", String::from_utf8_lossy(&good.body));
    let mask = daemon
        .get(good.json()["result"]["mask_url"].as_str().unwrap(), None)
        .body;
    let grown = image::load_from_memory(&mask).unwrap().to_luma8();
    let marked = grown.pixels().filter(|pixel| pixel[0] > 0).count();
    assert_eq!(marked, 12 * 12, "the mask was not to grow");
    for (bad, says) in [
        ("set=seam.x%3D1", "pipelines.settable"),
        ("set=grow.radius_px%3D999", "from 0 to 250"),
        ("set=grow", "plugin.parameter=value"),
    ] {
        let refused = ask(bad);
        let said = String::from_utf8_lossy(&refused.body).into_owned();
        assert!(
            refused.status == 422 && said.contains(says),
            "{bad}: {said}"
        );
    }
}
