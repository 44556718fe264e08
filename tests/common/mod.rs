//! Black-box harness: the real binary on a free port with a data folder of its own, and a client that speaks HTTP to it.

pub mod admin;
#[allow(dead_code)] // The store is measured with it, too.
pub mod postgres;
pub mod s3;
pub mod volume;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::Value;

pub const REMOVAL: &str = "/v1/services/object-removal";

/// The binary under test.
pub fn cleanplate() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cleanplate"));
    command.env_remove("RUST_LOG");
    command
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_path_buf()
}

pub fn run(args: &[&str]) -> Output {
    cleanplate().args(args).output().unwrap()
}

pub fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    serde_json::from_str(&text).unwrap_or_else(|e| {
        panic!(
            "{e}: stdout {text:?}, stderr {}",
            String::from_utf8_lossy(&output.stderr)
        )
    })
}

/// A port that nobody listens on, below those that the system gives to connections, which might take it before its user does.
pub fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let drawn = std::process::id() * 97 + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 12_000 + (drawn % 20_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A running daemon. Killed on drop.
pub struct Daemon {
    pub child: Child,
    pub addr: String,
    pub data: PathBuf,
    pub log: Arc<Mutex<String>>,
}

/// What the first start of a data folder prints.
pub fn first_key(log: &str) -> Option<String> {
    let start = log.find("sk-live-")?;
    Some(
        log[start..]
            .chars()
            .take_while(|c| c.is_ascii_alphanumeric() || *c == '-')
            .collect(),
    )
}

impl Daemon {
    /// Starts on `data` with `config` (TOML text over the defaults) and waits until it is ready.
    pub fn start(data: &Path, config: &str) -> Daemon {
        Daemon::start_on(data, config, "cpu")
    }

    /// The same on another backend.
    pub fn start_on(data: &Path, config: &str, backend: &str) -> Daemon {
        Daemon::start_among(data, config, backend, &[])
    }

    /// The same with variables of the environment.
    pub fn start_among(
        data: &Path,
        config: &str,
        backend: &str,
        variables: &[(&str, &str)],
    ) -> Daemon {
        let mut program = cleanplate();
        program.envs(variables.iter().copied());
        Daemon::start_as(program, data, config, backend)
    }

    /// The same of another program: that of an earlier version.
    pub fn start_as(mut program: Command, data: &Path, config: &str, backend: &str) -> Daemon {
        let addr = format!("127.0.0.1:{}", free_port());
        std::fs::create_dir_all(data).unwrap();
        let file = data.join("test.toml");
        std::fs::write(&file, config).unwrap();
        let mut child = program
            .args([
                "serve",
                "--backend",
                backend,
                "--listen",
                &addr,
                "--data",
                data.to_str().unwrap(),
                "--config",
                file.to_str().unwrap(),
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        collect(child.stdout.take().unwrap(), &log);
        collect(child.stderr.take().unwrap(), &log);
        let mut daemon = Daemon {
            child,
            addr,
            data: data.to_path_buf(),
            log,
        };
        daemon.wait_ready();
        daemon
    }

    fn wait_ready(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!(
                    "the daemon ended with {status}: {}",
                    self.log.lock().unwrap()
                );
            }
            if TcpStream::connect(&self.addr).is_ok() && self.get("/readyz", None).status == 200 {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("not ready within a minute: {}", self.log.lock().unwrap());
    }

    /// The key that the first start printed.
    pub fn key(&self) -> String {
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(key) = first_key(&self.log.lock().unwrap()) {
                return key;
            }
            assert!(
                Instant::now() < deadline,
                "no key in the log: {}",
                self.log.lock().unwrap()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A key of a new account of this name with so many credits.
    pub fn key_of(&self, account: &str, credits: u32) -> String {
        let credits = credits.to_string();
        let made = self.cli(&["accounts", "create", account, "--credits", &credits]);
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        let made = self.cli(&[
            "keys",
            "create",
            "--account",
            account,
            "--name",
            "k",
            "--json",
        ]);
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        json(&made)["key"].as_str().unwrap().to_string()
    }

    pub fn url(&self, path: &str) -> String {
        if path.starts_with("http") {
            path.to_string()
        } else {
            format!("http://{}{path}", self.addr)
        }
    }

    pub fn get(&self, path: &str, key: Option<&str>) -> Reply {
        let mut request = agent().get(self.url(path));
        if let Some(key) = key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        Reply::from(request.call())
    }

    pub fn post(&self, path: &str, key: Option<&str>, form: &Form) -> Reply {
        self.post_with(path, key, &[], form)
    }

    /// A POST with more headers.
    pub fn post_with(
        &self,
        path: &str,
        key: Option<&str>,
        headers: &[(&str, &str)],
        form: &Form,
    ) -> Reply {
        let mut request = agent()
            .post(self.url(path))
            .content_type(form.content_type());
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(key) = key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        Reply::from(request.send(form.body().as_slice()))
    }

    pub fn delete(&self, path: &str, key: Option<&str>) -> Reply {
        let mut request = agent().delete(self.url(path));
        if let Some(key) = key {
            request = request.header("Authorization", format!("Bearer {key}"));
        }
        Reply::from(request.call())
    }

    /// A request without a body whose redirects are not followed.
    pub fn ask(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Reply {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .build()
            .into();
        let mut request = ureq::http::Request::builder()
            .method(method)
            .uri(self.url(path));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Reply::from(agent.run(request.body(()).unwrap()))
    }

    /// `cleanplate ARGS --data <this folder>` while the daemon runs.
    pub fn cli(&self, args: &[&str]) -> Output {
        cleanplate()
            .args(args)
            .args(["--data", self.data.to_str().unwrap()])
            .output()
            .unwrap()
    }

    pub fn kill9(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Ends it by SIGTERM.
    pub fn terminate_and_wait(mut self) {
        self.terminate();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{status}: {}", self.log.lock().unwrap());
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill")
            .args([signal, &self.child.id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(stream: impl Read + Send + 'static, log: &Arc<Mutex<String>>) {
    let log = Arc::clone(log);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut log = log.lock().unwrap();
            log.push_str(&line);
            log.push('\n');
        }
    });
}

fn agent() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(120)))
        .build()
        .into()
}

/// A complete reply.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    fn from(result: Result<ureq::http::Response<ureq::Body>, ureq::Error>) -> Reply {
        let mut response = match result {
            Ok(response) => response,
            Err(error) => {
                return Reply {
                    status: 0,
                    headers: Vec::new(),
                    body: error.to_string().into_bytes(),
                };
            }
        };
        let headers = response.headers().iter().map(|(k, v)| {
            (
                k.as_str().to_string(),
                String::from_utf8_lossy(v.as_bytes()).into_owned(),
            )
        });
        let headers = headers.collect();
        let body = response
            .body_mut()
            .with_config()
            .limit(512 << 20)
            .read_to_vec();
        match body {
            Ok(body) => Reply {
                status: response.status().as_u16(),
                headers,
                body,
            },
            Err(error) => Reply {
                status: 0,
                headers,
                body: error.to_string().into_bytes(),
            },
        }
    }

    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&self.body)))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(k, _)| k.eq_ignore_ascii_case(name))
            .map(|(_, v)| v.as_str())
    }
}

/// A multipart form.
#[derive(Default, Clone)]
pub struct Form(Vec<(String, Vec<u8>, Vec<u8>)>);

impl Form {
    pub fn new() -> Form {
        Form::default()
    }
    pub fn file(mut self, field: &str, name: impl AsRef<[u8]>, bytes: &[u8]) -> Form {
        let name = name.as_ref().to_vec();
        self.0.push((field.into(), name, bytes.to_vec()));
        self
    }
    /// Image and mask.
    pub fn pair(image: &[u8], mask: &[u8]) -> Form {
        Form::new()
            .file("image", "photo.png", image)
            .file("mask", "mask.png", mask)
    }
    pub fn content_type(&self) -> &'static str {
        "multipart/form-data; boundary=cleanplate-test-boundary"
    }
    pub fn body(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (field, name, bytes) in &self.0 {
            let head = "--cleanplate-test-boundary\r\nContent-Disposition: form-data";
            write!(out, "{head}; name=\"{field}\"; filename=\"").unwrap();
            out.extend_from_slice(name);
            write!(out, "\"\r\nContent-Type: application/octet-stream\r\n\r\n").unwrap();
            out.extend_from_slice(bytes);
            out.extend_from_slice(b"\r\n");
        }
        out.extend_from_slice(b"--cleanplate-test-boundary--\r\n");
        out
    }
}

/// A photo-like picture: a smooth gradient with texture.
pub fn photo(width: u32, height: u32) -> image::RgbImage {
    image::RgbImage::from_fn(width, height, |x, y| {
        let texture = ((x * 7919 + y * 104_729) % 23) as u8;
        image::Rgb([
            (x * 200 / width) as u8 + texture,
            (y * 200 / height) as u8 + texture,
            90 + texture,
        ])
    })
}

/// A mask with a filled rectangle.
pub fn mask(width: u32, height: u32, hole: [u32; 4]) -> image::GrayImage {
    let [x0, y0, x1, y1] = hole;
    image::GrayImage::from_fn(width, height, |x, y| {
        image::Luma([if x >= x0 && x < x1 && y >= y0 && y < y1 {
            255
        } else {
            0
        }])
    })
}

pub fn encode(picture: impl Into<image::DynamicImage>, format: image::ImageFormat) -> Vec<u8> {
    let mut out = std::io::Cursor::new(Vec::new());
    picture.into().write_to(&mut out, format).unwrap();
    out.into_inner()
}

pub fn png(picture: impl Into<image::DynamicImage>) -> Vec<u8> {
    encode(picture, image::ImageFormat::Png)
}

/// A small valid pair: 64x48 with a 12x12 hole.
pub fn small_pair() -> (Vec<u8>, Vec<u8>) {
    (png(photo(64, 48)), png(mask(64, 48, [26, 18, 38, 30])))
}

/// Waits until it is so.
pub fn wait_until(what: &str, limit: Duration, mut is: impl FnMut() -> bool) {
    let until = Instant::now() + limit;
    while !is() {
        assert!(
            Instant::now() < until,
            "{what} did not happen within {limit:?}"
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}
