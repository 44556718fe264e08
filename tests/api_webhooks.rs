//! Webhooks over HTTP: signed, tried again until taken, refused where they must not go.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use crate::common::{Daemon, Form, REMOVAL, small_pair, wait_until};
use hmac::{Hmac, Mac};
use serde_json::Value;

const CONFIG: &str = "[webhooks]\nallowed_hosts = [\"127.0.0.1\"]\nretry_s = 1\nattempts_max = 3\n";

/// A request that the receiver got.
pub struct Call {
    pub head: String,
    pub body: Vec<u8>,
}

impl Call {
    pub fn header(&self, name: &str) -> &str {
        let line = self
            .head
            .lines()
            .find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")));
        line.unwrap_or_else(|| panic!("no {name} in {}", self.head))
            .split_once(':')
            .unwrap()
            .1
            .trim()
    }
}

/// A receiver that answers with these statuses, one per call, the last one for ever.
pub fn receiver(statuses: &'static [u16]) -> (String, Receiver<Call>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook?x=1", listener.local_addr().unwrap());
    let (sender, calls) = channel();
    std::thread::spawn(move || {
        for (n, stream) in listener.incoming().enumerate() {
            let mut stream = stream.unwrap();
            let mut bytes = Vec::new();
            let mut chunk = [0u8; 4096];
            let end = loop {
                let count = stream.read(&mut chunk).unwrap();
                bytes.extend_from_slice(&chunk[..count]);
                if let Some(at) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
                    break at + 4;
                }
                assert!(count > 0, "the sender closed within its head");
            };
            let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
            let call = Call {
                head,
                body: Vec::new(),
            };
            let length: usize = call.header("content-length").parse().unwrap();
            while bytes.len() < end + length {
                let count = stream.read(&mut chunk).unwrap();
                bytes.extend_from_slice(&chunk[..count]);
            }
            let status = statuses[n.min(statuses.len() - 1)];
            write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: 0\r\nLocation: http://127.0.0.1:1/\r\nConnection: close\r\n\r\n")
                .unwrap();
            if sender
                .send(Call {
                    body: bytes[end..].to_vec(),
                    ..call
                })
                .is_err()
            {
                return;
            }
        }
    });
    (url, calls)
}

fn form() -> Form {
    let (image, hole) = small_pair();
    Form::pair(&image, &hole)
}

fn path(url: &str) -> String {
    format!(
        "{REMOVAL}?async=true&webhook_url={}",
        url.replace('?', "%3F").replace('=', "%3D")
    )
}

#[test]
fn the_end_of_a_job_is_posted_signed_and_again_until_it_is_taken() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), CONFIG);
    let key = daemon.key();
    let (url, calls) = receiver(&[500, 302, 200]);
    let accepted = daemon.post(&path(&url), Some(&key), &form());
    assert_eq!(
        accepted.status,
        202,
        "{}",
        String::from_utf8_lossy(&accepted.body)
    );
    let secret = daemon.get("/v1/account", Some(&key)).json()["key"]["webhook_secret"]
        .as_str()
        .unwrap()
        .to_string();
    let mut bodies = Vec::new();
    for attempt in 1..=3 {
        let call = calls
            .recv_timeout(Duration::from_secs(30))
            .unwrap_or_else(|_| panic!("attempt {attempt} did not come"));
        assert!(
            call.head.starts_with("POST /hook?x=1 HTTP/1.1\r\n"),
            "{}",
            call.head
        );
        let mut mac = <Hmac<sha2::Sha256> as Mac>::new_from_slice(secret.as_bytes()).unwrap();
        mac.update(call.header("x-cleanplate-timestamp").as_bytes());
        mac.update(b".");
        mac.update(&call.body);
        let hex: String = mac
            .finalize()
            .into_bytes()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(call.header("x-cleanplate-signature"), format!("v1={hex}"));
        bodies.push(call.body);
    }
    assert!(bodies.windows(2).all(|pair| pair[0] == pair[1]));
    let body: Value = serde_json::from_slice(&bodies[0]).unwrap();
    assert_eq!(
        (body["job_id"].clone(), body["status"].as_str()),
        (accepted.json()["job_id"].clone(), Some("completed"))
    );
    assert_eq!(
        daemon
            .get(body["result"]["output_url"].as_str().unwrap(), None)
            .status,
        200
    );
    assert!(
        calls.recv_timeout(Duration::from_secs(6)).is_err(),
        "a webhook that was taken came again"
    );
}

#[test]
fn a_cancelled_job_is_told_too_and_a_crash_loses_no_webhook() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), CONFIG);
    let key = daemon.key();
    let (url, calls) = receiver(&[500, 200]);
    let accepted = daemon.post(&path(&url), Some(&key), &form());
    assert_eq!(accepted.status, 202);
    let first = calls.recv_timeout(Duration::from_secs(30)).unwrap();
    daemon.kill9();
    let daemon = Daemon::start(dir.path(), CONFIG);
    let second = calls.recv_timeout(Duration::from_secs(30)).unwrap();
    let (first, second): (Value, Value) = (
        serde_json::from_slice(&first.body).unwrap(),
        serde_json::from_slice(&second.body).unwrap(),
    );
    assert_eq!(first["job_id"], second["job_id"]);
    drop(daemon);
}

#[test]
fn addresses_of_the_inner_network_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "[webhooks]\nretry_s = 1\nattempts_max = 1\n");
    let key = daemon.key();
    for bad in [
        "http://127.0.0.1:9/",
        "http://[::1]/",
        "http://169.254.169.254/latest",
        "file:///etc/passwd",
        "http://10.0.0.1/",
        "x",
    ] {
        let reply = daemon.post(&path(bad), Some(&key), &form());
        assert_eq!(reply.status, 422, "{bad}");
        assert_eq!(
            reply.json()["detail"][0]["loc"],
            serde_json::json!(["query", "webhook_url"]),
            "{bad}"
        );
    }
    // A name is judged by its addresses when the POST is sent.
    let (url, calls) = receiver(&[200]);
    let named = url.replace("127.0.0.1", "localhost");
    assert_eq!(daemon.post(&path(&named), Some(&key), &form()).status, 202);
    assert!(
        calls.recv_timeout(Duration::from_secs(8)).is_err(),
        "a name led into the inner network"
    );
    assert_eq!(daemon.get("/v1/account", Some(&key)).json()["balance"], 97);
}

#[test]
fn receivers_that_hang_delay_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), CONFIG);
    // Accepts by its backlog alone and never answers.
    let hangs: Vec<TcpListener> = (0..8)
        .map(|_| TcpListener::bind("127.0.0.1:0").unwrap())
        .collect();
    for hang in &hangs {
        let url = format!("http://{}/hook", hang.local_addr().unwrap());
        let accepted = daemon.post(&path(&url), Some(&daemon.key()), &form());
        assert_eq!(accepted.status, 202);
    }
    let key = daemon.key_of("other", 9);
    let mut held = Vec::new();
    wait_until(
        "hanging ones are under way",
        Duration::from_secs(20),
        || {
            held.extend(hangs.iter().filter_map(|hang| {
                hang.set_nonblocking(true).unwrap();
                hang.accept().ok()
            }));
            held.len() >= 2
        },
    );
    let (url, calls) = receiver(&[200]);
    assert_eq!(daemon.post(&path(&url), Some(&key), &form()).status, 202);
    calls
        .recv_timeout(Duration::from_secs(8))
        .expect("another account's webhook waits for receivers that hang");
}

#[test]
fn a_webhook_of_a_revoked_key_is_not_sent() {
    let dir = tempfile::tempdir().unwrap();
    // Long enough between two attempts for the key to be revoked there.
    let daemon = Daemon::start(dir.path(), &CONFIG.replace("retry_s = 1", "retry_s = 4"));
    let made = crate::common::json(&daemon.cli(&["keys", "create", "--name", "k", "--json"]));
    let (url, calls) = receiver(&[500, 200]);
    let accepted = daemon.post(&path(&url), made["key"].as_str(), &form());
    assert_eq!(accepted.status, 202);
    calls.recv_timeout(Duration::from_secs(30)).unwrap();
    let revoked = daemon.cli(&["keys", "revoke", made["id"].as_str().unwrap(), "--json"]);
    assert!(revoked.status.success());
    assert!(
        calls.recv_timeout(Duration::from_secs(8)).is_err(),
        "something was signed for a revoked key"
    );
}
