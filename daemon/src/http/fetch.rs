//! Photos that requests name by `image_url` instead of sending them.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use cleanplate_api::ErrorCode;
use cleanplate_store::AccountId;
use sha2::{Digest, Sha256};

use super::upload::{FormBody, HEAD_BYTES, Upload, recognise, too_large};
use crate::app::App;
use crate::blocking::blocking;
use crate::config;
use crate::files::FilesError;
use crate::outbound;
use crate::refusal::Refusal;
use crate::telemetry::{escaped, short};

/// Redirects that are followed; each leads only where the address itself might.
const REDIRECTS_MAX: u32 = 5;
/// Time that a request waits for others to be done with their photos.
const WAIT_MAX: Duration = Duration::from_secs(5);
/// Seconds after which there may be a place.
const RETRY_S: u64 = 5;
/// Bytes read at a time.
const CHUNK_BYTES: usize = 64 << 10;

fn wrong(why: impl Into<String>) -> Refusal {
    Refusal::field(&["query", "image_url"], why, "value_error.image_url")
}

/// Judges an address as far as its text goes.
pub fn check(url: &str, app: &App) -> Result<(), Refusal> {
    if app.config.fetch.at_once_max == 0 {
        return Err(wrong("this service fetches no photos: send it as `image`"));
    }
    outbound::check(url, &app.config.fetch.allowed).map_err(wrong)
}

/// Fetches a photo. Its bytes count like those of an upload.
pub async fn image(
    url: &str,
    body: &FormBody,
    app: &App,
    account: AccountId,
) -> Result<Upload, Refusal> {
    let Some(place) = app.fetches.wait(account, WAIT_MAX).await else {
        let text = "too many photos are being fetched for this account, or for all";
        return Err(Refusal::new(ErrorCode::QueueFull, text).retry_after(RETRY_S));
    };
    let fetch = Fetch {
        url: url.to_string(),
        bytes_max: app.config.limits.upload_bytes_max,
        dir: app.dirs.uploads.clone(),
        config: app.config.fetch.clone(),
    };
    body.reserve(fetch.bytes_max)?;
    let too_large = too_large(app);
    // The place is the fetch's, not the request's: a client that hangs up leaves it at work.
    blocking(move || {
        let _place = place;
        fetch.run(too_large)
    })
    .await?
}

struct Fetch {
    url: String,
    bytes_max: u64,
    dir: PathBuf,
    config: config::Fetch,
}

impl Fetch {
    fn run(&self, too_large: Refusal) -> Result<Upload, Refusal> {
        let agent = outbound::agent(
            self.config.allowed.clone(),
            self.config.time_max,
            REDIRECTS_MAX,
        );
        let failed = |error: &dyn std::fmt::Display| {
            wrong(format!(
                "the photo could not be fetched: {}",
                escaped(&error.to_string())
            ))
        };
        let mut reply = agent
            .get(&self.url)
            .call()
            .map_err(|error| failed(&error))?;
        if !reply.status().is_success() {
            return Err(failed(&format!(
                "its host answered {}",
                reply.status().as_u16()
            )));
        }
        if reply.body().content_length() > Some(self.bytes_max) {
            return Err(too_large);
        }
        let io = |error| Refusal::from(FilesError::io("storing a photo in", &self.dir)(error));
        let named = tempfile::Builder::new()
            .prefix("up-")
            .tempfile_in(&self.dir);
        let mut file = named.map_err(io)?;
        let mut source = reply.body_mut().as_reader();
        let (mut chunk, mut head, mut bytes) = (vec![0u8; CHUNK_BYTES], Vec::new(), 0u64);
        let mut hash = Sha256::new();
        loop {
            let count = source.read(&mut chunk).map_err(|error| failed(&error))?;
            let new = &chunk[..count];
            if head.len() < HEAD_BYTES {
                head.extend_from_slice(&new[..count.min(HEAD_BYTES)]);
                if head.len() >= HEAD_BYTES || count == 0 {
                    recognise("image_url", &head)?;
                }
            }
            if count == 0 {
                break;
            }
            bytes += count as u64;
            if bytes > self.bytes_max {
                return Err(too_large);
            }
            hash.update(new);
            file.write_all(new).map_err(io)?;
        }
        Ok(Upload {
            file,
            filename: name_of(&self.url),
            sha256: hash.finalize().into(),
        })
    }
}

/// The last part of the address's path, made safe to show.
fn name_of(url: &str) -> String {
    let path = url.split(['?', '#']).next().unwrap_or_default();
    let after_host = path.splitn(4, '/').nth(3).unwrap_or_default();
    short(
        &escaped(after_host.rsplit('/').next().unwrap_or_default()),
        255,
    )
}

#[cfg(test)]
mod tests {
    use super::name_of;

    #[test]
    fn names_come_from_the_path() {
        for (url, name) in [
            ("https://a.example/p/photo.jpg?w=1#x", "photo.jpg"),
            ("https://a.example/", ""),
            ("https://a.example", ""),
            ("https://a.example/p/", ""),
        ] {
            assert_eq!(name_of(url), name, "{url}");
        }
    }
}
