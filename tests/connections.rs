//! Connections are bounded at every moment: whatever a client does or leaves undone, others are served.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};

use crate::common::{Daemon, Form, REMOVAL, photo, png, small_pair, wait_until};

/// A head that announces a body, one chunk of it, and nothing more.
const UNREAD: &str =
    "GET /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n";
const QUICK: &str = "[server]\nrequest_head_s_max = 1\nkeep_alive_s = 1\nupload_s_base = 2\n";

/// A connection of this address.
fn connect(daemon: &Daemon, source: &str) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    let address = |text: &str| text.parse::<SocketAddr>().unwrap().into();
    socket.bind(&address(&format!("{source}:0"))).unwrap();
    socket.connect(&address(&daemon.addr)).unwrap();
    let stream = TcpStream::from(socket);
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    stream
}

fn send(daemon: &Daemon, source: &str, text: &str) -> TcpStream {
    let mut stream = connect(daemon, source);
    // A refused connection may be closed before all is sent.
    drop(stream.write_all(text.as_bytes()));
    stream
}

/// What comes until the other side closes.
fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    match stream.read_to_end(&mut bytes) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}"),
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A whole request on a connection of its own; the status.
fn status(daemon: &Daemon, source: &str) -> String {
    let ask = "GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let text = rest(&mut send(daemon, source, ask));
    text.chars().skip(9).take(3).collect()
}

/// Writes this text every half second until the other side has closed; how long that took.
fn trickle(mut stream: TcpStream, text: &str) -> Duration {
    let begun = Instant::now();
    stream
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    let mut buffer = [0u8; 65536];
    while begun.elapsed() < Duration::from_secs(30) {
        if stream.write_all(text.as_bytes()).is_err() {
            break;
        }
        match stream.read(&mut buffer) {
            Ok(0) => break,
            // The pace of one that keeps its connection with as little as it may.
            Ok(_) => std::thread::sleep(Duration::from_millis(500)),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => break,
        }
    }
    begun.elapsed()
}

#[test]
fn sockets_of_one_address_keep_nobody_out() {
    let dir = tempfile::tempdir().unwrap();
    let limit = "connections_max = 60\nconnections_per_address_max = 20\n";
    // Those that are in at the end have to be answered, however late a busy machine gets to their heads.
    let patient = QUICK.replace("request_head_s_max = 1", "request_head_s_max = 3");
    let daemon = Daemon::start(dir.path(), &format!("{patient}{limit}"));
    // Not the address of those who asked whether the daemon is ready: their connections may still have a place.
    let crowd = "127.0.0.3";
    let mut held: Vec<TcpStream> = (0..200).map(|_| send(&daemon, crowd, UNREAD)).collect();
    for _ in 0..50 {
        let begun = Instant::now();
        assert_eq!(status(&daemon, "127.0.0.2"), "200");
        assert!(
            begun.elapsed() < Duration::from_secs(1),
            "{:?}",
            begun.elapsed()
        );
    }
    let begun = Instant::now();
    let replies: Vec<String> = held.iter_mut().map(rest).collect();
    assert!(
        begun.elapsed() < Duration::from_secs(8),
        "an unread body holds its connection: {:?}",
        begun.elapsed()
    );
    let count = |start: &str| {
        replies
            .iter()
            .filter(|text| text.starts_with(start))
            .count()
    };
    assert!(count("HTTP/1.1 200") >= 20, "{}", count("HTTP/1.1 200"));
    assert!(count("HTTP/1.1 429") >= 100, "{}", count("HTTP/1.1 429"));
    assert_eq!(status(&daemon, crowd), "200");
}

#[test]
fn a_full_house_makes_room_for_another_address() {
    let dir = tempfile::tempdir().unwrap();
    let limit = "keep_alive_s = 60\nconnections_max = 8\nconnections_per_address_max = 8\n";
    let daemon = Daemon::start(dir.path(), &format!("[server]\n{limit}"));
    let idle = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";
    let _held: Vec<TcpStream> = (0..8)
        .map(|_| {
            let mut stream = send(&daemon, "127.0.0.1", idle);
            let mut byte = [0u8];
            stream.read_exact(&mut byte).unwrap();
            stream
        })
        .collect();
    // Once they have waited long enough to be given up.
    wait_until(
        "its own idle one gives way",
        Duration::from_secs(20),
        || status(&daemon, "127.0.0.1") == "200",
    );
    assert_eq!(status(&daemon, "127.0.0.2"), "200");
}

#[test]
fn later_heads_and_refused_bodies_have_a_deadline() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), QUICK);
    let second = send(
        &daemon,
        "127.0.0.1",
        "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    );
    let took = trickle(second, "G");
    assert!(took < Duration::from_secs(6), "a second head: {took:?}");
    let refused = format!(
        "POST {REMOVAL} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n"
    );
    let took = trickle(send(&daemon, "127.0.0.1", &refused), "1\r\na\r\n");
    assert!(took < Duration::from_secs(6), "a refused body: {took:?}");
}

#[test]
fn a_body_may_be_slow_but_not_stand_still() {
    let dir = tempfile::tempdir().unwrap();
    let slow = "upload_bytes_per_s_min = 2000\n";
    let daemon = Daemon::start(dir.path(), &format!("{QUICK}{slow}"));
    let key = daemon.key();
    let (image, hole) = small_pair();
    let form = Form::pair(&image, &hole);
    let head = |path: &str, length: usize| {
        format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {key}\r\nContent-Type: {}\r\n\
             Content-Length: {length}\r\n\r\n",
            form.content_type()
        )
    };
    let body = form.body();
    // Steadily, for longer than a body of any size may wait.
    let mut steady = send(&daemon, "127.0.0.1", &head(REMOVAL, body.len()));
    for chunk in body.chunks(body.len().div_ceil(12)) {
        steady.write_all(chunk).unwrap();
        std::thread::sleep(Duration::from_millis(body.len() as u64 / 12 / 3));
    }
    let reply = rest(&mut steady);
    assert!(reply.starts_with("HTTP/1.1 200"), "{reply}");
    // A batch that stops after its first part.
    let part = &body[..body.len() / 2];
    let mut stalled = send(
        &daemon,
        "127.0.0.1",
        &head(&format!("{REMOVAL}/batch"), 1 << 20),
    );
    stalled.write_all(part).unwrap();
    let begun = Instant::now();
    let reply = rest(&mut stalled);
    assert!(reply.starts_with("HTTP/1.1 408"), "{reply}");
    let most = Duration::from_secs(8) + Duration::from_millis(part.len() as u64 / 2);
    assert!(begun.elapsed() < most, "{:?}", begun.elapsed());
}

#[test]
fn a_reply_that_is_not_taken_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(
        dir.path(),
        &format!(
            "{QUICK}upload_bytes_per_s_min = 100000000\n[rate_limits]\npublic_per_minute = 100000\n"
        ),
    );
    let mut stream = connect(&daemon, "127.0.0.1");
    stream.set_nonblocking(true).unwrap();
    let ask = "GET /openapi.json HTTP/1.1\r\nHost: a\r\n\r\n".repeat(16);
    let begun = Instant::now();
    loop {
        match stream.write(ask.as_bytes()) {
            Err(error) if error.kind() != ErrorKind::WouldBlock => break,
            _ => std::thread::sleep(Duration::from_millis(20)),
        }
        assert!(begun.elapsed() < Duration::from_secs(20), "still open");
    }
    let text = String::from_utf8(daemon.get("/metrics", None).body).unwrap();
    assert!(
        text.contains("cleanplate_connections_cut_total{why="),
        "{text}"
    );
}

#[test]
fn who_cannot_be_served_is_told_before_the_body() {
    let dir = tempfile::tempdir().unwrap();
    let config = "[accounts]\nfirst_credits = 0\n[limits]\nuploads_per_key_mib_max = 8\n";
    let daemon = Daemon::start(dir.path(), config);
    let poor = daemon.key();
    let rich = daemon.key_of("rich", 50);
    let form = Form::new().content_type();
    let ask = |key: &str, bytes: u64, more: &str| {
        let head = format!(
            "POST {REMOVAL} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nContent-Type: {form}\r\n\
             Content-Length: {bytes}\r\n{more}\r\n--cleanplate"
        );
        let mut stream = send(&daemon, "127.0.0.1", &head);
        let mut start = [0u8; 12];
        stream.read_exact(&mut start).unwrap();
        String::from_utf8_lossy(&start[9..]).into_owned()
    };
    let begun = Instant::now();
    assert_eq!(ask("sk-live-nonsense", 16_000_000, ""), "401");
    assert_eq!(ask(&poor, 4_000_000, ""), "402");
    assert_eq!(
        ask(&rich, 16_000_000, ""),
        "429",
        "more than a key may have under way"
    );
    assert_eq!(ask(&rich, 4_000, "Content-Encoding: gzip\r\n"), "415");
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    let stored = std::fs::read_dir(daemon.data.join("uploads")).unwrap();
    assert_eq!(stored.count(), 0);
    // A quote needs no credits.
    let (image, hole) = small_pair();
    let quote = daemon.post(
        &format!("{REMOVAL}?dry_run=true"),
        Some(&poor),
        &Form::pair(&image, &hole),
    );
    assert_eq!(quote.status, 200);
}

/// Seconds of processor time that the daemon has used.
fn cpu_s(daemon: &Daemon) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", daemon.child.id())).unwrap();
    let fields: Vec<&str> = stat[stat.rfind(')').unwrap() + 2..].split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    // A hundred to a second on every Linux.
    ticks as f64 / 100.0
}

#[test]
fn an_upload_that_comes_in_tiny_pieces_costs_no_turn_for_each() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let key = daemon.key();
    // Each of these looks like the begin of the end of the part.
    let pieces = b"\r\n--".repeat(500_000);
    let image = [&png(photo(8, 8))[..33], &pieces].concat();
    let before = cpu_s(&daemon);
    let form = Form::new().file("image", "a.png", &image);
    let reply = daemon.post(&format!("{REMOVAL}?dry_run=true"), Some(&key), &form);
    assert_eq!(reply.status, 422);
    let used_s = cpu_s(&daemon) - before;
    println!("{used_s:.2} CPU s for 500,000 pieces");
    assert!(used_s < 3.0, "{used_s} CPU s");
}

/// The head of an upload that waits to be told to go on.
fn expecting(key: &str, bytes: usize) -> String {
    let form = Form::new().content_type();
    format!(
        "POST {REMOVAL} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nContent-Type: {form}\r\n\
         Content-Length: {bytes}\r\nExpect: 100-continue\r\n\r\n"
    )
}

/// The next bytes, as many as this text has.
fn comes(stream: &mut TcpStream, text: &str) {
    let mut bytes = vec![0; text.len()];
    stream.read_exact(&mut bytes).unwrap();
    assert_eq!(String::from_utf8_lossy(&bytes), text);
}

#[test]
fn who_waits_to_be_told_to_go_on_is_told_when_the_body_is_wanted() {
    const GO_ON: &str = "HTTP/1.1 100 Continue\r\n\r\n";
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "[accounts]\nfirst_credits = 3\n");
    let key = daemon.key();
    let (image, hole) = small_pair();
    let body = Form::pair(&image, &hole).body();
    let mut wrong = send(
        &daemon,
        "127.0.0.1",
        &expecting("sk-live-nonsense", 10_000_000),
    );
    comes(&mut wrong, "HTTP/1.1 401 ");
    let mut large = send(&daemon, "127.0.0.1", &expecting(&key, 900_000_000));
    comes(&mut large, "HTTP/1.1 413 ");
    // Behind another request: its reply comes first, then the line, then the body goes.
    let ask = format!(
        "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n{}",
        expecting(&key, body.len())
    );
    let mut good = send(&daemon, "127.0.0.1", &ask);
    let mut text = String::new();
    while !text.ends_with(GO_ON) {
        let mut byte = [0];
        good.read_exact(&mut byte).unwrap();
        text.push(char::from(byte[0]));
    }
    assert_eq!(text.matches("HTTP/1.1 ").count(), 2, "{text}");
    good.write_all(&body).unwrap();
    comes(&mut good, "HTTP/1.1 200 OK\r\n");
    // The credits are gone.
    let mut poor = send(&daemon, "127.0.0.1", &expecting(&key, body.len()));
    comes(&mut poor, "HTTP/1.1 402 ");
    // Who does not wait is served as well.
    let mut hasty = send(
        &daemon,
        "127.0.0.1",
        &expecting("sk-live-nonsense", body.len()),
    );
    drop(hasty.write_all(&body));
    comes(&mut hasty, "HTTP/1.1 401 ");
}

#[test]
fn a_paid_reply_is_repeated_when_the_credits_are_gone() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "[accounts]\nfirst_credits = 3\n");
    let key = daemon.key();
    let (image, hole) = small_pair();
    let form = Form::pair(&image, &hole);
    let ask = |once: &str| {
        let headers = [("Idempotency-Key", once)];
        daemon.post_with(REMOVAL, Some(&key), &headers, &form)
    };
    let first = ask("a");
    assert_eq!(first.status, 200);
    let again = ask("a");
    assert_eq!((again.status, &again.body), (200, &first.body));
    assert_eq!(ask("b").status, 402);
}

#[test]
fn the_events_of_a_revoked_key_end() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "");
    let made = crate::common::json(&daemon.cli(&["keys", "create", "--name", "k", "--json"]));
    let key = made["key"].as_str().unwrap();
    let jpeg = crate::common::encode(crate::common::photo(1600, 1200), image::ImageFormat::Jpeg);
    let hole = crate::common::png(crate::common::mask(1600, 1200, [300, 300, 1300, 900]));
    let path = format!("{REMOVAL}?async=true");
    let accepted = daemon.post(&path, Some(key), &Form::pair(&jpeg, &hole));
    let id = accepted.json()["job_id"].as_str().unwrap().to_string();
    let ask = format!(
        "GET /v1/jobs/{id}/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n"
    );
    let mut events = send(&daemon, "127.0.0.1", &ask);
    let mut start = [0u8; 15];
    events.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 200 OK");
    let revoked = daemon.cli(&["keys", "revoke", made["id"].as_str().unwrap(), "--json"]);
    assert!(revoked.status.success());
    let begun = Instant::now();
    let text = rest(&mut events);
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{:?}",
        begun.elapsed()
    );
    assert!(
        !text.contains("event: completed") && !text.contains("sig="),
        "{text}"
    );
}

#[test]
fn event_streams_of_one_account_leave_some_to_others() {
    let dir = tempfile::tempdir().unwrap();
    let daemon = Daemon::start(dir.path(), "[queue]\nat_once_max = 1\n");
    let keys = [daemon.key_of("greedy", 100), daemon.key_of("modest", 100)];
    let jpeg = crate::common::encode(crate::common::photo(1600, 1200), image::ImageFormat::Jpeg);
    let hole = crate::common::png(crate::common::mask(1600, 1200, [300, 300, 1300, 900]));
    let (path, form) = (format!("{REMOVAL}?async=true"), Form::pair(&jpeg, &hole));
    // The last job of each waits behind the others, so its events go on.
    let waiting = keys.each_ref().map(|key| {
        let sent: Vec<_> = (0..3)
            .map(|_| daemon.post(&path, Some(key), &form).json())
            .collect();
        sent.last().unwrap()["job_id"].as_str().unwrap().to_string()
    });
    let open = |of: usize, source: &str| {
        let (id, key) = (&waiting[of], &keys[of]);
        let ask = format!(
            "GET /v1/jobs/{id}/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n"
        );
        let mut stream = send(&daemon, source, &ask);
        let mut start = [0u8; 12];
        stream.read_exact(&mut start).unwrap();
        (String::from_utf8_lossy(&start[9..]).into_owned(), stream)
    };
    let mut held = Vec::new();
    let refused = (0..128).find_map(|_| {
        let (status, stream) = open(0, "127.0.0.1");
        held.push(stream);
        (status != "200").then_some(status)
    });
    // Of 128, one account takes half; of what is left, the next may take half again.
    assert_eq!((refused.as_deref(), held.len()), (Some("429"), 65));
    assert_eq!(open(1, "127.0.0.2").0, "200");
}
