//! A made-up daemon with everything that screens must cope with.

use cleanplate_api::admin::{
    self, AccountRow, Admin, ConfigView, FoldersReply, Hello, ImagePart, JobDetail, JobRow,
    KeptFile, KeyRow, KeyState, Latency, LedgerCause, LedgerRow, LoadState, LogLevel, LogLine,
    LogTail, MetricsHistory, MetricsTick, ModelsReply, Page, PipelinesReply, ServerState,
    ServerView, TaskState, Totals, WorkersReply,
};
use cleanplate_api::{
    DatabaseCheck, DeviceView, FolderFailure, FolderFile, FolderStatus, JobStatus, ModelUse,
    QueueView, StageTiming,
};

use cleanplate_api::endpoint::{Decode, Endpoint, Json};

use super::administration::{actions, model, options, pipelines, task, workers};
use crate::config;
use crate::net::{Call, Change, Reply};
use crate::screen::action::action_names;
use crate::state::State;

/// The time in all tests.
pub const NOW_MS: i64 = 1_795_424_834_000;

/// A plain job.
pub fn job(id: &str) -> JobRow {
    JobRow {
        id: id.to_string(),
        account_id: 1,
        key_id: Some(1),
        batch_id: None,
        service: "object-removal".to_string(),
        pipeline: "default".to_string(),
        asynchronous: false,
        status: JobStatus::Pending,
        attempt: 0,
        price: 3,
        credits_used: 0,
        input_filename: Some("photo.jpg".to_string()),
        width: 1920,
        height: 1080,
        created_at_ms: NOW_MS - 5_000,
        started_at_ms: None,
        finished_at_ms: None,
        processing_ms: None,
        stage: None,
        fraction: None,
        error_code: None,
        error: None,
    }
}

/// A name that tries everything: escape sequences, a clipboard write, a title, turned direction, hidden characters.
pub const HOSTILE: &str =
    "\x1b[2J\x1b]0;owned\x07\x1b]52;c;ZXZpbA==\x07\u{202e}gpj.exe\u{200b}\r\n\u{9b}31m";
/// A name of wide characters.
pub const WIDE: &str = "海辺の写真_消去前_とても長い名前のファイル.png";

/// Jobs in every state.
pub fn jobs() -> Vec<JobRow> {
    let done = |id: &str, ago_s: i64, ms: f64| JobRow {
        status: JobStatus::Completed,
        attempt: 1,
        credits_used: 3,
        created_at_ms: NOW_MS - ago_s * 1000,
        started_at_ms: Some(NOW_MS - ago_s * 1000 + 40),
        finished_at_ms: Some(NOW_MS - ago_s * 1000 + ms as i64),
        processing_ms: Some(ms),
        ..job(id)
    };
    let mut jobs = vec![
        job("0a1b2c3d-0000-4000-8000-000000000001"),
        JobRow {
            status: JobStatus::Processing,
            attempt: 1,
            started_at_ms: Some(NOW_MS - 1_200),
            stage: Some("lama".to_string()),
            fraction: Some(0.42),
            input_filename: Some(WIDE.to_string()),
            ..job("1b2c3d4e-0000-4000-8000-000000000002")
        },
        JobRow {
            status: JobStatus::Failed,
            attempt: 2,
            created_at_ms: NOW_MS - 95_000,
            finished_at_ms: Some(NOW_MS - 90_000),
            error_code: Some("device_lost".to_string()),
            error: Some(format!("the device was lost {HOSTILE}")),
            input_filename: Some(HOSTILE.to_string()),
            asynchronous: true,
            ..job("2c3d4e5f-0000-4000-8000-000000000003")
        },
        JobRow {
            key_id: None,
            input_filename: None,
            ..done("3d4e5f60-0000-4000-8000-000000000004", 240, 8.3)
        },
    ];
    jobs.extend((0..40).map(|n| {
        done(
            &format!("{n:08x}-1111-4000-8000-000000000000"),
            300 + n * 61,
            380.0 + n as f64 * 37.0,
        )
    }));
    jobs
}

/// A job with everything that can be told of one.
pub fn detail() -> JobDetail {
    let stage = |stage: &str, plugin: &str, ms: f64| StageTiming {
        stage: stage.to_string(),
        plugin: plugin.to_string(),
        candidate: None,
        ms,
        waited_ms: if ms > 100.0 { 12.5 } else { 0.0 },
        crops_together: if ms > 100.0 { 4 } else { 0 },
    };
    JobDetail {
        job: jobs().swap_remove(4),
        account_name: "studio".to_string(),
        key_name: Some(HOSTILE.to_string()),
        batch_index: None,
        worker: Some("gpu-0".to_string()),
        wait_ms: Some(40),
        stages: vec![
            stage("decode", "", 21.4),
            stage("mask", "grow", 1.2),
            stage("inpaint", "lama", 301.7),
            stage("finish", "seam", 18.0),
            stage("encode", "", 37.5),
        ],
        models: vec![ModelUse {
            name: "lama-small".to_string(),
            sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_string(),
        }],
        device: Some("cpu AMD EPYC".to_string()),
        mask_share: Some(0.0731),
        warnings: vec!["the mask covers nearly nothing".to_string()],
        output_width: Some(1920),
        output_height: Some(1080),
        output: Some(KeptFile {
            media_type: "image/jpeg".to_string(),
            bytes: 512_345,
            sha256: "ab".repeat(32),
        }),
        mask: Some(KeptFile {
            media_type: "image/png".to_string(),
            bytes: 4_321,
            sha256: "cd".repeat(32),
        }),
        expires_at_ms: Some(NOW_MS + 80_000_000),
        swept_at_ms: None,
        images: vec![ImagePart::Input, ImagePart::Result, ImagePart::Mask],
        can_cancel: false,
        can_retry: false,
        retry_of: None,
        request: serde_json::json!({}),
    }
}

/// A key.
pub fn key(id: i64, name: &str, state: KeyState) -> KeyRow {
    KeyRow {
        id,
        account_id: 1,
        account_name: "studio".to_string(),
        name: name.to_string(),
        hint: "sk-live-Ab1…9zQ".to_string(),
        state,
        removals_per_minute: Some(120),
        batches_per_minute: None,
        pipelines: None,
        expires_at_ms: Some(NOW_MS + 86_400_000 * 30),
        revoked_at_ms: (state == KeyState::Revoked).then_some(NOW_MS - 60_000),
        created_at_ms: NOW_MS - 86_400_000,
        last_used_at_ms: Some(NOW_MS - 130_000),
    }
}

/// A ledger entry of each kind.
pub fn ledger() -> Vec<LedgerRow> {
    let job = || LedgerCause::Job("3d4e5f60-0000-4000-8000-000000000004".to_string());
    let entry = |id: i64, kind: &str, cause: LedgerCause, available: i64, held: i64| LedgerRow {
        id,
        account_id: 1,
        kind: kind.to_string(),
        actor: matches!(cause, LedgerCause::Audit(_)).then(|| "uid 1000 (ada)".to_string()),
        note: matches!(cause, LedgerCause::Audit(_)).then(|| HOSTILE.to_string()),
        cause,
        available_change: available,
        held_change: held,
        available_after: 1_234_567 + id,
        held_after: held.max(0),
        created_at_ms: NOW_MS - 1_000_000 + id * 1000,
    };
    vec![
        entry(1, "top_up", LedgerCause::Audit(1), 1_234_567, 0),
        entry(2, "reserve", job(), -3, 3),
        entry(3, "settle", job(), 0, -3),
        entry(4, "reserve", job(), -3, 3),
        entry(5, "release", job(), 3, -3),
        entry(6, "correct", LedgerCause::Audit(2), -50, 0),
    ]
}

fn left_there(name: &str) -> FolderFile {
    let why = format!("waits for a mask: {name}_mask.png");
    let name = name.to_string();
    FolderFile { name, why }
}

/// A folder.
pub fn folder(name: &str, paused: Option<&str>) -> FolderStatus {
    FolderStatus {
        name: name.to_string(),
        path: "/srv/plates".to_string(),
        output: "/srv/out".to_string(),
        pipeline: "default".to_string(),
        account: Some(1),
        paused: paused.map(str::to_string),
        settling: 2,
        waiting_for_mask: 1,
        waiting: vec![HOSTILE.to_string(), WIDE.to_string()],
        ready: 4,
        working: 1,
        done: 381,
        failed: 7,
        left_count: 2,
        left: [HOSTILE, WIDE].map(left_there).to_vec(),
        duplicates: 12,
        ended_last_minute: 23,
        failures: vec![FolderFailure {
            name: "sub/odd".to_string(),
            report: "failed/sub/odd.report.json".to_string(),
            photo: "sub/odd.png".to_string(),
            code: "mask_size".to_string(),
            detail: "the mask is 16x16, the photo is 32x32".to_string(),
            job_id: None,
            ended_at_ms: NOW_MS - 90_000,
        }],
    }
}

/// A log line.
pub fn line(number: u64, level: LogLevel, text: &str) -> LogLine {
    LogLine {
        number,
        at_ms: NOW_MS - 60_000 + number as i64 * 997,
        level,
        target: "cleanplate::jobs".to_string(),
        text: text.to_string(),
        fields: vec![
            ("job".to_string(), "0a1b2c3d".to_string()),
            ("name".to_string(), HOSTILE.to_string()),
        ],
    }
}

/// Figures of five minutes that go up and down.
pub fn ticks() -> Vec<MetricsTick> {
    let wave = |n: i64, period: f64| (n as f64 / period).sin().mul_add(0.5, 0.5);
    let tick = |n: i64| MetricsTick {
        at_ms: NOW_MS - (300 - n) * 1000,
        completed: (wave(n, 17.0) * 12.0) as u32,
        failed: u32::from(n % 40 == 0),
        requests: (wave(n, 13.0) * 30.0) as u32,
        errors: 0,
        credits: 9,
        waiting: (wave(n, 31.0) * 80.0) as u32,
        running: 1,
        busy: wave(n, 23.0),
        latency: Latency {
            p50_ms: Some(300.0 + wave(n, 29.0) * 200.0),
            p95_ms: (n > 20).then(|| 600.0 + wave(n, 29.0) * 900.0),
            p99_ms: Some(2_000.0),
        },
        wait: Latency::default(),
        rss_bytes: 300_000_000 + n as u64 * 400_000,
        device_bytes: 900_000_000 + (wave(n, 60.0) * 2e9) as u64,
        cpu_cores: 1.6,
        disk_free_bytes: 81_000_000_000,
    };
    (1..=300).map(tick).collect()
}

/// The daemon.
pub fn server() -> ServerView {
    ServerView {
        version: "0.1.0".to_string(),
        boot: "b00t".to_string(),
        seq: 41,
        started_at_ms: NOW_MS - 93_784_000,
        now_at_ms: NOW_MS,
        pid: 4242,
        state: ServerState::Ready,
        reason: None,
        listen: "127.0.0.1:8080".to_string(),
        data_dir: "/var/lib/cleanplate".to_string(),
        backend: "auto".to_string(),
        device: Some(DeviceView {
            backend: "cpu".to_string(),
            name: "AMD EPYC 9B45".to_string(),
            driver: "avx512".to_string(),
            kind: "cpu".to_string(),
            memory_bytes: 900_000_000,
        }),
        devices: Vec::new(),
        queue: QueueView {
            waiting: 12,
            running: 1,
            length_max: 1000,
        },
        totals: Totals {
            pending: 12,
            processing: 1,
            completed: 104_511,
            failed: 36,
        },
        metrics: MetricsTick::default(),
        database: Some(DatabaseCheck {
            checked_at_ms: NOW_MS - 7_200_000,
            problem: None,
        }),
        you: Admin {
            actor: "uid 1000 (ada)".to_string(),
        },
    }
}

/// A dashboard that has just started.
pub fn fresh() -> State {
    let config = config::load(action_names(), None, None).unwrap();
    State::new(
        &config,
        false,
        "/var/lib/cleanplate/admin.sock".to_string(),
        NOW_MS,
    )
}

/// What a request of `E` without parameters brings.
pub fn read<E>(reply: <E::Reply as Inner>::Inner) -> Change
where
    E: Endpoint<Query: Default, Body = (), Reply: Decode + Send + Inner>,
{
    let call = Call::of::<E>(&[], &E::Query::default(), &());
    answered::<E>(call, reply)
}

/// What this request of `E` brings.
pub fn answered<E>(call: Call, reply: <E::Reply as Inner>::Inner) -> Change
where
    E: Endpoint<Reply: Send + Inner>,
{
    Change::Reply(Box::new(call), Ok(Reply::new(E::Reply::of(reply))))
}

/// What stands in a reply.
pub trait Inner: Sized + 'static {
    /// Without what tells its form on the wire.
    type Inner;
    /// The reply.
    fn of(inner: Self::Inner) -> Self;
}

impl<T: 'static> Inner for Json<T> {
    type Inner = T;
    fn of(inner: T) -> Json<T> {
        Json(inner)
    }
}

/// A dashboard to which the daemon has told everything above.
pub fn busy() -> State {
    let mut state = fresh();
    let mut told = |change| drop(state.absorb(change));
    told(read::<admin::GetServer>(server()));
    told(read::<admin::GetHistory>(MetricsHistory { ticks: ticks() }));
    told(read::<admin::ListJobs>(Page {
        items: jobs(),
        next: Some("more".to_string()),
    }));
    let keys = vec![
        key(1, "web shop", KeyState::Active),
        key(2, HOSTILE, KeyState::Revoked),
        key(3, WIDE, KeyState::Expired),
    ];
    told(read::<admin::ListKeys>(Page {
        items: keys,
        next: None,
    }));
    let account = |id: i64, name: &str, available: i64| AccountRow {
        id,
        name: name.to_string(),
        available,
        held: 3 * id,
        created_at_ms: NOW_MS - 86_400_000,
    };
    let accounts = vec![
        account(1, "studio", 1_234_567),
        account(2, HOSTILE, 0),
        account(3, WIDE, 42),
    ];
    told(read::<admin::ListAccounts>(Page {
        items: accounts,
        next: None,
    }));
    let folders = vec![
        folder("plates", None),
        folder(HOSTILE, Some("output is inside the watched folder")),
        folder(WIDE, None),
    ];
    told(read::<admin::ListFolders>(FoldersReply { folders }));
    let models = vec![
        model("lama-small", LoadState::Loaded, None),
        model(
            "big-lama",
            LoadState::Absent,
            Some(task(TaskState::Running)),
        ),
        model("mobile-sam", LoadState::Failed, None),
        model(
            "sam-vit-b",
            LoadState::Unloaded,
            Some(task(TaskState::Failed)),
        ),
    ];
    told(read::<admin::ListModels>(ModelsReply {
        models,
        memory_bytes_max: 8 << 30,
    }));
    let levels = [
        LogLevel::Info,
        LogLevel::Info,
        LogLevel::Warn,
        LogLevel::Error,
    ];
    let lines = (1..=60)
        .map(|n| {
            line(
                n,
                levels[n as usize % 4],
                if n % 7 == 0 {
                    HOSTILE
                } else {
                    "a job was completed"
                },
            )
        })
        .collect();
    told(read::<admin::GetLog>(LogTail { lines, oldest: 1 }));
    told(read::<admin::ListActions>(Page {
        items: actions(),
        next: Some("older".to_string()),
    }));
    told(read::<admin::ListPipelines>(PipelinesReply {
        pipelines: pipelines(),
    }));
    told(read::<admin::GetConfig>(ConfigView {
        file: Some("/etc/cleanplate/cleanplate.toml".to_string()),
        options: options(),
    }));
    told(read::<admin::ListWorkers>(WorkersReply {
        workers: workers(),
    }));
    state.absorb(Change::Linked(Hello {
        version: "0.1.0".to_string(),
        boot: "b00t".to_string(),
        resumed: true,
    }));
    state
}
