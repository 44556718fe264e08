//! The key map: chords to actions, per context.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::chord::Chord;
use super::{Problem, nearest};

/// The default, and the manual.
const DEFAULT: &str = include_str!("../../../config/tui/keys.toml");

/// An action by the names of its table and its own.
pub type ActionName = (&'static str, &'static str);

/// Which key does what: chords and the actions that they stand for, by position in a list of actions.
#[derive(Debug, Clone)]
pub struct KeyMap {
    actions: Vec<ActionName>,
    chords: Vec<Vec<Chord>>,
    places: HashMap<(&'static str, Chord), usize>,
}

/// A file whose keys are being read.
struct Source<'a> {
    file: &'a str,
    text: &'a str,
    /// Actions that the file has given keys to.
    given: BTreeMap<(&'static str, String), usize>,
}

impl Source<'_> {
    fn wrong<T>(&self, at: &Spanned<T>, message: String) -> Problem {
        Problem::at(self.file, self.text, at.span().start, message)
    }
}

impl KeyMap {
    /// The default keys of these actions.
    pub fn standard(actions: Vec<ActionName>) -> Result<KeyMap, Problem> {
        let name = "config/tui/keys.toml";
        let table = DeTable::parse(DEFAULT).map_err(|e| Problem::parse(name, DEFAULT, &e))?;
        let mut map = KeyMap {
            chords: vec![Vec::new(); actions.len()],
            actions,
            places: HashMap::new(),
        };
        map.patch(name, DEFAULT, table.get_ref())?;
        Ok(map)
    }

    /// Changes the keys of the actions that `tables` names; a key that had another action in the same context loses it.
    pub fn patch(&mut self, file: &str, text: &str, tables: &DeTable<'_>) -> Result<(), Problem> {
        let mut source = Source {
            file,
            text,
            given: BTreeMap::new(),
        };
        for (name, table) in in_order(tables) {
            let context = self.context(&source, name)?;
            let DeValue::Table(table) = table.get_ref() else {
                let message = format!("`{context}` must be a table of actions");
                return Err(source.wrong(name, message));
            };
            for (name, value) in in_order(table) {
                let place = self.place(&source, context, name)?;
                let chords = self.keys(&mut source, place, value)?;
                self.bind(place, chords);
            }
        }
        Ok(())
    }

    /// The table of this name.
    fn context(
        &self,
        source: &Source<'_>,
        name: &Spanned<Cow<'_, str>>,
    ) -> Result<&'static str, Problem> {
        let mut contexts = self.actions.iter().map(|(context, _)| *context);
        let found = contexts.clone().find(|context| context == name.get_ref());
        found.ok_or_else(|| {
            let near = nearest(name.get_ref(), &mut contexts);
            source.wrong(
                name,
                format!("there is no table [keys.{}]{near}", name.get_ref()),
            )
        })
    }

    /// The action of this name in a table.
    fn place(
        &self,
        source: &Source<'_>,
        context: &'static str,
        name: &Spanned<Cow<'_, str>>,
    ) -> Result<usize, Problem> {
        let wanted = (context, name.get_ref().as_ref());
        let found = self.actions.iter().position(|action| *action == wanted);
        found.ok_or_else(|| {
            let of_context = self.actions.iter().filter(|(other, _)| *other == context);
            let near = nearest(name.get_ref(), of_context.map(|(_, name)| *name));
            let message = format!("[{context}] has no action `{}`{near}", name.get_ref());
            source.wrong(name, message)
        })
    }

    /// The keys that a file gives to an action.
    fn keys(
        &self,
        source: &mut Source<'_>,
        place: usize,
        value: &Spanned<DeValue<'_>>,
    ) -> Result<Vec<Chord>, Problem> {
        let (context, name) = self.actions[place];
        let DeValue::Array(keys) = value.get_ref() else {
            let message = format!("`{name}` must be a list of keys such as [\"q\"]");
            return Err(source.wrong(value, message));
        };
        let mut chords = Vec::new();
        for key in keys.iter() {
            let DeValue::String(written) = key.get_ref() else {
                return Err(source.wrong(key, format!("the keys of `{name}` must be strings")));
            };
            let chord = Chord::parse(written).map_err(|message| source.wrong(key, message))?;
            if let Some(other) = source.given.insert((context, chord.to_string()), place) {
                let (_, other) = self.actions[other];
                let message = format!("`{chord}` has `{other}` already in this file");
                return Err(source.wrong(key, message));
            }
            chords.push(chord);
        }
        Ok(chords)
    }

    fn bind(&mut self, place: usize, chords: Vec<Chord>) {
        let (context, _) = self.actions[place];
        for chord in self.chords[place].drain(..) {
            self.places.remove(&(context, chord));
        }
        let of_context = |(other, _): &(usize, &ActionName)| self.actions[*other].0 == context;
        for (other, _) in self.actions.iter().enumerate().filter(of_context) {
            self.chords[other].retain(|chord| !chords.contains(chord));
        }
        self.places
            .extend(chords.iter().map(|chord| ((context, *chord), place)));
        self.chords[place] = chords;
    }

    /// The action of a key in the first of these contexts that knows it, by its position.
    pub fn find(&self, contexts: &[&'static str], chord: Chord) -> Option<usize> {
        contexts
            .iter()
            .find_map(|context| self.places.get(&(*context, chord)).copied())
    }

    /// The keys of an action, by its position.
    pub fn chords(&self, place: usize) -> &[Chord] {
        &self.chords[place]
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
