//! Screens: one folder and one line of [`SCREENS`] each.
//!
//! A screen holds its table and what is open in it. It takes in what the daemon tells, does what its keys ask, and draws itself;
//! what concerns more than one of them is in [`Shared`]. No screen reads or changes another one.

pub mod action;
pub mod overlay;
pub mod shared;

mod accounts;
mod audit;
mod configuration;
mod folders;
mod jobs;
mod keys;
mod log;
mod models;
mod overview;
mod panel;
mod pipelines;
mod workers;

use std::any::Any;
use std::fmt::Debug;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::action::{ActionRow, Context};
pub use self::shared::{Effect, Hit, Link, Shared, TICKS_MAX};
#[cfg(test)]
pub use self::{jobs::Jobs, keys::Keys};
use crate::net::{Call, Change};
use crate::widget::table::List;

/// Rows of tables that are not bounded by themselves.
const ROWS_MAX: usize = 10_000;
/// Larger tables are fetched again only when the user asks.
const POLL_ROWS_MAX: usize = 300;

/// Whether the age of something is shown in seconds.
fn is_young(at_ms: i64, now_ms: i64) -> bool {
    now_ms - at_ms < 61_000
}

/// The screens in their order.
pub static SCREENS: &[Entry] = &[
    overview::ENTRY,
    jobs::ENTRY,
    keys::ENTRY,
    accounts::ENTRY,
    folders::ENTRY,
    models::ENTRY,
    log::ENTRY,
    audit::ENTRY,
    pipelines::ENTRY,
    configuration::ENTRY,
    workers::ENTRY,
];

/// A screen before it is made.
pub struct Entry {
    /// Its name: on its tab, in the key map, on the command line.
    pub name: &'static str,
    /// What it shows, for the help.
    pub what: &'static str,
    /// Makes it, with nothing known yet.
    pub make: fn() -> Box<dyn Screen>,
    /// What its keys do.
    pub actions: fn() -> Vec<ActionRow>,
    /// Commands that only it has.
    pub commands: &'static [Command],
}

/// A command with an argument.
pub struct Command {
    /// Its name.
    pub name: &'static str,
    /// What stands after it.
    pub argument: &'static str,
    /// Whether it can be left out.
    pub optional: bool,
    /// One line for the help.
    pub what: &'static str,
}

/// A screen by its place in [`SCREENS`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScreenId(pub usize);

impl ScreenId {
    /// The screen of this name; the first if there is none.
    pub fn named(name: &str) -> ScreenId {
        let found = SCREENS.iter().position(|entry| entry.name == name);
        ScreenId(found.unwrap_or(0))
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        SCREENS[self.0].name
    }

    /// The screen `by` places on; after the last comes the first.
    pub fn step(self, by: isize) -> ScreenId {
        ScreenId((self.0 as isize + by).rem_euclid(SCREENS.len() as isize) as usize)
    }
}

/// One screen.
pub trait Screen: Any + Debug {
    /// The context of its keys; `None` where it has no keys of its own.
    fn context(&self) -> Option<Context>;

    /// Whether something is open that the user can go back from.
    fn is_open(&self) -> bool {
        false
    }

    /// Does one of its actions, by its place in the screen's list.
    fn act(&mut self, place: usize, shared: &mut Shared);

    /// Does one of its commands.
    fn command(&mut self, _name: &str, _argument: &str, _shared: &mut Shared) {}

    /// The table that is shown.
    fn list(&mut self) -> Option<&mut dyn List> {
        None
    }

    /// The first line that is shown of what is no table.
    fn scroll(&mut self) -> Option<&mut usize> {
        None
    }

    /// Brings the table up to date; everything that reads a cursor or the chosen rows comes after this.
    fn refresh(&mut self, now_ms: i64);

    /// Draws it.
    fn draw(&mut self, shared: &mut Shared, buf: &mut Buffer, area: Rect);

    /// Opens what the cursor is on.
    fn open(&mut self, _shared: &mut Shared) {}

    /// What is copied of what the cursor is on.
    fn copied(&self) -> Option<String> {
        None
    }

    /// Leaves what is open; whether there was something.
    fn back(&mut self, _shared: &mut Shared) -> bool {
        false
    }

    /// The user goes to a screen, this one or another.
    fn leave(&mut self) {}

    /// Asks for everything that it shows.
    fn calls(&mut self) -> Vec<Call>;

    /// Asks for what no event tells, while it is on the screen.
    fn poll(&mut self) -> Vec<Call> {
        Vec::new()
    }

    /// The cursor wants to go on after the last row: asks for more.
    fn older(&mut self) -> Option<Call> {
        None
    }

    /// Takes in what the daemon tells.
    fn absorb(&mut self, change: &Change, shared: &mut Shared);

    /// A request failed; whether the screen itself says so.
    fn refused(&mut self, _call: &Call, _why: &str) -> bool {
        false
    }

    /// Whether something on it changes by the second while nothing happens.
    fn ages(&self, _now_ms: i64) -> bool {
        false
    }

    /// What the last drawing lacks.
    fn needs(&mut self) -> Vec<Effect> {
        Vec::new()
    }
}
