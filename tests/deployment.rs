//! What `config/` has for several machines, with the addresses of servers that the tests start: the daemon takes its options, and the processes
//! that it describes work together. What needs none of them is checked by `tests/deploy/run.sh`.

use std::path::Path;
use std::time::Duration;

use crate::common::admin::Admin;
use crate::common::postgres::Server;
use crate::common::s3::{KEY_ID, S3, SECRET};
use crate::common::{self, Daemon, Form, REMOVAL, root, small_pair, wait_until};
use crate::storage::{UNLIMITED, text};

fn config(name: &str) -> String {
    std::fs::read_to_string(root().join("config").join(name)).unwrap()
}

/// The same text with something else in place of what must stand there.
fn with(text: &str, there: &str, instead: &str) -> String {
    assert!(text.contains(there), "{there} is not in {text}");
    text.replace(there, instead)
}

fn secret(folder: &Path) -> String {
    let file = folder.join("secret");
    std::fs::write(&file, format!("{SECRET}\n")).unwrap();
    file.display().to_string()
}

#[test]
fn the_processes_of_the_compose_file_work_together() {
    let (server, s3) = (Server::shared(), S3::start());
    let (url, dir) = (server.fresh(), tempfile::tempdir().unwrap());
    let secret = secret(dir.path());
    let file = config("compose.yaml");
    let file = with(
        &file,
        "postgres://plates@postgres:5432/plates?sslmode=disable",
        &url,
    );
    let file = with(&file, "http://s3:7070", &s3.endpoint());
    let file = with(
        &file,
        "ACCESS_KEY_ID: plates",
        &format!("ACCESS_KEY_ID: {KEY_ID}"),
    );
    let file = with(&file, "/run/secrets/database", &secret);
    let file = with(&file, "/run/secrets/files", &secret);
    let variables: Vec<(&str, &str)> = file
        .lines()
        .filter(|line| line.starts_with("    CLEANPLATE_"))
        .map(|line| line.trim().split_once(": ").unwrap())
        .map(|(name, value)| (name, value.trim_matches('"')))
        .collect();
    assert_eq!(variables.len(), 8, "{variables:?}");
    let start = |service: &str, number: u32| {
        let (_, own) = file.split_once(&format!("\n  {service}:\n")).unwrap();
        let role = own
            .lines()
            .find_map(|line| line.trim().strip_prefix("CLEANPLATE_SERVER_ROLE: "));
        let variables = [&variables[..], &[("CLEANPLATE_SERVER_ROLE", role.unwrap())]].concat();
        let data = dir.path().join(format!("{service}-{number}"));
        Daemon::start_among(&data, UNLIMITED, "cpu", &variables)
    };
    let (api, other) = (start("api", 1), start("api", 2));
    let _workers = [start("worker", 1), start("worker", 2)];
    let key = api.key();
    let (image, hole) = small_pair();
    let jobs = 6;
    for _ in 0..jobs {
        let reply = api.post(REMOVAL, Some(&key), &Form::pair(&image, &hole));
        assert_eq!(reply.status, 200, "{}", text(&reply));
        let url = reply.json()["result"]["output_url"]
            .as_str()
            .unwrap()
            .to_owned();
        // Whichever takes calls hands any result out: they share files and keys that sign.
        assert_eq!(
            other.get(&url[url.find("/v1/").unwrap()..], None).status,
            200
        );
    }
    let admin = Admin::of(&api.data);
    wait_until("all are listed", Duration::from_secs(20), || {
        let listed = admin.json("/workers");
        listed["workers"].as_array().unwrap().len() == 4
    });
    let scaling = config("kubernetes/queue-scaling.yaml");
    let query = scaling
        .lines()
        .find_map(|line| line.trim().strip_prefix("query: "))
        .unwrap();
    assert_eq!(server.ask(&url, query), "0");
    let done = with(query, "'pending', 'processing'", "'completed'");
    assert_eq!(server.ask(&url, &done), jobs.to_string());
    let states = "SELECT count(*) FROM pg_constraint WHERE conrelid = 'job'::regclass AND pg_get_constraintdef(oid) LIKE '%pending%processing%'";
    assert_ne!(server.ask(&url, states), "0", "states have other names");
}

#[test]
fn the_configuration_of_the_cluster_is_taken() {
    let (server, s3) = (Server::shared(), S3::start());
    let dir = tempfile::tempdir().unwrap();
    let secret = secret(dir.path());
    let file = config("kubernetes/cleanplate.yaml");
    let (_, rest) = file.split_once("  cleanplate.toml: |\n").unwrap();
    let (indented, _) = rest.split_once("\n---").unwrap();
    let lines = indented
        .lines()
        .map(|line| line.strip_prefix("    ").unwrap_or(line));
    let options = lines.collect::<Vec<_>>().join("\n");
    let options = with(
        &options,
        "postgres://plates@postgres.example.com:5432/plates",
        &server.fresh(),
    );
    let options = with(&options, "https://s3.example.com", &s3.endpoint());
    let options = with(
        &options,
        "access_key_id = \"plates\"",
        &format!("access_key_id = \"{KEY_ID}\""),
    );
    let options = with(
        &options,
        "/etc/cleanplate/secret/database-password",
        &secret,
    );
    let options = with(
        &options,
        "/var/lib/cleanplate",
        &dir.path().join("data").display().to_string(),
    );
    let path = dir.path().join("cleanplate.toml");
    std::fs::write(&path, options).unwrap();
    let variable = "CLEANPLATE_FILES_ACCESS_KEY_SECRET_FILE";
    assert!(file.contains(variable));
    let output = common::cleanplate()
        .args(["config", "check", path.to_str().unwrap()])
        .env(variable, &secret)
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&told)
    );
}
