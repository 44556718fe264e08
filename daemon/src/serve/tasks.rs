//! What runs beside the requests: sweeping expired results, checking the books, forgetting idle limits.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use actix_web::rt::task::JoinHandle;
use actix_web::web;
use cleanplate_api::DatabaseCheck;
use cleanplate_basics::lock;

use crate::app::App;
use crate::files::{remove_orphans, sweep_expired, sweep_inputs, sweep_previews};
use crate::telemetry::{names, tell_files_away};

/// Pause between looks at the volume.
const TEND: Duration = Duration::from_secs(1);
/// Pause between checks of the books.
const CHECK: Duration = Duration::from_secs(60);
/// Time from the start to the first check of the database file: a start has other work.
const FIRST_CHECK: Duration = Duration::from_secs(600);
/// Time beyond a job's limits after which its credits are released whatever its worker does.
const HOLD_SLACK_MS: i64 = 60_000;
/// A task rests for so many times what it took, so that care of a large store leaves room for its work.
const REST: u32 = 20;
/// Pause between looks at the store of files.
const LOOK: Duration = Duration::from_secs(10);
/// The same while it does not answer.
const LOOK_AGAIN: Duration = Duration::from_secs(1);
/// Pause between looks for files without a job: each lists all results.
const ORPHANS: Duration = Duration::from_secs(3600);
/// Youngest age of a file that may belong to no job.
const ORPHAN_AGE_MIN: Duration = Duration::from_secs(3600);
/// How long one process sweeps for all: longer than a sweep takes.
const SWEEP_LEASE_MS: i64 = 15 * 60 * 1000;
/// Rows that one sweep changes.
const ROWS: u32 = 500;

/// Starts all of them; they end with the system or when aborted.
pub fn start(app: &web::Data<App>) -> Vec<JoinHandle<()>> {
    let mut tasks = vec![
        every(app.config.results.sweep, app, |app| {
            alone(app, "sweep results", sweep)
        }),
        every(app.config.results.sweep, app, |app| {
            alone(app, "sweep uploads", sweep_kept)
        }),
        after(app.config.results.sweep, ORPHANS, app, |app| {
            alone(app, "sweep orphans", sweep_orphans)
        }),
        every(TEND, app, tend),
        every(CHECK, app, check_books),
        every(CHECK, app, |app| {
            app.limits.forget_idle();
        }),
    ];
    if app.shared.is_some() {
        tasks.push(every(CHECK, app, refresh_keys));
    }
    tasks.push(actix_web::rt::spawn(look_after_files(app.clone())));
    if let Some(pause) = app.config.server.database_check {
        tasks.push(after(pause.min(FIRST_CHECK), pause, app, check_database));
    }
    tasks
}

/// Does what one of all processes that share the store has to do.
fn alone(app: &App, what: &str, act: fn(&App)) {
    match app.store.lease(what, app.jobs.name(), SWEEP_LEASE_MS) {
        Ok(true) => act(app),
        Ok(false) => {}
        Err(error) => app.jobs.store_failed(&error, "a lease could not be taken"),
    }
}

fn every(pause: Duration, app: &web::Data<App>, act: fn(&App)) -> JoinHandle<()> {
    after(Duration::ZERO, pause, app, act)
}

/// The same, for the first time after a while.
fn after(first: Duration, pause: Duration, app: &web::Data<App>, act: fn(&App)) -> JoinHandle<()> {
    let app = app.clone();
    actix_web::rt::spawn(async move {
        tokio::time::sleep(first).await;
        loop {
            let started = Instant::now();
            let app = app.clone();
            if web::block(move || act(&app)).await.is_err() {
                tracing::error!(
                    "a periodic task was refused by the pool for blocking work, or panicked"
                );
            }
            tokio::time::sleep(pause.max(started.elapsed() * REST)).await;
        }
    })
}

/// Another process may have changed the keys that all share.
fn refresh_keys(app: &App) {
    let shared = app.shared.as_deref();
    if let Err(error) = crate::database::refresh(&app.url_keys, shared, &app.dirs) {
        tracing::warn!(%error, "the keys that sign addresses stay as they were");
    }
}

/// Looks whether the store of files answers, so that a call is refused rather than its job lost, and sees when it does again.
async fn look_after_files(app: web::Data<App>) {
    let mut looked: Option<Instant> = None;
    loop {
        let was_away = app.blobs.failing().is_some();
        if !was_away && looked.is_some_and(|at| at.elapsed() < LOOK) {
            tokio::time::sleep(LOOK_AGAIN).await;
            continue;
        }
        match app.blobs.look().await {
            Err(error) => tell_files_away(&error.to_string()),
            Ok(()) if was_away => {
                tracing::info!("the store of files is reached again; the service goes on");
            }
            Ok(()) => {}
        }
        looked = Some(Instant::now());
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

fn tend(app: &App) {
    app.space.tend();
    if app.space.has_room_to_keep()
        && let Err(error) = app.store.keep_room()
    {
        app.jobs
            .store_failed(&error, "room for ends of jobs could not be set aside");
    }
}

fn sweep(app: &App) {
    let swept = match app.blobs.failing() {
        None => sweep_expired(&*app.store, &app.blobs),
        // It is told elsewhere; they are removed once it is over.
        Some(_) => Ok(0),
    };
    match swept {
        Ok(0) => {}
        Ok(swept) => {
            app.metrics.add(names::SWEPT, &[], swept as f64);
            tracing::info!(swept, "removed expired results");
        }
        Err(error) => {
            app.jobs
                .store_failed(&error, "expired results could not be removed");
        }
    }
    let keep_ms = app.config.results.details_keep.as_millis() as i64;
    let forgotten = app
        .store
        .forget_details(keep_ms, ROWS)
        .and_then(|details| Ok((details, app.store.sweep_idempotency(ROWS)?)));
    match forgotten {
        Ok((0, _)) => {}
        Ok((details, _)) => tracing::info!(jobs = details, "forgot details of old jobs"),
        Err(error) => {
            app.jobs.store_failed(&error, "old rows could not be swept");
        }
    }
}

/// Age from which on a file without a job belongs to none that is being accepted or has not ended yet.
fn orphan_age(app: &App) -> Duration {
    ORPHAN_AGE_MIN.max(4 * app.config.queue.job_wall_max)
}

/// Removes results that no job owns.
fn sweep_orphans(app: &App) {
    if app.blobs.failing().is_some() {
        return;
    }
    match remove_orphans(&*app.store, &app.blobs, orphan_age(app)) {
        Ok(0) => {}
        Ok(orphans) => tracing::warn!(orphans, "removed result files that no job owns"),
        Err(error) => tracing::error!(%error, "results without a job could not be removed"),
    }
}

/// Removes uploads and reduced copies past their time.
fn sweep_kept(app: &App) {
    if app.blobs.failing().is_some() {
        return;
    }
    let keep = app.config.admin.retry_keep;
    let inputs = sweep_inputs(&*app.store, &app.blobs, keep, orphan_age(app));
    let previews = sweep_previews(&app.blobs, app.config.results.keep);
    match (inputs, previews) {
        (Err(error), _) => tracing::error!(%error, "uploads of failed jobs could not be removed"),
        (_, Err(error)) => tracing::error!(%error, "reduced copies of photos could not be removed"),
        (Ok(0), Ok(0)) => {}
        (Ok(inputs), Ok(previews)) => {
            tracing::info!(inputs, previews, "removed what was kept long enough")
        }
    }
}

fn check_books(app: &App) {
    // A claimed job may wait for room as long as another one runs, then it runs itself.
    let limit_ms = 2 * app.config.queue.job_wall_max.as_millis() as i64 + HOLD_SLACK_MS;
    match app.store.expire_holds(app.jobs.name(), limit_ms) {
        Ok(expired) if expired.is_empty() => {}
        Ok(expired) => tracing::error!(
            jobs = expired.len(),
            "jobs never ended; their credits were released"
        ),
        Err(error) => {
            app.jobs
                .store_failed(&error, "open holds could not be checked");
        }
    }
    match app.store.invariants() {
        Ok(breaches) => {
            for breach in &breaches {
                tracing::error!(%breach, "the account books are wrong; no new jobs are taken");
            }
            app.metrics.add(names::BREACHES, &[], breaches.len() as f64);
            app.breached.store(!breaches.is_empty(), Ordering::Relaxed);
        }
        Err(error) => {
            app.jobs
                .store_failed(&error, "the account books could not be checked");
        }
    }
}

/// Reads every page of the database file. What it finds closes the service until a check finds nothing.
fn check_database(app: &App) {
    let found = match app.store.integrity() {
        Ok(found) => found,
        Err(error) => {
            app.jobs
                .store_failed(&error, "the database file could not be checked");
            return;
        }
    };
    for breach in &found {
        tracing::error!(%breach, "the database file is damaged; no new jobs are taken; restore the last backup");
    }
    let check = DatabaseCheck {
        checked_at_ms: crate::clock::now_ms(),
        problem: found.first().map(ToString::to_string),
    };
    *lock(&app.database) = Some(check);
}
