//! Photos that requests name by their address instead of sending them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use crate::common::{Daemon, Form, REMOVAL, Reply, mask, photo, png, small_pair, wait_until};

fn answer(mut stream: TcpStream, photo: &[u8], port: u16) {
    let mut head = [0u8; 4096];
    let count = stream.read(&mut head).unwrap_or(0);
    let text = String::from_utf8_lossy(&head[..count]).into_owned();
    let (mut status, mut more, mut body) = ("200 OK", String::new(), photo);
    match text.split(' ').nth(1).unwrap_or_default() {
        "/p/photo.png?w=1" => {}
        "/text" => body = b"no picture at all",
        "/slow" => std::thread::sleep(std::time::Duration::from_secs(3)),
        "/hop" => (status, more) = ("302 Found", "Location: /p/photo.png?w=1\r\n".to_string()),
        "/inner" => {
            more = format!("Location: http://localhost:{port}/p/photo.png?w=1\r\n");
            status = "302 Found";
        }
        "/endless" => {
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
            let _ = stream.write_all(photo);
            while stream.write_all(&[0; 4096]).is_ok() {}
            return;
        }
        _ => status = "404 Not Found",
    }
    if status != "200 OK" {
        body = b"";
    }
    let length = body.len();
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\n{more}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    let _ = stream.write_all(body);
}

/// A host that has one photo, and what else a fetch may meet.
fn host(photo: Vec<u8>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let (stream, photo) = (stream.unwrap(), photo.clone());
            std::thread::spawn(move || answer(stream, &photo, address.port()));
        }
    });
    format!("http://{address}")
}

/// A host that answers nothing.
fn silent_host() -> TcpListener {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    silent.set_nonblocking(true).unwrap();
    silent
}

/// The next connection to a silent host.
fn accepted(silent: &TcpListener) -> TcpStream {
    let mut stream = None;
    wait_until("a fetch is begun", Duration::from_secs(30), || {
        stream = silent.accept().ok();
        stream.is_some()
    });
    stream.unwrap().0
}

#[test]
fn a_photo_is_fetched_from_where_it_may_be_and_within_limits() {
    let dir = tempfile::tempdir().unwrap();
    let config = "[fetch]\nallowed_hosts = [\"127.0.0.1\"]\ntime_s_max = 1\n[limits]\nupload_bytes_max = 100000\n";
    let daemon = Daemon::start(dir.path(), config);
    let key = daemon.key();
    let host = host(png(photo(64, 48)));
    let form = Form::new().file("mask", "mask.png", &png(mask(64, 48, [26, 18, 38, 30])));
    let ask = |url: &str, form: &Form| -> Reply {
        let escaped = url.replace('?', "%3F").replace('=', "%3D");
        daemon.post(&format!("{REMOVAL}?image_url={escaped}"), Some(&key), form)
    };
    for good in ["/p/photo.png?w=1", "/hop"] {
        let reply = ask(&format!("{host}{good}"), &form);
        assert_eq!(
            reply.status,
            200,
            "{}",
            String::from_utf8_lossy(&reply.body)
        );
        let name = good.split('?').next().unwrap().rsplit('/').next().unwrap();
        assert_eq!(reply.json()["result"]["input_filename"], name);
    }
    let refused = |url: &str, status: u16, says: &str| {
        let reply = ask(url, &form);
        let text = String::from_utf8_lossy(&reply.body).into_owned();
        assert_eq!(reply.status, status, "{url}: {text}");
        assert!(text.contains(says), "{url}: {text}");
    };
    refused(&format!("{host}/text"), 415, "image_url: ");
    refused(&format!("{host}/missing"), 422, "answered 404");
    refused(&format!("{host}/slow"), 422, "timeout");
    refused(&format!("{host}/endless"), 413, "100000 bytes");
    refused(
        &format!("{host}/inner"),
        422,
        "localhost is not a public address",
    );
    refused("http://169.254.169.254/latest", 422, "fetch.allowed_hosts");
    refused("ftp://a.example/x", 422, "http:// or https://");
    let both = form.clone().file("image", "photo.png", &png(photo(64, 48)));
    assert_eq!(ask(&format!("{host}/hop"), &both).status, 422);
    let account = daemon.get("/v1/account", Some(&key)).json();
    assert_eq!(account["balance"], 94, "only success is charged");
    let left = || {
        std::fs::read_dir(dir.path().join("uploads"))
            .unwrap()
            .count()
    };
    wait_until("fetched photos go", Duration::from_secs(10), || left() == 0);
}

#[test]
fn a_client_that_hangs_up_leaves_the_place_to_the_fetch_that_it_asked_for() {
    let silent = silent_host();
    let url = format!("http://{}/photo.png", silent.local_addr().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let config = "[fetch]\nallowed_hosts = [\"127.0.0.1\"]\nat_once_max = 1\ntime_s_max = 30\n";
    let daemon = Daemon::start(dir.path(), config);
    let key = daemon.key();
    let form = Form::new().file("mask", "mask.png", &small_pair().1);
    let path = format!("{REMOVAL}?image_url={url}");
    let body = form.body();
    let mut client = TcpStream::connect(&daemon.addr).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n\r\n",
        daemon.addr,
        format_args!("Bearer {key}"),
        form.content_type(),
        body.len()
    );
    client.write_all(head.as_bytes()).unwrap();
    client.write_all(&body).unwrap();
    let _held = accepted(&silent);
    drop(client);
    // The daemon takes a moment to notice, and waits some seconds for a place.
    let reply = daemon.post(&path, Some(&key), &form);
    let text = String::from_utf8_lossy(&reply.body).into_owned();
    assert_eq!(reply.status, 429, "{text}");
    assert!(text.contains("too many photos are being fetched"), "{text}");
    assert!(silent.accept().is_err(), "a second fetch was begun");
}

#[test]
fn an_account_whose_hosts_hang_leaves_places_to_fetch_for_others() {
    let silent = silent_host();
    let hangs = format!("http://{}/photo.png", silent.local_addr().unwrap());
    let dir = tempfile::tempdir().unwrap();
    let config = "[fetch]\nallowed_hosts = [\"127.0.0.1\"]\nat_once_max = 4\ntime_s_max = 60\n";
    let daemon = Daemon::start(dir.path(), config);
    let other = daemon.key_of("other", 9);
    let key = daemon.key();
    let form = Form::new().file("mask", "mask.png", &small_pair().1);
    let path = format!("{REMOVAL}?image_url={hangs}");
    std::thread::scope(|scope| {
        let greedy: Vec<_> = (0..4)
            .map(|_| scope.spawn(|| daemon.post(&path, Some(&key), &form)))
            .collect();
        let begun = [accepted(&silent), accepted(&silent)];
        // The other two wait some seconds for a place.
        wait_until("two calls are refused", Duration::from_secs(60), || {
            greedy.iter().filter(|call| call.is_finished()).count() == 2
        });
        let good = format!("{REMOVAL}?image_url={}/hop", host(png(photo(64, 48))));
        let reply = daemon.post(&good, Some(&other), &form);
        assert_eq!(
            reply.status,
            200,
            "{}",
            String::from_utf8_lossy(&reply.body)
        );
        assert!(
            silent.accept().is_err(),
            "a third fetch of the account was begun"
        );
        drop(begun);
        let mut statuses: Vec<u16> = greedy
            .into_iter()
            .map(|c| c.join().unwrap().status)
            .collect();
        statuses.sort_unstable();
        assert_eq!(statuses, [422, 422, 429, 429]);
    });
}
