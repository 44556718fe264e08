//! Who gets in: the private socket, TCP with a token; and that every declared operation is served.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::process::Stdio;

use super::{Bench, detail, me};
use crate::common::admin::Admin;
use crate::common::{Daemon, cleanplate, free_port};

#[test]
fn the_socket_is_private_and_a_left_one_is_taken_over() {
    let bench = Bench::new("");
    let meta = bench.admin.0.symlink_metadata().unwrap();
    assert!(meta.file_type().is_socket());
    assert_eq!(meta.permissions().mode() & 0o777, 0o600);
    let view = bench.admin.json("/server");
    assert!(
        view["you"]["actor"].as_str().unwrap().starts_with(&me()),
        "{view}"
    );
    assert_eq!(
        (view["state"].as_str(), view["queue"]["length_max"].as_u64()),
        (Some("ready"), Some(1000))
    );
    assert_eq!(view["device"]["backend"], "cpu");
    assert_eq!(
        view["pid"].as_u64(),
        Some(u64::from(bench.daemon.child.id()))
    );

    // A second daemon with another data folder but the same socket is refused while the first lives.
    let other = tempfile::tempdir().unwrap();
    let config = format!("[admin]\nsocket = {:?}\n", bench.admin.0);
    let file = other.path().join("own.toml");
    std::fs::write(&file, &config).unwrap();
    let serve = |data: &str| {
        let args = [
            "serve",
            "--backend",
            "cpu",
            "--listen",
            "127.0.0.1:0",
            "--data",
            data,
            "--config",
            file.to_str().unwrap(),
        ];
        cleanplate()
            .args(args)
            .stdout(Stdio::null())
            .output()
            .unwrap()
    };
    let refused = serve(other.path().join("d").to_str().unwrap());
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && text.contains("a running daemon listens on"),
        "{text}"
    );
    assert_eq!(
        bench.admin.get("/server").status,
        200,
        "the first one still answers"
    );

    // What kill -9 leaves is taken over by the next start.
    let Bench {
        daemon,
        admin,
        _dir,
    } = bench;
    let data = daemon.data.clone();
    daemon.kill9();
    assert!(admin.0.exists());
    let daemon = Daemon::start(&data, "");
    assert_eq!(admin.get("/server").status, 200);
    let mut daemon = daemon;
    daemon.terminate();
    assert!(daemon.child.wait().unwrap().success());
    assert!(!admin.0.exists(), "a daemon that ends removes its socket");

    // Anything that is no socket is left alone.
    std::fs::write(&admin.0, b"mine").unwrap();
    let file = data.join("test.toml");
    let args = [
        "serve",
        "--backend",
        "cpu",
        "--listen",
        "127.0.0.1:0",
        "--data",
        data.to_str().unwrap(),
        "--config",
        file.to_str().unwrap(),
    ];
    let refused = cleanplate().args(args).output().unwrap();
    assert!(
        String::from_utf8_lossy(&refused.stderr).contains("no socket"),
        "{refused:?}"
    );
    assert_eq!(std::fs::read(&admin.0).unwrap(), b"mine");
}

#[test]
fn a_socket_elsewhere_or_none() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("own.sock");
    // A socket that a dead program left.
    drop(UnixListener::bind(&path).unwrap());
    let bench = Bench::new(&format!("[admin]\nsocket = {path:?}\n"));
    assert!(!bench.admin.0.exists());
    assert_eq!(Admin(path).get("/server").status, 200);
    let bench = Bench::new("[admin]\nsocket = \"off\"\n");
    assert!(!bench.admin.0.exists());
    let long = place.path().join("x".repeat(120));
    let file = place.path().join("own.toml");
    std::fs::write(&file, format!("[admin]\nsocket = {long:?}\n")).unwrap();
    let data = place.path().join("data");
    let args = [
        "serve",
        "--backend",
        "cpu",
        "--listen",
        "127.0.0.1:0",
        "--data",
        data.to_str().unwrap(),
        "--config",
        file.to_str().unwrap(),
    ];
    let refused = cleanplate().args(args).output().unwrap();
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && text.contains("longer than a socket can have"),
        "{text}"
    );
}

fn over_tcp(address: &str, headers: &str) -> String {
    let mut socket = TcpStream::connect(address).unwrap();
    write!(
        socket,
        "GET /admin/v1/server HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{headers}\r\n"
    )
    .unwrap();
    let mut text = String::new();
    socket.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn tcp_needs_a_token() {
    let port = free_port();
    let (address, token) = (
        format!("127.0.0.1:{port}"),
        "0123456789abcdef0123456789abcdef",
    );
    let bench = Bench::new(&format!(
        "[admin]\nlisten = {address:?}\ntokens = [\"ada:{token}\"]\n[rate_limits]\nauth_failures_per_minute = 4\n"
    ));
    let good = over_tcp(&address, &format!("Authorization: Bearer {token}\r\n"));
    assert!(
        good.starts_with("HTTP/1.1 200") && good.contains("\"actor\":\"token ada\""),
        "{good}"
    );
    let wrong = [
        "",
        "Authorization: Bearer 0123456789abcdef0123456789abcdee\r\n",
        &format!("Authorization: Basic {token}\r\n"),
        "Authorization: Bearer\r\n",
    ];
    for headers in wrong {
        let refused = over_tcp(&address, headers);
        assert!(refused.starts_with("HTTP/1.1 401"), "{refused}");
        assert!(
            refused
                .to_lowercase()
                .contains("www-authenticate: bearer realm=\"cleanplate-admin\""),
            "{refused}"
        );
        assert!(!refused.contains("version\""), "{refused}");
    }
    let slowed = over_tcp(&address, "");
    assert!(
        slowed.starts_with("HTTP/1.1 429") && slowed.to_lowercase().contains("retry-after"),
        "{slowed}"
    );
    assert!(
        over_tcp(&address, &format!("Authorization: Bearer {token}\r\n"))
            .starts_with("HTTP/1.1 200"),
        "the right token still passes"
    );
    // The socket needs none, and tells no tokens.
    let config = bench.admin.get("/config");
    assert!(!String::from_utf8_lossy(&config.body).contains(token));
    assert!(!bench.daemon.log.lock().unwrap().contains(token));
    // The admin interface is not on the public port, nor the public one here.
    assert_eq!(bench.daemon.get("/admin/v1/server", None).status, 404);
    assert!(
        over_tcp(
            &address,
            &format!("Authorization: Bearer {token}\r\nX: y\r\n")
        )
        .contains("200")
    );

    let data = tempfile::tempdir().unwrap();
    let file = data.path().join("own.toml");
    std::fs::write(&file, format!("[admin]\nlisten = {address:?}\n")).unwrap();
    let args = [
        "serve",
        "--data",
        data.path().to_str().unwrap(),
        "--config",
        file.to_str().unwrap(),
    ];
    let refused = cleanplate().args(args).output().unwrap();
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(
        !refused.status.success() && text.contains("`admin.tokens` is empty"),
        "{text}"
    );
}

#[test]
fn every_route_is_served_and_described() {
    let bench = Bench::new("");
    let document = bench.admin.json("/openapi.json");
    let paths = document["paths"].as_object().unwrap();
    let mut count = 0;
    for (path, methods) in paths {
        let at = path.strip_prefix("/admin/v1").unwrap();
        if at == "/events" {
            continue;
        }
        let at = at
            .replace("{part}", "result")
            .replace("{name}", "nobody")
            .replace("{id}", "999999");
        for method in methods.as_object().unwrap().keys() {
            let reply = bench.admin.raw(
                &method.to_uppercase(),
                &at,
                (method != "get").then_some(&b"{}"[..]),
            );
            assert!(
                ![405, 500].contains(&reply.status),
                "{method} {at}: {}",
                reply.status
            );
            if reply.status == 404 {
                assert!(
                    path.contains('{') && detail(&reply).contains("no "),
                    "{method} {at}: {}",
                    detail(&reply)
                );
            }
            assert!(reply.header("x-request-id").is_some());
            count += 1;
        }
        let reply = bench.admin.raw("PUT", &at, None);
        assert_eq!(reply.status, 405, "{at}");
        let mut allowed: Vec<String> = methods
            .as_object()
            .unwrap()
            .keys()
            .map(|method| method.to_uppercase())
            .collect();
        let mut told: Vec<String> = reply
            .header("allow")
            .unwrap()
            .split(", ")
            .map(str::to_string)
            .collect();
        allowed.sort();
        told.sort();
        assert_eq!(told, allowed, "{at}");
    }
    assert!(count > 30, "{count} routes tried");
    assert_eq!(bench.admin.get("/nothing").status, 404);
}
