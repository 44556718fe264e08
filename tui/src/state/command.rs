//! The command line.

use super::overlay::PromptKind;
use super::{Effect, State};
use crate::action::{ACTIONS, Action, Context};
use crate::config::{Role, THEMES, Theme};
use crate::net::Call;
use crate::screen::ScreenId;

/// Commands that are remembered.
const HISTORY_MAX: usize = 100;

/// A command that takes an argument or is no action.
struct CommandRow {
    name: &'static str,
    argument: &'static str,
    what: &'static str,
}

const fn row(name: &'static str, argument: &'static str, what: &'static str) -> CommandRow {
    CommandRow {
        name,
        argument,
        what,
    }
}

/// Commands besides the actions.
const COMMANDS: &[CommandRow] = &[
    row("job", "ID", "Open a job"),
    row(
        "find",
        "TEXT",
        "Let the daemon look for jobs: file name, error, front of the id",
    ),
    row("filter", "TEXT", "Filter the table"),
    row("sort", "COLUMN", "Sort the table"),
    row("theme", "NAME", "Change the theme"),
    row(
        "mouse",
        "on|off",
        "Take the mouse, or leave it to the terminal",
    ),
    row("readonly", "", "Refuse changes from now on"),
];

/// Commands besides the actions, for the help: how they are written and what they do.
pub fn commands() -> impl Iterator<Item = (String, &'static str)> {
    COMMANDS.iter().map(|row| {
        (
            format!(":{} {}", row.name, row.argument)
                .trim_end()
                .to_string(),
            row.what,
        )
    })
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
        let (name, argument) = line
            .split_once(char::is_whitespace)
            .map_or((line, ""), |(name, rest)| (name, rest.trim()));
        let known = self.names();
        let full = match known.iter().find(|known| **known == name) {
            Some(name) => *name,
            None => {
                let fitting: Vec<&str> = known
                    .iter()
                    .filter(|known| known.starts_with(name))
                    .copied()
                    .collect();
                match fitting[..] {
                    [one] => one,
                    [] => {
                        self.toast(Role::Bad, format!("there is no command `{name}` here"));
                        return Vec::new();
                    }
                    _ => {
                        self.toast(Role::Bad, format!("`{name}` may be {}", fitting.join(", ")));
                        return Vec::new();
                    }
                }
            }
        };
        if let Some(action) = self.action_named(full) {
            return self.act(action);
        }
        if argument.is_empty()
            && COMMANDS.iter().any(|row| {
                row.name == full && !row.argument.is_empty() && !matches!(full, "find" | "filter")
            })
        {
            self.toast(Role::Bad, format!("`{full}` needs something after it"));
            return Vec::new();
        }
        match full {
            "job" => return self.open_job(argument.to_string()),
            "find" => return self.find(argument.to_string()),
            "filter" => {
                if let Some(list) = self.list() {
                    list.set_filter(argument);
                }
            }
            "sort" if self.list().is_some_and(|list| list.sort_title(argument)) => {}
            "sort" => self.toast(Role::Bad, format!("there is no column `{argument}` here")),
            "theme" => match Theme::named(argument) {
                Ok(theme) => {
                    self.theme = if self.colourless {
                        theme.colourless()
                    } else {
                        theme
                    }
                }
                Err(problem) => self.toast(Role::Bad, problem.to_string()),
            },
            "mouse" => match argument {
                "on" => return vec![Effect::Mouse(true)],
                "off" => return vec![Effect::Mouse(false)],
                _ => self.toast(Role::Bad, "write `mouse on` or `mouse off`"),
            },
            "readonly" => {
                self.readonly = true;
                self.toast(Role::Good, "changes are refused from now on");
            }
            _ => {}
        }
        Vec::new()
    }

    /// Lets the daemon look for jobs; an empty text shows all again.
    pub fn find(&mut self, text: String) -> Vec<Effect> {
        self.screen = ScreenId::Jobs;
        self.job = None;
        self.jobs.clear();
        self.jobs.begin_snapshot();
        self.jobs_text.clone_from(&text);
        vec![Effect::Call(Call::Jobs { text, after: None })]
    }

    /// The action of this name in what is shown.
    fn action_named(&self, name: &str) -> Option<Action> {
        let contexts = self.command_contexts();
        contexts
            .iter()
            .find_map(|context| {
                ACTIONS
                    .iter()
                    .find(|row| row.context == *context && row.name == name)
            })
            .map(|row| row.action)
    }

    fn command_contexts(&self) -> Vec<Context> {
        let mut contexts: Vec<Context> = self.context().into_iter().collect();
        contexts.extend([Context::List, Context::Global]);
        contexts
    }

    /// Commands that can be given now, in order.
    fn names(&self) -> Vec<&'static str> {
        let contexts = self.command_contexts();
        let actions = ACTIONS
            .iter()
            .filter(|row| contexts.contains(&row.context) && row.name != "filter")
            .map(|row| row.name);
        let mut names: Vec<&str> = actions.chain(COMMANDS.iter().map(|row| row.name)).collect();
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
        let takes_more = COMMANDS
            .iter()
            .any(|row| row.name == common && !row.argument.is_empty());
        let whole = if completions.len() == 1 && takes_more {
            format!("{common} ")
        } else {
            common
        };
        if let Some(prompt) = &mut self.prompt {
            prompt.line = crate::widget::edit::Edit::new(&whole);
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
        prompt.line = crate::widget::edit::Edit::new(line.map_or("", String::as_str));
    }
}
