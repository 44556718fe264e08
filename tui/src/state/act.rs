//! Actions.

use super::State;
use super::prompt::{Prompt, PromptKind};
use crate::config::Role;
use crate::screen::action::{Action, Context, actions};
use crate::screen::overlay::{Filled, Overlay};
use crate::screen::{Effect, ScreenId};
use crate::widget::edit::Edit;
use crate::widget::table::{List, Move};

impl State {
    /// Does an action.
    pub fn act(&mut self, action: Action) -> Vec<Effect> {
        let changes = |action| {
            actions()
                .iter()
                .any(|row| row.action == action && row.changes)
        };
        if self.readonly && changes(action) {
            let text = "this dashboard was started with --readonly";
            self.shared.toast(Role::Warn, text);
            return Vec::new();
        }
        self.refresh();
        self.on_screen(action);
        self.settle()
    }

    /// What concerns the program and its screens; all else is handed on.
    fn on_screen(&mut self, action: Action) {
        match action {
            Action::Quit => self.shared.leave(Effect::Quit),
            Action::Suspend => self.shared.leave(Effect::Suspend),
            Action::Redraw => self.shared.leave(Effect::Redraw),
            Action::Help => {
                let open = matches!(self.shared.overlay, Some(Overlay::Help(_)));
                self.shared.overlay = (!open).then_some(Overlay::Help(0));
            }
            Action::Command => self.open_prompt(PromptKind::Command, String::new()),
            Action::Filter => {
                if let Some(before) = self.list().map(|list| list.filter().to_string()) {
                    self.open_prompt(PromptKind::Filter, before);
                }
            }
            Action::Back => self.back(),
            Action::Go(screen) => self.go(screen),
            Action::NextScreen => self.go(self.screen.step(1)),
            Action::PreviousScreen => self.go(self.screen.step(-1)),
            Action::Refresh => {
                self.fetch();
                self.shared.leave(Effect::Reconnect);
            }
            Action::Freeze => {
                self.frozen = !self.frozen;
                if !self.frozen && std::mem::take(&mut self.held_back) {
                    self.fetch();
                }
            }
            Action::Open => {
                let (screen, shared) = self.here_and_shared();
                screen.open(shared);
            }
            Action::Copy => self.copy(),
            Action::Own(context, place) => self.own(context, place),
            action => self.on_list(action),
        }
    }

    /// What concerns the table; all else is handed on.
    fn on_list(&mut self, action: Action) {
        if let Action::Move(step) = action {
            return self.step(step);
        }
        let change: fn(&mut dyn List) = match action {
            Action::Mark => |list| list.mark(),
            Action::MarkRange => |list| list.mark_range(),
            Action::MarkAll => |list| list.mark_all(),
            Action::SortNext => |list| list.sort_by(1),
            Action::SortPrevious => |list| list.sort_by(-1),
            Action::SortReverse => |list| list.reverse(),
            action => return self.on_dialog(action),
        };
        if let Some(list) = self.list() {
            change(list);
        }
    }

    /// What concerns the dialog that is open.
    fn on_dialog(&mut self, action: Action) {
        match action {
            Action::Accept => self.accept(),
            Action::Yes => self.answer(true),
            Action::No => self.answer(false),
            Action::NextField => self.next_field(1),
            Action::PreviousField => self.next_field(-1),
            Action::NextChoice => self.next_choice(1),
            Action::PreviousChoice => self.next_choice(-1),
            // What belongs to a line of text was done there.
            _ => {}
        }
    }

    /// What a screen declares; one that is not shown has no keys.
    fn own(&mut self, context: Context, place: usize) {
        if self.look().context() == Some(context) {
            let (screen, shared) = self.here_and_shared();
            screen.act(place, shared);
        }
    }

    fn fetch(&mut self) {
        for effect in self.fetch_all() {
            self.shared.leave(effect);
        }
    }

    fn open_prompt(&mut self, kind: PromptKind, before: String) {
        if self.shared.overlay.is_none() {
            self.prompt = Some(Prompt {
                kind,
                line: Edit::new(&before),
                before,
                back: 0,
            });
        }
    }

    fn go(&mut self, screen: ScreenId) {
        self.screen = screen;
        // Going to the screen that is open leaves its detail.
        self.screens.iter_mut().for_each(|screen| screen.leave());
        self.refresh();
    }

    fn back(&mut self) {
        if let Some(prompt) = self.prompt.take() {
            if prompt.kind == PromptKind::Filter
                && let Some(list) = self.list()
            {
                list.set_filter(&prompt.before);
            }
            return;
        }
        if self.shared.overlay.take().is_some() {
            return;
        }
        let (screen, shared) = self.here_and_shared();
        if screen.back(shared) {
            self.refresh();
        } else if let Some(list) = self.list()
            && !list.clear_marks()
        {
            list.set_filter("");
        }
    }

    fn step(&mut self, step: Move) {
        let scrolled = |at: usize| match step {
            Move::Up => at.saturating_sub(1),
            Move::Down => at + 1,
            Move::PageUp => at.saturating_sub(10),
            Move::PageDown => at + 10,
            Move::First => 0,
            // Drawing stops at the last line.
            Move::Last => usize::MAX / 2,
        };
        match &mut self.shared.overlay {
            Some(Overlay::Help(at) | Overlay::Notice { scroll: at, .. }) => *at = scrolled(*at),
            Some(_) => {}
            None => {
                if let Some(at) = self.here().scroll() {
                    *at = scrolled(*at);
                } else if self.list().is_some_and(|list| list.step(step))
                    && let Some(call) = self.here().older()
                {
                    self.shared.call(call);
                }
            }
        }
    }

    fn copy(&mut self) {
        if let Some(Overlay::Secret { secret, copied, .. }) = &mut self.shared.overlay {
            *copied = true;
            let text = secret.text().to_string();
            self.shared.leave(Effect::Copy(text));
        } else if self.shared.overlay.is_none()
            && let Some(text) = self.look().copied()
        {
            self.shared.toast(Role::Good, format!("copied: {text}"));
            self.shared.leave(Effect::Copy(text));
        }
    }

    /// Yes or no to the question; other dialogs stay.
    fn answer(&mut self, yes: bool) {
        match self.shared.overlay.take() {
            Some(Overlay::Question { calls, .. }) if yes => {
                if let Some(list) = self.list() {
                    list.clear_marks();
                }
                calls.into_iter().for_each(|call| self.shared.call(call));
            }
            Some(Overlay::Question { .. }) | None => {}
            other => self.shared.overlay = other,
        }
    }

    fn accept(&mut self) {
        match &self.shared.overlay {
            Some(Overlay::Question { yes, .. }) => self.answer(*yes),
            Some(Overlay::Form(..)) => self.submit(),
            _ => self.shared.overlay = None,
        }
    }

    /// Sends the form, or says what is wrong with it.
    fn submit(&mut self) {
        let now_ms = self.shared.now_ms;
        let Some(Overlay::Form(form, purpose)) = &mut self.shared.overlay else {
            return;
        };
        if form.busy {
            return;
        }
        match (purpose.submit)(form, now_ms) {
            Err(message) => form.error = Some(message),
            Ok(Filled::Ask(question)) => self.shared.overlay = Some(question),
            Ok(Filled::Call(call)) => {
                (form.busy, form.error) = (true, None);
                purpose.sent = Some(call.clone());
                self.shared.call(call);
            }
        }
    }

    fn next_field(&mut self, by: isize) {
        match &mut self.shared.overlay {
            Some(Overlay::Form(form, _)) => form.go(by),
            Some(Overlay::Question { yes, .. }) => *yes = !*yes,
            Some(Overlay::Help(at) | Overlay::Notice { scroll: at, .. }) => {
                *at = at.saturating_add_signed(by);
            }
            _ => {}
        }
    }

    fn next_choice(&mut self, by: isize) {
        match &mut self.shared.overlay {
            Some(Overlay::Form(form, _)) => {
                form.choose(by);
            }
            Some(Overlay::Question { yes, .. }) => *yes = !*yes,
            _ => {}
        }
    }
}
