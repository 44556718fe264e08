//! Models, and the memory that they take.

mod forms;
mod rows;

use cleanplate_api::admin::{
    ImportModel, ListModels, LoadModel, ModelRow, PullModel, UnloadModel, VerifyModel,
};
use cleanplate_api::endpoint::{Endpoint, Json, NoQuery};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::rows::task;
use super::action::{Act, Context};
use super::{Entry, ROWS_MAX, Screen, Shared, panel};
use crate::config::Role;
use crate::net::{Call, Change};
use crate::text;
use crate::widget::ink::put;
use crate::widget::table::{List, Rest, Table};
use crate::widget::{dialog, graph};

const MODELS: Context = Context("models");

pub(super) const ENTRY: Entry = Entry {
    name: "models",
    what: "Models",
    make: || Box::new(Models::new()),
    actions: || Act::rows(ACTS),
    commands: &[],
};

const ACTS: &[Act<Models>] = &[
    Act::change(
        MODELS,
        "load",
        "Load the weights into memory",
        |models, shared| models.give::<LoadModel>(shared),
    ),
    Act::change(MODELS, "unload", "Free the weights", |models, shared| {
        models.give::<UnloadModel>(shared)
    }),
    Act::change(
        MODELS,
        "pull",
        "Download the published weights",
        |models, shared| models.give::<PullModel>(shared),
    ),
    Act::change(
        MODELS,
        "verify",
        "Check the weights against their hash",
        |models, shared| models.give::<VerifyModel>(shared),
    ),
    Act::change(
        MODELS,
        "import",
        "Import a weight file of the daemon's machine",
        |models, shared| forms::import(models.table.current(), shared),
    ),
];

/// Models.
#[derive(Debug)]
pub struct Models {
    table: Table<ModelRow>,
}

impl Models {
    fn new() -> Models {
        Models {
            table: Table::new(ROWS_MAX, 0, false, Rest::First),
        }
    }

    /// Gives an order about the chosen models.
    fn give<E>(&mut self, shared: &mut Shared)
    where
        E: Endpoint<Query = NoQuery, Body = (), Reply = Json<ModelRow>>,
    {
        for model in self.table.chosen() {
            shared.call(Call::plain::<E>(&[&model.name]));
        }
    }

    /// An order was carried out, or its work has begun.
    fn given<E>(&mut self, order: &str, change: &Change, shared: &mut Shared)
    where
        E: Endpoint<Reply = Json<ModelRow>>,
    {
        if let Some((call, Json(model))) = change.reply::<E>() {
            shared.toast(Role::Good, format!("{}: {order}", call.place(0)));
            self.table.put(model.clone());
        }
    }
}

/// Everything about a model.
fn particulars(model: &ModelRow) -> Vec<String> {
    let or = |text: String, otherwise: &str| {
        if text.is_empty() {
            otherwise.to_string()
        } else {
            text
        }
    };
    let bytes = text::number(i64::try_from(model.bytes).unwrap_or(i64::MAX));
    let pipelines = model.pipelines.join(", ");
    let mut lines = vec![
        format!("sha256    {}", or(model.sha256.clone(), "unknown")),
        format!("size      {bytes} bytes"),
        format!("arch      {}", model.arch),
        format!("origin    {}", model.origin),
        format!("licence   {}", model.licence),
        format!("used by   {}", or(pipelines, "no pipeline")),
    ];
    let trained_on = model.trained_on.as_ref();
    lines.extend(trained_on.map(|data| format!("trained   on {data}")));
    let error = model.error.as_ref();
    lines.extend(error.map(|error| format!("error     {error}")));
    let under_way = model.task.as_ref();
    lines.extend(under_way.map(|_| format!("task      {}", task(model))));
    lines
}

/// A bar of the memory that is taken.
fn memory(shared: &Shared, buf: &mut Buffer, area: Rect) {
    let used = shared.ticks.back().map_or(0, |tick| tick.device_bytes);
    let inner = dialog::panel(buf, area, &shared.theme, "memory for weights and plans");
    let label = format!(
        "{} of {}",
        text::bytes(used),
        text::bytes(shared.device_bytes_max)
    );
    let width = (label.len() as u16 + 1).min(inner.width);
    let share = used as f64 / shared.device_bytes_max.max(1) as f64;
    let bar = Rect {
        width: inner.width - width,
        ..inner
    };
    let (filled, ground) = (
        shared.theme.style(Role::Gauge),
        shared.theme.style(Role::Border),
    );
    graph::gauge(buf, bar, share, filled, ground);
    let x = inner.right() - width + 1;
    let label = text::fit(&label, usize::from(width) - 1);
    put(buf, x, inner.y, label, shared.theme.style(Role::Text));
}

impl Screen for Models {
    fn context(&self) -> Option<Context> {
        Some(MODELS)
    }

    fn act(&mut self, place: usize, shared: &mut Shared) {
        ACTS[place].run(self, shared);
    }

    fn list(&mut self) -> Option<&mut dyn List> {
        Some(&mut self.table)
    }

    fn refresh(&mut self, now_ms: i64) {
        self.table.refresh(now_ms, |_| true);
    }

    fn draw(&mut self, shared: &mut Shared, buf: &mut Buffer, area: Rect) {
        let bar = Rect {
            height: 3,
            y: area.bottom() - 3,
            ..area
        };
        let rest = Rect {
            height: area.height - 3,
            ..area
        };
        panel::framed(&mut self.table, shared, buf, rest, "models", "no models");
        memory(shared, buf, bar);
    }

    fn open(&mut self, shared: &mut Shared) {
        if let Some(model) = self.table.current() {
            shared.notice(model.name.clone(), particulars(model));
        }
    }

    fn copied(&self) -> Option<String> {
        self.table.current().map(|model| model.sha256.clone())
    }

    fn calls(&mut self) -> Vec<Call> {
        self.table.begin_snapshot();
        vec![Call::plain::<ListModels>(&[])]
    }

    fn absorb(&mut self, change: &Change, shared: &mut Shared) {
        if let Some((_, Json(reply))) = change.reply::<ListModels>() {
            self.table.snapshot(reply.models.clone(), true);
        }
        self.given::<LoadModel>("load", change, shared);
        self.given::<UnloadModel>("unload", change, shared);
        self.given::<PullModel>("pull", change, shared);
        self.given::<VerifyModel>("verify", change, shared);
        self.given::<ImportModel>("import", change, shared);
        if let Change::Model(model) = change {
            self.table.put((**model).clone());
        }
    }

    fn refused(&mut self, call: &Call, _: &str) -> bool {
        if call.is::<ListModels>() {
            self.table.abandon_snapshot();
        }
        false
    }
}
