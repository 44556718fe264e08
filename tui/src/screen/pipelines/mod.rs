//! Pipelines.

use cleanplate_api::admin::{ListPipelines, PipelineRow};
use cleanplate_api::endpoint::Json;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::action::Context;
use super::{Entry, ROWS_MAX, Screen, Shared, panel};
use crate::config::Role;
use crate::net::{Call, Change};
use crate::widget::column::Column;
use crate::widget::table::{List, Rest, Row, Table};

pub(super) const ENTRY: Entry = Entry {
    name: "pipelines",
    what: "Pipelines",
    make: || Box::new(Pipelines::new()),
    actions: Vec::new,
    commands: &[],
};

/// Who may ask for a pipeline, and the style of that.
fn requests(pipeline: &PipelineRow) -> (&'static str, Role) {
    match (pipeline.default, pipeline.allowed) {
        (true, _) => ("default", Role::Good),
        (false, true) => ("by name", Role::Text),
        (false, false) => ("refused", Role::Dim),
    }
}

type Col = Column<PipelineRow>;

impl Row for PipelineRow {
    type Id = String;
    const COLUMNS: &'static [Column<Self>] = &[
        Col::text("Name", 16, |r| r.name.clone()),
        Col::text("Requests", 8, |r| requests(r).0.to_string()).role(|r| requests(r).1),
        Col::whole("Steps", 5, |r| r.plugins.len() as i64).drop(2),
        Col::text("Plugins", 30, |r| r.plugins.join(" → "))
            .grow(1)
            .drop(1)
            .dim(),
    ];
    fn id(&self) -> String {
        self.name.clone()
    }
}

/// Pipelines.
#[derive(Debug)]
pub struct Pipelines {
    table: Table<PipelineRow>,
}

impl Pipelines {
    fn new() -> Pipelines {
        Pipelines {
            table: Table::new(ROWS_MAX, 0, false, Rest::First),
        }
    }
}

impl Screen for Pipelines {
    fn context(&self) -> Option<Context> {
        Some(Context("pipelines"))
    }

    fn act(&mut self, _: usize, _: &mut Shared) {}

    fn list(&mut self) -> Option<&mut dyn List> {
        Some(&mut self.table)
    }

    fn refresh(&mut self, now_ms: i64) {
        self.table.refresh(now_ms, |_| true);
    }

    fn draw(&mut self, shared: &mut Shared, buf: &mut Buffer, area: Rect) {
        let nothing = "no pipelines";
        panel::framed(&mut self.table, shared, buf, area, "pipelines", nothing);
    }

    fn open(&mut self, shared: &mut Shared) {
        let Some(pipeline) = self.table.current() else {
            return;
        };
        let says = match (pipeline.default, pipeline.allowed) {
            (true, _) => "requests that name no pipeline get this one",
            (false, true) => "requests may name it (pipelines.allowed)",
            (false, false) => "no request may name it: it is not in pipelines.allowed",
        };
        let steps = (1..).zip(&pipeline.plugins);
        let steps = steps.map(|(number, plugin)| format!("{number:>3}  {plugin}"));
        let lines = [says.to_string(), String::new()].into_iter().chain(steps);
        shared.notice(pipeline.name.clone(), lines.collect());
    }

    fn copied(&self) -> Option<String> {
        self.table.current().map(|pipeline| pipeline.name.clone())
    }

    fn calls(&mut self) -> Vec<Call> {
        self.table.begin_snapshot();
        vec![Call::plain::<ListPipelines>(&[])]
    }

    fn absorb(&mut self, change: &Change, _: &mut Shared) {
        if let Some((_, Json(reply))) = change.reply::<ListPipelines>() {
            self.table.snapshot(reply.pipelines.clone(), true);
        }
    }

    fn refused(&mut self, call: &Call, _: &str) -> bool {
        if call.is::<ListPipelines>() {
            self.table.abandon_snapshot();
        }
        false
    }
}
