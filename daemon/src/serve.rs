//! `serve`: start-up in order, the running tasks, and the way down.

mod admin_side;
mod first;
mod reload;
mod tasks;

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use actix_web::web;
use admin_side::AdminSide;
use anyhow::Context;
use cleanplate_models::ModelStore;
use cleanplate_pipeline::PipelineSet;
use cleanplate_store::{PgStore, Store};
use socket2::{Domain, Socket, Type};

use crate::admin::{self, Sockets};
use crate::app::App;
use crate::config::Config;
use crate::database::{self, OpenStore};
use crate::feed::Feed;
use crate::files::{
    Blobs, Dirs, DiskSpace, Kind, refuse_foreign_results, remove_orphans, sweep_inputs,
};
use crate::folder::Folders;
use crate::jobs::{Jobs, JobsElsewhere, to_be_had};
use crate::limits::{RateLimiters, Shares};
use crate::local::Local;
use crate::node::{Holder, refuse_beside_others};
use crate::telemetry::{self, Metrics};
use crate::webhooks::Sender;

/// Connections that wait for the start when it opens the page.
const LOCAL_BACKLOG: i32 = 16;
/// Previews at a time: each decodes a photo beside the jobs, and is as quick as a click.
const PREVIEWS: usize = 4;
/// Pictures that are written in another format at a time: each is decoded beside the jobs.
const CONVERSIONS: usize = 2;
/// Streams of events at a time, so that they cannot take all connections.
const STREAMS: usize = 128;

/// Runs the daemon until a signal or a fault of the store. `open`: for whoever sits at this machine, without a key, and with its
/// page opened in the browser.
pub fn run(mut config: Config, open: bool) -> anyhow::Result<ExitCode> {
    let tail = telemetry::start_log(&config.logging, config.admin.log_lines_max);
    crate::connections::allow_open_files(config.server.connections_max);
    fit_memory(&mut config);
    let (listener, metrics_listener) = listeners(&config)?;
    let (dirs, space, opened) = open_store(&mut config)?;
    let OpenStore {
        store,
        shared,
        folder: _held,
    } = opened;
    let blobs = Arc::new(Blobs::configured(&config.files, &dirs)?);
    let holder = take_place(shared.as_deref(), &blobs, &config)?;
    tidy_up(&*store, &blobs, &config)?;
    let (url_keys, webhook_key) = database::keys(shared.as_deref(), &dirs)?;
    let pipelines = pipelines(&config)?;
    let models = Arc::new(ModelStore::open(&config.models.dir)?);
    let address = listener.local_addr().context("reading the address")?;
    let sockets = admin::bind(&config.admin)?;
    let feed = Arc::new(Feed::new(&*store)?);
    store.watch(feed.clone());
    let local = open.then(|| Local::prepare(&*store, address)).transpose()?;
    let first = first_account(&*store, &config)?;
    let metrics = Arc::new(Metrics::from_zero());
    let jobs = Jobs::new(
        config.clone(),
        store.clone(),
        dirs.clone(),
        blobs.clone(),
        models.clone(),
        pipelines.clone(),
        metrics.clone(),
        space.clone(),
    );
    store.watch(Arc::new(JobsElsewhere(Arc::downgrade(&jobs))));
    if let Some(holder) = holder {
        jobs.hold_name(holder);
    }
    let threads = jobs.start().context("starting the engine threads")?;
    let app = web::Data::new(App {
        fetches: Shares::new(config.fetch.at_once_max),
        previews: Shares::new(PREVIEWS),
        conversions: Shares::new(CONVERSIONS),
        streams: Shares::new(STREAMS),
        limits: RateLimiters::new(&config.rate_limits, &config.limits, space.clone()),
        config,
        dirs,
        store,
        local,
        url_keys,
        shared,
        webhook_key,
        blobs,
        metrics,
        jobs,
        space,
        pipelines,
        models,
        feed,
        tail,
        started_at_ms: crate::clock::now_ms(),
        started: Instant::now(),
        breached: AtomicBool::new(false),
        database: std::sync::Mutex::default(),
    });
    greet(&app, first, &listener, address)?;
    actix_web::rt::System::new().block_on(live(app, (listener, metrics_listener), sockets, threads))
}

/// The data folder, the room on its volume, and the store. Names this process.
fn open_store(config: &mut Config) -> anyhow::Result<(Dirs, Arc<DiskSpace>, OpenStore)> {
    let dirs = Dirs::under(&config.server.data_dir);
    dirs.make_data()?;
    // On a full volume what was kept back makes room for the recovery.
    let space = DiskSpace::new(&dirs, config.files.folder(), config.server.free_bytes_min);
    // The lock comes before anything is touched: uploads of a running daemon are not ours to remove.
    let opened = database::open(config, &dirs)?;
    dirs.prepare()?;
    config.server.name = crate::node::name(&config.server.name, &dirs.data)?;
    Ok((dirs, space, opened))
}

/// The first account, made by who takes calls.
fn first_account(store: &dyn Store, config: &Config) -> anyhow::Result<Option<first::First>> {
    if !config.server.role.takes_calls() {
        return Ok(None);
    }
    Ok(first::prepare(
        store,
        config.accounts.first_credits,
        &config.server.name,
    )?)
}

/// Lowers the memory for pictures to what the system gives this process, and says so.
fn fit_memory(config: &mut Config) {
    let wanted = config.limits.memory_bytes_max;
    let fits = to_be_had(wanted);
    if fits < wanted {
        config.limits.memory_bytes_max = fits;
        tracing::warn!(
            wanted_mib = wanted >> 20,
            fits_mib = fits >> 20,
            "the system gives this process less memory than limits.memory_mib_max says: pictures that need more are refused"
        );
    }
    // A process that does jobs only knows no folders, and does those of their pairs.
    if !config.hot_folders.is_empty() || !config.server.role.takes_calls() {
        config.limits.set_shots_aside();
    }
}

/// Tells what the first start made, and opens the page for whoever sits at this machine.
fn greet(
    app: &App,
    first: Option<first::First>,
    listener: &TcpListener,
    address: SocketAddr,
) -> anyhow::Result<()> {
    if let Some(first) = first {
        first.announce(app.config.server.public_url.as_ref(), address);
    }
    if app.local.is_some() {
        show_page(listener, address)?;
    }
    Ok(())
}

/// The ports, taken before anything is made: one that is in use is told at once. They are listened on once all is ready.
fn listeners(config: &Config) -> anyhow::Result<(TcpListener, Option<TcpListener>)> {
    let take = |option: &str, address: SocketAddr| {
        let bind = || -> std::io::Result<TcpListener> {
            let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
            socket.set_reuse_address(true)?;
            socket.bind(&address.into())?;
            Ok(socket.into())
        };
        bind().with_context(|| {
            format!("{option}: {address} cannot be listened on; is another program there, or another cleanplate? Choose another port")
        })
    };
    let server = &config.server;
    if !server.listen.ip().is_loopback() && server.proxies.is_empty() {
        tracing::warn!(
            address = %server.listen,
            "listening beyond this machine without a proxy in front: keys and photos travel unencrypted; put nginx or Caddy \
             with TLS in front, listen on 127.0.0.1 and set server.behind_proxy (docs/OPERATING.md)"
        );
    }
    let own = server.metrics_listen;
    Ok((
        take("server.listen", server.listen)?,
        own.map(|address| take("server.metrics_listen", address))
            .transpose()?,
    ))
}

/// Opens the page in the browser. Listens already, so that the browser waits until it is served.
fn show_page(listener: &TcpListener, address: SocketAddr) -> std::io::Result<()> {
    socket2::SockRef::from(listener).listen(LOCAL_BACKLOG)?;
    let url = format!("http://{address}/");
    println!("The page is at {url}");
    if let Err(error) = open::that_detached(&url) {
        tracing::warn!(%error, "no browser could be started; open {url} yourself");
    }
    Ok(())
}

/// The pipelines that there are, the default one among them.
fn pipelines(config: &Config) -> anyhow::Result<PipelineSet> {
    let plugins = cleanplate_plugins::plugins(&[&config.pipelines.plugins_dir])?;
    let pipelines = cleanplate_plugins::pipelines(&plugins, &[&config.pipelines.dir])?;
    pipelines
        .get(&config.pipelines.default)
        .context("pipelines.default")?;
    Ok(pipelines)
}

/// The place of this process among those that share the database: its name, and files that the others find.
fn take_place(
    shared: Option<&PgStore>,
    blobs: &Blobs,
    config: &Config,
) -> anyhow::Result<Option<Holder>> {
    let Some(store) = shared else { return Ok(None) };
    let server = &config.server;
    if blobs.is_private() {
        refuse_beside_others(store, &server.name)?;
    }
    Holder::take(store, &server.name, &server.data_dir, config.queue.lease).map(Some)
}

/// Ends what the last run left open, and removes files that nobody owns.
fn tidy_up(store: &dyn Store, blobs: &Blobs, config: &Config) -> anyhow::Result<()> {
    let recovered = store.recover(&config.server.name, config.queue.attempts_max)?;
    if recovered != cleanplate_store::Recovered::default() {
        let (failed, requeued) = (
            recovered.failed.len() + recovered.exhausted.len(),
            recovered.requeued.len(),
        );
        tracing::warn!(
            failed,
            requeued,
            "the last run ended with open jobs; their credits were released"
        );
    }
    if !blobs.is_private() {
        // It may be away, and others may be in the middle of something there: the sweeps see to it.
        if let Err(error) = blobs.look_now() {
            tracing::error!(%error, "the store of files is not reached; no jobs are taken until it is");
            return Ok(());
        }
        return refuse_foreign_results(store, blobs);
    }
    // Nobody else has files in the data folder, and no job is accepted or runs yet.
    let orphans = remove_orphans(store, blobs, Duration::ZERO)?;
    sweep_inputs(store, blobs, config.admin.retry_keep, Duration::ZERO)?;
    if orphans > 0 {
        tracing::warn!(orphans, "removed result files that no job owns");
    }
    Ok(())
}

/// Serves the figures, where they have a listener of their own. Ends with the process: it has nothing to lose.
fn serve_metrics(app: &web::Data<App>, listener: Option<TcpListener>) -> anyhow::Result<()> {
    if let Some(listener) = listener {
        let server = crate::http::bind_metrics(app.clone(), listener)
            .context("starting the server of the metrics")?;
        drop(actix_web::rt::spawn(server));
    }
    Ok(())
}

/// Tells the ends of jobs to whoever asked for it, where calls are taken.
fn send_webhooks(app: &web::Data<App>, stop: &Arc<AtomicBool>) -> anyhow::Result<()> {
    if !app.config.server.role.takes_calls() {
        return Ok(());
    }
    let compose = {
        let app = app.clone();
        move |due: &cleanplate_store::DueWebhook| crate::http::webhook_letter(&app, due)
    };
    let sender = Sender::new(
        app.store.clone(),
        app.jobs.name().to_string(),
        app.config.webhooks.clone(),
        Box::new(compose),
        app.metrics.clone(),
        stop.clone(),
    );
    // It is left behind at the end: what it did not note as delivered is sent again.
    drop(sender.start().context("starting the webhook thread")?);
    Ok(())
}

/// Serves until told to stop, then drains: new calls get 503, accepted jobs end, connections close.
async fn live(
    app: web::Data<App>,
    (listener, metrics_listener): (TcpListener, Option<TcpListener>),
    sockets: Sockets,
    threads: Vec<std::thread::JoinHandle<()>>,
) -> anyhow::Result<ExitCode> {
    let address = listener
        .local_addr()
        .context("reading the listener's address")?;
    let server = crate::http::bind(app.clone(), listener).context("starting the HTTP server")?;
    let handle = server.handle();
    serve_metrics(&app, metrics_listener)?;
    let serving = actix_web::rt::spawn(server);
    let tasks = tasks::start(&app);
    // It asks the store, which blocks.
    let shared = app.clone().into_inner();
    let (folders, follower) = web::block(move || Folders::start(shared)).await??;
    let admin = AdminSide::start(&app, &folders, sockets)?;
    tracing::info!(%address, version = crate::VERSION, role = app.config.server.role.word(), data = %app.dirs.data.display(), files = app.blobs.place(Kind::Results, ""), "listening");
    let stop_webhooks = Arc::new(AtomicBool::new(false));
    send_webhooks(&app, &stop_webhooks)?;
    let why = wait_for_end(&app, &folders).await?;
    actix_web::rt::spawn(end_at_once_if_told_again()?);
    tracing::info!(
        why,
        limit_s = app.config.server.shutdown_max.as_secs(),
        "stopping: running jobs end, new ones are refused"
    );
    let (jobs, limit) = (app.jobs.clone(), app.config.server.shutdown_max);
    let drain = move || {
        folders.stop();
        jobs.shut_down(limit, threads);
        folders.join(follower);
    };
    let drained = web::block(drain).await;
    tasks.iter().for_each(|task| task.abort());
    stop_webhooks.store(true, Ordering::SeqCst);
    handle.stop(true).await;
    admin.stop().await;
    // The server's own result comes before its task ends.
    if let Ok(Err(error)) = serving.await {
        tracing::error!(%error, "the HTTP server failed");
        return Ok(ExitCode::FAILURE);
    }
    drained.context("draining")?;
    let fatal = app.jobs.is_fatal();
    // Threads that are left behind hold the store: it is not closed by being dropped.
    if !fatal && let Err(error) = app.store.settle() {
        tracing::warn!(%error, "the database is checked at the next start");
    }
    tracing::info!(fatal, "stopped");
    Ok(if fatal {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Ends the process when a second signal comes: what was under way is made good by the next start, as after a crash.
fn end_at_once_if_told_again() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::warn!(
            "told to stop again: ending at once; the next start releases what was under way"
        );
        std::process::exit(1);
    })
}

async fn wait_for_end(
    app: &web::Data<App>,
    folders: &Arc<Folders>,
) -> anyhow::Result<&'static str> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut hang_up = signal(SignalKind::hangup()).context("listening for SIGHUP")?;
    let reload = async {
        while hang_up.recv().await.is_some() {
            let (app, folders) = (app.clone(), folders.clone());
            if let Err(error) = web::block(move || reload::reload(&app, &folders)).await {
                tracing::error!(%error, "the configuration could not be read again");
            }
        }
        std::future::pending::<()>().await;
    };
    let fatal = async {
        while !app.jobs.is_fatal() {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        () = reload => "SIGHUP",
        () = fatal => "a fault of the store",
    })
}
