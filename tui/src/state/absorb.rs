//! What comes from the daemon.

use cleanplate_api::admin::GetServer;

use super::State;
use crate::config::Role;
use crate::net::{Call, Change, NetError};
use crate::screen::overlay::Overlay;
use crate::screen::{Effect, Link};

/// Pause between asking for what no event tells.
const POLL_PAUSE_MS: i64 = 5_000;
/// Pause between fetching everything because events were missed.
const RESYNC_PAUSE_MS: i64 = 3_000;

impl State {
    /// Takes one change in.
    pub fn absorb(&mut self, change: Change) -> Vec<Effect> {
        if self.frozen && change.is_event() {
            self.held_back = true;
            return Vec::new();
        }
        match &change {
            Change::Linked(hello) => {
                let go_on = self.shared.server.is_some() && hello.resumed;
                (self.shared.link, self.hello) = (Link::Live, Some(hello.clone()));
                // A stream that goes on where it ended has missed nothing.
                return if go_on {
                    vec![Effect::Call(Call::plain::<GetServer>(&[]))]
                } else {
                    self.fetch_all()
                };
            }
            Change::Lost { why, retry_ms } => self.lost(why, *retry_ms),
            Change::Resync => {
                self.resync_wanted = true;
                return self.due();
            }
            Change::Reply(call, Err(error)) => self.refused(call, error),
            // The form that asked has its answer; what it says may open something else.
            Change::Reply(call, Ok(_)) if self.form_waits_for(call) => self.shared.overlay = None,
            _ => {}
        }
        self.shared.absorb(&change);
        for screen in &mut self.screens {
            screen.absorb(&change, &mut self.shared);
        }
        let mut effects = self.settle();
        if matches!(change, Change::Tick(_)) {
            effects.extend(self.poll());
        }
        effects
    }

    fn lost(&mut self, why: &str, retry_ms: u64) {
        let since_ms = match self.shared.link {
            Link::Lost { since_ms, .. } => since_ms,
            _ => self.shared.now_ms,
        };
        let retry_ms = i64::try_from(retry_ms).unwrap_or(i64::MAX);
        self.shared.link = Link::Lost {
            since_ms,
            why: why.to_string(),
            retry_at_ms: self.shared.now_ms.saturating_add(retry_ms),
        };
    }

    /// What was put off and may be done now: a daemon that is too busy to tell everything is not asked for everything all the time.
    pub fn due(&mut self) -> Vec<Effect> {
        if self.resync_wanted && self.shared.now_ms - self.fetched_at_ms >= RESYNC_PAUSE_MS {
            self.fetch_all()
        } else {
            Vec::new()
        }
    }

    /// Figures that no event tells, asked for while they are on the screen.
    fn poll(&mut self) -> Vec<Effect> {
        let shown = (self.screen, self.look().context());
        let now_ms = self.shared.now_ms;
        if self.polled == shown && now_ms - self.polled_at_ms < POLL_PAUSE_MS {
            return Vec::new();
        }
        (self.polled, self.polled_at_ms) = (shown, now_ms);
        self.here().poll().into_iter().map(Effect::Call).collect()
    }

    fn refused(&mut self, call: &Call, error: &NetError) {
        let text = error.to_string();
        let mut told = false;
        for screen in &mut self.screens {
            told |= screen.refused(call, &text);
        }
        if told {
            return;
        }
        if !call.changes() {
            // Reads fail together with the stream, which says so; refusals are told.
            if !matches!(error, NetError::Connect { .. } | NetError::Broken(_)) {
                self.shared.toast(Role::Bad, text);
            }
            return;
        }
        // A lost connection may have come after the change was made.
        let unsure = !matches!(error, NetError::Refused { .. } | NetError::Connect { .. });
        let text = if unsure {
            format!("{text}; look whether it was done before you do it again")
        } else {
            text
        };
        let waits = self.form_waits_for(call);
        match &mut self.shared.overlay {
            Some(Overlay::Form(form, _)) if waits => (form.busy, form.error) = (false, Some(text)),
            _ => self.shared.toast(Role::Bad, text),
        }
    }

    /// Whether the form that is open was sent by this call and has no answer yet.
    fn form_waits_for(&self, call: &Call) -> bool {
        match &self.shared.overlay {
            Some(Overlay::Form(form, purpose)) => {
                form.busy && purpose.sent.as_ref().is_some_and(|sent| sent == call)
            }
            _ => false,
        }
    }
}
