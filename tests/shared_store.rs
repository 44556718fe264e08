//! The daemon over PostgreSQL: the same service, through restarts of the server, by the tools too.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use crate::common::postgres::Server;
use crate::common::{self, Daemon, Form, REMOVAL, small_pair, wait_until};
use crate::storage::{UNLIMITED, readyz, text};

fn config(url: &str) -> String {
    format!("{UNLIMITED}\n[store]\nurl = \"{url}\"\n")
}

pub fn tool(daemon: &Daemon, args: &[&str]) -> serde_json::Value {
    let file = daemon.data.join("test.toml");
    let place = [
        "--json",
        "--config",
        file.to_str().unwrap(),
        "--data",
        daemon.data.to_str().unwrap(),
    ];
    let output = common::run(&[args, &place].concat());
    assert!(
        output.status.success(),
        "{args:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    common::json(&output)
}

#[test]
fn an_object_is_removed_once_across_restarts_of_server_and_daemon() {
    let mut server = Server::start();
    let dir = tempfile::tempdir().unwrap();
    let config = config(&server.fresh());
    let daemon = Daemon::start(dir.path(), &config);
    let key = daemon.key();
    let (image, hole) = small_pair();
    let form = Form::pair(&image, &hole);
    let post = |daemon: &Daemon, once: &str| {
        daemon.post_with(REMOVAL, Some(&key), &[("Idempotency-Key", once)], &form)
    };
    let first = post(&daemon, "one");
    assert_eq!(first.status, 200, "{}", text(&first));
    let url = first.json()["result"]["output_url"]
        .as_str()
        .unwrap()
        .to_string();
    // The port is another one after a restart.
    let url = url[url.find("/v1/").unwrap()..].to_string();
    assert_eq!(daemon.get(&url, None).status, 200);
    let available =
        |daemon: &Daemon| daemon.get("/v1/account", Some(&key)).json()["balance"].clone();
    let after = available(&daemon);
    assert!(!dir.path().join("cleanplate.db").exists());
    assert!(
        !dir.path().join("url-keys").exists(),
        "the keys are the database's"
    );

    server.down();
    let reason = readyz(&daemon, 503, Duration::from_secs(15));
    assert!(reason.contains("database server"), "{reason}");
    let refused = post(&daemon, "two");
    assert_eq!(refused.status, 503, "{}", text(&refused));
    assert!(refused.header("Retry-After").is_some());
    server.up();
    readyz(&daemon, 200, Duration::from_secs(15));
    let again = post(&daemon, "one");
    assert_eq!(
        (again.status, again.json()["job_id"].clone()),
        (200, first.json()["job_id"].clone())
    );
    assert_eq!(available(&daemon), after, "charged once");
    assert_eq!(post(&daemon, "two").status, 200);

    let listed = tool(&daemon, &["keys", "list"]);
    assert_eq!(listed["keys"].as_array().unwrap().len(), 1, "{listed}");
    let made = tool(&daemon, &["keys", "create", "--name", "second"]);
    let second = made["key"].as_str().unwrap().to_string();
    assert_eq!(daemon.get("/v1/account", Some(&second)).status, 200);
    drop(daemon);
    let daemon = Daemon::start(dir.path(), &config);
    assert_eq!(
        daemon.get(&url, None).status,
        200,
        "its address is signed by a key of the database"
    );
    assert_eq!(
        post(&daemon, "one").json()["job_id"],
        first.json()["job_id"]
    );
    wait_until("the books are checked", Duration::from_secs(5), || {
        daemon.get("/healthz", None).json()["status"] == "ok"
    });
}

#[test]
fn everything_moves_from_the_file_into_the_database_and_through_a_backup() {
    let server = Server::shared();
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let daemon = Daemon::start(&at("file"), UNLIMITED);
    let key = daemon.key();
    let (image, hole) = small_pair();
    let form = Form::pair(&image, &hole);
    let done = daemon.post_with(REMOVAL, Some(&key), &[("Idempotency-Key", "one")], &form);
    assert_eq!(done.status, 200, "{}", text(&done));
    let url = done.json()["result"]["output_url"]
        .as_str()
        .unwrap()
        .to_string();
    let url = url[url.find("/v1/").unwrap()..].to_string();
    let balance = |daemon: &Daemon| daemon.get("/v1/account", Some(&key)).json()["balance"].clone();
    let before = balance(&daemon);
    let same = |daemon: &Daemon, what: &str| {
        assert_eq!(balance(daemon), before, "{what}");
        assert_eq!(
            daemon.get(&url, None).status,
            200,
            "{what}: an address given out before"
        );
        let again = daemon.post_with(REMOVAL, Some(&key), &[("Idempotency-Key", "one")], &form);
        assert_eq!(again.json()["job_id"], done.json()["job_id"], "{what}");
        assert_eq!(balance(daemon), before, "{what}: charged once");
    };
    daemon.terminate_and_wait();

    let first = config(&server.fresh());
    let settings = |name: &str, text: &str| {
        std::fs::write(at(name), text).unwrap();
        at(name).display().to_string()
    };
    let (file, one) = (
        at("file").display().to_string(),
        settings("one.toml", &first),
    );
    let copy = [
        "store", "copy", "--from", "sqlite", "--to", "postgres", "--json", "--data", &file,
        "--config", &one,
    ];
    let copied = common::run(&copy);
    assert!(
        copied.status.success(),
        "{}",
        String::from_utf8_lossy(&copied.stderr)
    );
    assert_eq!(common::json(&copied)["rows"]["job"], 1);
    // No daemon goes on with the file by mistake.
    let kept = common::json(&copied)["before"]
        .as_str()
        .unwrap()
        .to_string();
    assert!(!at("file").join("cleanplate.db").exists());
    let alone = common::run(&["serve", "--listen", "127.0.0.1:0", "--data", &file]);
    let told = String::from_utf8_lossy(&alone.stderr).into_owned();
    assert!(
        !alone.status.success() && told.contains("missing or empty"),
        "{told}"
    );
    let twice = common::run(&copy.map(|word| if word == file { kept.as_str() } else { word }));
    assert!(
        !twice.status.success() && String::from_utf8_lossy(&twice.stderr).contains("not empty")
    );
    let daemon = Daemon::start(&at("file"), &first);
    same(&daemon, "copied");
    let saved = at("saved.tar").display().to_string();
    let backup = common::run(&[
        "backup",
        &saved,
        "--results",
        "--data",
        &file,
        "--config",
        &one,
    ]);
    assert!(
        backup.status.success(),
        "{}",
        String::from_utf8_lossy(&backup.stderr)
    );
    let busy = common::run(&[
        "store",
        "copy",
        "--from",
        "postgres",
        "--to",
        "sqlite",
        "--data",
        &at("back").display().to_string(),
        "--config",
        &one,
    ]);
    assert!(
        !busy.status.success() && String::from_utf8_lossy(&busy.stderr).contains("stop it first")
    );
    daemon.terminate_and_wait();

    let second = config(&server.fresh());
    let (fresh, two) = (
        at("fresh").display().to_string(),
        settings("two.toml", &second),
    );
    let restore = common::run(&["restore", &saved, "--data", &fresh, "--config", &two]);
    assert!(
        restore.status.success(),
        "{}",
        String::from_utf8_lossy(&restore.stderr)
    );
    assert!(!at("fresh").join("cleanplate.db").exists());
    let daemon = Daemon::start(&at("fresh"), &second);
    same(&daemon, "restored");
    daemon.terminate_and_wait();
    // Into the folder that it came from, where the files of jobs are, and into another one.
    let copied = common::run(&[
        "store", "copy", "--from", "postgres", "--to", "sqlite", "--data", &file, "--config", &two,
    ]);
    assert!(
        copied.status.success(),
        "{}",
        String::from_utf8_lossy(&copied.stderr)
    );
    let daemon = Daemon::start(&at("file"), UNLIMITED);
    same(&daemon, "back in its folder");
    daemon.terminate_and_wait();
    let back = at("back").display().to_string();
    let copied = common::run(&[
        "store", "copy", "--from", "postgres", "--to", "sqlite", "--data", &back, "--config", &two,
    ]);
    assert!(
        copied.status.success(),
        "{}",
        String::from_utf8_lossy(&copied.stderr)
    );
    std::fs::rename(at("fresh").join("results"), at("back").join("results")).unwrap();
    same(&Daemon::start(&at("back"), UNLIMITED), "back in a file");
}

#[test]
fn a_database_that_lacks_what_the_folder_had_is_refused() {
    let server = Server::shared();
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), UNLIMITED);
    let key = daemon.key();
    let (image, hole) = small_pair();
    assert_eq!(
        daemon
            .post(REMOVAL, Some(&key), &Form::pair(&image, &hole))
            .status,
        200
    );
    drop(daemon);
    let file = dir.path().join("pg.toml");
    std::fs::write(&file, config(&server.fresh())).unwrap();
    let serve = || {
        let output = common::run(&[
            "serve",
            "--backend",
            "cpu",
            "--listen",
            "127.0.0.1:0",
            "--data",
            dir.path().to_str().unwrap(),
            "--config",
            file.to_str().unwrap(),
        ]);
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let told = serve();
    assert!(
        told.contains("cleanplate.db is the database of this data folder"),
        "{told}"
    );
    std::fs::remove_file(dir.path().join("cleanplate.db")).unwrap();
    let told = serve();
    assert!(told.contains("knows of no job"), "{told}");
}

#[test]
fn a_database_that_cannot_be_reached_is_told_by_the_check_without_its_password() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("c.toml");
    let url = "postgres://plates:hunter2@127.0.0.1:1/plates";
    std::fs::write(
        &file,
        format!(
            "[server]\ndata_dir = \"{}\"\n[store]\nurl = \"{url}\"\n",
            dir.path().display()
        ),
    )
    .unwrap();
    let output = common::run(&["config", "check", file.to_str().unwrap()]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        !output.status.success() && told.contains("127.0.0.1:1/plates"),
        "{told}"
    );
    let shown = common::run(&["config", "show", "--config", file.to_str().unwrap()]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(
        shown.contains("store.url") && !shown.contains("hunter2") && !told.contains("hunter2"),
        "{shown}"
    );
}

/// Runs openssl in a folder.
fn openssl(folder: &Path, arguments: &str) {
    let output = Command::new("openssl")
        .args(arguments.split(' '))
        .current_dir(folder)
        .output()
        .expect("openssl: install Debian's package `openssl`");
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "openssl {arguments}: {told}");
}

/// An authority: `NAME.crt` and `NAME.key`.
fn authority(folder: &Path, name: &str) {
    openssl(
        folder,
        &format!(
            "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN={name} -keyout {name}.key -out {name}.crt"
        ),
    );
}

#[test]
fn the_way_to_the_database_is_encrypted_and_the_server_proves_its_name() {
    let dir = tempfile::tempdir().unwrap();
    authority(dir.path(), "ours");
    authority(dir.path(), "theirs");
    let mut server = Server::encrypted(|folder| {
        openssl(
            dir.path(),
            "req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=db -keyout server.key -out server.csr",
        );
        let names = "subjectAltName=DNS:localhost\n";
        std::fs::write(dir.path().join("names"), names).unwrap();
        openssl(
            dir.path(),
            "x509 -req -in server.csr -CA ours.crt -CAkey ours.key -CAcreateserial -days 2 -extfile names -out server.crt",
        );
        for name in ["server.crt", "server.key"] {
            std::fs::copy(dir.path().join(name), folder.join(name)).unwrap();
        }
    });
    let root = |name: &str| {
        let file = dir.path().join(name).display().to_string();
        format!("sslrootcert={}", file.replace('/', "%2F"))
    };
    for mode in ["verify-full", "require"] {
        let parameters = format!(
            "sslmode={mode}&{}&schema={}",
            root("ours.crt"),
            mode.replace('-', "_")
        );
        let url = server.network_url("localhost", &parameters);
        let daemon = Daemon::start(&dir.path().join(mode), &config(&url));
        let (image, hole) = small_pair();
        let reply = daemon.post(REMOVAL, Some(&daemon.key()), &Form::pair(&image, &hole));
        assert_eq!(reply.status, 200, "{mode}: {}", text(&reply));
    }
    let refused = |server: &Server, host: &str, parameters: &str| {
        let file = dir.path().join("refused.toml");
        std::fs::write(&file, config(&server.network_url(host, parameters))).unwrap();
        let data = dir.path().join("refused").display().to_string();
        let file = file.display().to_string();
        let start = [
            "serve",
            "--backend",
            "cpu",
            "--listen",
            "127.0.0.1:0",
            "--data",
            &data,
            "--config",
            &file,
        ];
        let output = common::run(&start);
        assert!(!output.status.success(), "{host} {parameters}");
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let theirs = format!("sslmode=verify-full&{}", root("theirs.crt"));
    let ours = format!("sslmode=verify-full&{}", root("ours.crt"));
    let cases = [
        ("localhost", theirs.as_str(), "sslrootcert=FILE"),
        (
            "localhost",
            "sslmode=require&connect_timeout=5",
            "sslrootcert=FILE",
        ),
        ("127.0.0.1", &ours, "subjectAltName"),
        (
            "localhost",
            "sslmode=disable",
            "sslmode=verify-full in store.url encrypts it",
        ),
    ];
    for (host, parameters, remedy) in cases {
        let told = refused(&server, host, parameters);
        assert!(told.contains(remedy), "{host} {parameters}: {told}");
    }
    server.down();
    server.encrypt(false);
    server.up();
    let told = refused(&server, "localhost", &ours);
    assert!(told.contains("ssl = on"), "{told}");
}
