//! A client of the admin interface: HTTP over its Unix socket, one connection per request.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::Reply;

/// The socket of a data folder.
pub struct Admin(pub PathBuf);

impl Admin {
    pub fn of(data: &Path) -> Admin {
        Admin(data.join("admin.sock"))
    }

    fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Option<&[u8]>,
    ) -> BufReader<UnixStream> {
        let mut socket = UnixStream::connect(&self.0)
            .unwrap_or_else(|error| panic!("{}: {error}", self.0.display()));
        socket
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        let mut head =
            format!("{method} /admin/v1{path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n");
        headers
            .iter()
            .for_each(|(name, value)| head.push_str(&format!("{name}: {value}\r\n")));
        if let Some(body) = body {
            head.push_str(&format!(
                "Content-Type: application/json\r\nContent-Length: {}\r\n",
                body.len()
            ));
        }
        socket.write_all(head.as_bytes()).unwrap();
        socket.write_all(b"\r\n").unwrap();
        // A server that refuses a body closes before it was read.
        let _ = socket.write_all(body.unwrap_or_default());
        BufReader::new(socket)
    }

    pub fn raw(&self, method: &str, path: &str, body: Option<&[u8]>) -> Reply {
        let mut from = self.send(method, path, &[], body);
        let (status, headers) = read_head(&mut from);
        let mut body = Vec::new();
        if headers
            .iter()
            .any(|(name, value)| name == "transfer-encoding" && value == "chunked")
        {
            while let Some(chunk) = read_chunk(&mut from) {
                body.extend(chunk);
            }
        } else {
            from.read_to_end(&mut body).unwrap();
        }
        Reply {
            status,
            headers,
            body,
        }
    }

    pub fn get(&self, path: &str) -> Reply {
        self.raw("GET", path, None)
    }

    /// The JSON of a successful GET.
    pub fn json(&self, path: &str) -> Value {
        let reply = self.get(path);
        assert_eq!(
            reply.status,
            200,
            "{path}: {}",
            String::from_utf8_lossy(&reply.body)
        );
        reply.json()
    }

    pub fn post(&self, path: &str, body: Value) -> Reply {
        self.raw("POST", path, Some(body.to_string().as_bytes()))
    }

    /// A POST without a body.
    pub fn act(&self, path: &str) -> Reply {
        self.raw("POST", path, None)
    }

    pub fn patch(&self, path: &str, body: Value) -> Reply {
        self.raw("PATCH", path, Some(body.to_string().as_bytes()))
    }

    pub fn delete(&self, path: &str) -> Reply {
        self.raw("DELETE", path, None)
    }

    /// All rows of a list, page by page.
    pub fn all(&self, path: &str, rows: u32) -> Vec<Value> {
        let (mut items, mut after) = (Vec::new(), String::new());
        loop {
            let sign = if path.contains('?') { '&' } else { '?' };
            let page = self.json(&format!("{path}{sign}rows={rows}{after}"));
            let found = page["items"].as_array().unwrap();
            assert!(found.len() <= rows as usize);
            items.extend(found.iter().cloned());
            match page["next"].as_str() {
                Some(next) => after = format!("&after={next}"),
                None => return items,
            }
        }
    }

    /// Opens the stream of events; `last` is the id of the last event that was seen.
    pub fn events(&self, last: Option<&str>) -> Events {
        self.try_events(last).expect("a place for one more stream")
    }

    /// The same; `None` when there are as many as may be.
    pub fn try_events(&self, last: Option<&str>) -> Option<Events> {
        let headers: Vec<(&str, &str)> = last.into_iter().map(|id| ("Last-Event-ID", id)).collect();
        let mut from = self.send("GET", "/events", &headers, None);
        let (status, headers) = read_head(&mut from);
        if status == 429 {
            return None;
        }
        assert_eq!(status, 200);
        assert!(
            headers
                .iter()
                .any(|(name, value)| name == "content-type" && value == "text/event-stream"),
            "{headers:?}"
        );
        Some(Events {
            from,
            text: String::new(),
        })
    }

    /// Asks until the reply is as wanted.
    pub fn until(&self, path: &str, is: impl Fn(&Value) -> bool) -> Value {
        let limit = Instant::now() + Duration::from_secs(60);
        loop {
            let value = self.json(path);
            if is(&value) {
                return value;
            }
            assert!(Instant::now() < limit, "{path} stays {value}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

fn read_head(from: &mut impl BufRead) -> (u16, Vec<(String, String)>) {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    let status = line
        .split(' ')
        .nth(1)
        .unwrap_or_else(|| panic!("no status in {line:?}"))
        .parse()
        .unwrap();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        from.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim_end().split_once(": ") else {
            return (status, headers);
        };
        headers.push((name.to_lowercase(), value.to_string()));
    }
}

fn read_chunk(from: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut line = String::new();
    from.read_line(&mut line).unwrap();
    let length = usize::from_str_radix(line.trim(), 16)
        .ok()
        .filter(|length| *length > 0)?;
    let mut chunk = vec![0; length + 2];
    from.read_exact(&mut chunk).unwrap();
    chunk.truncate(length);
    Some(chunk)
}

/// An open stream of events.
pub struct Events {
    from: BufReader<UnixStream>,
    text: String,
}

/// One event: its id and its data.
#[derive(Debug, Clone)]
pub struct Event {
    pub id: String,
    pub data: Value,
}

impl Events {
    /// The next event; `None` when the stream ended.
    pub fn next(&mut self) -> Option<Event> {
        loop {
            while let Some(end) = self.text.find("\n\n") {
                let text: String = self.text.drain(..end + 2).collect();
                let field = |name: &str| {
                    text.lines()
                        .find_map(|line| line.strip_prefix(name))
                        .map(str::to_string)
                };
                let (Some(id), Some(kind), Some(data)) =
                    (field("id: "), field("event: "), field("data: "))
                else {
                    continue;
                };
                let data: Value = serde_json::from_str(&data).unwrap();
                assert_eq!(data["type"], kind.as_str());
                return Some(Event { id, data });
            }
            let chunk = read_chunk(&mut self.from)?;
            self.text.push_str(&String::from_utf8(chunk).unwrap());
        }
    }

    /// Events up to the first that passes, with it.
    pub fn until(&mut self, what: &str, is: impl Fn(&Value) -> bool) -> Vec<Event> {
        let (limit, mut seen) = (Instant::now() + Duration::from_secs(60), Vec::new());
        loop {
            let event = self
                .next()
                .unwrap_or_else(|| panic!("the stream ended before {what}"));
            let found = is(&event.data);
            seen.push(event);
            if found {
                return seen;
            }
            assert!(Instant::now() < limit, "{what} did not come");
        }
    }
}
