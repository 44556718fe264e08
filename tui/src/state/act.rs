//! Actions.

use cleanplate_api::JobStatus;
use cleanplate_api::admin::{JobRow, LogLevel};

use super::job_view::JobView;
use super::overlay::{Overlay, Prompt, PromptKind};
use super::rows::{self, short};
use super::{Effect, LedgerView, State};
use crate::action::{ACTIONS, Action, Move, Verb};
use crate::config::Role;
use crate::net::Call;
use crate::screen::ScreenId;
use crate::widget::edit::Edit;
use crate::widget::table::{List, Rest, Row, Table};

/// Entries of a ledger that are kept.
const LEDGER_MAX: usize = 5_000;
/// Names that a question lists.
const NAMES_MAX: usize = 5;

impl State {
    /// Does an action.
    pub fn act(&mut self, action: Action) -> Vec<Effect> {
        if self.readonly
            && ACTIONS
                .iter()
                .any(|row| row.action == action && row.changes)
        {
            self.toast(Role::Warn, "this dashboard was started with --readonly");
            return Vec::new();
        }
        self.refresh();
        match action {
            Action::Quit => return vec![Effect::Quit],
            Action::Suspend => return vec![Effect::Suspend],
            Action::Redraw => return vec![Effect::Redraw],
            Action::Help => {
                self.overlay = if matches!(self.overlay, Some(Overlay::Help(_))) {
                    None
                } else {
                    Some(Overlay::Help(0))
                }
            }
            Action::Command => self.open_prompt(PromptKind::Command, String::new()),
            Action::Filter => {
                if let Some(before) = self.list().map(|list| list.filter().to_string()) {
                    self.open_prompt(PromptKind::Filter, before);
                }
            }
            Action::Back => return self.back(),
            Action::Go(screen) => return self.go(screen),
            Action::NextScreen => return self.go(self.screen.step(1)),
            Action::PreviousScreen => return self.go(self.screen.step(-1)),
            Action::Refresh => {
                let mut effects = self.fetch_all();
                effects.push(Effect::Reconnect);
                return effects;
            }
            Action::Freeze => return self.freeze(),
            Action::Move(step) => return self.step(step),
            Action::Open => return self.open(),
            Action::Copy => return self.copy(),
            Action::Mark => self.on_list(|list| list.mark()),
            Action::MarkRange => self.on_list(|list| list.mark_range()),
            Action::MarkAll => self.on_list(|list| list.mark_all()),
            Action::SortNext => self.on_list(|list| list.sort_by(1)),
            Action::SortPrevious => self.on_list(|list| list.sort_by(-1)),
            Action::SortReverse => self.on_list(|list| list.reverse()),
            Action::CancelJobs => self.ask_jobs(
                "Cancel",
                |job| matches!(job.status, JobStatus::Pending | JobStatus::Processing),
                Call::CancelJob,
            ),
            Action::RetryJobs => return self.retry_jobs(),
            Action::NextStatus => self.next_status(),
            Action::NextPicture => {
                if let Some(view) = &mut self.job {
                    view.show = view.show.next();
                }
            }
            Action::Create => return self.open_create(),
            Action::Change => self.open_change(),
            Action::TopUp => self.open_top_up(),
            Action::RevokeKeys => self.ask_keys(
                "Revoke",
                "Clients that use them are refused at once; result addresses die too.",
                Call::RevokeKey,
            ),
            Action::DeleteKeys => self.ask_keys(
                "Delete",
                "They are revoked and leave all lists. This cannot be undone.",
                Call::DeleteKey,
            ),
            Action::Do(verb) => return self.do_verb(verb),
            Action::NextLevel => {
                self.log_level = match self.log_level {
                    LogLevel::Trace | LogLevel::Debug => LogLevel::Info,
                    LogLevel::Info => LogLevel::Warn,
                    LogLevel::Warn => LogLevel::Error,
                    LogLevel::Error => LogLevel::Info,
                };
                self.log.outdate();
            }
            Action::Accept => return self.accept(),
            Action::Yes => return self.answer(true),
            Action::No => return self.answer(false),
            Action::NextField => self.next_field(1),
            Action::PreviousField => self.next_field(-1),
            Action::NextChoice => self.next_choice(1),
            Action::PreviousChoice => self.next_choice(-1),
            // These belong to a line of text and were done there.
            Action::Complete | Action::HistoryBack | Action::HistoryForward | Action::Edit(_) => {}
        }
        Vec::new()
    }

    fn on_list(&mut self, change: impl FnOnce(&mut dyn List)) {
        if let Some(list) = self.list() {
            change(list);
        }
    }

    fn open_prompt(&mut self, kind: PromptKind, before: String) {
        if self.overlay.is_none() {
            self.prompt = Some(Prompt {
                kind,
                line: Edit::new(&before),
                before,
                back: 0,
            });
        }
    }

    fn go(&mut self, screen: ScreenId) -> Vec<Effect> {
        self.screen = screen;
        // Going to the screen that is open leaves its detail.
        (self.job, self.ledger) = (None, None);
        self.refresh();
        Vec::new()
    }

    fn back(&mut self) -> Vec<Effect> {
        if let Some(prompt) = self.prompt.take() {
            if prompt.kind == PromptKind::Filter {
                self.on_list(|list| list.set_filter(&prompt.before));
            }
        } else if self.overlay.take().is_some() {
        } else if self.job.take().is_some() || self.ledger.take().is_some() {
            self.refresh();
        } else if self.screen == ScreenId::Jobs
            && !self.jobs_text.is_empty()
            && self.jobs.filter().is_empty()
        {
            return self.find(String::new());
        } else {
            self.on_list(|list| {
                if !list.clear_marks() {
                    list.set_filter("");
                }
            });
        }
        Vec::new()
    }

    fn freeze(&mut self) -> Vec<Effect> {
        self.frozen = !self.frozen;
        if !self.frozen && std::mem::take(&mut self.held_back) {
            self.fetch_all()
        } else {
            Vec::new()
        }
    }

    fn step(&mut self, step: Move) -> Vec<Effect> {
        let scrolled = |at: usize| match step {
            Move::Up => at.saturating_sub(1),
            Move::Down => at + 1,
            Move::PageUp => at.saturating_sub(10),
            Move::PageDown => at + 10,
            Move::First => 0,
            // Drawing stops at the last line.
            Move::Last => usize::MAX / 2,
        };
        match (&mut self.overlay, &mut self.job) {
            (Some(Overlay::Help(at) | Overlay::Notice { scroll: at, .. }), _) => {
                *at = scrolled(*at)
            }
            (Some(_), _) => {}
            (None, Some(view)) if self.screen == ScreenId::Jobs => {
                view.scroll = scrolled(view.scroll)
            }
            _ => {
                let at_end = self.list().is_some_and(|list| list.step(step));
                if at_end {
                    return self.fetch_older();
                }
            }
        }
        Vec::new()
    }

    /// The cursor wants to go on after the last row.
    fn fetch_older(&mut self) -> Vec<Effect> {
        let call = match (self.screen, &mut self.ledger) {
            (ScreenId::Jobs, _) => self.jobs.older.take().map(|after| Call::Jobs {
                text: self.jobs_text.clone(),
                after: Some(after),
            }),
            (ScreenId::Accounts, Some(ledger)) => ledger
                .table
                .older
                .take()
                .map(|after| Call::Ledger(ledger.account, Some(after))),
            _ => None,
        };
        call.map(Effect::Call).into_iter().collect()
    }

    fn open(&mut self) -> Vec<Effect> {
        match self.screen {
            ScreenId::Overview => self.go(ScreenId::Jobs),
            ScreenId::Jobs => self
                .jobs
                .current()
                .map(|job| job.id.clone())
                .map(|id| self.open_job(id))
                .unwrap_or_default(),
            ScreenId::Accounts if self.ledger.is_none() => {
                let Some(account) = self.accounts.current().map(|account| account.id) else {
                    return Vec::new();
                };
                self.ledger = Some(LedgerView {
                    account,
                    table: Table::new(LEDGER_MAX, 0, true, Rest::First),
                });
                vec![Effect::Call(Call::Ledger(account, None))]
            }
            _ => {
                let notice = self.particulars();
                self.overlay = notice.or(self.overlay.take());
                Vec::new()
            }
        }
    }

    /// Opens a job.
    pub fn open_job(&mut self, id: String) -> Vec<Effect> {
        self.screen = ScreenId::Jobs;
        self.job = Some(JobView::new(id.clone()));
        vec![Effect::Call(Call::Job(id))]
    }

    /// Everything about the row under the cursor, for tables that have no screen for it.
    fn particulars(&self) -> Option<Overlay> {
        let notice = |title: &str, lines: Vec<String>| {
            Some(Overlay::Notice {
                title: title.to_string(),
                lines,
                scroll: 0,
            })
        };
        match self.screen {
            ScreenId::Folders => {
                let folder = self.folders.current()?;
                let mut lines = vec![
                    format!("watched   {}", folder.path),
                    format!("output    {}", folder.output),
                    format!("pipeline  {}", folder.pipeline),
                ];
                lines.extend(
                    folder
                        .account
                        .map(|id| format!("account   {id} {}", self.account_name(id))),
                );
                lines.extend(folder.paused.as_ref().map(|why| format!("paused    {why}")));
                lines.push(format!(
                    "pairs     {} done, {} failed, {} duplicates",
                    folder.done, folder.failed, folder.duplicates
                ));
                if folder.waiting_for_mask > 0 {
                    lines.extend([
                        "".to_string(),
                        format!(
                            "{} photos without a mask or a sidecar:",
                            folder.waiting_for_mask
                        ),
                    ]);
                    lines.extend(folder.waiting.iter().map(|name| format!("  {name}")));
                }
                notice(&folder.name, lines)
            }
            ScreenId::Models => {
                let model = self.models.current()?;
                let mut lines = vec![
                    format!(
                        "sha256    {}",
                        if model.sha256.is_empty() {
                            "unknown"
                        } else {
                            &model.sha256
                        }
                    ),
                    format!(
                        "size      {} bytes",
                        crate::text::number(i64::try_from(model.bytes).unwrap_or(i64::MAX))
                    ),
                    format!("arch      {}", model.arch),
                    format!("origin    {}", model.origin),
                    format!("licence   {}", model.licence),
                    format!(
                        "used by   {}",
                        if model.pipelines.is_empty() {
                            "no pipeline".to_string()
                        } else {
                            model.pipelines.join(", ")
                        }
                    ),
                ];
                lines.extend(
                    model
                        .error
                        .as_ref()
                        .map(|error| format!("error     {error}")),
                );
                lines.extend(
                    model
                        .task
                        .as_ref()
                        .map(|_| format!("task      {}", rows::model_task(model))),
                );
                notice(&model.name, lines)
            }
            ScreenId::Log => {
                let line = self.log.current()?;
                let mut lines = vec![line.text.clone(), String::new()];
                lines.extend(
                    line.fields
                        .iter()
                        .map(|(name, value)| format!("{name} = {value}")),
                );
                notice(
                    &format!(
                        "{} {} {}",
                        crate::text::clock(line.at_ms),
                        rows::level(line.level).0,
                        line.target
                    ),
                    lines,
                )
            }
            ScreenId::Keys => {
                let key = self.keys.current()?;
                let date = |at: Option<i64>| at.map_or("never".to_string(), crate::text::date);
                let limit = |limit: Option<u32>| {
                    limit.map_or("as configured".to_string(), |limit| {
                        format!("{limit} a minute")
                    })
                };
                notice(
                    &key.name,
                    vec![
                        format!("key        {}", key.hint),
                        format!("account    {} {}", key.account_id, key.account_name),
                        format!("removals   {}", limit(key.removals_per_minute)),
                        format!("batches    {}", limit(key.batches_per_minute)),
                        format!(
                            "pipelines  {}",
                            key.pipelines
                                .as_ref()
                                .map_or("all".to_string(), |names| names.join(", "))
                        ),
                        format!("made       {}", crate::text::date(key.created_at_ms)),
                        format!("last used  {}", date(key.last_used_at_ms)),
                        format!("expires    {}", date(key.expires_at_ms)),
                        format!("revoked    {}", date(key.revoked_at_ms)),
                    ],
                )
            }
            ScreenId::Overview | ScreenId::Jobs | ScreenId::Accounts => None,
        }
    }

    fn copy(&mut self) -> Vec<Effect> {
        if let Some(Overlay::Secret { secret, copied, .. }) = &mut self.overlay {
            *copied = true;
            return vec![Effect::Copy(secret.text().to_string())];
        }
        if self.overlay.is_some() {
            return Vec::new();
        }
        let text = match self.screen {
            ScreenId::Overview => None,
            ScreenId::Jobs => self
                .job
                .as_ref()
                .map(|view| view.id.clone())
                .or_else(|| self.jobs.current().map(|job| job.id.clone())),
            ScreenId::Keys => self.keys.current().map(|key| key.hint.clone()),
            ScreenId::Accounts => self
                .accounts
                .current()
                .map(|account| account.id.to_string()),
            ScreenId::Folders => self.folders.current().map(|folder| folder.path.clone()),
            ScreenId::Models => self.models.current().map(|model| model.sha256.clone()),
            ScreenId::Log => self.log.current().map(rows::log_text),
        };
        let Some(text) = text else { return Vec::new() };
        self.toast(Role::Good, format!("copied: {text}"));
        vec![Effect::Copy(text)]
    }

    /// The jobs that an action is about.
    fn chosen_jobs(&self) -> Vec<JobRow> {
        match &self.job {
            Some(view) => view
                .detail
                .iter()
                .map(|detail| detail.job.clone())
                .collect(),
            None => self.jobs.chosen().into_iter().cloned().collect(),
        }
    }

    fn ask_jobs(
        &mut self,
        verb: &str,
        fits: impl Fn(&JobRow) -> bool,
        call: impl Fn(String) -> Call,
    ) {
        let chosen: Vec<JobRow> = self
            .chosen_jobs()
            .into_iter()
            .filter(|job| fits(job))
            .collect();
        if chosen.is_empty() {
            self.toast(Role::Warn, "no job here is waiting or running");
            return;
        }
        let names = chosen.iter().map(|job| {
            format!(
                "{}  {}",
                short(&job.id),
                job.input_filename.as_deref().unwrap_or("")
            )
        });
        self.ask(
            verb,
            "job",
            names.collect(),
            "Nothing is charged for them.",
            chosen.into_iter().map(|job| call(job.id)).collect(),
        );
    }

    fn retry_jobs(&mut self) -> Vec<Effect> {
        let failed: Vec<JobRow> = self
            .chosen_jobs()
            .into_iter()
            .filter(|job| job.status == JobStatus::Failed)
            .collect();
        if failed.is_empty() {
            self.toast(Role::Warn, "only jobs that failed can be retried");
        }
        self.jobs.clear_marks();
        failed
            .into_iter()
            .map(|job| Effect::Call(Call::RetryJob(job.id)))
            .collect()
    }

    fn ask_keys(&mut self, verb: &str, note: &str, call: impl Fn(i64) -> Call) {
        let chosen: Vec<(i64, String)> = self
            .keys
            .chosen()
            .into_iter()
            .map(|key| (key.id, format!("{}  {}", key.name, key.hint)))
            .collect();
        if !chosen.is_empty() {
            let calls = chosen.iter().map(|(id, _)| call(*id)).collect();
            self.ask(
                verb,
                "key",
                chosen.into_iter().map(|(_, name)| name).collect(),
                note,
                calls,
            );
        }
    }

    fn ask(&mut self, verb: &str, what: &str, names: Vec<String>, note: &str, calls: Vec<Call>) {
        let plural = if names.len() == 1 { "" } else { "s" };
        let title = format!("{verb} {} {what}{plural}?", names.len());
        let more = names.len().saturating_sub(NAMES_MAX);
        let mut body: Vec<String> = names.into_iter().take(NAMES_MAX).collect();
        body.extend((more > 0).then(|| format!("and {more} more")));
        body.extend([String::new(), note.to_string()]);
        self.overlay = Some(Overlay::Question {
            title,
            body,
            yes: false,
            calls,
        });
    }

    fn next_status(&mut self) {
        self.jobs_status = match self.jobs_status {
            None => Some(JobStatus::Pending),
            Some(JobStatus::Pending) => Some(JobStatus::Processing),
            Some(JobStatus::Processing) => Some(JobStatus::Completed),
            Some(JobStatus::Completed) => Some(JobStatus::Failed),
            Some(JobStatus::Failed) => None,
        };
        self.jobs.outdate();
    }

    fn do_verb(&mut self, verb: Verb) -> Vec<Effect> {
        let folder = |verb| {
            self.folders
                .chosen()
                .into_iter()
                .map(|row| Effect::Call(Call::Folder(row.id(), verb)))
                .collect()
        };
        let model = |verb| {
            self.models
                .chosen()
                .into_iter()
                .map(|row| Effect::Call(Call::Model(row.id(), verb)))
                .collect()
        };
        match verb {
            Verb::Pause | Verb::Resume | Verb::Rescan => folder(verb),
            Verb::Load | Verb::Unload | Verb::Verify | Verb::Pull => model(verb),
        }
    }

    /// Yes or no to the question, or leaves the notice.
    fn answer(&mut self, yes: bool) -> Vec<Effect> {
        if !matches!(self.overlay, Some(Overlay::Question { .. })) {
            return Vec::new();
        }
        let Some(Overlay::Question { calls, .. }) = self.overlay.take() else {
            return Vec::new();
        };
        if !yes {
            return Vec::new();
        }
        self.on_list(|list| {
            list.clear_marks();
        });
        calls.into_iter().map(Effect::Call).collect()
    }

    fn accept(&mut self) -> Vec<Effect> {
        match &self.overlay {
            Some(Overlay::Question { yes, .. }) => self.answer(*yes),
            Some(Overlay::Form(..)) => self.submit(),
            _ => {
                self.overlay = None;
                Vec::new()
            }
        }
    }

    fn next_field(&mut self, by: isize) {
        match &mut self.overlay {
            Some(Overlay::Form(form, _)) => form.go(by),
            Some(Overlay::Question { yes, .. }) => *yes = !*yes,
            Some(Overlay::Help(at) | Overlay::Notice { scroll: at, .. }) => {
                *at = at.saturating_add_signed(by)
            }
            _ => {}
        }
    }

    fn next_choice(&mut self, by: isize) {
        match &mut self.overlay {
            Some(Overlay::Form(form, _)) => {
                form.choose(by);
            }
            Some(Overlay::Question { yes, .. }) => *yes = !*yes,
            _ => {}
        }
    }
}
