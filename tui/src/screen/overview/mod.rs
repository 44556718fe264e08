//! The overview: throughput, latency, queue, device and memory, and the newest jobs.

mod curves;
mod facts;

use cleanplate_api::admin::{GetHistory, GetServer, HistoryQuery, JobRow, JobsQuery, ListJobs};
use cleanplate_api::endpoint::Json;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::action::Context;
use super::{Entry, Screen, Shared, jobs, panel};
use crate::net::{Call, Change};
use crate::widget::table::{Rest, Table};
use crate::widget::{dialog, table_view};

/// Jobs that are kept, the newest.
const JOBS_MAX: usize = 100;

pub(super) const ENTRY: Entry = Entry {
    name: "overview",
    what: "Overview",
    make: || Box::new(Overview::new()),
    actions: Vec::new,
    commands: &[],
};

/// The overview.
#[derive(Debug)]
pub struct Overview {
    newest: Table<JobRow>,
}

impl Overview {
    fn new() -> Overview {
        Overview {
            newest: Table::new(JOBS_MAX, 0, true, Rest::First),
        }
    }
}

impl Screen for Overview {
    fn context(&self) -> Option<Context> {
        None
    }

    fn act(&mut self, _: usize, _: &mut Shared) {}

    fn refresh(&mut self, now_ms: i64) {
        self.newest.refresh(now_ms, |_| true);
    }

    fn draw(&mut self, shared: &mut Shared, buf: &mut Buffer, area: Rect) {
        let mut rest = curves::draw(shared, buf, area);
        let height = if area.height < 30 { 4 } else { 5 };
        if rest.height >= height {
            facts::draw(shared, buf, Rect { height, ..rest });
            rest = Rect {
                y: rest.y + height,
                height: rest.height - height,
                ..rest
            };
        }
        if rest.height >= 4 {
            let inner = dialog::panel(buf, rest, &shared.theme, "newest jobs");
            let says = panel::says(&self.newest, "no jobs yet");
            let (theme, now_ms) = (&shared.theme, shared.now_ms);
            table_view::draw(&mut self.newest, buf, inner, theme, now_ms, says);
        }
    }

    fn open(&mut self, shared: &mut Shared) {
        shared.wanted = Some("jobs");
    }

    fn calls(&mut self) -> Vec<Call> {
        self.newest.begin_snapshot();
        vec![
            Call::plain::<GetServer>(&[]),
            Call::of::<GetHistory>(&[], &HistoryQuery::default(), &()),
            jobs::page("", None),
        ]
    }

    fn poll(&mut self) -> Vec<Call> {
        vec![Call::plain::<GetServer>(&[])]
    }

    fn absorb(&mut self, change: &Change, _: &mut Shared) {
        if let Some((call, Json(page))) = change.reply::<ListJobs>()
            && call.query::<JobsQuery>().text.is_none()
            && call.is_first_page()
        {
            jobs::take_newest(&mut self.newest, page);
        }
        if let Change::Job(job) = change {
            self.newest.put((**job).clone());
        }
    }

    fn refused(&mut self, call: &Call, _: &str) -> bool {
        if call.is::<ListJobs>() {
            self.newest.abandon_snapshot();
        }
        false
    }

    fn ages(&self, now_ms: i64) -> bool {
        let on_screen = self
            .newest
            .shown()
            .skip(self.newest.offset)
            .take(self.newest.page_rows);
        on_screen.into_iter().any(|job| jobs::ages(job, now_ms))
    }
}
