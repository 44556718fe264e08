//! Themes: a style for every role.

use ratatui::style::{Color, Modifier, Style};
use toml::de::{DeTable, DeValue};

use super::{Problem, nearest};

/// What a style is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Ordinary text, and the ground.
    Text,
    /// What matters less.
    Dim,
    /// Titles of panels.
    Title,
    /// Frames.
    Border,
    /// The line at the top.
    Header,
    /// Names of screens.
    Tab,
    /// Name of the screen that is shown.
    TabHere,
    /// Names of keys.
    Key,
    /// Heads of columns.
    Column,
    /// The row under the cursor.
    Cursor,
    /// Marked rows.
    Mark,
    /// What went well.
    Good,
    /// What is under way.
    Busy,
    /// What may need a look.
    Warn,
    /// What went wrong.
    Bad,
    /// First curve of a graph.
    Spark,
    /// Second curve.
    SparkTwo,
    /// Filled part of a gauge.
    Gauge,
    /// Figures that are out of date.
    Stale,
    /// A button.
    Button,
    /// The button that has the focus.
    ButtonHere,
}

use Role as R;

/// Names in theme files, in the order of the enum.
const ROLES: &[(&str, Role)] = &[
    ("text", R::Text),
    ("dim", R::Dim),
    ("title", R::Title),
    ("border", R::Border),
    ("header", R::Header),
    ("tab", R::Tab),
    ("tab-here", R::TabHere),
    ("key", R::Key),
    ("column", R::Column),
    ("cursor", R::Cursor),
    ("mark", R::Mark),
    ("good", R::Good),
    ("busy", R::Busy),
    ("warn", R::Warn),
    ("bad", R::Bad),
    ("spark", R::Spark),
    ("spark-two", R::SparkTwo),
    ("gauge", R::Gauge),
    ("stale", R::Stale),
    ("button", R::Button),
    ("button-here", R::ButtonHere),
];

/// The themes that come with the program; the first is the default.
pub const THEMES: &[(&str, &str)] = &[
    (
        "terminal",
        include_str!("../../../config/tui/themes/terminal.toml"),
    ),
    ("dark", include_str!("../../../config/tui/themes/dark.toml")),
    (
        "light",
        include_str!("../../../config/tui/themes/light.toml"),
    ),
];

const COLORS: &[(&str, Color)] = &[
    ("default", Color::Reset),
    ("black", Color::Black),
    ("red", Color::Red),
    ("green", Color::Green),
    ("yellow", Color::Yellow),
    ("blue", Color::Blue),
    ("magenta", Color::Magenta),
    ("cyan", Color::Cyan),
    ("gray", Color::Gray),
    ("dark-gray", Color::DarkGray),
    ("light-red", Color::LightRed),
    ("light-green", Color::LightGreen),
    ("light-yellow", Color::LightYellow),
    ("light-blue", Color::LightBlue),
    ("light-magenta", Color::LightMagenta),
    ("light-cyan", Color::LightCyan),
    ("white", Color::White),
];

const MODIFIERS: &[(&str, Modifier)] = &[
    ("bold", Modifier::BOLD),
    ("dim", Modifier::DIM),
    ("italic", Modifier::ITALIC),
    ("underlined", Modifier::UNDERLINED),
    ("reversed", Modifier::REVERSED),
];

/// A style for every role.
#[derive(Debug, Clone, PartialEq)]
pub struct Theme {
    styles: [Style; ROLES.len()],
}

impl Theme {
    /// One of [`THEMES`], by its name.
    pub fn named(name: &str) -> Result<Theme, Problem> {
        let Some((_, text)) = THEMES.iter().find(|(known, _)| *known == name) else {
            let names: Vec<&str> = THEMES.iter().map(|(known, _)| *known).collect();
            return Err(Problem::whole(
                "theme",
                format!(
                    "there is no theme `{name}`: there are {}, and files that end in .toml",
                    names.join(", ")
                ),
            ));
        };
        let file = format!("config/tui/themes/{name}.toml");
        Theme::whole(&file, text)
    }

    /// A theme of a file, which names every role.
    pub fn whole(file: &str, text: &str) -> Result<Theme, Problem> {
        let table = DeTable::parse(text).map_err(|e| Problem::parse(file, text, &e))?;
        if let Some((missing, _)) = ROLES
            .iter()
            .find(|(role, _)| !table.get_ref().contains_key(*role))
        {
            return Err(Problem::whole(
                file,
                format!("the style `{missing}` is missing"),
            ));
        }
        let mut theme = Theme {
            styles: [Style::new(); ROLES.len()],
        };
        theme.patch(file, text, table.get_ref())?;
        Ok(theme)
    }

    /// Changes the roles that the table names.
    pub fn patch(&mut self, file: &str, text: &str, table: &DeTable<'_>) -> Result<(), Problem> {
        for (name, value) in table {
            let at = |message| Problem::at(file, text, name.span().start, message);
            let Some((_, role)) = ROLES
                .iter()
                .find(|(role, _)| *role == name.get_ref().as_ref())
            else {
                return Err(at(format!(
                    "there is no style `{}`{}",
                    name.get_ref(),
                    nearest(name.get_ref(), ROLES.iter().map(|(role, _)| *role))
                )));
            };
            let DeValue::String(words) = value.get_ref() else {
                return Err(at(format!(
                    "the style `{}` must be a string such as \"cyan bold\"",
                    name.get_ref()
                )));
            };
            self.styles[*role as usize] = style(words).map_err(at)?;
        }
        Ok(())
    }

    /// The theme without colours, as `NO_COLOR` asks: what stood out by colour alone stands out by other means.
    pub fn colourless(mut self) -> Theme {
        for ((_, role), style) in ROLES.iter().zip(&mut self.styles) {
            let extra = match role {
                R::Cursor | R::TabHere | R::ButtonHere | R::Header | R::Stale => Modifier::REVERSED,
                R::Bad | R::Mark | R::Title | R::Key => Modifier::BOLD,
                R::Warn => Modifier::UNDERLINED,
                _ => Modifier::empty(),
            };
            *style = Style::new().add_modifier(style.add_modifier | extra);
        }
        self
    }

    /// The style of a role.
    pub fn style(&self, role: Role) -> Style {
        self.styles[role as usize]
    }
}

fn style(words: &str) -> Result<Style, String> {
    let (mut style, mut ground) = (Style::new(), false);
    for word in words.split_whitespace() {
        if word == "on" {
            ground = true;
        } else if let Some((_, modifier)) = MODIFIERS.iter().find(|(name, _)| *name == word) {
            style = style.add_modifier(*modifier);
        } else {
            let color = color(word)?;
            style = if std::mem::take(&mut ground) {
                style.bg(color)
            } else {
                style.fg(color)
            };
        }
    }
    if ground {
        Err(format!("\"{words}\" ends in `on`: a colour must follow"))
    } else {
        Ok(style)
    }
}

fn color(word: &str) -> Result<Color, String> {
    let named = COLORS
        .iter()
        .find(|(name, _)| *name == word)
        .map(|(_, color)| *color);
    let hex = || {
        word.strip_prefix('#')
            .filter(|hex| hex.len() == 6)
            .and_then(|hex| u32::from_str_radix(hex, 16).ok())
    };
    let number = || word.parse::<u8>().ok().map(Color::Indexed);
    named
        .or_else(|| hex().map(Color::from_u32))
        .or_else(number)
        .ok_or_else(|| {
            let near = nearest(
                word,
                COLORS
                    .iter()
                    .map(|(name, _)| *name)
                    .chain(MODIFIERS.iter().map(|(name, _)| *name)),
            );
            format!("`{word}` is no colour: write a name, #rrggbb or 0 to 255{near}")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_roles_has_the_order_of_the_enum() {
        for (place, (name, role)) in ROLES.iter().enumerate() {
            assert_eq!(*role as usize, place, "{name}");
        }
    }

    #[test]
    fn every_theme_is_whole() {
        for (name, _) in THEMES {
            Theme::named(name).unwrap();
        }
    }

    #[test]
    fn without_colours_no_colour_is_left_and_the_cursor_is_seen() {
        for (name, _) in THEMES {
            let theme = Theme::named(name).unwrap().colourless();
            assert!(
                theme
                    .styles
                    .iter()
                    .all(|s| s.fg.is_none() && s.bg.is_none())
            );
            assert!(
                theme
                    .style(R::Cursor)
                    .add_modifier
                    .contains(Modifier::REVERSED)
            );
        }
    }

    #[test]
    fn styles_are_words() {
        let want = Style::new()
            .fg(Color::Rgb(1, 2, 255))
            .bg(Color::Indexed(7))
            .add_modifier(Modifier::BOLD);
        assert_eq!(style("#0102ff on 7 bold").unwrap(), want);
        assert!(style("rde").unwrap_err().contains("did you mean `red`?"));
        assert!(style("red on").is_err());
    }
}
