//! What comes from the daemon.

use cleanplate_api::JobStatus;
use cleanplate_api::admin::{AccountRow, ImagePart, JobRow, MetricsTick};

use super::overlay::{Overlay, Purpose, Secret};
use super::{Effect, Link, State, TICKS_MAX};
use crate::config::Role;
use crate::net::{Call, Change, NetError, Reply};
use crate::preview::Picture;
use crate::screen::ScreenId;
use crate::widget::table::List;

/// Pause between asking for what no event tells.
const POLL_PAUSE_MS: i64 = 5_000;
/// Larger tables are fetched only when the user asks.
const POLL_ROWS_MAX: usize = 300;
/// Pause between fetching everything because events were missed.
const RESYNC_PAUSE_MS: i64 = 3_000;

impl State {
    /// Takes one change in.
    pub fn absorb(&mut self, change: Change) -> Vec<Effect> {
        let event = !matches!(
            change,
            Change::Linked(_)
                | Change::Lost { .. }
                | Change::Reply(..)
                | Change::Picture(..)
                | Change::Resync
        );
        if self.frozen && event {
            self.held_back = true;
            return Vec::new();
        }
        match change {
            Change::Linked(hello) => {
                let (known, resumed) = (self.server.is_some(), hello.resumed);
                (self.link, self.hello) = (Link::Live, Some(hello));
                // A stream that goes on where it ended has missed nothing.
                return if known && resumed {
                    vec![Effect::Call(Call::Server)]
                } else {
                    self.fetch_all()
                };
            }
            Change::Lost { why, retry_ms } => {
                let since_ms = if let Link::Lost { since_ms, .. } = self.link {
                    since_ms
                } else {
                    self.now_ms
                };
                let retry_at_ms = self.now_ms + i64::try_from(retry_ms).unwrap_or(i64::MAX);
                self.link = Link::Lost {
                    since_ms,
                    why,
                    retry_at_ms,
                };
            }
            Change::Resync => {
                self.resync_wanted = true;
                return self.due();
            }
            Change::Reply(call, Ok(reply)) => return self.reply(*call, reply),
            Change::Reply(call, Err(error)) => self.refused(*call, &error),
            Change::Picture(part, outcome) => self.picture(part, outcome),
            Change::Job(job) => {
                let news = self
                    .job
                    .as_mut()
                    .filter(|view| view.id == job.id)
                    .is_some_and(|view| view.take_row(&job));
                let id = job.id.clone();
                // While the daemon looked for a text, jobs that do not hold it would not belong to the answer.
                if self.jobs_text.is_empty() || self.jobs.get(&id).is_some() {
                    self.jobs.put(*job);
                }
                return if news {
                    vec![Effect::Call(Call::Job(id))]
                } else {
                    Vec::new()
                };
            }
            Change::Queue(queue) => self.queue = Some(queue),
            Change::State(now) => {
                if let Some(server) = &mut self.server {
                    (server.state, server.reason) = (now.state, now.reason);
                }
            }
            Change::Tick(tick) => {
                self.take_tick(*tick);
                return self.poll();
            }
            Change::Folder(_, Some(folder)) => self.folders.put(*folder),
            Change::Folder(name, None) => self.folders.remove(&name),
            Change::Model(model) => self.models.put(*model),
            Change::Account(account) => return self.account(account),
            Change::Key(_, Some(key)) => self.keys.put(*key),
            Change::Key(id, None) => self.keys.remove(&id),
            Change::Log(lines) => lines.into_iter().for_each(|line| self.log.put(line)),
        }
        Vec::new()
    }

    /// What was put off and may be done now: a daemon that is too busy to tell everything is not asked for everything all the time.
    pub fn due(&mut self) -> Vec<Effect> {
        if self.resync_wanted && self.now_ms - self.fetched_at_ms >= RESYNC_PAUSE_MS {
            self.fetch_all()
        } else {
            Vec::new()
        }
    }

    /// Figures that no event tells, asked for while they are on the screen: balances, last uses, the state of the daemon.
    fn poll(&mut self) -> Vec<Effect> {
        let same = self.polled == (self.screen, self.ledger.is_some());
        if same && self.now_ms - self.polled_at_ms < POLL_PAUSE_MS {
            return Vec::new();
        }
        (self.polled, self.polled_at_ms) = ((self.screen, self.ledger.is_some()), self.now_ms);
        let mut calls = Vec::new();
        match self.screen {
            ScreenId::Overview => calls.push(Call::Server),
            ScreenId::Accounts if self.accounts.counts().2 <= POLL_ROWS_MAX => {
                self.accounts.begin_snapshot();
                calls.push(Call::Accounts(None));
                calls.extend(
                    self.ledger
                        .as_ref()
                        .map(|ledger| Call::Ledger(ledger.account, None)),
                );
            }
            ScreenId::Keys if self.keys.counts().2 <= POLL_ROWS_MAX => {
                self.keys.begin_snapshot();
                calls.push(Call::Keys(None));
            }
            _ => {}
        }
        calls.into_iter().map(Effect::Call).collect()
    }

    fn take_tick(&mut self, tick: MetricsTick) {
        // Seconds that come twice, by the history and by the stream, count once.
        if self.ticks.back().is_none_or(|last| last.at_ms < tick.at_ms) {
            self.ticks.push_back(tick);
        }
        while self.ticks.len() > TICKS_MAX {
            self.ticks.pop_front();
        }
    }

    fn account(&mut self, account: AccountRow) -> Vec<Effect> {
        let open = self
            .ledger
            .as_ref()
            .is_some_and(|ledger| ledger.account == account.id);
        let id = account.id;
        self.accounts.put(account);
        if open {
            vec![Effect::Call(Call::Ledger(id, None))]
        } else {
            Vec::new()
        }
    }

    fn reply(&mut self, call: Call, reply: Reply) -> Vec<Effect> {
        match (call, reply) {
            (_, Reply::Server(server)) => {
                self.queue = Some(server.queue.clone());
                self.server = Some(server);
            }
            (_, Reply::History(history)) => {
                let newer: Vec<MetricsTick> = self.ticks.drain(..).collect();
                history
                    .ticks
                    .into_iter()
                    .chain(newer)
                    .for_each(|tick| self.take_tick(tick));
            }
            (Call::Jobs { text, after }, Reply::Jobs(page)) if text == self.jobs_text => {
                let first = after.is_none();
                // The first page is the newest part of what there is. Older jobs that had ended are as they were; those that had not
                // may have changed meanwhile, so they go.
                if first {
                    let whole = page.next.is_none();
                    let oldest = page
                        .items
                        .iter()
                        .map(|job| job.created_at_ms)
                        .min()
                        .unwrap_or(0);
                    if !whole {
                        let doubtful = |job: &&JobRow| {
                            job.created_at_ms < oldest
                                && matches!(job.status, JobStatus::Pending | JobStatus::Processing)
                        };
                        let old: Vec<String> = self
                            .jobs
                            .all()
                            .filter(doubtful)
                            .map(|job| job.id.clone())
                            .collect();
                        old.iter().for_each(|id| self.jobs.remove(id));
                    }
                    self.jobs.snapshot(page.items, whole);
                } else {
                    page.items.into_iter().for_each(|job| self.jobs.put(job));
                }
                self.jobs.older = page.next;
            }
            // The daemon was asked to look for something else meanwhile.
            (Call::Jobs { .. }, Reply::Jobs(_)) => {}
            (_, Reply::Job(detail)) => {
                let row = detail.job.clone();
                if let Some(view) = self.job.as_mut().filter(|view| view.id == row.id) {
                    view.take_detail(detail);
                }
            }
            (Call::Picture(id, part), Reply::Picture(bytes)) => {
                if let Some(view) = self.job.as_mut().filter(|view| view.id == id) {
                    view.slot(part).bytes = Some(bytes.into());
                }
            }
            (Call::Accounts(after), Reply::Accounts(page)) => {
                let next = page.next.clone();
                match after {
                    None => self.accounts.snapshot(page.items, page.next.is_none()),
                    Some(_) => page
                        .items
                        .into_iter()
                        .for_each(|row| self.accounts.put(row)),
                }
                return next
                    .map(|next| Effect::Call(Call::Accounts(Some(next))))
                    .into_iter()
                    .collect();
            }
            (Call::Keys(after), Reply::Keys(page)) => {
                let next = page.next.clone();
                match after {
                    None => self.keys.snapshot(page.items, page.next.is_none()),
                    Some(_) => page.items.into_iter().for_each(|row| self.keys.put(row)),
                }
                return next
                    .map(|next| Effect::Call(Call::Keys(Some(next))))
                    .into_iter()
                    .collect();
            }
            (Call::Ledger(id, after), Reply::Ledger(page)) => {
                if let Some(ledger) = self.ledger.as_mut().filter(|ledger| ledger.account == id) {
                    page.items.into_iter().for_each(|row| ledger.table.put(row));
                    ledger.table.loaded = true;
                    // A first page that comes again does not end what older pages have brought.
                    if after.is_some() || ledger.table.older.is_none() {
                        ledger.table.older = page.next;
                    }
                }
            }
            (_, Reply::Folders(reply)) => self.folders.snapshot(reply.folders, true),
            (_, Reply::Models(reply)) => {
                self.device_bytes_max = reply.memory_bytes_max;
                self.models.snapshot(reply.models, true);
            }
            (_, Reply::Log(tail)) => self.log.snapshot(tail.lines, false),
            (call, reply) => return self.done(call, reply),
        }
        Vec::new()
    }

    /// Something was changed as asked.
    fn done(&mut self, call: Call, reply: Reply) -> Vec<Effect> {
        if self.form_waits_for(&call) {
            self.overlay = None;
        }
        match (call, reply) {
            (Call::CancelJob(_), Reply::JobRow(job)) => {
                self.toast(
                    Role::Good,
                    format!("cancelled {}", super::rows::short(&job.id)),
                );
                return self.absorb(Change::Job(job));
            }
            (Call::RetryJob(old), Reply::JobRow(job)) => {
                self.toast(
                    Role::Good,
                    format!(
                        "{} runs again as {}",
                        super::rows::short(&old),
                        super::rows::short(&job.id)
                    ),
                );
                self.jobs.put(*job);
            }
            (_, Reply::KeyCreated(created)) => {
                let created = *created;
                self.overlay = Some(Overlay::Secret {
                    name: created.key.name.clone(),
                    secret: Secret::new(created.secret),
                    copied: false,
                });
                self.keys.put(created.key);
            }
            (Call::DeleteKey(id), Reply::KeyRow(key)) => {
                self.toast(Role::Good, format!("deleted the key {}", key.name));
                self.keys.remove(&id);
            }
            (call, Reply::KeyRow(key)) => {
                let done = if matches!(call, Call::RevokeKey(_)) {
                    "revoked"
                } else {
                    "changed"
                };
                self.toast(Role::Good, format!("{done} the key {}", key.name));
                self.keys.put(*key);
            }
            (_, Reply::AccountRow(account)) => {
                self.toast(
                    Role::Good,
                    format!("account {}: {}", account.id, account.name),
                );
                return self.account(account);
            }
            (Call::TopUp(id, _), Reply::LedgerRow(entry)) => {
                let change = entry.available_change;
                self.toast(
                    Role::Good,
                    format!(
                        "{} {change:+} credits, {} available",
                        self.account_name(id),
                        entry.available_after
                    ),
                );
                if let Some(mut account) = self.accounts.get(&id).cloned() {
                    (account.available, account.held) = (entry.available_after, entry.held_after);
                    self.accounts.put(account);
                }
                if let Some(ledger) = self.ledger.as_mut().filter(|ledger| ledger.account == id) {
                    ledger.table.put(entry);
                }
            }
            (Call::Folder(name, verb), Reply::Folder(folder)) => {
                self.toast(Role::Good, format!("{name}: {}", verb.as_str()));
                self.folders.put(*folder);
            }
            (Call::Model(name, verb), Reply::Model(model)) => {
                self.toast(Role::Good, format!("{name}: {}", verb.as_str()));
                self.models.put(*model);
            }
            _ => {}
        }
        Vec::new()
    }

    fn refused(&mut self, call: Call, error: &NetError) {
        let text = error.to_string();
        match call {
            Call::Picture(id, part) => {
                if let Some(view) = self.job.as_mut().filter(|view| view.id == id) {
                    view.slot(part).error = Some(text);
                }
            }
            Call::Job(id) => {
                if let Some(view) = self.job.as_mut().filter(|view| view.id == id) {
                    view.error = Some(text);
                }
            }
            call if call.changes() => {
                // A lost connection may have come after the change was made.
                let unsure = !matches!(error, NetError::Refused { .. } | NetError::Connect { .. });
                let text = if unsure {
                    format!("{text}; look whether it was done before you do it again")
                } else {
                    text
                };
                let waits = self.form_waits_for(&call);
                match &mut self.overlay {
                    Some(Overlay::Form(form, _)) if waits => {
                        (form.busy, form.error) = (false, Some(text))
                    }
                    _ => self.toast(Role::Bad, text),
                }
            }
            call => {
                match call {
                    Call::Jobs { .. } => self.jobs.abandon_snapshot(),
                    Call::Keys(_) => self.keys.abandon_snapshot(),
                    Call::Accounts(_) => self.accounts.abandon_snapshot(),
                    Call::Folders => self.folders.abandon_snapshot(),
                    Call::Models => self.models.abandon_snapshot(),
                    Call::Log => self.log.abandon_snapshot(),
                    _ => {}
                }
                // Reads fail together with the stream, which says so; refusals are told.
                if !matches!(error, NetError::Connect { .. } | NetError::Broken(_)) {
                    self.toast(Role::Bad, text);
                }
            }
        }
    }

    /// Whether the form that is open was sent by this call and has no answer yet.
    fn form_waits_for(&self, call: &Call) -> bool {
        let Some(Overlay::Form(form, purpose)) = &self.overlay else {
            return false;
        };
        let fits = match (purpose, call) {
            (Purpose::CreateKey, Call::CreateKey(_))
            | (Purpose::CreateAccount, Call::CreateAccount(_)) => true,
            (Purpose::ChangeKey(key), Call::ChangeKey(id, _)) => key.id == *id,
            (Purpose::ChangeAccount(ours), Call::ChangeAccount(id, _))
            | (Purpose::TopUp(ours), Call::TopUp(id, _)) => ours == id,
            _ => false,
        };
        form.busy && fits
    }

    fn picture(&mut self, part: ImagePart, outcome: Result<Picture, String>) {
        let Some(view) = &mut self.job else { return };
        let slot = view.slot(part);
        slot.under_way = None;
        match outcome {
            Ok(picture) => slot.picture = Some(picture),
            Err(error) => slot.error = Some(error),
        }
    }
}
