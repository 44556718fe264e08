//! Files of settings.

use std::io::Write;

use crate::config::{self, Config, Images, Problem, Role, Theme};
use crate::screen::action::action_names;

/// Reads a file with this text, and calls it `tui.toml` in what it says.
fn of(text: &str) -> Result<Config, String> {
    let name = format!("cleanplate-tui-{}-{:p}.toml", std::process::id(), text);
    let path = std::env::temp_dir().join(name);
    std::fs::File::create(&path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .unwrap();
    let outcome = config::load(action_names(), Some(&path), None);
    std::fs::remove_file(&path).unwrap();
    let shown = path.display().to_string();
    outcome.map_err(|problem: Problem| problem.to_string().replace(&shown, "tui.toml"))
}

#[test]
fn a_file_is_a_patch() {
    let config =
        of("mouse = true\ntheme = \"dark\"\nimages = \"blocks\"\n[colors]\nbad = \"#ff0000\"\n[keys.global]\nquit = [\"Q\"]\n")
            .unwrap();
    let dark = Theme::named("dark").unwrap();
    assert!(config.mouse && config.images == Images::Blocks);
    assert_eq!(config.theme.style(Role::Good), dark.style(Role::Good));
    assert_ne!(config.theme.style(Role::Bad), dark.style(Role::Bad));
}

#[test]
fn mistakes_name_file_line_and_remedy() {
    for (text, want) in [
        (
            "\nmuose = true\n",
            "tui.toml:2: there is no setting `muose`; did you mean `mouse`?",
        ),
        ("mouse = 1\n", "tui.toml:1: `mouse` must be true or false"),
        (
            "[colors]\n\ntxet = \"red\"\n",
            "tui.toml:3: there is no style `txet`; did you mean `text`?",
        ),
        (
            "[keys.global]\nquit = [\"pgup\"]\n",
            "tui.toml:2: `pgup` is no key",
        ),
        ("mouse = \n", "tui.toml:1: "),
        ("theme = \"drak\"\n", "theme: there is no theme `drak`"),
    ] {
        let problem = of(text).unwrap_err();
        assert!(problem.starts_with(want), "{problem}");
    }
}
