//! The key map: chords to actions, per context.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::chord::Chord;
use super::{Problem, nearest};
use crate::action::{ACTIONS, Action, ActionRow, Context};

/// The default, and the manual.
const DEFAULT: &str = include_str!("../../../config/tui/keys.toml");

/// Which key does what.
#[derive(Debug, Clone)]
pub struct KeyMap {
    /// Keys of every action, by position in [`ACTIONS`].
    chords: Vec<Vec<Chord>>,
    actions: HashMap<(Context, Chord), Action>,
}

impl KeyMap {
    /// The default key map.
    pub fn standard() -> Result<KeyMap, Problem> {
        let name = "config/tui/keys.toml";
        let table = DeTable::parse(DEFAULT).map_err(|e| Problem::parse(name, DEFAULT, &e))?;
        let mut map = KeyMap {
            chords: vec![Vec::new(); ACTIONS.len()],
            actions: HashMap::new(),
        };
        map.patch(name, DEFAULT, table.get_ref())?;
        Ok(map)
    }

    /// Changes the keys of the actions that `tables` names; a key that had another action in the same context loses it.
    pub fn patch(&mut self, file: &str, text: &str, tables: &DeTable<'_>) -> Result<(), Problem> {
        let mut origin: BTreeMap<(Context, String), usize> = BTreeMap::new();
        for (context_name, table) in in_order(tables) {
            let at = |start: usize, message: String| Problem::at(file, text, start, message);
            let of_context = |row: &&ActionRow| row.context.name() == context_name.get_ref();
            let Some(context) = ACTIONS.iter().find(of_context).map(|row| row.context) else {
                let names = ACTIONS.iter().map(|row| row.context.name());
                return Err(at(
                    context_name.span().start,
                    format!(
                        "there is no table [keys.{}]{}",
                        context_name.get_ref(),
                        nearest(context_name.get_ref(), names)
                    ),
                ));
            };
            let DeValue::Table(table) = table.get_ref() else {
                return Err(at(
                    context_name.span().start,
                    format!("`{}` must be a table of actions", context.name()),
                ));
            };
            for (name, value) in in_order(table) {
                let place = ACTIONS
                    .iter()
                    .position(|row| row.context == context && row.name == name.get_ref().as_ref());
                let Some(place) = place else {
                    let names = ACTIONS.iter().filter(of_context).map(|row| row.name);
                    return Err(at(
                        name.span().start,
                        format!(
                            "[{}] has no action `{}`{}",
                            context.name(),
                            name.get_ref(),
                            nearest(name.get_ref(), names)
                        ),
                    ));
                };
                let DeValue::Array(keys) = value.get_ref() else {
                    return Err(at(
                        value.span().start,
                        format!(
                            "`{}` must be a list of keys such as [\"q\"]",
                            name.get_ref()
                        ),
                    ));
                };
                let mut chords = Vec::new();
                for key in keys.iter() {
                    let DeValue::String(key_name) = key.get_ref() else {
                        return Err(at(
                            key.span().start,
                            format!("the keys of `{}` must be strings", name.get_ref()),
                        ));
                    };
                    let chord =
                        Chord::parse(key_name).map_err(|message| at(key.span().start, message))?;
                    if let Some(other) = origin.insert((context, chord.to_string()), place) {
                        return Err(at(
                            key.span().start,
                            format!(
                                "`{chord}` has `{}` already in this file",
                                ACTIONS[other].name
                            ),
                        ));
                    }
                    chords.push(chord);
                }
                self.bind(place, chords);
            }
        }
        Ok(())
    }

    fn bind(&mut self, place: usize, chords: Vec<Chord>) {
        let ActionRow {
            context, action, ..
        } = ACTIONS[place];
        for chord in self.chords[place].drain(..) {
            self.actions.remove(&(context, chord));
        }
        for (other, _) in ACTIONS
            .iter()
            .enumerate()
            .filter(|(_, row)| row.context == context)
        {
            self.chords[other].retain(|chord| !chords.contains(chord));
        }
        self.actions
            .extend(chords.iter().map(|chord| ((context, *chord), action)));
        self.chords[place] = chords;
    }

    /// What a key does in the first of these contexts that knows it.
    pub fn action(&self, contexts: &[Context], chord: Chord) -> Option<Action> {
        contexts
            .iter()
            .find_map(|context| self.actions.get(&(*context, chord)).copied())
    }

    /// The keys of an action, by its position in [`ACTIONS`].
    pub fn chords(&self, place: usize) -> &[Chord] {
        &self.chords[place]
    }

    /// The first key of an action in a context, for hints.
    pub fn hint(&self, context: Context, action: Action) -> Option<Chord> {
        let place = ACTIONS
            .iter()
            .position(|row| row.context == context && row.action == action)?;
        self.chords[place].first().copied()
    }
}

/// Entries as they stand in the file, so that the first mistake is told first.
fn in_order<'a, 'i>(
    table: &'a DeTable<'i>,
) -> Vec<(&'a Spanned<Cow<'i, str>>, &'a Spanned<DeValue<'i>>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patched(text: &str) -> Result<KeyMap, Problem> {
        let mut map = KeyMap::standard().unwrap();
        let table = DeTable::parse(text).unwrap();
        map.patch("mine.toml", text, table.get_ref()).map(|()| map)
    }

    fn chord(name: &str) -> Chord {
        Chord::parse(name).unwrap()
    }

    #[test]
    fn every_action_has_a_key_by_default() {
        let map = KeyMap::standard().unwrap();
        for (place, row) in ACTIONS.iter().enumerate() {
            assert!(
                !map.chords(place).is_empty(),
                "[{}] {} has no key",
                row.context.name(),
                row.name
            );
        }
    }

    #[test]
    fn inner_contexts_go_first() {
        let map = KeyMap::standard().unwrap();
        assert_eq!(
            map.action(&[Context::Jobs, Context::List, Context::Global], chord("r")),
            Some(Action::RetryJobs)
        );
        assert_eq!(
            map.action(&[Context::Log, Context::List, Context::Global], chord("q")),
            Some(Action::Quit)
        );
        assert_eq!(
            map.action(&[Context::Log, Context::List, Context::Global], chord("x")),
            None
        );
    }

    #[test]
    fn a_patch_changes_only_what_it_names() {
        let map = patched("[global]\nquit = [\"ctrl-q\"]\nhelp = [\"f\"]\n").unwrap();
        assert_eq!(map.action(&[Context::Global], chord("q")), None);
        assert_eq!(
            map.action(&[Context::Global], chord("ctrl-q")),
            Some(Action::Quit)
        );
        assert_eq!(
            map.action(&[Context::Global], chord("f")),
            Some(Action::Help),
            "taken from freeze"
        );
        assert_eq!(map.action(&[Context::Global], chord("?")), None);
        assert_eq!(
            map.action(&[Context::Global], chord(":")),
            Some(Action::Command)
        );
        assert_eq!(map.hint(Context::Global, Action::Freeze), None);
    }

    #[test]
    fn mistakes_name_the_line() {
        for (text, line, says) in [
            ("[global]\nqiut = [\"q\"]\n", 2, "did you mean `quit`"),
            ("[kyes]\n", 1, "did you mean `keys`"),
            (
                "[global]\n\nquit = [\"q\", \"pagedown\"]\n",
                3,
                "did you mean `page-down`",
            ),
            ("[global]\nquit = \"q\"\n", 2, "list of keys"),
            ("[global]\nquit = [\"q\"]\nhelp = [\"q\"]\n", 3, "`q` has"),
        ] {
            let problem = patched(text).unwrap_err().to_string();
            assert!(
                problem.starts_with(&format!("mine.toml:{line}: ")) && problem.contains(says),
                "{problem}"
            );
        }
    }
}
