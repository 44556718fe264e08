//! What all screens share: what the daemon tells of itself, and what they leave to be done.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use cleanplate_api::QueueView;
use cleanplate_api::admin::{
    AccountRow, ChangeAccount, CreateAccount, GetHistory, GetServer, ImagePart, ListAccounts,
    ListModels, MetricsTick, ServerView,
};
use cleanplate_api::endpoint::Json;
use ratatui::layout::{Rect, Size};

use super::ScreenId;
use super::overlay::{Overlay, Submit};
use crate::config::{Role, Theme};
use crate::net::{Call, Change};
use crate::widget::form::Form;

/// Seconds of figures that are kept.
pub const TICKS_MAX: usize = 300;
/// Names of accounts that are kept.
const NAMES_MAX: usize = 10_000;
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

/// A place that the mouse can click.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hit {
    /// The name of a screen.
    Tab(ScreenId),
    /// The rows of the table.
    Rows,
}

/// What all screens share.
#[derive(Debug)]
pub struct Shared {
    /// Styles.
    pub theme: Theme,
    /// The time, milliseconds since 1970.
    pub now_ms: i64,
    /// Whether pictures can be drawn.
    pub pictures: bool,
    /// The stream of events.
    pub link: Link,
    /// The daemon.
    pub server: Option<Box<ServerView>>,
    /// The queue.
    pub queue: Option<QueueView>,
    /// Figures of the last minutes, one per second, the newest last.
    pub ticks: VecDeque<MetricsTick>,
    /// Bytes that weights may take on the device.
    pub device_bytes_max: u64,
    /// Names of accounts.
    pub accounts: BTreeMap<i64, String>,
    /// Over the screen.
    pub overlay: Option<Overlay>,
    /// Notices.
    pub toasts: VecDeque<Toast>,
    /// Clickable places of the last drawing.
    pub hits: Vec<(Rect, Hit)>,
    /// The screen that is to be shown, when a screen wants another one.
    pub wanted: Option<&'static str>,
    effects: Vec<Effect>,
}

impl Shared {
    /// Nothing known yet.
    pub fn new(theme: Theme, now_ms: i64) -> Shared {
        Shared {
            theme,
            now_ms,
            pictures: true,
            link: Link::Connecting,
            server: None,
            queue: None,
            ticks: VecDeque::new(),
            device_bytes_max: 0,
            accounts: BTreeMap::new(),
            overlay: None,
            toasts: VecDeque::new(),
            hits: Vec::new(),
            wanted: None,
            effects: Vec::new(),
        }
    }

    /// Leaves something for the outside.
    pub fn leave(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    /// Asks the daemon.
    pub fn call(&mut self, call: Call) {
        self.leave(Effect::Call(call));
    }

    /// What was left for the outside.
    pub fn take_effects(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Shows a notice for a while.
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

    /// Shows text to read.
    pub fn notice(&mut self, title: impl Into<String>, lines: Vec<String>) {
        self.overlay = Some(Overlay::Notice {
            title: title.into(),
            lines,
            scroll: 0,
        });
    }

    /// Opens a form. `verb` says what its main key does.
    pub fn form(&mut self, form: Form, verb: &'static str, call: Submit) {
        self.overlay = Some(Overlay::form(form, verb, call));
    }

    /// The name of an account, for people.
    pub fn account_name(&self, id: i64) -> String {
        self.accounts
            .get(&id)
            .map_or_else(|| format!("account {id}"), Clone::clone)
    }

    /// Takes in what is shared.
    pub fn absorb(&mut self, change: &Change) {
        if let Some((_, Json(server))) = change.reply::<GetServer>() {
            self.queue = Some(server.queue.clone());
            self.server = Some(Box::new(server.clone()));
        }
        if let Some((_, Json(history))) = change.reply::<GetHistory>() {
            let newer: Vec<MetricsTick> = self.ticks.drain(..).collect();
            let all = history.ticks.iter().cloned().chain(newer);
            all.for_each(|tick| self.take_tick(tick));
        }
        if let Some((_, Json(models))) = change.reply::<ListModels>() {
            self.device_bytes_max = models.memory_bytes_max;
        }
        if let Some((_, Json(page))) = change.reply::<ListAccounts>() {
            page.items.iter().for_each(|row| self.name(row));
        }
        let made = change.reply::<CreateAccount>();
        if let Some((_, Json(row))) = made.or_else(|| change.reply::<ChangeAccount>()) {
            self.name(row);
        }
        match change {
            Change::Queue(queue) => self.queue = Some(queue.clone()),
            Change::State(now) => {
                if let Some(server) = &mut self.server {
                    (server.state, server.reason) = (now.state, now.reason.clone());
                }
            }
            Change::Tick(tick) => self.take_tick((**tick).clone()),
            Change::Account(row) => self.name(row),
            _ => {}
        }
    }

    fn name(&mut self, row: &AccountRow) {
        if self.accounts.len() < NAMES_MAX || self.accounts.contains_key(&row.id) {
            self.accounts.insert(row.id, row.name.clone());
        }
    }

    fn take_tick(&mut self, tick: MetricsTick) {
        // Seconds that come twice, by the history and by the stream, count once.
        if self.ticks.back().is_none_or(|last| last.at_ms < tick.at_ms) {
            self.ticks.push_back(tick);
        }
        while self.ticks.len() > TICKS_MAX {
            self.ticks.pop_front();
        }
    }
}
