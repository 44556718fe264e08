//! The command line.

use super::State;
use super::prompt::PromptKind;
use crate::config::{Role, THEMES, Theme};
use crate::screen::action::{Action, actions};
use crate::screen::{Command, Effect, SCREENS};
use crate::widget::edit::Edit;

/// Commands that are remembered.
const HISTORY_MAX: usize = 100;

const fn row(
    name: &'static str,
    argument: &'static str,
    optional: bool,
    what: &'static str,
) -> Command {
    Command {
        name,
        argument,
        optional,
        what,
    }
}

/// Commands that are the same on every screen.
const EVERYWHERE: &[Command] = &[
    row("filter", "TEXT", true, "Filter the table"),
    row("sort", "COLUMN", false, "Sort the table"),
    row("theme", "NAME", false, "Change the theme"),
    row(
        "mouse",
        "on|off",
        false,
        "Take the mouse, or leave it to the terminal",
    ),
    row("readonly", "", true, "Refuse changes from now on"),
];

/// Commands besides the actions: those of screens, which can be given everywhere, and the others.
fn commands() -> impl Iterator<Item = &'static Command> {
    let own = SCREENS.iter().flat_map(|entry| entry.commands);
    own.chain(EVERYWHERE)
}

/// Commands besides the actions, for the help: how they are written and what they do.
pub fn help() -> impl Iterator<Item = (String, &'static str)> {
    let written = |row: &Command| format!(":{} {}", row.name, row.argument);
    commands().map(move |row| (written(row).trim_end().to_string(), row.what))
}

impl State {
    /// Does what the line at the bottom says.
    pub fn prompt_accept(&mut self) -> Vec<Effect> {
        let Some(prompt) = self.prompt.take() else {
            return Vec::new();
        };
        if prompt.kind == PromptKind::Filter {
            return Vec::new();
        }
        let line = prompt.line.text().trim().to_string();
        if line.is_empty() {
            return Vec::new();
        }
        if self.history.last() != Some(&line) {
            self.history.push(line.clone());
            let over = self.history.len().saturating_sub(HISTORY_MAX);
            self.history.drain(..over);
        }
        self.command(&line)
    }

    /// Does a command.
    pub fn command(&mut self, line: &str) -> Vec<Effect> {
        let (written, argument) = line
            .split_once(char::is_whitespace)
            .map_or((line, ""), |(name, rest)| (name, rest.trim()));
        let name = match self.full_name(written) {
            Ok(name) => name,
            Err(message) => {
                self.shared.toast(Role::Bad, message);
                return Vec::new();
            }
        };
        if let Some(action) = self.action_named(name) {
            return self.act(action);
        }
        if argument.is_empty() && commands().any(|row| row.name == name && !row.optional) {
            let message = format!("`{name}` needs something after it");
            self.shared.toast(Role::Bad, message);
            return Vec::new();
        }
        let of_screen = SCREENS
            .iter()
            .position(|entry| entry.commands.iter().any(|row| row.name == name));
        match of_screen {
            Some(place) => self.screens[place].command(name, argument, &mut self.shared),
            None => self.command_everywhere(name, argument),
        }
        self.settle()
    }

    /// The command whose name begins with this.
    fn full_name(&self, written: &str) -> Result<&'static str, String> {
        let known = self.names();
        if let Some(name) = known.iter().find(|known| **known == written) {
            return Ok(name);
        }
        let fitting = known.iter().filter(|known| known.starts_with(written));
        let fitting: Vec<&'static str> = fitting.copied().collect();
        match fitting[..] {
            [one] => Ok(one),
            [] => Err(format!("there is no command `{written}` here")),
            _ => Err(format!("`{written}` may be {}", fitting.join(", "))),
        }
    }

    fn command_everywhere(&mut self, name: &str, argument: &str) {
        let wrong = match name {
            "filter" => {
                if let Some(list) = self.list() {
                    list.set_filter(argument);
                }
                None
            }
            "sort" => {
                let sorted = self.list().is_some_and(|list| list.sort_title(argument));
                (!sorted).then(|| format!("there is no column `{argument}` here"))
            }
            "theme" => self.set_theme(argument).err(),
            "mouse" if ["on", "off"].contains(&argument) => {
                self.shared.leave(Effect::Mouse(argument == "on"));
                None
            }
            "mouse" => Some("write `mouse on` or `mouse off`".to_string()),
            _ => {
                self.readonly = true;
                self.shared
                    .toast(Role::Good, "changes are refused from now on");
                None
            }
        };
        if let Some(message) = wrong {
            self.shared.toast(Role::Bad, message);
        }
    }

    fn set_theme(&mut self, name: &str) -> Result<(), String> {
        let theme = Theme::named(name).map_err(|problem| problem.to_string())?;
        self.shared.theme = if self.colourless {
            theme.colourless()
        } else {
            theme
        };
        Ok(())
    }

    /// The action of this name in what is shown.
    fn action_named(&self, name: &str) -> Option<Action> {
        let contexts = self.contexts();
        let mut found = contexts.iter().filter_map(|context| {
            actions()
                .iter()
                .find(|row| row.context == *context && row.name == name)
        });
        found.next().map(|row| row.action)
    }

    /// Commands that can be given now, in order.
    fn names(&self) -> Vec<&'static str> {
        let contexts = self.contexts();
        let actions = actions()
            .iter()
            .filter(|row| contexts.contains(&row.context) && row.name != "filter")
            .map(|row| row.name);
        let mut names: Vec<&str> = actions.chain(commands().map(|row| row.name)).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// What the command under the cursor may go on with: whole lines.
    pub fn completions(&self) -> Vec<String> {
        let Some(prompt) = self
            .prompt
            .as_ref()
            .filter(|prompt| prompt.kind == PromptKind::Command)
        else {
            return Vec::new();
        };
        let text = prompt.line.before();
        match text.split_once(' ') {
            None => self
                .names()
                .into_iter()
                .filter(|name| name.starts_with(text))
                .map(str::to_string)
                .collect(),
            Some((command, start)) => {
                let of: Vec<String> = match command {
                    "theme" => THEMES.iter().map(|(name, _)| (*name).to_string()).collect(),
                    "mouse" => vec!["on".to_string(), "off".to_string()],
                    _ => Vec::new(),
                };
                of.into_iter()
                    .filter(|word| word.starts_with(start))
                    .map(|word| format!("{command} {word}"))
                    .collect()
            }
        }
    }

    /// Writes what all completions begin with.
    pub fn complete(&mut self) {
        let completions = self.completions();
        let Some(first) = completions.first() else {
            return;
        };
        let common = completions.iter().fold(first.clone(), |common, next| {
            let same = common
                .bytes()
                .zip(next.bytes())
                .take_while(|(a, b)| a == b)
                .count();
            common[..same].to_string()
        });
        let takes_more = commands().any(|row| row.name == common && !row.argument.is_empty());
        let whole = if completions.len() == 1 && takes_more {
            format!("{common} ")
        } else {
            common
        };
        if let Some(prompt) = &mut self.prompt {
            prompt.line = Edit::new(&whole);
        }
    }

    /// Goes back (or on, when `by` is negative) in the history.
    pub fn recall(&mut self, by: isize) {
        let Some(prompt) = self
            .prompt
            .as_mut()
            .filter(|prompt| prompt.kind == PromptKind::Command)
        else {
            return;
        };
        prompt.back = prompt
            .back
            .saturating_add_signed(by)
            .min(self.history.len());
        let line = self
            .history
            .len()
            .checked_sub(prompt.back)
            .and_then(|at| self.history.get(at));
        prompt.line = Edit::new(line.map_or("", String::as_str));
    }
}
