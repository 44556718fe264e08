//! Jobs, and one job.

mod draw;
mod facts;
mod rows;
mod view;

use cleanplate_api::JobStatus;
use cleanplate_api::admin::{
    CancelJob, GetImage, GetJob, JobRow, JobsQuery, ListJobs, Page, RetryJob,
};
use cleanplate_api::endpoint::Json;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

pub(super) use self::rows::ages;
use self::view::JobView;
use super::action::{Act, Context};
use super::overlay::Overlay;
use super::{Command, Effect, Entry, Screen, Shared, panel};
use crate::config::Role;
use crate::net::{Call, Change};
use crate::text::short;
use crate::widget::table::{List, Rest, Table};

/// Jobs that are kept, the newest.
const JOBS_MAX: usize = 5_000;

const JOBS: Context = Context("jobs");
const JOB: Context = Context("job");
const NAME: &str = "jobs";

pub(super) const ENTRY: Entry = Entry {
    name: NAME,
    what: "Jobs",
    make: || Box::new(Jobs::new()),
    actions: || Act::rows(ACTS),
    commands: &[
        Command {
            name: "job",
            argument: "ID",
            optional: false,
            what: "Open a job",
        },
        Command {
            name: "find",
            argument: "TEXT",
            optional: true,
            what: "Let the daemon look for jobs: file name, error, front of the id",
        },
    ],
};

const ACTS: &[Act<Jobs>] = &[
    Act::change(
        JOBS,
        "cancel",
        "Cancel the job or the marked ones",
        Jobs::cancel,
    ),
    Act::change(
        JOBS,
        "retry",
        "Retry the job or the marked ones",
        Jobs::retry,
    ),
    Act::view(
        JOBS,
        "next-status",
        "Only jobs of the next state",
        |jobs, _| jobs.next_status(),
    ),
    Act::change(JOB, "cancel", "Cancel the job", Jobs::cancel),
    Act::change(JOB, "retry", "Retry the job", Jobs::retry),
    Act::view(
        JOB,
        "picture",
        "Before and after, before, after, mask",
        |jobs, _| {
            if let Some(view) = &mut jobs.view {
                view.show = view.show.next();
            }
        },
    ),
];

/// The request for a page of jobs, all or those in which the daemon finds a text.
pub(super) fn page(text: &str, after: Option<String>) -> Call {
    let query = JobsQuery {
        text: Some(text.to_string()).filter(|text| !text.is_empty()),
        rows: Some(100),
        after,
        ..JobsQuery::default()
    };
    Call::of::<ListJobs>(&[], &query, &())
}

/// Jobs, and the one that is open.
#[derive(Debug)]
pub struct Jobs {
    /// All that are kept.
    pub table: Table<JobRow>,
    /// Only jobs of this state.
    status: Option<JobStatus>,
    /// Text that the daemon was asked to look for.
    text: String,
    /// The job that is open.
    pub view: Option<JobView>,
}

impl Jobs {
    fn new() -> Jobs {
        Jobs {
            table: Table::new(JOBS_MAX, 0, true, Rest::First),
            status: None,
            text: String::new(),
            view: None,
        }
    }

    /// Opens a job.
    pub fn open_job(&mut self, id: &str, shared: &mut Shared) {
        let view = JobView::new(id.to_string());
        shared.call(view.call());
        self.view = Some(view);
        shared.wanted = Some(NAME);
    }

    /// Lets the daemon look for jobs; an empty text shows all again.
    fn find(&mut self, text: &str, shared: &mut Shared) {
        self.view = None;
        self.table.clear();
        self.table.begin_snapshot();
        self.text = text.to_string();
        shared.call(page(text, None));
        shared.wanted = Some(NAME);
    }

    /// The jobs that an action is about.
    fn chosen(&self) -> Vec<JobRow> {
        match &self.view {
            Some(view) => view
                .detail
                .iter()
                .map(|detail| detail.job.clone())
                .collect(),
            None => self.table.chosen().into_iter().cloned().collect(),
        }
    }

    fn cancel(&mut self, shared: &mut Shared) {
        let chosen: Vec<JobRow> = self.chosen().into_iter().filter(rows::is_open).collect();
        if chosen.is_empty() {
            shared.toast(Role::Warn, "no job here is waiting or running");
            return;
        }
        let names = chosen.iter().map(|job| {
            let file = job.input_filename.as_deref().unwrap_or("");
            format!("{}  {file}", short(&job.id))
        });
        let calls = chosen
            .iter()
            .map(|job| Call::plain::<CancelJob>(&[&job.id]));
        let note = "Nothing is charged for them.";
        let question = Overlay::question("Cancel", "job", names.collect(), note, calls.collect());
        shared.overlay = Some(question);
    }

    fn retry(&mut self, shared: &mut Shared) {
        let mut failed = self.chosen();
        failed.retain(|job| job.status == JobStatus::Failed);
        if failed.is_empty() {
            shared.toast(Role::Warn, "only jobs that failed can be retried");
        }
        self.table.clear_marks();
        for job in failed {
            shared.call(Call::plain::<RetryJob>(&[&job.id]));
        }
    }

    fn next_status(&mut self) {
        self.status = match self.status {
            None => Some(JobStatus::Pending),
            Some(JobStatus::Pending) => Some(JobStatus::Processing),
            Some(JobStatus::Processing) => Some(JobStatus::Completed),
            Some(JobStatus::Completed) => Some(JobStatus::Failed),
            Some(JobStatus::Failed) => None,
        };
        self.table.outdate();
    }

    /// A page of jobs came.
    fn take_page(&mut self, first: bool, found: &Page<JobRow>) {
        if first {
            take_newest(&mut self.table, found);
        } else {
            found
                .items
                .iter()
                .for_each(|job| self.table.put(job.clone()));
        }
        self.table.older.clone_from(&found.next);
    }

    /// An event tells of a job.
    fn take_row(&mut self, job: &JobRow, shared: &mut Shared) {
        if let Some(view) = &mut self.view
            && view.id == job.id
            && view.take_row(job)
        {
            shared.call(view.call());
        }
        // While the daemon looked for a text, jobs that do not hold it would not belong to the answer.
        if self.text.is_empty() || self.table.get(&job.id).is_some() {
            self.table.put(job.clone());
        }
    }

    /// What was asked about the job that is open, or to change jobs.
    fn take_reply(&mut self, change: &Change, shared: &mut Shared) {
        if let Some(view) = &mut self.view {
            if let Some((_, Json(detail))) = change.reply::<GetJob>()
                && detail.job.id == view.id
            {
                view.take_detail(Box::new(detail.clone()));
            }
            if let Some((call, picture)) = change.reply::<GetImage>()
                && let Some(part) = view.part_of(call)
            {
                view.slot(part).bytes = Some(picture.0.clone().into());
            }
        }
        if let Some((_, Json(job))) = change.reply::<CancelJob>() {
            shared.toast(Role::Good, format!("cancelled {}", short(&job.id)));
            self.take_row(job, shared);
        }
        if let Some((call, Json(job))) = change.reply::<RetryJob>() {
            let (old, new) = (short(call.place(0)), short(&job.id));
            shared.toast(Role::Good, format!("{old} runs again as {new}"));
            self.table.put(job.clone());
        }
    }
}

/// Takes the newest page of jobs. Older jobs that had ended are as they were; those that had not may have changed
/// meanwhile, so they go.
pub(super) fn take_newest(table: &mut Table<JobRow>, found: &Page<JobRow>) {
    let whole = found.next.is_none();
    let times = found.items.iter().map(|job| job.created_at_ms);
    let oldest = times.min().unwrap_or(0);
    let doubtful = |job: &&JobRow| !whole && job.created_at_ms < oldest && rows::is_open(job);
    let old: Vec<String> = table
        .all()
        .filter(doubtful)
        .map(|job| job.id.clone())
        .collect();
    old.iter().for_each(|id| table.remove(id));
    table.snapshot(found.items.clone(), whole);
}

impl Screen for Jobs {
    fn context(&self) -> Option<Context> {
        Some(if self.view.is_some() { JOB } else { JOBS })
    }

    fn is_open(&self) -> bool {
        self.view.is_some()
    }

    fn act(&mut self, place: usize, shared: &mut Shared) {
        ACTS[place].run(self, shared);
    }

    fn command(&mut self, name: &str, argument: &str, shared: &mut Shared) {
        match name {
            "job" => self.open_job(argument, shared),
            _ => self.find(argument, shared),
        }
    }

    fn list(&mut self) -> Option<&mut dyn List> {
        match self.view {
            Some(_) => None,
            None => Some(&mut self.table),
        }
    }

    fn scroll(&mut self) -> Option<&mut usize> {
        self.view.as_mut().map(|view| &mut view.scroll)
    }

    fn refresh(&mut self, now_ms: i64) {
        let status = self.status;
        self.table.refresh(now_ms, |job| {
            status.is_none_or(|status| job.status == status)
        });
    }

    fn draw(&mut self, shared: &mut Shared, buf: &mut Buffer, area: Rect) {
        if let Some(view) = &mut self.view {
            draw::job(view, shared, buf, area);
            return;
        }
        let mut title = self.status.map_or("jobs".to_string(), |status| {
            format!("jobs · only {}", rows::status(status))
        });
        if !self.text.is_empty() {
            title += &format!(" · found {:?}", self.text);
        }
        panel::framed(&mut self.table, shared, buf, area, &title, "no jobs yet");
    }

    fn open(&mut self, shared: &mut Shared) {
        if self.view.is_none()
            && let Some(id) = self.table.current().map(|job| job.id.clone())
        {
            self.open_job(&id, shared);
        }
    }

    fn copied(&self) -> Option<String> {
        let open = self.view.as_ref().map(|view| view.id.clone());
        open.or_else(|| self.table.current().map(|job| job.id.clone()))
    }

    fn back(&mut self, shared: &mut Shared) -> bool {
        if self.view.take().is_some() {
            return true;
        }
        let found = !self.text.is_empty() && self.table.filter().is_empty();
        if found {
            self.find("", shared);
        }
        found
    }

    fn leave(&mut self) {
        self.view = None;
    }

    fn calls(&mut self) -> Vec<Call> {
        self.table.begin_snapshot();
        let open = self.view.as_ref();
        std::iter::once(page(&self.text, None))
            .chain(open.map(JobView::call))
            .collect()
    }

    fn older(&mut self) -> Option<Call> {
        let after = self.table.older.take()?;
        Some(page(&self.text, Some(after)))
    }

    fn absorb(&mut self, change: &Change, shared: &mut Shared) {
        // The daemon may have been asked to look for something else meanwhile.
        if let Some((call, Json(found))) = change.reply::<ListJobs>()
            && call.query::<JobsQuery>().text.unwrap_or_default() == self.text
        {
            self.take_page(call.is_first_page(), found);
        }
        self.take_reply(change, shared);
        match change {
            Change::Job(job) => self.take_row(job, shared),
            Change::Picture(part, outcome) => {
                if let Some(view) = &mut self.view {
                    view.take_picture(*part, outcome);
                }
            }
            _ => {}
        }
    }

    fn refused(&mut self, call: &Call, why: &str) -> bool {
        if call.is::<ListJobs>() {
            self.table.abandon_snapshot();
        }
        let Some(view) = &mut self.view else {
            return call.is::<GetJob>() || call.is::<GetImage>();
        };
        if let Some(part) = view.part_of(call) {
            view.slot(part).error = Some(why.to_string());
        } else if call.is::<GetJob>() && call.place(0) == view.id {
            view.error = Some(why.to_string());
        }
        call.is::<GetJob>() || call.is::<GetImage>()
    }

    fn ages(&self, now_ms: i64) -> bool {
        let on_screen = self
            .table
            .shown()
            .skip(self.table.offset)
            .take(self.table.page_rows);
        on_screen.into_iter().any(|job| ages(job, now_ms))
    }

    fn needs(&mut self) -> Vec<Effect> {
        self.view.as_mut().map(JobView::needs).unwrap_or_default()
    }
}
