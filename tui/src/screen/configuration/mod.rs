//! The configuration in effect.

use cleanplate_api::admin::{ConfigOption, GetConfig};
use cleanplate_api::endpoint::Json;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use serde_json::Value;

use super::action::{Act, Context};
use super::{Entry, ROWS_MAX, Screen, Shared, panel};
use crate::config::Role;
use crate::net::{Call, Change};
use crate::widget::column::Column;
use crate::widget::table::{List, Rest, Row, Table};

const CONFIGURATION: Context = Context("configuration");

pub(super) const ENTRY: Entry = Entry {
    name: "configuration",
    what: "Configuration",
    make: || Box::new(Configuration::new()),
    actions: || Act::rows(ACTS),
    commands: &[],
};

const ACTS: &[Act<Configuration>] = &[Act::view(
    CONFIGURATION,
    "only-set",
    "Only what is not the default, or everything",
    |configuration, _| {
        configuration.only_set = !configuration.only_set;
        configuration.table.outdate();
    },
)];

/// The value as it would be written; of a secret only that it is set is known.
fn value(option: &ConfigOption) -> String {
    match &option.value {
        _ if option.secret => "(secret)".to_string(),
        Value::String(text) => format!("{text:?}"),
        other => other.to_string(),
    }
}

fn value_role(option: &ConfigOption) -> Role {
    if option.default {
        Role::Text
    } else {
        Role::Good
    }
}

type Col = Column<ConfigOption>;

impl Row for ConfigOption {
    type Id = String;
    const COLUMNS: &'static [Column<Self>] = &[
        Col::text("Option", 34, |r| r.path.clone()),
        Col::text("Value", 20, value).grow(2).role(value_role),
        Col::text("From", 18, |r| r.origin.clone())
            .grow(1)
            .drop(1)
            .dim(),
    ];
    fn id(&self) -> String {
        self.path.clone()
    }
}

/// The configuration in effect.
#[derive(Debug)]
pub struct Configuration {
    table: Table<ConfigOption>,
    /// The file over the defaults.
    file: Option<String>,
    /// Only options that are not the default.
    only_set: bool,
}

impl Configuration {
    fn new() -> Configuration {
        Configuration {
            table: Table::new(ROWS_MAX, 0, false, Rest::First),
            file: None,
            only_set: false,
        }
    }
}

impl Screen for Configuration {
    fn context(&self) -> Option<Context> {
        Some(CONFIGURATION)
    }

    fn act(&mut self, place: usize, shared: &mut Shared) {
        ACTS[place].run(self, shared);
    }

    fn list(&mut self) -> Option<&mut dyn List> {
        Some(&mut self.table)
    }

    fn refresh(&mut self, now_ms: i64) {
        let only_set = self.only_set;
        self.table
            .refresh(now_ms, |option| !only_set || !option.default);
    }

    fn draw(&mut self, shared: &mut Shared, buf: &mut Buffer, area: Rect) {
        let file = self.file.as_deref().unwrap_or("the defaults alone");
        let only = if self.only_set { " · only set" } else { "" };
        let title = format!("configuration · {file}{only}");
        panel::framed(&mut self.table, shared, buf, area, &title, "no options");
    }

    fn open(&mut self, shared: &mut Shared) {
        let Some(option) = self.table.current() else {
            return;
        };
        let default = if option.default { "yes" } else { "no" };
        let lines = vec![
            format!("value    {}", value(option)),
            format!("from     {}", option.origin),
            format!("default  {default}"),
        ];
        shared.notice(option.path.clone(), lines);
    }

    fn copied(&self) -> Option<String> {
        let option = self.table.current()?;
        Some(format!("{} = {}", option.path, value(option)))
    }

    fn calls(&mut self) -> Vec<Call> {
        self.table.begin_snapshot();
        vec![Call::plain::<GetConfig>(&[])]
    }

    fn absorb(&mut self, change: &Change, _: &mut Shared) {
        if let Some((_, Json(view))) = change.reply::<GetConfig>() {
            self.file.clone_from(&view.file);
            self.table.snapshot(view.options.clone(), true);
        }
    }

    fn refused(&mut self, call: &Call, _: &str) -> bool {
        if call.is::<GetConfig>() {
            self.table.abandon_snapshot();
        }
        false
    }
}
