//! An S3 server with one bucket, whose objects are files of a folder; it can be ended, silenced and started again. It is a program of
//! its own (`s3s-fs`), so that what it is made of takes no part in the product.

use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const BUCKET: &str = "plates";
/// Who may use it.
pub const KEY_ID: &str = "test-key";
/// With which secret.
pub const SECRET: &str = "a-secret-that-no-log-shows";

/// The program: where `tests/all.sh` puts it, or on the path.
fn program() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/s3/bin/s3s-fs");
    if built.is_file() {
        built
    } else {
        PathBuf::from("s3s-fs")
    }
}

/// The server.
pub struct S3 {
    root: tempfile::TempDir,
    port: u16,
    running: Option<Child>,
}

impl S3 {
    /// An empty bucket on a free port.
    pub fn start() -> S3 {
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join(BUCKET)).unwrap();
        let mut server = S3 {
            root,
            port: 0,
            running: None,
        };
        // Another program may take the port first.
        loop {
            let free = TcpListener::bind("127.0.0.1:0").unwrap();
            server.port = free.local_addr().unwrap().port();
            drop(free);
            if server.runs() {
                return server;
            }
        }
    }

    /// Serves again, at the same address; what it was asked before is forgotten.
    pub fn resume(&mut self) {
        self.stop();
        assert!(self.runs(), "port {} was taken by another", self.port);
    }

    /// Starts it; `false` when it ends at once.
    fn runs(&mut self) -> bool {
        let child = Command::new(program())
            .args(["--host", "127.0.0.1", "--port", &self.port.to_string()])
            .args(["--access-key", KEY_ID, "--secret-key", SECRET])
            .arg(self.root.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.unwrap_or_else(|error| {
            panic!("no S3 server ({error}): tests/all.sh installs one (cargo install s3s-fs, into target/s3)")
        });
        let until = Instant::now() + Duration::from_secs(30);
        loop {
            if child.try_wait().unwrap().is_some() {
                return false;
            }
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                self.running = Some(child);
                return true;
            }
            assert!(Instant::now() < until, "the S3 server does not listen");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Lets it take connections and say nothing.
    pub fn silence(&mut self) {
        let id = self.running.as_ref().unwrap().id().to_string();
        let status = Command::new("kill").args(["-STOP", &id]).status();
        assert!(status.unwrap().success());
    }

    /// Ends it, with every connection.
    pub fn stop(&mut self) {
        if let Some(mut child) = self.running.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Where it is.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// `[files]` for this server.
    pub fn config(&self) -> String {
        format!(
            "[files]\nurl = \"s3://{BUCKET}/a/b\"\nendpoint = \"http://127.0.0.1:{}\"\nregion = \"us-east-1\"\naccess_key_id = \"{KEY_ID}\"\n\
             access_key_secret = \"{SECRET}\"\nrequest_s_max = 2\noperation_s_max = 4\n",
            self.port
        )
    }

    /// The file of an object.
    pub fn object(&self, kind: &str, name: &str) -> PathBuf {
        let bucket = self.root.path().join(BUCKET);
        bucket.join("a/b").join(kind).join(name)
    }

    /// Names of the objects of a kind.
    pub fn names(&self, kind: &str) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(self.object(kind, "")) else {
            return Vec::new();
        };
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        // An object that is being written has a name with a dot in front.
        let mut names: Vec<String> = names.filter(|name| !name.starts_with('.')).collect();
        names.sort();
        names
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        self.stop();
    }
}
