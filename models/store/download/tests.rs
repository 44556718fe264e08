//! Downloads from a server on this machine that misbehaves as asked.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::sync::mpsc;

use sha2::{Digest, Sha256};

use super::*;

/// How the server treats one request.
#[derive(Clone, Copy)]
pub(crate) enum Manner {
    /// Answers as HTTP wants, ranges included.
    Correct,
    /// Sends this many bytes of the body, then closes the connection.
    CutAfter(usize),
    /// Knows no ranges: always the whole file.
    NoRanges,
    /// A range that was not asked for.
    WrongRange,
    /// A status without a file.
    Status(u16),
}

/// Serves `content`, one request per manner; gives the address and the `Range` header of each request.
pub(crate) fn serve(
    content: Vec<u8>,
    manners: Vec<Manner>,
) -> (String, mpsc::Receiver<Option<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/file.bin", listener.local_addr().unwrap());
    let (seen, ranges) = mpsc::channel();
    std::thread::spawn(move || {
        for manner in manners {
            let (mut stream, _) = listener.accept().unwrap();
            let lines: Vec<String> = BufReader::new(stream.try_clone().unwrap())
                .lines()
                .map_while(Result::ok)
                .take_while(|line| !line.is_empty())
                .collect();
            let range = lines.iter().find_map(|line| {
                line.to_ascii_lowercase()
                    .strip_prefix("range: ")
                    .map(str::to_string)
            });
            let start: usize = range
                .as_deref()
                .and_then(|r| r.strip_prefix("bytes=")?.strip_suffix('-')?.parse().ok())
                .unwrap_or(0);
            seen.send(range).ok();
            let (status, from, stop) = match manner {
                Manner::Status(status) => {
                    write!(stream, "HTTP/1.1 {status} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").ok();
                    continue;
                }
                Manner::NoRanges => (200, 0, content.len()),
                Manner::CutAfter(bytes) => (
                    if start > 0 { 206 } else { 200 },
                    start,
                    (start + bytes).min(content.len()),
                ),
                Manner::Correct | Manner::WrongRange => {
                    (if start > 0 { 206 } else { 200 }, start, content.len())
                }
            };
            let stated = if matches!(manner, Manner::WrongRange) {
                0
            } else {
                from
            };
            let range = format!(
                "Content-Range: bytes {stated}-{}/{}\r\n",
                content.len() - 1,
                content.len()
            );
            let range = if status == 206 { range } else { String::new() };
            write!(
                stream,
                "HTTP/1.1 {status} Fine\r\nContent-Length: {}\r\n{range}Connection: close\r\n\r\n",
                content.len() - from
            )
            .ok();
            stream.write_all(&content[from..stop]).ok();
        }
    });
    (url, ranges)
}

fn content() -> Vec<u8> {
    (0..700_000u32)
        .flat_map(|i| i.wrapping_mul(2_654_435_761).to_le_bytes())
        .collect()
}

struct Scene {
    dir: tempfile::TempDir,
    sha256: String,
    bytes: u64,
}

impl Scene {
    fn new(content: &[u8]) -> Self {
        Scene {
            dir: tempfile::tempdir().unwrap(),
            sha256: format!("{:x}", Sha256::digest(content)),
            bytes: content.len() as u64,
        }
    }
    fn part(&self) -> std::path::PathBuf {
        self.dir.path().join("model.part")
    }
    fn fetch(&self, url: &str) -> Result<(), ModelError> {
        Download {
            url,
            bytes: self.bytes,
            sha256: &self.sha256,
        }
        .fetch(&self.part(), &mut |_| {})
    }
}

#[test]
fn an_interrupted_download_goes_on_where_it_stopped() {
    let content = content();
    let scene = Scene::new(&content);
    let (url, ranges) = serve(
        content.clone(),
        vec![
            Manner::CutAfter(1_000_000),
            Manner::CutAfter(500_000),
            Manner::Correct,
        ],
    );
    scene.fetch(&url).unwrap();
    assert!(fs::read(scene.part()).unwrap() == content);
    let ranges: Vec<_> = ranges.iter().collect();
    assert_eq!(
        ranges,
        [
            None,
            Some("bytes=1000000-".into()),
            Some("bytes=1500000-".into())
        ]
    );
}

#[test]
fn an_earlier_runs_bytes_are_used() {
    let content = content();
    let scene = Scene::new(&content);
    fs::write(scene.part(), &content[..2_000_000]).unwrap();
    let (url, ranges) = serve(content.clone(), vec![Manner::Correct]);
    let mut steps = Vec::new();
    Download {
        url: &url,
        bytes: scene.bytes,
        sha256: &scene.sha256,
    }
    .fetch(&scene.part(), &mut |p| steps.push(p))
    .unwrap();
    assert!(fs::read(scene.part()).unwrap() == content);
    assert_eq!(ranges.recv().unwrap().as_deref(), Some("bytes=2000000-"));
    assert!(
        steps
            .first()
            .is_some_and(|p| p.phase == Phase::Download && p.done_bytes > 2_000_000)
    );
    assert!(
        steps
            .last()
            .is_some_and(|p| p.phase == Phase::Verify && p.done_bytes == p.total_bytes)
    );
}

#[test]
fn a_server_without_ranges_starts_over() {
    let content = content();
    let scene = Scene::new(&content);
    fs::write(scene.part(), b"something else").unwrap();
    let (url, _) = serve(content.clone(), vec![Manner::NoRanges]);
    scene.fetch(&url).unwrap();
    assert!(fs::read(scene.part()).unwrap() == content);
}

#[test]
fn a_wrong_file_is_refused_and_removed() {
    let content = content();
    let mut scene = Scene::new(&content);
    scene.sha256 = "0".repeat(64);
    let (url, _) = serve(content.clone(), vec![Manner::Correct]);
    let message = scene.fetch(&url).unwrap_err().to_string();
    assert!(
        message.contains("is pinned; the file was removed"),
        "{message}"
    );
    assert!(!scene.part().exists());

    scene.bytes -= 1;
    let (url, _) = serve(content, vec![Manner::Correct]);
    let message = scene.fetch(&url).unwrap_err().to_string();
    assert!(
        message.contains("2800000 bytes, 2799999 are pinned"),
        "{message}"
    );
}

#[test]
fn failures_end_and_say_why() {
    let content = content();
    let scene = Scene::new(&content);
    let (url, ranges) = serve(content.clone(), vec![Manner::Status(503); 4]);
    let message = scene.fetch(&url).unwrap_err().to_string();
    assert!(
        message.contains("503") && message.contains("run the command again"),
        "{message}"
    );
    assert_eq!(ranges.try_iter().count(), 3, "attempts are bounded");

    let (url, ranges) = serve(content.clone(), vec![Manner::Status(404); 2]);
    assert!(scene.fetch(&url).unwrap_err().to_string().contains("404"));
    assert_eq!(
        ranges.try_iter().count(),
        1,
        "a missing file is not asked for again"
    );

    fs::write(scene.part(), &content[..1000]).unwrap();
    let (url, _) = serve(content, vec![Manner::WrongRange]);
    assert!(
        scene
            .fetch(&url)
            .unwrap_err()
            .to_string()
            .contains("the server sends `bytes 0-")
    );
    assert!(
        scene
            .fetch("http://example.com/model")
            .unwrap_err()
            .to_string()
            .contains("https://")
    );
    assert!(
        scene
            .fetch("http://127.0.0.1.example.com/model")
            .unwrap_err()
            .to_string()
            .contains("https://")
    );
    assert!(
        scene
            .fetch("http://localhost@example.com/model")
            .unwrap_err()
            .to_string()
            .contains("https://")
    );
}
