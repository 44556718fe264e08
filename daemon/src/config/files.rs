//! `[files]`: where the files of jobs lie.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::options::seconds;
use super::reader::Reader;

/// `[files]`
#[derive(Debug, Clone)]
pub struct Files {
    /// Where results, kept uploads and reduced copies are.
    pub place: FilesPlace,
    /// How long addresses of the bucket are valid that clients are sent to; `None`: they are not.
    pub presign: Option<Duration>,
}

impl Files {
    /// The folder outside of the data folder, if files lie in one.
    pub fn folder(&self) -> Option<PathBuf> {
        match &self.place {
            FilesPlace::Folder(path) => Some(path.clone()),
            _ => None,
        }
    }
}

/// Where files are.
#[derive(Debug, Clone)]
pub enum FilesPlace {
    /// In the data folder.
    Data,
    /// In a folder that other processes may use too.
    Folder(PathBuf),
    /// In a bucket.
    Bucket(BucketOptions),
}

/// A bucket, or what is below a prefix of one. Shown as its address.
#[derive(Clone)]
pub struct BucketOptions {
    /// Its name.
    pub bucket: String,
    /// Front of all keys: empty, or with a slash at its end.
    pub prefix: String,
    /// Scheme, host and port of the store; empty: that of Amazon.
    pub endpoint: String,
    /// Its region; empty: that of the environment.
    pub region: String,
    /// Whether the bucket stands in the host name, not in the path.
    pub virtual_host: bool,
    /// Identifier and secret; `None`: those of the environment.
    pub credentials: Option<(String, String)>,
    /// Token of passing credentials.
    pub session_token: String,
    /// Longest time that the store may be silent.
    pub request_max: Duration,
    /// Longest time of one operation, with all its attempts.
    pub operation_max: Duration,
}

impl BucketOptions {
    /// The endpoint, with the bucket in it where it stands there.
    pub fn address(&self) -> String {
        match self.endpoint.split_once("://") {
            Some((scheme, host)) if self.virtual_host => {
                format!("{scheme}://{}.{host}", self.bucket)
            }
            _ => self.endpoint.clone(),
        }
    }
}

impl fmt::Display for BucketOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

impl fmt::Debug for BucketOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What the address means.
#[derive(Clone)]
enum FilesUrl {
    Data,
    Folder(PathBuf),
    Bucket(String, String),
}

fn address(text: &str) -> Result<FilesUrl, String> {
    let wanted = "empty, \"file:///mnt/shared\" or \"s3://bucket/prefix\"";
    if text.is_empty() {
        return Ok(FilesUrl::Data);
    }
    if let Some(path) = text.strip_prefix("file://") {
        let path = PathBuf::from(path);
        let good = path.is_absolute() && path.parent().is_some();
        return good
            .then_some(FilesUrl::Folder(path))
            .ok_or(wanted.to_string());
    }
    let rest = text.strip_prefix("s3://").ok_or(wanted)?;
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_end_matches('/');
    let plain = |text: &str, more: &[u8]| {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || more.contains(&byte);
        text.bytes().all(good)
    };
    let parts = prefix.split('/');
    let good_prefix = prefix.is_empty()
        || (plain(prefix, b"-_./") && !parts.into_iter().any(|p| matches!(p, "" | "." | "..")));
    let good = (3..=63).contains(&bucket.len()) && plain(bucket, b"-.") && good_prefix;
    let prefix = if prefix.is_empty() {
        String::new()
    } else {
        format!("{prefix}/")
    };
    good.then(|| FilesUrl::Bucket(bucket.to_string(), prefix))
        .ok_or(wanted.to_string())
}

fn endpoint(text: &str) -> Result<String, String> {
    let url = text.trim_end_matches('/');
    let host = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    if url.is_empty() || host.is_some_and(super::places::is_host) {
        Ok(url.to_string())
    } else {
        Err("empty, or scheme and host such as \"https://minio.example.com:9000\"".to_string())
    }
}

/// Reads the section; problems stay in the reader.
pub(super) fn read(r: &mut Reader<'_>) -> Files {
    let url = r.parsed("files.url", FilesUrl::Data, address);
    let endpoint = r.parsed("files.endpoint", String::new(), endpoint);
    let (region, virtual_host) = (r.text("files.region"), r.flag("files.virtual_host"));
    let (id, secret) = (
        r.text("files.access_key_id"),
        r.text("files.access_key_secret"),
    );
    let session_token = r.text("files.session_token");
    if id.is_empty() != secret.is_empty() {
        r.problem(
            "files.access_key_id",
            "`files.access_key_id` and `files.access_key_secret` belong together: set both, or neither"
                .to_string(),
        );
    }
    let request_max = seconds(r, "files.request_s_max", 1..=600);
    let operation_max = seconds(r, "files.operation_s_max", 1..=3600);
    let presign = r.flag("files.presign");
    let presign_time = seconds(r, "files.presign_s", 1..=7 * 86_400);
    let place = match url {
        FilesUrl::Data => FilesPlace::Data,
        FilesUrl::Folder(path) => FilesPlace::Folder(path),
        FilesUrl::Bucket(bucket, prefix) => FilesPlace::Bucket(BucketOptions {
            bucket,
            prefix,
            endpoint,
            region,
            virtual_host,
            credentials: (!id.is_empty()).then_some((id, secret)),
            session_token,
            request_max,
            operation_max,
        }),
    };
    if presign && !matches!(place, FilesPlace::Bucket(_)) {
        r.problem(
            "files.presign",
            "`files.presign` sends clients to a bucket, and `files.url` names none".to_string(),
        );
    }
    Files {
        place,
        presign: presign.then_some(presign_time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Option<String> {
        Some(match address(text).ok()? {
            FilesUrl::Data => "data".to_string(),
            FilesUrl::Folder(path) => path.display().to_string(),
            FilesUrl::Bucket(bucket, prefix) => format!("{bucket}:{prefix}"),
        })
    }

    #[test]
    fn addresses_are_a_folder_or_a_bucket() {
        for (text, wanted) in [
            ("", "data"),
            ("file:///mnt/shared", "/mnt/shared"),
            ("s3://plates", "plates:"),
            ("s3://plates/", "plates:"),
            ("s3://plates/a/b/", "plates:a/b/"),
        ] {
            assert_eq!(shown(text).as_deref(), Some(wanted), "{text}");
        }
        for bad in [
            "/mnt/shared",
            "file://mnt/shared",
            "file:///",
            "s3:plates",
            "s3://",
            "s3://a",
            "s3://user@plates",
            "s3://plates/a//b",
            "s3://plates/../b",
            "s3://plates/a b",
            "gs://plates",
        ] {
            assert_eq!(shown(bad), None, "{bad}");
        }
    }

    #[test]
    fn endpoints_have_scheme_and_host_and_may_take_the_bucket_in() {
        assert_eq!(
            endpoint("http://127.0.0.1:9000/").unwrap(),
            "http://127.0.0.1:9000"
        );
        for bad in ["127.0.0.1:9000", "https://", "https://a/b", "ftp://a"] {
            assert!(endpoint(bad).is_err(), "{bad}");
        }
        let mut bucket = BucketOptions {
            bucket: "plates".to_string(),
            prefix: "a/".to_string(),
            endpoint: "https://s3.example.com".to_string(),
            region: String::new(),
            virtual_host: false,
            credentials: Some(("id".to_string(), "hidden".to_string())),
            session_token: "hidden".to_string(),
            request_max: Duration::ZERO,
            operation_max: Duration::ZERO,
        };
        assert_eq!(bucket.address(), "https://s3.example.com");
        bucket.virtual_host = true;
        assert_eq!(bucket.address(), "https://plates.s3.example.com");
        assert_eq!(
            format!("{bucket:?} {bucket}"),
            "s3://plates/a/ s3://plates/a/"
        );
    }
}
