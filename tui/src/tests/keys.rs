//! The key map as it comes, and as files change it.

use toml::de::DeTable;

use crate::config::{Chord, KeyMap, Problem};
use crate::screen::action::{action_names, actions};

fn patched(text: &str) -> Result<KeyMap, Problem> {
    let mut map = KeyMap::standard(action_names()).unwrap();
    let table = DeTable::parse(text).unwrap();
    map.patch("mine.toml", text, table.get_ref()).map(|()| map)
}

/// What a key does in these contexts: table and name.
fn found(
    map: &KeyMap,
    contexts: &[&'static str],
    key: &str,
) -> Option<(&'static str, &'static str)> {
    let place = map.find(contexts, Chord::parse(key).unwrap())?;
    let row = &actions()[place];
    Some((row.context.0, row.name))
}

#[test]
fn every_action_has_a_key_by_default() {
    let map = KeyMap::standard(action_names()).unwrap();
    for (place, row) in actions().iter().enumerate() {
        assert!(
            !map.chords(place).is_empty(),
            "[{}] {} has no key",
            row.context.0,
            row.name
        );
    }
}

#[test]
fn inner_contexts_go_first() {
    let map = KeyMap::standard(action_names()).unwrap();
    assert_eq!(
        found(&map, &["jobs", "list", "global"], "r"),
        Some(("jobs", "retry"))
    );
    assert_eq!(
        found(&map, &["log", "list", "global"], "q"),
        Some(("global", "quit"))
    );
    assert_eq!(found(&map, &["log", "list", "global"], "x"), None);
}

#[test]
fn a_patch_changes_only_what_it_names() {
    let map = patched("[global]\nquit = [\"ctrl-q\"]\nhelp = [\"f\"]\n").unwrap();
    assert_eq!(found(&map, &["global"], "q"), None);
    assert_eq!(found(&map, &["global"], "ctrl-q"), Some(("global", "quit")));
    assert_eq!(
        found(&map, &["global"], "f"),
        Some(("global", "help")),
        "taken from freeze"
    );
    assert_eq!(found(&map, &["global"], "?"), None);
    assert_eq!(found(&map, &["global"], ":"), Some(("global", "command")));
    let freeze = action_names()
        .iter()
        .position(|name| *name == ("global", "freeze"));
    assert!(map.chords(freeze.unwrap()).is_empty());
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
