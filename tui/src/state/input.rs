//! Keys, the mouse and pasted text: what they mean depends on what is shown.

use crossterm::event::{KeyEvent, KeyEventKind, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::Position;

use super::State;
use super::prompt::PromptKind;
use crate::config::Chord;
use crate::screen::action::{Action, Context};
use crate::screen::overlay::Overlay;
use crate::screen::{Effect, Hit};
use crate::widget::table::Move;

impl State {
    /// A key was pressed.
    pub fn key(&mut self, key: &KeyEvent) -> Vec<Effect> {
        if key.kind == KeyEventKind::Release {
            return Vec::new();
        }
        let chord = Chord::of(key);
        self.refresh();
        if self.prompt.is_some() {
            return self.prompt_key(chord);
        }
        match &self.shared.overlay {
            Some(Overlay::Form(form, _)) => {
                let on_text = form.on_text();
                self.form_key(chord, on_text)
            }
            Some(_) => {
                let contexts = [Context::DIALOG, Context::LIST, Context::GLOBAL];
                self.act_on(&contexts, chord)
            }
            None => self.act_on(&self.contexts(), chord),
        }
    }

    fn act_on(&mut self, contexts: &[Context], chord: Chord) -> Vec<Effect> {
        match self.action(contexts, chord) {
            Some(action) => self.act(action),
            None => Vec::new(),
        }
    }

    fn prompt_key(&mut self, chord: Chord) -> Vec<Effect> {
        // A character writes itself, whatever else it does elsewhere.
        if let Some(c) = chord.character() {
            if let Some(prompt) = &mut self.prompt {
                prompt.line.insert(c);
            }
            self.prompt_changed();
            return Vec::new();
        }
        match self.action(&[Context::EDIT, Context::DIALOG, Context::GLOBAL], chord) {
            Some(Action::Edit(step)) => {
                if let Some(prompt) = &mut self.prompt {
                    prompt.line.step(step);
                }
                self.prompt_changed();
                Vec::new()
            }
            Some(Action::Complete) => {
                self.complete();
                Vec::new()
            }
            Some(Action::HistoryBack) => {
                self.recall(1);
                Vec::new()
            }
            Some(Action::HistoryForward) => {
                self.recall(-1);
                Vec::new()
            }
            Some(Action::Accept) => self.prompt_accept(),
            Some(action @ (Action::Back | Action::Redraw | Action::Suspend)) => self.act(action),
            // In a line of text the key that quits only leaves the line.
            Some(Action::Quit) => self.act(Action::Back),
            _ => Vec::new(),
        }
    }

    fn form_key(&mut self, chord: Chord, on_text: bool) -> Vec<Effect> {
        let edit = self.action(&[Context::EDIT], chord);
        let Some(Overlay::Form(form, _)) = &mut self.shared.overlay else {
            return Vec::new();
        };
        if on_text && let (Some(c), Some(edit)) = (chord.character(), form.edit()) {
            edit.insert(c);
            form.error = None;
            return Vec::new();
        }
        if on_text && let (Some(Action::Edit(step)), Some(edit)) = (edit, form.edit()) {
            edit.step(step);
            return Vec::new();
        }
        match self.action(&[Context::DIALOG, Context::GLOBAL], chord) {
            Some(
                action @ (Action::NextField
                | Action::PreviousField
                | Action::NextChoice
                | Action::PreviousChoice),
            ) => self.act(action),
            Some(action @ (Action::Accept | Action::Back | Action::Redraw | Action::Suspend)) => {
                self.act(action)
            }
            // In a form the key that quits only leaves the form, when it is no character.
            Some(Action::Quit) if chord.character().is_none() => self.act(Action::Back),
            _ => Vec::new(),
        }
    }

    /// Text was pasted.
    pub fn paste(&mut self, text: &str) {
        if let Some(prompt) = &mut self.prompt {
            prompt.line.paste(text);
            self.prompt_changed();
        } else if let Some(Overlay::Form(form, _)) = &mut self.shared.overlay
            && let Some(edit) = form.edit()
        {
            edit.paste(text);
        }
    }

    /// The mouse was used.
    pub fn mouse(&mut self, mouse: &MouseEvent) -> Vec<Effect> {
        self.refresh();
        match mouse.kind {
            MouseEventKind::ScrollUp => return self.act(Action::Move(Move::Up)),
            MouseEventKind::ScrollDown => return self.act(Action::Move(Move::Down)),
            MouseEventKind::Down(MouseButton::Left)
                if self.shared.overlay.is_none() && self.prompt.is_none() => {}
            _ => return Vec::new(),
        }
        let at = Position::new(mouse.column, mouse.row);
        let hit = self
            .shared
            .hits
            .iter()
            .find(|(area, _)| area.contains(at))
            .copied();
        match hit {
            Some((_, Hit::Tab(screen))) => self.act(Action::Go(screen)),
            Some((area, Hit::Rows)) => {
                let line = usize::from(mouse.row - area.y);
                let Some(list) = self.list() else {
                    return Vec::new();
                };
                let was = list.cursor();
                list.click(line);
                // A second click on the same row opens it.
                if list.cursor() == was {
                    self.act(Action::Open)
                } else {
                    Vec::new()
                }
            }
            None => Vec::new(),
        }
    }

    /// The filter follows what is written.
    fn prompt_changed(&mut self) {
        let Some(prompt) = self
            .prompt
            .as_ref()
            .filter(|prompt| prompt.kind == PromptKind::Filter)
        else {
            return;
        };
        let text = prompt.line.text().to_string();
        if let Some(list) = self.list() {
            list.set_filter(&text);
        }
    }
}
