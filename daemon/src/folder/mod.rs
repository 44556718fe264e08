//! Watched folders: photos and masks that are dropped into them become jobs; results land in an output folder.
//!
//! A pair is taken once it holds still and decodes, by renaming it into a folder of its own under `working`; it ends in
//! `done` or `failed` with a report. The store knows a pair by the hash of its content, so that a crash at any instant, or
//! the same files dropped again, never charge twice. A folder is one thread; one more applies changes of the configuration.

pub mod after;
mod board;
mod claim;
mod direct;
mod executor;
mod failed;
mod hold;
mod mark;
mod menu;
mod notifications;
mod queue;
mod read;
mod report;
mod scan;
mod sidecar;
mod take;
mod template;
mod turn;
mod walk;
mod watch;

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;
use cleanplate_api::FolderStatus;
use cleanplate_basics::lock;

pub use board::Board;
pub use direct::DirectExecutor;
pub use menu::Menu;
pub use queue::payer;
pub use read::Bounds;
pub use watch::{FolderWatch, Setup};

use crate::app::App;
use crate::config::{Config, HotFolder, Payer};
use crate::jobs::{ByteBudget, Webhook};
use queue::QueueExecutor;

/// Pause between looks at the configuration file.
const RELOAD: Duration = Duration::from_secs(1);

struct Live {
    folder: HotFolder,
    stop: Arc<AtomicBool>,
    board: Arc<Board>,
    thread: JoinHandle<()>,
}

/// What an administrator tells a folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FolderCommand {
    /// Take nothing more; until resumed, or started anew.
    Pause,
    /// Go on.
    Resume,
    /// Look at the whole folder now.
    Rescan,
}

/// What an administrator does about a failed pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Put its files back, so that it is taken again.
    Retry,
    /// Show it no longer; its files stay in `failed`.
    Release,
}

/// All watched folders of a daemon.
pub struct Folders {
    app: Arc<App>,
    live: Mutex<Vec<Live>>,
    /// Read the configuration file whether it changed or not.
    reload: AtomicBool,
    stopping: AtomicBool,
}

impl Bounds {
    /// The bounds of a configuration, and the memory that its pictures share.
    pub fn of(config: &Config, memory: Arc<ByteBudget>) -> Bounds {
        let limits = &config.limits;
        Bounds {
            bytes_max: limits.upload_bytes_max,
            points_max: limits.points_max,
            image: crate::picture::limits(limits),
            memory,
        }
    }
}

impl Folders {
    /// Starts every configured folder, and the thread that follows changes of the configuration file. Blocks.
    pub fn start(app: Arc<App>) -> anyhow::Result<(Arc<Folders>, JoinHandle<()>)> {
        let folders = Arc::new(Folders {
            app,
            live: Mutex::default(),
            reload: AtomicBool::new(false),
            stopping: AtomicBool::new(false),
        });
        let changed = folders
            .app
            .config
            .source
            .file
            .as_deref()
            .and_then(changed_at);
        for folder in &folders.app.config.hot_folders {
            folders.begin(folder)?;
        }
        let follower = folders.clone();
        let thread = std::thread::Builder::new()
            .name("folders".to_string())
            .spawn(move || follower.follow(changed))?;
        Ok((folders, thread))
    }

    fn live(&self) -> MutexGuard<'_, Vec<Live>> {
        lock(&self.live)
    }

    /// Where the pairs of a folder are worked on.
    fn executor(&self, folder: &HotFolder, payer: Payer) -> QueueExecutor {
        let app = &self.app;
        QueueExecutor {
            jobs: app.jobs.clone(),
            store: app.store.clone(),
            uploads: app.dirs.uploads.clone(),
            payer,
            webhook: folder.rules.finish.webhook_url.clone().map(|url| Webhook {
                url,
                base: public_base(&app.config),
            }),
            price: app.config.pricing.removal,
            turn: turn::Turn::new(&folder.name),
        }
    }

    fn begin(&self, folder: &HotFolder) -> anyhow::Result<()> {
        let app = &self.app;
        let name = folder
            .rules
            .pipeline
            .as_deref()
            .unwrap_or(&app.config.pipelines.default);
        let pipeline = Arc::new(
            app.pipelines
                .get(name)
                .with_context(|| format!("hot folder {:?}", folder.name))?
                .clone(),
        );
        // A folder of the configuration has a payer.
        let payer = folder
            .account
            .clone()
            .with_context(|| format!("hot folder {:?} has no account", folder.name))?;
        // An account that is not there yet pauses the folder until it is.
        let account = queue::payer(&*app.store, &payer)
            .ok()
            .map(|account| account.id);
        let executor = Arc::new(self.executor(folder, payer));
        let metrics = Some(app.metrics.clone());
        let board = Arc::new(Board::new(folder, name, account, metrics, None));
        let stop = Arc::new(AtomicBool::new(false));
        let setup = Setup {
            folder: folder.clone(),
            menu: Menu {
                own: pipeline,
                set: app.pipelines.clone(),
                rules: Some(app.config.pipelines.clone()),
            },
            executor: executor.clone(),
            bounds: Bounds::of(&app.config, app.jobs.memory()),
            board: board.clone(),
            stop: stop.clone(),
            once: false,
        };
        tracing::info!(folder = folder.name, path = %folder.path.display(), output = %folder.output.display(), "hot folder watched");
        let watch = FolderWatch::new(setup);
        let waits = stop.clone();
        let run = move || {
            executor.wait_for_device(&waits);
            if let Err(error) = watch.run() {
                tracing::error!(%error, "a hot folder ended");
            }
            executor.turn.end(&*executor.store, &executor.jobs);
        };
        let thread = std::thread::Builder::new()
            .name("folder".to_string())
            .spawn(run)
            .context("starting a thread for a hot folder")?;
        self.live().push(Live {
            folder: folder.clone(),
            stop,
            board,
            thread,
        });
        Ok(())
    }

    /// Applies changes of the configuration file until told to stop.
    fn follow(&self, mut seen: Option<(SystemTime, u64)>) {
        let Some(file) = self.app.config.source.file.clone() else {
            return;
        };
        while !self.stopping.load(Ordering::SeqCst) {
            std::thread::sleep(RELOAD);
            let now = changed_at(&file);
            let asked = self.reload.swap(false, Ordering::SeqCst);
            if !asked && (now == seen || now.is_none()) {
                continue;
            }
            seen = now;
            match self.app.config.source.load() {
                Ok(config) => {
                    self.apply(&config.hot_folders);
                    tracing::info!(
                        folders = config.hot_folders.len(),
                        "hot folders follow the configuration file; other options take a restart"
                    );
                }
                Err(error) => {
                    tracing::error!(%error, "the configuration file has errors; the hot folders stay as they are")
                }
            }
        }
    }

    /// Ends folders that are gone or changed, then starts the new ones.
    fn apply(&self, wanted: &[HotFolder]) {
        let gone: Vec<Live> = self
            .live()
            .extract_if(.., |live| !wanted.contains(&live.folder))
            .collect();
        for live in &gone {
            live.stop.store(true, Ordering::SeqCst);
        }
        gone.into_iter().for_each(end);
        for folder in wanted {
            let running = self.live().iter().any(|live| live.folder == *folder);
            if !running
                && !self.stopping.load(Ordering::SeqCst)
                && let Err(error) = self.begin(folder)
            {
                tracing::error!(
                    error = format!("{error:#}"),
                    folder = folder.name,
                    "a hot folder could not be started"
                );
            }
        }
    }

    /// Has the configuration file read again soon, changed or not.
    pub fn reload(&self) {
        self.reload.store(true, Ordering::SeqCst);
    }

    /// State of every folder.
    pub fn status(&self) -> Vec<FolderStatus> {
        self.live().iter().map(|live| live.board.status()).collect()
    }

    /// Does something about a failed pair; `None` when there is no such folder, the error says why it was not done.
    pub fn deal_with(
        &self,
        name: &str,
        pair: &str,
        remedy: Remedy,
    ) -> Option<Result<FolderStatus, String>> {
        let (root, board) = self
            .live()
            .iter()
            .find(|live| live.folder.name == name)
            .map(|live| (live.folder.path.clone(), live.board.clone()))?;
        let done = match remedy {
            Remedy::Retry => failed::retry(&root, pair),
            Remedy::Release => failed::release(&root, pair),
        };
        Some(done.map(|()| {
            board.dealt_with(pair);
            board.nudge();
            board.status()
        }))
    }

    /// Gives an order to a folder; `None` when there is no such. The status is that after the folder took it up, or half a
    /// second later.
    pub fn order(&self, name: &str, command: FolderCommand) -> Option<FolderStatus> {
        let board = self
            .live()
            .iter()
            .find(|live| live.folder.name == name)
            .map(|live| live.board.clone())?;
        match command {
            FolderCommand::Pause => board.hold(true),
            FolderCommand::Resume => board.hold(false),
            FolderCommand::Rescan => board.nudge(),
        }
        let until = Instant::now() + Duration::from_millis(500);
        let taken_up = |status: &FolderStatus| match command {
            FolderCommand::Pause => status.paused.is_some(),
            FolderCommand::Resume => status.paused.is_none(),
            FolderCommand::Rescan => true,
        };
        while !taken_up(&board.status()) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
        Some(board.status())
    }

    /// Nothing more is claimed; what runs still ends and is delivered.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.live()
            .iter()
            .for_each(|live| live.stop.store(true, Ordering::SeqCst));
    }

    /// Waits for the end of every folder; call [`Folders::stop`] first. Blocks.
    pub fn join(&self, follower: JoinHandle<()>) {
        if follower.join().is_err() {
            tracing::error!("the thread that follows the configuration panicked");
        }
        // The follower may have begun a folder just before it ended.
        self.stop();
        for status in self.status() {
            let FolderStatus {
                name,
                done,
                failed,
                duplicates,
                waiting_for_mask,
                ..
            } = status;
            tracing::info!(
                folder = name,
                done,
                failed,
                duplicates,
                waiting_for_mask,
                "hot folder ends"
            );
        }
        let live: Vec<Live> = self.live().drain(..).collect();
        live.into_iter().for_each(end);
    }
}

fn end(live: Live) {
    if live.thread.join().is_err() {
        tracing::error!(
            folder = live.folder.name,
            "the thread of a hot folder panicked; its claims are taken up at the next start"
        );
    }
}

/// Front of the addresses in webhooks: nobody's request says what this machine is called.
fn public_base(config: &Config) -> String {
    let server = &config.server;
    let public = server.public_url.as_ref();
    public.map_or_else(
        || format!("http://{}", server.listen),
        |url| url.address.clone(),
    )
}

fn changed_at(file: &Path) -> Option<(SystemTime, u64)> {
    let meta = std::fs::metadata(file).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}
