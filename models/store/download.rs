//! Downloads of pinned files: resumed after interruptions, verified before anything looks inside.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::time::Duration;

use ureq::http::header::{CONTENT_LENGTH, CONTENT_RANGE, RANGE};
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body};

use super::files;
use super::progress::{OnProgress, Phase, Report};
use crate::error::ModelError;

/// Longest wait for a connection, for the reply's head, and for any single read of its body.
const CONNECT_WAIT: Duration = Duration::from_secs(20);
const READ_WAIT: Duration = Duration::from_secs(60);
/// Attempts in a row that bring no byte before the download fails.
const FRUITLESS_MAX: u32 = 3;
/// Pause before another attempt.
const RETRY_PAUSE: Duration = Duration::from_millis(500);
const BUFFER_BYTES: usize = 256 << 10;

/// What to download and how to know that it is the right thing.
pub struct Download<'a> {
    /// Where it is.
    pub url: &'a str,
    /// Exact size.
    pub bytes: u64,
    /// SHA-256, lower-case hexadecimal.
    pub sha256: &'a str,
}

/// Why an attempt ended before the file was complete.
enum Stop {
    /// The connection failed; what arrived is kept and another attempt may go on from there.
    Interrupted(String),
    /// Trying again cannot help.
    Final(String),
}

impl Download<'_> {
    /// Fetches the file to `part`, going on where an earlier run stopped. On success `part` holds exactly the pinned bytes;
    /// a file of the wrong content is removed.
    pub fn fetch(&self, part: &Path, progress: OnProgress<'_>) -> Result<(), ModelError> {
        self.check_url()?;
        let agent = self.agent();
        let mut fruitless = 0;
        loop {
            let before = length(part).map_err(|e| self.fail(e.to_string()))?;
            if before == self.bytes {
                break;
            }
            // A longer file cannot be a beginning of this one.
            let before = if before > self.bytes { 0 } else { before };
            let reason = match self.attempt(&agent, part, before, progress) {
                Ok(()) => continue,
                Err(Stop::Final(why)) => return Err(self.fail(why)),
                Err(Stop::Interrupted(why)) => why,
            };
            let after = length(part).map_err(|e| self.fail(e.to_string()))?;
            fruitless = if after > before { 0 } else { fruitless + 1 };
            if fruitless == FRUITLESS_MAX {
                return Err(self.fail(format!(
                    "{reason}; {after} of {} bytes are kept, run the command again to go on",
                    self.bytes
                )));
            }
            tracing::warn!(
                url = self.url,
                bytes = after,
                reason,
                "download interrupted, going on"
            );
            std::thread::sleep(RETRY_PAUSE);
        }
        self.verify(part, progress)
    }

    fn fail(&self, why: String) -> ModelError {
        ModelError::Download {
            url: self.url.to_string(),
            why,
        }
    }

    /// HTTPS only; this machine may talk to itself without (local mirrors).
    fn check_url(&self) -> Result<(), ModelError> {
        if self.url.starts_with("https://") || self.is_loopback() {
            return Ok(());
        }
        Err(self.fail("only https:// addresses are downloaded from".into()))
    }

    fn is_loopback(&self) -> bool {
        let host = self
            .url
            .strip_prefix("http://")
            .and_then(|rest| rest.split(['/', ':']).next());
        matches!(host, Some("127.0.0.1" | "localhost"))
    }

    fn agent(&self) -> Agent {
        let builder = Agent::config_builder()
            .http_status_as_error(false)
            .https_only(!self.is_loopback())
            .timeout_resolve(Some(CONNECT_WAIT))
            .timeout_connect(Some(CONNECT_WAIT))
            .timeout_recv_response(Some(READ_WAIT))
            .timeout_per_read(Some(READ_WAIT))
            .user_agent(concat!("cleanplate/", env!("CARGO_PKG_VERSION")));
        let builder = if self.is_loopback() {
            builder.proxy(None)
        } else {
            builder
        };
        builder.build().new_agent()
    }

    /// One request for what is missing.
    fn attempt(
        &self,
        agent: &Agent,
        part: &Path,
        have: u64,
        progress: OnProgress<'_>,
    ) -> Result<(), Stop> {
        let mut request = agent.get(self.url);
        if have > 0 {
            request = request.header(RANGE, format!("bytes={have}-"));
        }
        let response = request
            .call()
            .map_err(|e| Stop::Interrupted(e.to_string()))?;
        let start = self.start(&response, have)?;
        let file =
            open(part, start).map_err(|e| Stop::Final(format!("{}: {e}", part.display())))?;
        self.receive(response.into_body(), file, start, progress)
    }

    /// The position that the reply's body starts at.
    fn start(&self, response: &Response<Body>, have: u64) -> Result<u64, Stop> {
        let header = |name| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        match response.status() {
            StatusCode::OK => {
                match header(CONTENT_LENGTH).and_then(|length| length.parse::<u64>().ok()) {
                    Some(length) if length != self.bytes => Err(Stop::Final(format!(
                        "the server has {length} bytes, {} are pinned: it is another file",
                        self.bytes
                    ))),
                    _ => Ok(0),
                }
            }
            StatusCode::PARTIAL_CONTENT => {
                let wanted = format!("bytes {have}-{}/{}", self.bytes - 1, self.bytes);
                match header(CONTENT_RANGE) {
                    Some(range) if range == wanted => Ok(have),
                    other => Err(Stop::Final(format!(
                        "asked for `{wanted}`, the server sends `{}`",
                        other.unwrap_or("no range")
                    ))),
                }
            }
            status if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(Stop::Interrupted(format!("the server answers {status}")))
            }
            status => Err(Stop::Final(format!("the server answers {status}"))),
        }
    }

    fn receive(
        &self,
        body: Body,
        mut file: File,
        start: u64,
        progress: OnProgress<'_>,
    ) -> Result<(), Stop> {
        let mut body = body.into_reader();
        let mut buffer = vec![0u8; BUFFER_BYTES];
        let mut have = start;
        while have < self.bytes {
            let count = body
                .read(&mut buffer)
                .map_err(|e| Stop::Interrupted(e.to_string()))?;
            if count == 0 {
                return Err(Stop::Interrupted("the connection ended early".into()));
            }
            have += count as u64;
            if have > self.bytes {
                return Err(Stop::Final(format!(
                    "more than the pinned {} bytes arrive: it is another file",
                    self.bytes
                )));
            }
            file.write_all(&buffer[..count])
                .map_err(|e| Stop::Final(format!("writing: {e}")))?;
            progress.report(Phase::Download, have, self.bytes);
        }
        file.sync_all()
            .map_err(|e| Stop::Final(format!("writing: {e}")))
    }

    fn verify(&self, part: &Path, progress: OnProgress<'_>) -> Result<(), ModelError> {
        let seen = |done| progress.report(Phase::Verify, done, self.bytes);
        let (sha256, _) = File::open(part)
            .and_then(|file| files::hash(file, seen))
            .map_err(|e| self.fail(e.to_string()))?;
        if sha256 == self.sha256 {
            return Ok(());
        }
        files::remove_if_present(part).map_err(|e| self.fail(e.to_string()))?;
        Err(self.fail(format!(
            "SHA-256 is {sha256}, {} is pinned; the file was removed",
            self.sha256
        )))
    }
}

/// Bytes that are there already.
fn length(part: &Path) -> io::Result<u64> {
    match fs::metadata(part) {
        Ok(metadata) => Ok(metadata.len()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(0),
        Err(e) => Err(e),
    }
}

/// Opens the partial file for writing from `start`; what lies behind is cut off.
fn open(part: &Path, start: u64) -> io::Result<File> {
    let mut file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(part)?;
    file.set_len(start)?;
    file.seek(SeekFrom::End(0))?;
    Ok(file)
}

#[cfg(test)]
pub(crate) mod tests;
