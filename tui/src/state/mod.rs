//! Everything that is shown. Actions and changes alter it and return effects; it does no input, output or waiting itself.

mod absorb;
mod act;
pub mod command;
mod input;
pub mod prompt;

use cleanplate_api::admin::Hello;

use self::prompt::Prompt;
use crate::config::{Chord, Config, KeyMap};
use crate::net::Call;
use crate::screen::action::{Action, Context, actions, place_of};
use crate::screen::{Effect, Link, SCREENS, Screen, ScreenId, Shared};
use crate::widget::table::List;

/// Everything that is shown.
#[derive(Debug)]
pub struct State {
    /// Keys.
    pub keys: KeyMap,
    /// Whether `NO_COLOR` asks for no colours.
    pub colourless: bool,
    /// Whether nothing may be changed.
    pub readonly: bool,
    /// Whether changes are held back.
    pub frozen: bool,
    /// Whether there were any while frozen.
    held_back: bool,
    /// Where the daemon is, for people.
    pub target: String,
    /// What all screens share.
    pub shared: Shared,
    /// The screens, in the order of [`SCREENS`].
    screens: Vec<Box<dyn Screen>>,
    /// The screen that is shown.
    pub screen: ScreenId,
    /// The line at the bottom.
    pub prompt: Option<Prompt>,
    /// Commands given before, the newest last.
    history: Vec<String>,
    /// How the stream began.
    pub hello: Option<Hello>,
    /// What was shown when figures were last asked for that no event tells.
    polled: (ScreenId, Option<Context>),
    /// When that was.
    polled_at_ms: i64,
    /// Whether events were missed since everything was fetched.
    resync_wanted: bool,
    /// When everything was asked for.
    fetched_at_ms: i64,
}

impl State {
    /// Nothing known yet.
    pub fn new(config: &Config, readonly: bool, target: String, now_ms: i64) -> State {
        State {
            keys: config.keys.clone(),
            colourless: false,
            readonly,
            frozen: false,
            held_back: false,
            target,
            shared: Shared::new(config.theme.clone(), now_ms),
            screens: SCREENS.iter().map(|entry| (entry.make)()).collect(),
            screen: ScreenId(0),
            prompt: None,
            history: Vec::new(),
            hello: None,
            polled: (ScreenId(0), None),
            polled_at_ms: now_ms,
            resync_wanted: false,
            fetched_at_ms: 0,
        }
    }

    /// The screen that is shown.
    pub fn here(&mut self) -> &mut dyn Screen {
        &mut *self.screens[self.screen.0]
    }

    /// The screen that is shown, and what it shares with others.
    pub fn here_and_shared(&mut self) -> (&mut dyn Screen, &mut Shared) {
        (&mut *self.screens[self.screen.0], &mut self.shared)
    }

    /// The screen that is shown, to be looked at.
    pub fn look(&self) -> &dyn Screen {
        &*self.screens[self.screen.0]
    }

    /// A screen by its type.
    #[cfg(test)]
    pub fn of<S: Screen>(&mut self) -> &mut S {
        let mut screens = self.screens.iter_mut();
        screens
            .find_map(|screen| (&mut **screen as &mut dyn std::any::Any).downcast_mut())
            .unwrap()
    }

    /// The table that is shown.
    pub fn list(&mut self) -> Option<&mut dyn List> {
        self.here().list()
    }

    /// Contexts in which a key is looked up while no dialog is open, the innermost first.
    pub fn contexts(&self) -> Vec<Context> {
        let own = self.look().context();
        own.into_iter()
            .chain([Context::LIST, Context::GLOBAL])
            .collect()
    }

    /// What a key does in the first of these contexts that knows it.
    fn action(&self, contexts: &[Context], chord: Chord) -> Option<Action> {
        let names: Vec<&str> = contexts.iter().map(|context| context.0).collect();
        let place = self.keys.find(&names, chord)?;
        Some(actions()[place].action)
    }

    /// The first key of an action in a context, for hints; empty where it has none.
    pub fn hint(&self, context: Context, action: Action) -> String {
        let place = place_of(context, action);
        let chord = place.and_then(|place| self.keys.chords(place).first());
        chord.map(Chord::to_string).unwrap_or_default()
    }

    /// Brings the table that is shown up to date; everything that reads a cursor or the chosen rows comes after this.
    pub fn refresh(&mut self) {
        let now_ms = self.shared.now_ms;
        self.here().refresh(now_ms);
    }

    /// The time has gone on; whether what is shown changes by that.
    pub fn tick(&mut self, now_ms: i64) -> bool {
        self.shared.now_ms = now_ms;
        let before = self.shared.toasts.len();
        self.shared.toasts.retain(|toast| toast.until_ms > now_ms);
        before != self.shared.toasts.len() || self.clock_shown()
    }

    /// Whether something on the screen changes by the second while nothing happens.
    pub fn clock_shown(&self) -> bool {
        matches!(self.shared.link, Link::Lost { .. })
            || self.look().ages(self.shared.now_ms)
            || self.resync_wanted
            || !self.shared.toasts.is_empty()
    }

    /// What the last drawing lacks.
    pub fn needs(&mut self) -> Vec<Effect> {
        self.here().needs()
    }

    /// Everything that is shown is asked for anew, each thing once.
    pub fn fetch_all(&mut self) -> Vec<Effect> {
        (self.resync_wanted, self.fetched_at_ms) = (false, self.shared.now_ms);
        let mut calls: Vec<Call> = Vec::new();
        for call in self.screens.iter_mut().flat_map(|screen| screen.calls()) {
            if !calls.contains(&call) {
                calls.push(call);
            }
        }
        calls.into_iter().map(Effect::Call).collect()
    }

    /// What was left to be done, after the screen that a screen wants is shown.
    fn settle(&mut self) -> Vec<Effect> {
        if let Some(name) = self.shared.wanted.take() {
            self.screen = ScreenId::named(name);
            self.refresh();
        }
        self.shared.take_effects()
    }
}
