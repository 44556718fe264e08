//! Files of jobs in a bucket of an S3-compatible store.
//!
//! Requests run on threads of their own. Each has a limit of time and is tried again a few times, with pauses that differ;
//! an operation as a whole, with all of that, has one too: nobody waits for a store that hangs for longer.

use std::fmt;
use std::io::{Seek, Write};
use std::ops::Range;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use actix_web::web;
use cleanplate_store::StoredFile;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::SpawnedReqwestConnector;
use object_store::path::Path as Key;
use object_store::signer::{SignedUrlOptions, Signer};
use object_store::{
    BackoffConfig, ClientOptions, Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt,
    PutPayload, RetryConfig,
};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tokio::runtime::Runtime;

use super::FilesError;
use super::blobs::{ByteStream, Kind, Listed};
use crate::config::BucketOptions;
use crate::print::explain;
use cleanplate_basics::lock;

/// Threads that move bytes to and from the bucket.
const THREADS: usize = 2;
/// Longest time for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Longest time that the look whether the bucket answers takes.
const LOOK_MAX: Duration = Duration::from_secs(5);
/// Attempts after the first one.
const RETRIES: usize = 3;
/// First and longest pause before another attempt.
const PAUSES: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(2));

/// A bucket, or what is below a prefix of one.
pub struct BucketBlobs {
    store: AmazonS3,
    /// Gone while this is dropped.
    runtime: Option<Runtime>,
    options: BucketOptions,
    /// Copies of files that are at hand.
    uploads: PathBuf,
    /// Why the last operation failed, if it did.
    failing: Mutex<Option<String>>,
    /// One renames at a time.
    renaming: Mutex<()>,
}

impl fmt::Debug for BucketBlobs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BucketBlobs({})", self.options)
    }
}

impl Drop for BucketBlobs {
    fn drop(&mut self) {
        // Whoever drops it may be in the middle of serving.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn client(options: &BucketOptions) -> ClientOptions {
    // The whole time of a request is bounded from outside: a download that its client takes slowly may last.
    ClientOptions::new()
        .with_timeout_disabled()
        .with_connect_timeout(CONNECT_MAX)
        .with_read_timeout(options.request_max)
        .with_allow_http(options.endpoint.starts_with("http://"))
}

fn store(options: &BucketOptions, runtime: &Runtime) -> Result<AmazonS3, Error> {
    let retries = RetryConfig {
        backoff: BackoffConfig {
            init_backoff: PAUSES.0,
            max_backoff: PAUSES.1,
            base: 3.0,
        },
        max_retries: RETRIES,
        retry_timeout: options.operation_max,
    };
    // Credentials of the environment, unless the configuration has some.
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(&options.bucket)
        .with_virtual_hosted_style_request(options.virtual_host)
        .with_client_options(client(options))
        .with_retry(retries)
        // Not every store has it.
        .with_disable_bulk_delete(true)
        .with_http_connector(SpawnedReqwestConnector::new(runtime.handle().clone()));
    if !options.endpoint.is_empty() {
        builder = builder.with_endpoint(options.address());
    }
    if !options.region.is_empty() {
        builder = builder.with_region(&options.region);
    }
    if let Some((id, secret)) = &options.credentials {
        builder = builder
            .with_access_key_id(id)
            .with_secret_access_key(secret);
    }
    if !options.session_token.is_empty() {
        builder = builder.with_token(&options.session_token);
    }
    builder.build()
}

impl BucketBlobs {
    /// A bucket, without asking whether it is there.
    pub fn new(options: &BucketOptions, uploads: PathBuf) -> Result<BucketBlobs, FilesError> {
        // The one provider in the program; a second installation changes nothing.
        drop(rustls::crypto::ring::default_provider().install_default());
        let wrong = |why: String| FilesError::Bucket {
            operation: "opening",
            place: options.to_string(),
            why,
        };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("bucket")
            .enable_all()
            .build()
            .map_err(|error| wrong(error.to_string()))?;
        Ok(BucketBlobs {
            store: store(options, &runtime).map_err(|error| wrong(error.to_string()))?,
            runtime: Some(runtime),
            options: options.clone(),
            uploads,
            failing: Mutex::default(),
            renaming: Mutex::default(),
        })
    }

    /// Why the bucket does not serve, if the last operation failed.
    pub fn failing(&self) -> Option<FilesError> {
        let why = self.state().clone()?;
        Some(self.error("using", "", why))
    }

    fn state(&self) -> MutexGuard<'_, Option<String>> {
        // It is replaced as a whole.
        lock(&self.failing)
    }

    fn error(&self, operation: &'static str, name: &str, why: String) -> FilesError {
        FilesError::Bucket {
            operation,
            place: format!("{}{name}", self.options),
            why,
        }
    }

    fn key(&self, kind: Kind, name: &str) -> Key {
        Key::from(format!("{}{}/{name}", self.options.prefix, kind.folder()))
    }

    /// Where a file is, for messages.
    pub fn place(&self, kind: Kind, name: &str) -> String {
        format!("{}{}/{name}", self.options, kind.folder())
    }

    /// What comes of a request in time; `None` for what is not there.
    async fn within<T>(
        &self,
        operation: &'static str,
        key: &Key,
        time_max: Duration,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<Option<T>, FilesError> {
        let why = match tokio::time::timeout(time_max, request).await {
            Ok(Ok(found)) => {
                *self.state() = None;
                return Ok(Some(found));
            }
            Ok(Err(Error::NotFound { source, .. })) if !is_bucket(&source.to_string()) => {
                *self.state() = None;
                return Ok(None);
            }
            Ok(Err(error)) => explain(&error),
            Err(_) => format!("no end after {} s", time_max.as_secs()),
        };
        *self.state() = Some(why.clone());
        let name = key.as_ref().strip_prefix(&*self.options.prefix);
        Err(self.error(operation, name.unwrap_or_default(), why))
    }

    /// The same for whoever may wait.
    fn wait<T>(
        &self,
        operation: &'static str,
        key: &Key,
        request: impl Future<Output = Result<T, Error>>,
    ) -> Result<Option<T>, FilesError> {
        let operation_max = self.options.operation_max;
        self.block_on(self.within(operation, key, operation_max, request))
    }

    fn block_on<T>(
        &self,
        act: impl Future<Output = Result<T, FilesError>>,
    ) -> Result<T, FilesError> {
        match &self.runtime {
            Some(runtime) => runtime.handle().block_on(act),
            None => Err(self.error("using", "", "the daemon ends".to_string())),
        }
    }

    /// The same as [`BucketBlobs::look`] for whoever may wait.
    pub fn look_now(&self) -> Result<(), FilesError> {
        self.block_on(self.look())
    }

    /// Looks whether the bucket answers, and notes it.
    pub async fn look(&self) -> Result<(), FilesError> {
        // Nothing is there: the shortest listing.
        let key = Key::from(format!("{}none", self.options.prefix));
        let listing = async { self.store.list(Some(&key)).try_next().await };
        self.within("looking at", &key, LOOK_MAX, listing)
            .await
            .map(drop)
    }

    pub(super) fn put(&self, kind: Kind, name: &str, bytes: web::Bytes) -> Result<(), FilesError> {
        let key = self.key(kind, name);
        let request = self.store.put(&key, PutPayload::from_bytes(bytes));
        match self.wait("writing", &key, request)? {
            Some(_) => Ok(()),
            None => {
                let name = format!("{}/{name}", kind.folder());
                Err(self.error("writing", &name, "there is no such bucket".to_string()))
            }
        }
    }

    /// The same, waited for as long as for one request.
    pub(super) fn put_passing(
        &self,
        kind: Kind,
        name: &str,
        bytes: web::Bytes,
    ) -> Result<(), FilesError> {
        let key = self.key(kind, name);
        let request = self.store.put(&key, PutPayload::from_bytes(bytes));
        let bounded = self.within("writing", &key, self.options.request_max, request);
        self.block_on(bounded).map(drop)
    }

    pub(super) fn keep(
        &self,
        kind: Kind,
        files: Vec<(String, NamedTempFile)>,
    ) -> Result<(), FilesError> {
        for (name, file) in files {
            let mapped = super::Mapped::of(&file)?;
            self.put(kind, &name, web::Bytes::from_owner(mapped))?;
        }
        Ok(())
    }

    pub(super) fn read(&self, kind: Kind, name: &str) -> Result<Option<Vec<u8>>, FilesError> {
        let key = self.key(kind, name);
        let whole = async { self.store.get(&key).await?.bytes().await };
        let bytes = self.wait("reading", &key, whole)?;
        Ok(bytes.map(|bytes| bytes.to_vec()))
    }

    /// A copy on this machine, and its hash.
    fn fetch(
        &self,
        kind: Kind,
        name: &str,
    ) -> Result<Option<(NamedTempFile, [u8; 32])>, FilesError> {
        let key = self.key(kind, name);
        let io = || FilesError::io("copying a file into", &self.uploads);
        let mut copy = NamedTempFile::new_in(&self.uploads).map_err(io())?;
        let mut hash = Sha256::new();
        let mut written = Ok(());
        let fetching = async {
            let mut parts = self.store.get(&key).await?.into_stream();
            while let Some(part) = parts.try_next().await? {
                hash.update(&part);
                written = copy.write_all(&part);
                if written.is_err() {
                    break;
                }
            }
            Ok(())
        };
        let there = self.wait("reading", &key, fetching)?;
        written.and_then(|()| copy.rewind()).map_err(io())?;
        Ok(there.map(|()| (copy, hash.finalize().into())))
    }

    pub(super) fn at_hand(
        &self,
        kind: Kind,
        name: &str,
    ) -> Result<Option<NamedTempFile>, FilesError> {
        Ok(self.fetch(kind, name)?.map(|(copy, _)| copy))
    }

    pub(super) fn result_at_hand(
        &self,
        file: &StoredFile,
    ) -> Result<Option<NamedTempFile>, FilesError> {
        let fetched = self.fetch(Kind::Results, &file.name)?;
        let same = fetched.filter(|(_, hash)| *hash == file.sha256);
        Ok(same.map(|(copy, _)| copy))
    }

    pub(super) async fn open(
        &self,
        file: &StoredFile,
        part: Range<u64>,
    ) -> Result<Option<ByteStream>, FilesError> {
        let key = self.key(Kind::Results, &file.name);
        let whole = part == (0..file.bytes);
        let head = part.is_empty();
        let options = GetOptions {
            range: (!whole && !head).then_some(GetRange::Bounded(part)),
            head,
            ..GetOptions::default()
        };
        let request = self.store.get_opts(&key, options);
        let time_max = self.options.operation_max;
        let found = self.within("reading", &key, time_max, request).await?;
        let Some(found) = found.filter(|found| found.meta.size == file.bytes) else {
            return Ok(None);
        };
        if head {
            return Ok(Some(Box::pin(stream::empty())));
        }
        let parts = found.into_stream().map_err(std::io::Error::other);
        Ok(Some(if whole {
            Box::pin(checked(parts.boxed(), file.sha256))
        } else {
            Box::pin(parts)
        }))
    }

    /// Where a client can fetch a result itself for a while. The store is not asked.
    pub(super) async fn signed(
        &self,
        file: &StoredFile,
        disposition: String,
        valid: Duration,
    ) -> Result<String, FilesError> {
        let key = self.key(Kind::Results, &file.name);
        let options = SignedUrlOptions::new().with_query([
            ("response-content-disposition", disposition),
            ("response-content-type", file.media_type.clone()),
            ("response-cache-control", "private, no-store".to_string()),
        ]);
        let get = reqwest::Method::GET;
        let signing = self.store.signed_url_opts(get, &key, valid, &options);
        // Credentials may have to be fetched first.
        let signed = tokio::time::timeout(LOOK_MAX, signing).await;
        let name = format!("{}/{}", Kind::Results.folder(), file.name);
        let wrong = |why| self.error("signing an address of", &name, why);
        let signed = signed.map_err(|_| wrong("no credentials in time".to_string()))?;
        signed
            .map(|url| url.to_string())
            .map_err(|error| wrong(explain(&error)))
    }

    pub(super) fn has(&self, kind: Kind, name: &str) -> Result<bool, FilesError> {
        let key = self.key(kind, name);
        let there = self.wait("looking for", &key, self.store.head(&key))?;
        Ok(there.is_some())
    }

    pub(super) fn remove(&self, kind: Kind, name: &str) -> Result<bool, FilesError> {
        let key = self.key(kind, name);
        let removed = self.wait("removing", &key, self.store.delete(&key))?;
        Ok(removed.is_some())
    }

    pub(super) fn rename(
        &self,
        kind: Kind,
        names: &[(String, String)],
    ) -> Result<bool, FilesError> {
        // Of several who copy the same, one would not know of the other.
        let _turn = lock(&self.renaming);
        let mut copied = Vec::new();
        for (at, (from, to)) in names.iter().enumerate() {
            let (from_key, to_key) = (self.key(kind, from), self.key(kind, to));
            let copying = self.store.copy(&from_key, &to_key);
            match self.wait("copying", &from_key, copying) {
                Ok(Some(())) => copied.push((from, to)),
                Ok(None) if at == 0 => return Ok(false),
                Ok(None) => {}
                Err(error) => {
                    for (_, to) in copied {
                        drop(self.remove(kind, to));
                    }
                    return Err(error);
                }
            }
        }
        // Once the first is gone, the others are named by nothing that is looked for; a sweep finds what stays.
        for (at, (from, _)) in copied.iter().enumerate() {
            match self.remove(kind, from) {
                Err(error) if at == 0 => {
                    for (_, to) in &copied {
                        drop(self.remove(kind, to));
                    }
                    return Err(error);
                }
                _ => {}
            }
        }
        Ok(true)
    }

    pub(super) fn list(
        &self,
        kind: Kind,
        see: &mut dyn FnMut(Listed) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let key = self.key(kind, "");
        let mut listing = self.store.list(Some(&key));
        while let Some(Some(meta)) = self.wait("listing", &key, listing.try_next())? {
            let age_ms = crate::clock::now_ms() - meta.last_modified.timestamp_millis();
            see(Listed {
                name: meta.location.filename().unwrap_or_default().to_string(),
                bytes: meta.size,
                age: Duration::from_millis(u64::try_from(age_ms).unwrap_or(0)),
            })?;
        }
        Ok(())
    }
}

/// Whether what is missing is the bucket itself.
fn is_bucket(why: &str) -> bool {
    why.contains("NoSuchBucket")
}

/// Hands the bytes on and keeps the last of them back until all are found to be what was stored: a wrong file ends before its
/// announced length.
fn checked(
    parts: stream::BoxStream<'static, std::io::Result<web::Bytes>>,
    sha256: [u8; 32],
) -> impl stream::Stream<Item = std::io::Result<web::Bytes>> {
    struct State {
        parts: stream::BoxStream<'static, std::io::Result<web::Bytes>>,
        hash: Sha256,
        last: Option<web::Bytes>,
    }
    let state = State {
        parts,
        hash: Sha256::new(),
        last: None,
    };
    stream::try_unfold(state, move |mut state| async move {
        loop {
            match state.parts.try_next().await? {
                Some(part) => {
                    state.hash.update(&part);
                    if let Some(before) = state.last.replace(part) {
                        return Ok(Some((before, state)));
                    }
                }
                None => {
                    let Some(last) = state.last.take() else {
                        return Ok(None);
                    };
                    let found: [u8; 32] = state.hash.finalize_reset().into();
                    if found != sha256 {
                        tracing::error!("a result differs from what was stored");
                        return Err(std::io::Error::other("not what was stored"));
                    }
                    return Ok(Some((last, state)));
                }
            }
        }
    })
}
