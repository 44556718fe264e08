//! Everything that is shown. Actions and changes alter it and return effects; it does no input, output or waiting itself.

pub mod absorb;
pub mod act;
pub mod command;
pub mod forms;
pub mod input;
pub mod job_view;
pub mod overlay;
pub mod rows;

use std::collections::VecDeque;
use std::sync::Arc;

use cleanplate_api::admin::{
    AccountRow, Hello, ImagePart, JobRow, KeyRow, LedgerRow, LogLevel, LogLine, MetricsTick,
    ModelRow, ServerView,
};
use cleanplate_api::{FolderStatus, JobStatus, QueueView};
use ratatui::layout::{Rect, Size};

use self::job_view::JobView;
use self::overlay::{Overlay, Prompt};
use crate::action::Context;
use crate::config::{Config, KeyMap, Role, Theme};
use crate::net::Call;
use crate::screen::ScreenId;
use crate::widget::table::{List, Rest, Table};

/// Jobs that are kept, the newest.
const JOBS_MAX: usize = 5_000;
/// Rows of other tables.
const ROWS_MAX: usize = 10_000;
/// Log lines that are kept.
const LINES_MAX: usize = 2_000;
/// Seconds of figures that are kept.
pub const TICKS_MAX: usize = 300;
/// How long a notice is shown.
const TOAST_MS: i64 = 6_000;
/// Notices at a time.
const TOASTS_MAX: usize = 4;

/// Something for the outside to do.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Ask the daemon.
    Call(Call),
    /// Put text into the clipboard of the user's terminal.
    Copy(String),
    /// Make a picture for this space.
    Render(ImagePart, Arc<Vec<u8>>, Size),
    /// Connect again now.
    Reconnect,
    /// Draw everything anew.
    Redraw,
    /// Give the terminal back to the shell.
    Suspend,
    /// Take the mouse, or leave it to the terminal.
    Mouse(bool),
    /// End.
    Quit,
}

/// The stream of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Link {
    /// Nothing has come yet.
    Connecting,
    /// What is shown is what is.
    Live,
    /// What is shown was so at `since_ms`.
    Lost {
        /// When it was lost.
        since_ms: i64,
        /// Why.
        why: String,
        /// When the next attempt is made.
        retry_at_ms: i64,
    },
}

/// A short notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Toast {
    /// What it says.
    pub text: String,
    /// Its style.
    pub role: Role,
    /// Until when it is shown.
    pub until_ms: i64,
}

/// A ledger that is open.
#[derive(Debug)]
pub struct LedgerView {
    /// Whose.
    pub account: i64,
    /// The entries.
    pub table: Table<LedgerRow>,
}

/// A place that the mouse can click.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hit {
    /// The name of a screen.
    Tab(ScreenId),
    /// The rows of the table.
    Rows,
}

/// Everything that is shown.
#[derive(Debug)]
pub struct State {
    /// Keys.
    pub keys_map: KeyMap,
    /// Styles.
    pub theme: Theme,
    /// Whether `NO_COLOR` asks for none.
    pub colourless: bool,
    /// Whether nothing may be changed.
    pub readonly: bool,
    /// Whether changes are held back.
    pub frozen: bool,
    /// Changes held back while frozen; whether there were any.
    pub held_back: bool,
    /// Whether pictures can be drawn.
    pub pictures: bool,
    /// Where the daemon is, for people.
    pub target: String,
    /// The time, milliseconds since 1970.
    pub now_ms: i64,
    /// The screen that is shown.
    pub screen: ScreenId,
    /// Over it.
    pub overlay: Option<Overlay>,
    /// The line at the bottom.
    pub prompt: Option<Prompt>,
    /// Commands given before, the newest last.
    pub history: Vec<String>,
    /// Notices.
    pub toasts: VecDeque<Toast>,
    /// The stream of events.
    pub link: Link,
    /// How the stream began.
    pub hello: Option<Hello>,
    /// The daemon.
    pub server: Option<Box<ServerView>>,
    /// The queue.
    pub queue: Option<QueueView>,
    /// Figures of the last minutes, one per second, the newest last.
    pub ticks: VecDeque<MetricsTick>,
    /// Jobs.
    pub jobs: Table<JobRow>,
    /// Only jobs of this state.
    pub jobs_status: Option<JobStatus>,
    /// Text that the daemon was asked to look for in jobs.
    pub jobs_text: String,
    /// The job that is open.
    pub job: Option<JobView>,
    /// Keys.
    pub keys: Table<KeyRow>,
    /// Accounts.
    pub accounts: Table<AccountRow>,
    /// The ledger that is open.
    pub ledger: Option<LedgerView>,
    /// Folders.
    pub folders: Table<FolderStatus>,
    /// Models.
    pub models: Table<ModelRow>,
    /// Bytes that weights may take on the device.
    pub device_bytes_max: u64,
    /// Log lines.
    pub log: Table<LogLine>,
    /// Only lines of this level and above.
    pub log_level: LogLevel,
    /// What was shown when figures were last asked for that no event tells.
    pub polled: (ScreenId, bool),
    /// When that was.
    pub polled_at_ms: i64,
    /// Whether events were missed since everything was fetched.
    pub resync_wanted: bool,
    /// When everything was asked for.
    pub fetched_at_ms: i64,
    /// Clickable places of the last drawing.
    pub hits: Vec<(Rect, Hit)>,
}

impl State {
    /// Nothing known yet.
    pub fn new(config: &Config, readonly: bool, target: String, now_ms: i64) -> State {
        State {
            keys_map: config.keys.clone(),
            theme: config.theme.clone(),
            colourless: false,
            readonly,
            frozen: false,
            held_back: false,
            pictures: true,
            target,
            now_ms,
            screen: ScreenId::Overview,
            overlay: None,
            prompt: None,
            history: Vec::new(),
            toasts: VecDeque::new(),
            link: Link::Connecting,
            hello: None,
            server: None,
            queue: None,
            ticks: VecDeque::new(),
            jobs: Table::new(JOBS_MAX, 0, true, Rest::First),
            jobs_status: None,
            jobs_text: String::new(),
            job: None,
            keys: Table::new(ROWS_MAX, 0, false, Rest::First),
            accounts: Table::new(ROWS_MAX, 0, false, Rest::First),
            ledger: None,
            folders: Table::new(ROWS_MAX, 0, false, Rest::First),
            models: Table::new(ROWS_MAX, 0, false, Rest::First),
            device_bytes_max: 0,
            log: Table::new(LINES_MAX, 0, false, Rest::Last),
            log_level: LogLevel::Info,
            polled: (ScreenId::Overview, false),
            polled_at_ms: now_ms,
            resync_wanted: false,
            fetched_at_ms: 0,
            hits: Vec::new(),
        }
    }

    /// The context of the screen that is shown.
    pub fn context(&self) -> Option<Context> {
        match self.screen {
            ScreenId::Overview => None,
            ScreenId::Jobs if self.job.is_some() => Some(Context::Job),
            ScreenId::Jobs => Some(Context::Jobs),
            ScreenId::Keys => Some(Context::Keys),
            ScreenId::Accounts if self.ledger.is_some() => Some(Context::Ledger),
            ScreenId::Accounts => Some(Context::Accounts),
            ScreenId::Folders => Some(Context::Folders),
            ScreenId::Models => Some(Context::Models),
            ScreenId::Log => Some(Context::Log),
        }
    }

    /// The table that is shown.
    pub fn list(&mut self) -> Option<&mut dyn List> {
        Some(match self.screen {
            ScreenId::Overview => return None,
            ScreenId::Jobs if self.job.is_some() => return None,
            ScreenId::Jobs => &mut self.jobs,
            ScreenId::Keys => &mut self.keys,
            ScreenId::Accounts => match &mut self.ledger {
                Some(ledger) => &mut ledger.table,
                None => &mut self.accounts,
            },
            ScreenId::Folders => &mut self.folders,
            ScreenId::Models => &mut self.models,
            ScreenId::Log => &mut self.log,
        })
    }

    /// Brings the table that is shown up to date; everything that reads a cursor or the chosen rows comes after this.
    pub fn refresh(&mut self) {
        let (now_ms, status, level) = (self.now_ms, self.jobs_status, self.log_level);
        match self.screen {
            ScreenId::Overview | ScreenId::Jobs => self.jobs.refresh(now_ms, |job| {
                status.is_none_or(|status| job.status == status)
            }),
            ScreenId::Keys => self.keys.refresh(now_ms, |_| true),
            ScreenId::Accounts => match &mut self.ledger {
                Some(ledger) => ledger.table.refresh(now_ms, |_| true),
                None => self.accounts.refresh(now_ms, |_| true),
            },
            ScreenId::Folders => self.folders.refresh(now_ms, |_| true),
            ScreenId::Models => self.models.refresh(now_ms, |_| true),
            ScreenId::Log => self.log.refresh(now_ms, |line| line.level >= level),
        }
    }

    /// Shows a notice.
    pub fn toast(&mut self, role: Role, text: impl Into<String>) {
        self.toasts.push_back(Toast {
            text: text.into(),
            role,
            until_ms: self.now_ms + TOAST_MS,
        });
        if self.toasts.len() > TOASTS_MAX {
            self.toasts.pop_front();
        }
    }

    /// The time has gone on; whether what is shown changes by that.
    pub fn tick(&mut self, now_ms: i64) -> bool {
        self.now_ms = now_ms;
        let before = self.toasts.len();
        self.toasts.retain(|toast| toast.until_ms > now_ms);
        before != self.toasts.len() || self.clock_shown()
    }

    /// Whether something on the screen changes by the second while nothing happens.
    pub fn clock_shown(&self) -> bool {
        let counting = matches!(self.link, Link::Lost { .. });
        let young = |at_ms: i64| self.now_ms - at_ms < 61_000;
        let ages = match self.screen {
            ScreenId::Overview | ScreenId::Jobs => {
                let open = |job: &JobRow| {
                    matches!(job.status, JobStatus::Pending | JobStatus::Processing)
                        || young(job.created_at_ms)
                };
                self.jobs
                    .shown()
                    .skip(self.jobs.offset)
                    .take(self.jobs.page_rows)
                    .any(open)
            }
            ScreenId::Keys => self
                .keys
                .shown()
                .any(|key| young(key.last_used_at_ms.unwrap_or(0).max(key.created_at_ms))),
            _ => false,
        };
        counting || ages || self.resync_wanted || !self.toasts.is_empty()
    }

    /// The name of an account, for people.
    pub fn account_name(&self, id: i64) -> String {
        self.accounts
            .get(&id)
            .map_or_else(|| format!("account {id}"), |account| account.name.clone())
    }

    /// Everything that is shown is asked for anew.
    pub fn fetch_all(&mut self) -> Vec<Effect> {
        (self.resync_wanted, self.fetched_at_ms) = (false, self.now_ms);
        self.jobs.begin_snapshot();
        self.keys.begin_snapshot();
        self.accounts.begin_snapshot();
        self.folders.begin_snapshot();
        self.models.begin_snapshot();
        self.log.begin_snapshot();
        let jobs = Call::Jobs {
            text: self.jobs_text.clone(),
            after: None,
        };
        let mut calls = vec![
            Call::Server,
            Call::History,
            jobs,
            Call::Keys(None),
            Call::Accounts(None),
            Call::Folders,
            Call::Models,
            Call::Log,
        ];
        calls.extend(self.job.as_ref().map(|view| Call::Job(view.id.clone())));
        calls.extend(
            self.ledger
                .as_ref()
                .map(|ledger| Call::Ledger(ledger.account, None)),
        );
        calls.into_iter().map(Effect::Call).collect()
    }
}
