//! The typed options. Names, units and reasons are in `config/cleanplate.toml`; a test compares both lists.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;

use super::places::{Origins, PublicUrl, address, data_dir, origins, process_name, public_url};
use super::reader::Reader;
use super::{Admin, Database, Engine, Fetch, Files, HotFolder, Role, Rules, Source, Webhooks};

/// Everything the daemon can be told.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[server]`
    pub server: Server,
    /// `[store]`
    pub database: Database,
    /// `[limits]`
    pub limits: Limits,
    /// `[engine]`
    pub engine: Engine,
    /// `[models]`
    pub models: Models,
    /// `[queue]`
    pub queue: Queue,
    /// `[pricing]`
    pub pricing: Pricing,
    /// `[accounts]`
    pub accounts: Accounts,
    /// `[rate_limits]`
    pub rate_limits: RateLimits,
    /// `[admin]`
    pub admin: Admin,
    /// `[results]`
    pub results: Results,
    /// `[files]`
    pub files: Files,
    /// `[webhooks]`
    pub webhooks: Webhooks,
    /// `[fetch]`
    pub fetch: Fetch,
    /// `[pipelines]`
    pub pipelines: Pipelines,
    /// `[hot_folders]`: for folders that are named on the command line.
    pub folder_rules: Rules,
    /// `[[hot_folder]]`
    pub hot_folders: Vec<HotFolder>,
    /// `[logging]`
    pub logging: Logging,
    /// Where all of this was read.
    pub source: Source,
}

/// `[server]`: sockets and time limits.
#[derive(Debug, Clone)]
pub struct Server {
    /// Address and port.
    pub listen: SocketAddr,
    /// Address and port of `/metrics` alone; `None`: it is with the others.
    pub metrics_listen: Option<SocketAddr>,
    /// Name among the processes that share a store, as configured; empty: [`crate::node`] keeps one in the data folder.
    pub name: String,
    /// What of the service it does.
    pub role: Role,
    /// Data folder, already resolved.
    pub data_dir: PathBuf,
    /// Bytes that stay free on the volume of the data folder.
    pub free_bytes_min: u64,
    /// Pause between checks of the whole database file; `None`: none is made.
    pub database_check: Option<Duration>,
    /// Where clients find the interface, if that is told.
    pub public_url: Option<PublicUrl>,
    /// Web pages of other origins that may call the interface from a browser.
    pub cors_origins: Origins,
    /// HTTP threads.
    pub workers: usize,
    /// Networks of the proxies whose forwarding headers are believed; empty when not behind one.
    pub proxies: Vec<IpNet>,
    /// Open connections.
    pub connections_max: usize,
    /// Open connections of one address that is no proxy.
    pub connections_per_address_max: usize,
    /// Time for the head of a request.
    pub request_head_max: Duration,
    /// Time an idle connection is kept.
    pub keep_alive: Duration,
    /// Time limits of uploads, and of replies that wait to be taken.
    pub upload: UploadTime,
    /// Time for running jobs after a signal.
    pub shutdown_max: Duration,
}

/// How long an upload may take: `base + bytes / bytes_per_s_min`, at most `max`.
#[derive(Debug, Clone, Copy)]
pub struct UploadTime {
    /// Time for any upload.
    pub base: Duration,
    /// Slowest accepted rate.
    pub bytes_per_s_min: u64,
    /// Time for no upload to exceed.
    pub max: Duration,
}

impl UploadTime {
    /// Limit for a body of this many bytes.
    pub fn limit(&self, bytes: u64) -> Duration {
        self.patience(bytes).min(self.max)
    }

    /// How long one side may have waited for the other when this many bytes came.
    pub fn patience(&self, bytes: u64) -> Duration {
        self.base + Duration::from_secs_f64(bytes as f64 / self.bytes_per_s_min as f64)
    }
}

/// Most bytes of the memory for pictures that go to frames of shots, and the part of it that they may be.
const SHOTS_BYTES_MAX: u64 = 128 << 20;
const SHOTS_PART: u64 = 16;

impl Limits {
    /// Sets aside what frames of shots may leave for the next, out of the memory for pictures: where folders are watched.
    pub fn set_shots_aside(&mut self) {
        self.shots_bytes_max = (self.memory_bytes_max / SHOTS_PART).min(SHOTS_BYTES_MAX);
        self.memory_bytes_max -= self.shots_bytes_max;
    }
}

/// `[limits]`: sizes of what clients send.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Bytes of one file.
    pub upload_bytes_max: u64,
    /// Bytes of uploads under way at a time.
    pub uploads_bytes_max: u64,
    /// Bytes of uploads of one key under way at a time.
    pub uploads_per_key_bytes_max: u64,
    /// Parts of one body.
    pub parts_max: usize,
    /// Pixels of a photo.
    pub pixels_max: u64,
    /// Pixels of a side.
    pub side_max: u32,
    /// Bytes of memory for all pictures that are decoded at a time.
    pub memory_bytes_max: u64,
    /// Bytes of it that frames of shots may leave for the next: no part of `memory_bytes_max` any more.
    pub shots_bytes_max: u64,
    /// Bytes of a colour profile.
    pub profile_bytes_max: usize,
    /// Points of a prompt.
    pub points_max: usize,
}

/// `[models]`
#[derive(Debug, Clone)]
pub struct Models {
    /// Folder in which the folder `models` lies.
    pub dir: PathBuf,
}

/// `[queue]`
#[derive(Debug, Clone)]
pub struct Queue {
    /// Jobs that may wait.
    pub length_max: usize,
    /// Jobs of one key in flight.
    pub per_key_in_flight_max: u32,
    /// Time of one job on the device.
    pub job_wall_max: Duration,
    /// Times a job is started.
    pub attempts_max: u32,
    /// Jobs under way at a time.
    pub at_once_max: usize,
    /// How long work stays its process's without a sign of life.
    pub lease: Duration,
}

/// `[pricing]`, in credits.
#[derive(Debug, Clone)]
pub struct Pricing {
    /// One removal.
    pub removal: i64,
    /// One segmentation.
    pub segmentation: i64,
}

/// `[accounts]`
#[derive(Debug, Clone)]
pub struct Accounts {
    /// Credits of the first account.
    pub first_credits: i64,
}

/// `[rate_limits]`, requests per minute.
#[derive(Debug, Clone)]
pub struct RateLimits {
    /// Removals per key.
    pub removal_per_minute: u32,
    /// Batches per key.
    pub batch_per_minute: u32,
    /// Segmentations per key.
    pub segmentation_per_minute: u32,
    /// Other requests per key.
    pub read_per_minute: u32,
    /// Requests without a key per address.
    pub public_per_minute: u32,
    /// Wrong keys per address.
    pub auth_failures_per_minute: u32,
    /// Jobs of an account that may fail by their request in a day; 0: no bound.
    pub failures_per_day: u32,
}

/// `[results]`
#[derive(Debug, Clone)]
pub struct Results {
    /// Time results are kept.
    pub keep: Duration,
    /// Time that details of jobs are kept.
    pub details_keep: Duration,
    /// Time an address is valid.
    pub url_ttl: Duration,
    /// Pause between sweeps.
    pub sweep: Duration,
}

/// `[pipelines]`
#[derive(Debug, Clone)]
pub struct Pipelines {
    /// Pipeline of requests that name none.
    pub default: String,
    /// Folder of the operator's own pipelines.
    pub dir: PathBuf,
    /// Folder of the operator's own plugins.
    pub plugins_dir: PathBuf,
    /// Pipelines that requests may name.
    pub allowed: Vec<String>,
    /// Parameters that requests may set: `plugin.parameter` or `plugin.*`.
    pub settable: Vec<String>,
}

impl Pipelines {
    /// Whether requests may set `plugin.parameter`.
    pub fn may_set(&self, path: &str) -> bool {
        let plugin = path.split('.').next().unwrap_or_default();
        let all = format!("{plugin}.*");
        self.settable
            .iter()
            .any(|known| known == path || *known == all)
    }
}

/// `[logging]`
#[derive(Debug, Clone)]
pub struct Logging {
    /// Form of a line.
    pub format: LogFormat,
    /// Level or directives.
    pub level: String,
}

/// Form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For collectors.
    Json,
}

pub(super) const DAY_S: i64 = 86_400;

/// Takes every option out of the reader; problems stay in the reader.
pub fn read(r: &mut Reader<'_>) -> Config {
    let server = server(r);
    let data = server.data_dir.clone();
    let under = |text: String, name: &str| {
        if text.is_empty() {
            data.join(name)
        } else {
            PathBuf::from(text)
        }
    };
    let (folder_rules, mut hot_folders) = super::hot_folder::read(r);
    if !server.role.takes_calls() {
        // They are watched by others, and may not even be mounted here.
        hot_folders.clear();
    }
    let config = Config {
        limits: limits(r),
        engine: super::engine::read(r),
        models: Models {
            dir: under(r.text("models.dir"), ""),
        },
        queue: queue(r),
        pricing: Pricing {
            removal: r.whole("pricing.removal", 0..=1_000_000),
            segmentation: r.whole("pricing.segmentation", 0..=1_000_000),
        },
        database: super::store::read(r),
        accounts: Accounts {
            first_credits: r.whole("accounts.first_credits", 0..=1_000_000_000),
        },
        rate_limits: rate_limits(r),
        admin: super::admin::read(r, &data),
        results: Results {
            keep: Duration::from_secs(r.whole("results.keep_h", 1..=24 * 365) as u64 * 3600),
            details_keep: Duration::from_secs(
                r.whole("results.details_keep_d", 8..=36_500) as u64 * DAY_S as u64,
            ),
            url_ttl: seconds(r, "results.url_ttl_s", 1..=7 * DAY_S),
            sweep: seconds(r, "results.sweep_s", 1..=DAY_S),
        },
        files: super::files::read(r),
        webhooks: super::outgoing::webhooks(r),
        fetch: super::outgoing::fetch(r),
        pipelines: Pipelines {
            default: r.text("pipelines.default"),
            dir: under(r.text("pipelines.dir"), "pipelines"),
            plugins_dir: under(r.text("pipelines.plugins_dir"), "plugins"),
            allowed: r.list("pipelines.allowed"),
            settable: r.list("pipelines.settable"),
        },
        folder_rules,
        hot_folders,
        logging: logging(r),
        source: Source::default(),
        server,
    };
    if config.results.url_ttl > config.results.keep {
        r.problem(
            "results.url_ttl_s",
            "`results.url_ttl_s` is longer than `results.keep_h`: addresses would outlive their files".to_string(),
        );
    }
    super::role::check(r, &config);
    config
}

fn queue(r: &mut Reader<'_>) -> Queue {
    Queue {
        length_max: r.whole("queue.length_max", 1..=100_000) as usize,
        per_key_in_flight_max: r.whole("queue.per_key_in_flight_max", 1..=100_000) as u32,
        job_wall_max: seconds(r, "queue.job_wall_s_max", 1..=DAY_S),
        attempts_max: r.whole("queue.attempts_max", 1..=10) as u32,
        at_once_max: match r.whole("queue.at_once_max", 0..=64) as usize {
            0 => std::thread::available_parallelism()
                .map_or(1, usize::from)
                .min(8),
            given => given,
        },
        lease: seconds(r, "queue.lease_s", 3..=3600),
    }
}

pub(super) fn seconds(
    r: &mut Reader<'_>,
    path: &str,
    range: std::ops::RangeInclusive<i64>,
) -> Duration {
    Duration::from_secs(r.whole(path, range) as u64)
}

fn server(r: &mut Reader<'_>) -> Server {
    let workers = r.whole("server.workers", 0..=256) as usize;
    let cors_origins = origins(r.list("server.cors_origins")).unwrap_or_else(|problem| {
        r.problem("server.cors_origins", problem);
        Origins::Listed(Vec::new())
    });
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    Server {
        listen: r.parsed(
            "server.listen",
            SocketAddr::from(([127, 0, 0, 1], 8080)),
            address,
        ),
        metrics_listen: r.parsed("server.metrics_listen", None, |text| {
            (!text.is_empty()).then(|| address(text)).transpose()
        }),
        name: r.parsed("server.name", String::new(), process_name),
        role: r.parsed("server.role", Role::All, super::role::role),
        data_dir: r.parsed("server.data_dir", PathBuf::new(), data_dir),
        free_bytes_min: (r.whole("server.free_mib_min", 0..=1 << 30) as u64) << 20,
        database_check: Some(seconds(r, "server.database_check_s", 0..=366 * DAY_S))
            .filter(|pause| !pause.is_zero()),
        public_url: r.parsed("server.public_url", None, public_url),
        cors_origins,
        proxies: proxies(r),
        workers: if workers == 0 { cores.min(4) } else { workers },
        connections_max: r.whole("server.connections_max", 8..=1_000_000) as usize,
        connections_per_address_max: r.whole("server.connections_per_address_max", 1..=1_000_000)
            as usize,
        request_head_max: seconds(r, "server.request_head_s_max", 1..=300),
        keep_alive: seconds(r, "server.keep_alive_s", 1..=3600),
        upload: UploadTime {
            base: seconds(r, "server.upload_s_base", 1..=3600),
            bytes_per_s_min: r.whole("server.upload_bytes_per_s_min", 1..=1 << 40) as u64,
            max: seconds(r, "server.upload_s_max", 1..=DAY_S),
        },
        shutdown_max: seconds(r, "server.shutdown_s_max", 0..=3600),
    }
}

/// The networks of `server.proxies`, if forwarding headers are believed at all.
fn proxies(r: &mut Reader<'_>) -> Vec<IpNet> {
    let (behind, listed) = (r.flag("server.behind_proxy"), r.list("server.proxies"));
    let mut networks = Vec::new();
    for text in listed {
        let address = text.parse::<IpAddr>().map(IpNet::from);
        match address.or_else(|_| text.parse::<IpNet>()) {
            Ok(network) => networks.push(network),
            Err(_) => r.problem(
                "server.proxies",
                format!("`server.proxies`: {text:?} is neither an address nor a network such as \"10.0.0.0/8\""),
            ),
        }
    }
    if behind { networks } else { Vec::new() }
}

fn limits(r: &mut Reader<'_>) -> Limits {
    Limits {
        upload_bytes_max: r.whole("limits.upload_bytes_max", 1024..=1 << 31) as u64,
        uploads_bytes_max: (r.whole("limits.uploads_mib_max", 1..=1 << 24) as u64) << 20,
        uploads_per_key_bytes_max: (r.whole("limits.uploads_per_key_mib_max", 1..=1 << 24) as u64)
            << 20,
        parts_max: r.whole("limits.parts_max", 2..=1024) as usize,
        pixels_max: r.whole("limits.pixels_max", 1..=1 << 30) as u64,
        side_max: r.whole("limits.side_max", 1..=65_535) as u32,
        memory_bytes_max: (r.whole("limits.memory_mib_max", 64..=1 << 24) as u64) << 20,
        shots_bytes_max: 0,
        profile_bytes_max: r.whole("limits.profile_bytes_max", 0..=1 << 26) as usize,
        points_max: r.whole("limits.points_max", 1..=250) as usize,
    }
}

fn rate_limits(r: &mut Reader<'_>) -> RateLimits {
    let failures_per_day = r.whole("rate_limits.failures_per_day", 0..=1_000_000) as u32;
    let mut per_minute = |path: &str| r.whole(path, 1..=1_000_000) as u32;
    RateLimits {
        removal_per_minute: per_minute("rate_limits.removal_per_minute"),
        batch_per_minute: per_minute("rate_limits.batch_per_minute"),
        segmentation_per_minute: per_minute("rate_limits.segmentation_per_minute"),
        read_per_minute: per_minute("rate_limits.read_per_minute"),
        public_per_minute: per_minute("rate_limits.public_per_minute"),
        auth_failures_per_minute: per_minute("rate_limits.auth_failures_per_minute"),
        failures_per_day,
    }
}

fn logging(r: &mut Reader<'_>) -> Logging {
    Logging {
        format: r.parsed("logging.format", LogFormat::Text, |text| match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            _ => Err("\"text\" or \"json\"".to_string()),
        }),
        level: r.parsed("logging.level", "info".to_string(), |text: &str| {
            text.parse::<tracing_subscriber::filter::Targets>()
                .map(|_| text.to_string())
                .map_err(|_| "a level or directives such as \"info\"".to_string())
        }),
    }
}
