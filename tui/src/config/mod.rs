//! The user's file: a patch over the built-in key map, theme and settings.

pub mod chord;
pub mod keys;
pub mod theme;

use std::borrow::Cow;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub use self::chord::Chord;
pub use self::keys::{ActionName, KeyMap};
pub use self::theme::{Role, THEMES, Theme};

/// Something wrong in a file of settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    file: String,
    line: Option<usize>,
    message: String,
}

impl Problem {
    fn at(file: &str, text: &str, start: usize, message: String) -> Problem {
        let line = text
            .get(..start)
            .map(|before| before.matches('\n').count() + 1);
        Problem {
            file: file.to_string(),
            line,
            message,
        }
    }

    fn whole(file: &str, message: String) -> Problem {
        Problem {
            file: file.to_string(),
            line: None,
            message,
        }
    }

    fn parse(file: &str, text: &str, error: &toml::de::Error) -> Problem {
        let Range { start, .. } = error.span().unwrap_or_default();
        Problem::at(file, text, start, error.message().to_string())
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "{}:{line}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

impl std::error::Error for Problem {}

/// `; did you mean ...?` for the nearest of these names, or nothing.
fn nearest<'a>(name: &str, names: impl Iterator<Item = &'a str>) -> String {
    let near = cleanplate_basics::nearest(name, names);
    near.map_or_else(String::new, |known| format!("; did you mean `{known}`?"))
}

/// How pictures are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Images {
    /// The best that the terminal says it can do.
    Auto,
    /// Two pixels per character; works everywhere.
    Blocks,
    /// The protocol of kitty and Ghostty.
    Kitty,
    /// Sixels: foot, xterm, mlterm, Windows Terminal.
    Sixel,
    /// The protocol of iTerm2 and WezTerm.
    Iterm2,
    /// No pictures.
    Off,
}

/// Everything that the user can set.
#[derive(Debug, Clone)]
pub struct Config {
    /// Keys.
    pub keys: KeyMap,
    /// Styles.
    pub theme: Theme,
    /// Whether the mouse is taken; then the terminal's own selecting needs shift.
    pub mouse: bool,
    /// How pictures are drawn.
    pub images: Images,
}

/// The file that is read when none is named: `$XDG_CONFIG_HOME/cleanplate/tui.toml`, else `~/.config/cleanplate/tui.toml`.
pub fn default_file() -> Option<PathBuf> {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let folder = set("XDG_CONFIG_HOME").or_else(|| set("HOME").map(|home| home.join(".config")))?;
    Some(folder.join("cleanplate").join("tui.toml"))
}

/// The defaults under the file, if there is one. `actions` are those that keys can be given to; `theme` stands over the file's
/// choice: a name, or a file that ends in `.toml`.
pub fn load(
    actions: Vec<ActionName>,
    file: Option<&Path>,
    theme: Option<&str>,
) -> Result<Config, Problem> {
    let read = |path: &Path| {
        std::fs::read_to_string(path).map_err(|e| {
            Problem::whole(&path.display().to_string(), format!("cannot be read: {e}"))
        })
    };
    let (name, text) = match file {
        Some(path) => (path.display().to_string(), read(path)?),
        None => (String::new(), String::new()),
    };
    let table = DeTable::parse(&text).map_err(|e| Problem::parse(&name, &text, &e))?;
    let source = (name.as_str(), text.as_str(), table.get_ref());
    parse(actions, source, theme, &read)
}

fn parse(
    actions: Vec<ActionName>,
    (file, text, table): (&str, &str, &DeTable<'_>),
    theme: Option<&str>,
    read: &dyn Fn(&Path) -> Result<String, Problem>,
) -> Result<Config, Problem> {
    const NAMES: &[&str] = &["theme", "mouse", "images", "keys", "colors"];
    let mut config = Config {
        keys: KeyMap::standard(actions)?,
        theme: Theme::named(THEMES[0].0)?,
        mouse: false,
        images: Images::Auto,
    };
    let mut chosen = theme.map(str::to_string);
    let wrong = |name: &Spanned<Cow<'_, str>>, wants: &str| {
        Problem::at(
            file,
            text,
            name.span().start,
            format!("`{}` must be {wants}", name.get_ref()),
        )
    };
    for (name, value) in table {
        match (name.get_ref().as_ref(), value.get_ref()) {
            ("theme", DeValue::String(word)) => chosen = chosen.or_else(|| Some(word.to_string())),
            ("theme", _) => return Err(wrong(name, "the name of a theme or a file")),
            ("mouse", DeValue::Boolean(on)) => config.mouse = *on,
            ("mouse", _) => return Err(wrong(name, "true or false")),
            ("images", DeValue::String(word)) => {
                config.images =
                    <Images as clap::ValueEnum>::from_str(word, false).map_err(|_| {
                        Problem::at(
                            file,
                            text,
                            value.span().start,
                            "`images` must be auto, blocks, kitty, sixel, iterm2 or off"
                                .to_string(),
                        )
                    })?;
            }
            ("images", _) => return Err(wrong(name, "a string")),
            ("keys", DeValue::Table(keys)) => config.keys.patch(file, text, keys)?,
            ("colors", DeValue::Table(_)) => {}
            ("keys" | "colors", _) => return Err(wrong(name, "a table")),
            (unknown, _) => {
                let message = format!(
                    "there is no setting `{unknown}`{}",
                    nearest(unknown, NAMES.iter().copied())
                );
                return Err(Problem::at(file, text, name.span().start, message));
            }
        }
    }
    config.theme = match chosen {
        Some(path) if path.ends_with(".toml") => Theme::whole(&path, &read(Path::new(&path))?)?,
        Some(name) => Theme::named(&name)?,
        None => config.theme,
    };
    // Last, so that the colours stand over the theme wherever they stand in the file.
    if let Some(DeValue::Table(colors)) = table.get("colors").map(Spanned::get_ref) {
        config.theme.patch(file, text, colors)?;
    }
    Ok(config)
}
