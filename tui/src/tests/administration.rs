//! What an administrator looks up and seldom does: actions, pipelines, options, imports.

use cleanplate_api::admin::{
    AuditRow, ConfigOption, ImportModel, ListActions, ListQuery, ListWorkers, LoadState,
    MetricsTick, ModelFile, ModelRow, ModelTask, Page, PipelineRow, TaskKind, TaskState, WorkerRow,
    WorkersReply,
};
use cleanplate_api::endpoint::{Json, NoQuery};

use super::flows::{answer, calls};
use super::made_up::{HOSTILE, NOW_MS, WIDE, busy};
use super::{drawn, lines, press};
use crate::net::{Call, Change};
use crate::state::State;

/// Actions of administrators.
pub fn actions() -> Vec<AuditRow> {
    let action = |id: i64, action: &str, target: &str, detail: serde_json::Value| AuditRow {
        id,
        actor: "uid 1000 (ada)".to_string(),
        action: action.to_string(),
        target: target.to_string(),
        detail,
        created_at_ms: NOW_MS - 90_000_000 + id * 3_600_000,
    };
    let limits = serde_json::json!({
        "before": { "name": WIDE, "removals_per_minute": null },
        "after": { "name": HOSTILE, "removals_per_minute": 60 },
    });
    vec![
        action(1, "account.create", "account:1", serde_json::json!({})),
        action(2, "key.change", "key:3", limits),
        AuditRow {
            actor: HOSTILE.to_string(),
            ..action(
                3,
                "model.import",
                HOSTILE,
                serde_json::json!({ "path": "/srv/big-lama.pt" }),
            )
        },
    ]
}

/// Pipelines that requests get, may ask for, and may not.
pub fn pipelines() -> Vec<PipelineRow> {
    let pipeline = |name: &str, default: bool, allowed: bool, plugins: &[&str]| PipelineRow {
        name: name.to_string(),
        default,
        allowed,
        plugins: plugins.iter().map(|plugin| (*plugin).to_string()).collect(),
    };
    vec![
        pipeline(
            "default",
            true,
            true,
            &["sam", "grow", "feather", "lama", "seam"],
        ),
        pipeline("fast", false, true, &["grow", "patchmatch"]),
        pipeline(HOSTILE, false, false, &[WIDE]),
    ]
}

/// Options of every kind.
pub fn options() -> Vec<ConfigOption> {
    let option = |path: &str, value: serde_json::Value, origin: &str| ConfigOption {
        path: path.to_string(),
        value,
        origin: origin.to_string(),
        default: origin == "default",
        secret: false,
    };
    vec![
        option("engine.backend", "auto".into(), "default"),
        option("limits.pixels_max", 50_000_000.into(), "default"),
        option(
            "pricing.removal",
            3.into(),
            "/etc/cleanplate/cleanplate.toml:12",
        ),
        option("server.listen", "127.0.0.1:8080".into(), "--listen"),
        option("results.note", HOSTILE.into(), HOSTILE),
        ConfigOption {
            secret: true,
            ..option(
                "admin.tokens",
                serde_json::Value::Null,
                "CLEANPLATE_ADMIN_TOKENS",
            )
        },
    ]
}

/// Processes that work, do nothing, compute on nothing yet, and went silent.
pub fn workers() -> Vec<WorkerRow> {
    let worker = |name: &str, role: &str, silent_s: f64, jobs: &[&str]| WorkerRow {
        name: name.to_string(),
        role: role.to_string(),
        device: (role != "api").then(|| "wgpu NVIDIA L4".to_string()),
        version: "0.1.0".to_string(),
        started_at_ms: NOW_MS - 7_200_000,
        silent_s,
        alive: silent_s < 30.0,
        jobs: jobs.iter().map(|job| (*job).to_string()).collect(),
        answers: role == "api",
    };
    let job = |first: &str| format!("{first}-0000-4000-8000-000000000001");
    let (one, two) = (job("1b2c3d4e"), job("3d4e5f60"));
    vec![
        worker("front", "api", 0.9, &[]),
        worker("gpu-1", "worker", 2.4, &[&one, &two]),
        worker("gpu-2", "worker", 4_000.0, &[HOSTILE]),
        WorkerRow {
            device: Some(HOSTILE.to_string()),
            version: HOSTILE.to_string(),
            ..worker(WIDE, "all", 0.05, &[])
        },
    ]
}

#[test]
fn processes_are_asked_for_again_while_they_are_shown() {
    let mut state = busy();
    press(&mut state, "w");
    let list = Call::plain::<ListWorkers>(&[]);
    let after = |state: &mut State, seconds: i64| {
        state.shared.now_ms += seconds * 1_000;
        let tick = MetricsTick {
            at_ms: state.shared.now_ms,
            ..Default::default()
        };
        calls(state.absorb(Change::Tick(Box::new(tick))))
    };
    assert_eq!(after(&mut state, 10), std::slice::from_ref(&list));
    let mut found = workers();
    found.retain(|worker| worker.name != "gpu-2");
    found[1].alive = false;
    answer::<ListWorkers>(&mut state, &list, WorkersReply { workers: found });
    let screen = lines(&drawn(&mut state, 160, 50));
    assert!(screen.contains("workers · 3"), "{screen}");
    let row = screen.lines().find(|line| line.contains("gpu-1")).unwrap();
    assert!(
        row.contains("silent") && row.contains("1b2c3d4e 3d4e5f60"),
        "{row}"
    );
    press(&mut state, "1");
    assert!(!after(&mut state, 10).contains(&list), "nobody looks");
}

#[test]
fn weights_are_imported_under_a_name_and_their_progress_is_shown() {
    let mut state = busy();
    let asked = calls(press(&mut state, "6i/srv/big-lama.pt<enter>"));
    let file = Json(ModelFile {
        path: "/srv/big-lama.pt".to_string(),
    });
    let import = |name: &str| Call::of::<ImportModel>(&[name], &NoQuery {}, &file);
    assert_eq!(asked, [import("big-lama")], "the model under the cursor");
    let task = |done_bytes| ModelTask {
        kind: TaskKind::Import,
        state: TaskState::Running,
        phase: "convert".to_string(),
        done_bytes,
        total_bytes: 200 << 20,
        error: None,
        started_at_ms: NOW_MS,
        finished_at_ms: None,
    };
    let importing = |done| model("big-lama", LoadState::Absent, Some(task(done)));
    answer::<ImportModel>(&mut state, &asked[0], importing(0));
    assert!(state.shared.overlay.is_none());
    state.absorb(Change::Model(Box::new(importing(50 << 20))));
    let screen = lines(&drawn(&mut state, 160, 50));
    assert!(
        screen.contains("import: convert 25 % of 200 MiB"),
        "{screen}"
    );
    let other = calls(press(&mut state, "i/srv/x.pt<tab><ctrl-u>mine<enter>"));
    let file = Json(ModelFile {
        path: "/srv/x.pt".to_string(),
    });
    let mine = Call::of::<ImportModel>(&["mine"], &NoQuery {}, &file);
    assert_eq!(other, [mine]);
}

#[test]
fn actions_of_administrators_come_page_by_page_and_stay_up_to_date() {
    let mut state = busy();
    let page = |after: Option<&str>| {
        let query = ListQuery {
            after: after.map(str::to_string),
            ..ListQuery::default()
        };
        Call::of::<ListActions>(&[], &query, &())
    };
    let asked = calls(press(&mut state, "8GG"));
    assert_eq!(asked, [page(Some("older"))]);
    let older = Page {
        items: vec![AuditRow {
            id: 0,
            ..actions().swap_remove(0)
        }],
        next: None,
    };
    answer::<ListActions>(&mut state, &asked[0], older);
    assert!(
        press(&mut state, "GG").is_empty(),
        "there are no older ones"
    );
    state.shared.now_ms += 10_000;
    let tick = MetricsTick {
        at_ms: state.shared.now_ms,
        ..Default::default()
    };
    let polled = calls(state.absorb(Change::Tick(Box::new(tick))));
    assert_eq!(polled, [page(None)]);
    let newest = Page {
        items: actions(),
        next: Some("older".to_string()),
    };
    answer::<ListActions>(&mut state, &polled[0], newest);
    assert!(
        press(&mut state, "G").is_empty() && press(&mut state, "j").is_empty(),
        "what was fetched is not fetched again"
    );
}

/// A model in this state.
pub fn model(name: &str, state: LoadState, task: Option<ModelTask>) -> ModelRow {
    ModelRow {
        name: name.to_string(),
        arch: "lama".to_string(),
        sha256: "344c77bbcb158f17dd143070d1e789f38a66c04202311ae3a258ef66667a9ea9".to_string(),
        bytes: 205_669_692,
        origin: "https://example.org/big-lama.pt".to_string(),
        licence: "Apache-2.0".to_string(),
        trained_on: Some("9 photos (sets by terms: 1 research)".to_string()),
        embedded: name.ends_with("small"),
        state,
        error: (state == LoadState::Failed)
            .then(|| "the file ends in the middle of a tensor".to_string()),
        pipelines: vec!["default".to_string(), name.to_string()],
        task,
    }
}

/// A download in this state.
pub fn task(state: TaskState) -> ModelTask {
    ModelTask {
        kind: TaskKind::Pull,
        state,
        phase: "download".to_string(),
        done_bytes: 93_000_000,
        total_bytes: 205_669_692,
        error: (state == TaskState::Failed).then(|| "SHA-256 differs".to_string()),
        started_at_ms: NOW_MS - 30_000,
        finished_at_ms: None,
    }
}
