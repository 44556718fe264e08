//! Telling of changes: this process's watcher at once, other processes by notifications of the server, and what these miss
//! by looking for it.
//!
//! A notification within a job's own transaction would make all commits wait for each other. So a thread sends the numbers of
//! the jobs that changed, many at a time, after they were committed; a process that dies in between is made good by the look.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use cleanplate_basics::lock;
use postgres::fallible_iterator::FallibleIterator;
use uuid::Uuid;

use super::PgStore;
use super::address::PgAddress;
use super::convert::{column, natural};
use super::failure::PgResult;
use super::job_row::{job_columns, job_row};
use super::pool::Pool;
use super::session::{Session, Sql, database_ms};
use crate::error::Result;
use crate::jobs::{Job, JobStatus};
use crate::watch::{JobProgress, Watched, Watcher};
use crate::{JobId, UnixMs};

const OPERATION: &str = "telling of changed jobs";

/// Locks that keep the changes of one job in order; jobs share them by chance.
const STRIPES: usize = 64;
/// Changes are gathered for so long before others are told.
const GATHER: Duration = Duration::from_millis(5);
/// Jobs in one notification: its text may have 8,000 bytes.
const JOBS_PER_NOTICE: usize = 200;
/// Most bytes of the progress of one job in a notification; a step's name may be long.
const PROGRESS_BYTES_MAX: usize = 4_000;
/// Pause between looks for what no notification told: each reads all that changed lately, in every process.
const LOOK: Duration = Duration::from_secs(5);
/// Longest silence before it is seen whether the store is closed.
const SILENCE: Duration = Duration::from_millis(500);
/// A commit may become visible so long after the time that it bears, milliseconds.
const LATE_MS: i64 = 15_000;
/// What was told is remembered for so long, so that a look does not tell it again.
const REMEMBERED: Duration = Duration::from_secs(60);
/// Pause before the listening connection is made again.
const RECONNECT: Duration = Duration::from_secs(1);

/// State and attempt of a job.
type State = (JobStatus, u32);

pub(super) struct Notices {
    pool: Arc<Pool>,
    channel: String,
    /// Notifications of how far jobs are: whoever does not know of them does not listen.
    progress_channel: String,
    /// This process among those that share the database.
    own: Uuid,
    watchers: RwLock<Vec<Arc<dyn Watcher>>>,
    /// When the first watcher came: what changes from then on is told.
    watched: OnceLock<Instant>,
    stripes: [Mutex<()>; STRIPES],
    /// What was told last of the jobs that changed lately.
    told: Mutex<HashMap<JobId, (State, Instant)>>,
    outgoing: Mutex<Outgoing>,
    wake: Condvar,
    ended: AtomicBool,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// What other processes are to be told.
#[derive(Default)]
struct Outgoing {
    changed: BTreeSet<JobId>,
    /// Only the last is news.
    progress: Vec<JobProgress>,
}

/// Changes about to be committed; nothing else of these jobs is committed by this process until they are told.
pub(super) struct Pending<'a> {
    notices: &'a Arc<Notices>,
    jobs: Vec<&'a Job>,
    _held: Vec<MutexGuard<'a, ()>>,
}

impl Notices {
    pub(super) fn new(pool: Arc<Pool>, address: &PgAddress) -> Arc<Self> {
        let schema = address.schema.as_deref().unwrap_or("public");
        Arc::new(Self {
            pool,
            channel: format!("cleanplate_{schema}"),
            progress_channel: format!("cleanplate_progress_{schema}"),
            own: Uuid::new_v4(),
            watchers: RwLock::default(),
            watched: OnceLock::new(),
            stripes: std::array::from_fn(|_| Mutex::default()),
            told: Mutex::default(),
            outgoing: Mutex::default(),
            wake: Condvar::new(),
            ended: AtomicBool::new(false),
            threads: Mutex::default(),
        })
    }

    pub(super) fn before_commit<'a>(self: &'a Arc<Self>, jobs: &[&'a Job]) -> Pending<'a> {
        let ids = jobs.iter().map(|job| job.id);
        Pending {
            notices: self,
            jobs: jobs.to_vec(),
            _held: self.hold(ids),
        }
    }

    /// The locks of these jobs, always taken in the same order.
    fn hold(&self, jobs: impl Iterator<Item = JobId>) -> Vec<MutexGuard<'_, ()>> {
        let stripe = |job: JobId| {
            let mut hasher = DefaultHasher::new();
            job.hash(&mut hasher);
            (hasher.finish() % STRIPES as u64) as usize
        };
        let wanted: BTreeSet<usize> = jobs.map(stripe).collect();
        wanted
            .into_iter()
            .map(|at| lock(&self.stripes[at]))
            .collect()
    }

    fn tell(&self, job: &Job) {
        let watchers = self.watchers.read().unwrap_or_else(PoisonError::into_inner);
        if watchers.is_empty() {
            return;
        }
        let state = (job.status, job.attempt);
        lock(&self.told).insert(job.id, (state, Instant::now()));
        watchers.iter().for_each(|watcher| watcher.job_changed(job));
    }

    fn send_later(self: &Arc<Self>, jobs: &[&Job]) {
        if jobs.is_empty() {
            return;
        }
        (lock(&self.outgoing).changed).extend(jobs.iter().map(|job| job.id));
        self.start_once("database-notices", Self::send);
        self.wake.notify_one();
    }

    fn start_once(self: &Arc<Self>, name: &str, run: fn(&Self)) {
        let mut threads = lock(&self.threads);
        if threads
            .iter()
            .any(|thread| thread.thread().name() == Some(name))
        {
            return;
        }
        let notices = self.clone();
        match std::thread::Builder::new()
            .name(name.into())
            .spawn(move || run(&notices))
        {
            Ok(thread) => threads.push(thread),
            Err(error) => {
                tracing::error!(%error, name, "a thread of the store could not be started")
            }
        }
    }

    /// Sends what has changed until the store is closed.
    fn send(&self) {
        loop {
            let mut outgoing = lock(&self.outgoing);
            while outgoing.changed.is_empty() && outgoing.progress.is_empty() {
                if self.ended() {
                    return;
                }
                outgoing = self
                    .wake
                    .wait(outgoing)
                    .unwrap_or_else(PoisonError::into_inner);
            }
            drop(outgoing);
            std::thread::sleep(GATHER);
            let outgoing = std::mem::take(&mut *lock(&self.outgoing));
            if let Err(error) = self.send_now(outgoing) {
                tracing::debug!(%error, "other processes were not notified; they look for themselves");
            }
        }
    }

    fn send_now(&self, outgoing: Outgoing) -> Result<()> {
        // Progress first: it is of before the changes.
        let progress = outgoing.progress.iter();
        let progress = progress.filter_map(|one| serde_json::to_string(one).ok());
        let progress = progress
            .filter(|text| text.len() <= PROGRESS_BYTES_MAX)
            .map(|text| (&self.progress_channel, text));
        let changed: Vec<String> = outgoing.changed.iter().map(JobId::to_string).collect();
        let changed = changed
            .chunks(JOBS_PER_NOTICE)
            .map(|ids| (&self.channel, ids.join(",")));
        let (channels, texts): (Vec<&String>, Vec<String>) = progress
            .chain(changed)
            .map(|(channel, text)| (channel, format!("{} {text}", self.own)))
            .unzip();
        let mut session = self.pool.take(OPERATION)?;
        Sql::new(&mut session, OPERATION, (0, 0))
            .execute(
                "SELECT pg_notify(channel, told) FROM unnest($1::text[], $2::text[]) AS notices (channel, told)",
                &[&channels, &texts],
            )
            .map_err(|error| error.named(OPERATION))?;
        self.pool.give_back(session);
        Ok(())
    }

    /// Listens, and looks now and then, until the store is closed.
    fn listen(&self) {
        let mut since_ms = None;
        while !self.ended() {
            if let Err(error) = self
                .listen_once(&mut since_ms)
                .map_err(|error| error.named(OPERATION))
            {
                tracing::warn!(%error, "the connection that listens for changes is made again");
                self.rest(RECONNECT);
            }
        }
    }

    fn listen_once(&self, since_ms: &mut Option<UnixMs>) -> PgResult<()> {
        let mut session = Session::open(self.pool.address(), None)?;
        session.client().batch_execute(&format!(
            "LISTEN {}; LISTEN {}",
            self.channel, self.progress_channel
        ))?;
        let mut looked = None::<Instant>;
        while !self.ended() {
            if looked.is_none_or(|last| last.elapsed() >= LOOK) {
                self.look(&mut session, since_ms)?;
                looked = Some(Instant::now());
            }
            let changed = self.heard(&mut session)?;
            for jobs in changed.chunks(JOBS_PER_NOTICE) {
                self.tell_again(&mut session, jobs)?;
            }
        }
        Ok(())
    }

    /// The jobs of the next notification of another process, and of those that have come by then: read with one statement, however
    /// many processes tell. Progress is passed on at once.
    fn heard(&self, session: &mut Session) -> PgResult<Vec<JobId>> {
        let mut notices = session.client().notifications();
        let mut next = notices.timeout_iter(SILENCE).next()?;
        let (own, mut jobs) = (self.own.to_string(), BTreeSet::new());
        while let Some(notice) = next {
            match notice.payload().split_once(' ') {
                Some((sender, _)) if sender == own => {}
                Some((_, text)) if notice.channel() == self.progress_channel => {
                    self.pass_on(text);
                }
                Some((_, ids)) => {
                    jobs.extend(ids.split(',').filter_map(|id| id.parse::<JobId>().ok()));
                }
                None => {}
            }
            next = notices.iter().next()?;
        }
        Ok(jobs.into_iter().collect())
    }

    /// Tells how far a job of another process is. What a newer version says otherwise is not understood, and no news.
    fn pass_on(&self, text: &str) {
        if let Ok(progress) = serde_json::from_str(text) {
            let watchers = self.watchers.read().unwrap_or_else(PoisonError::into_inner);
            watchers
                .iter()
                .for_each(|watcher| watcher.job_advanced(&progress));
        }
    }

    /// Finds what has changed lately and was not told. The first look begins where the watching did: it took a moment to listen.
    fn look(&self, session: &mut Session, since_ms: &mut Option<UnixMs>) -> PgResult<()> {
        let sql = Sql::new(session, OPERATION, (0, 0));
        let now_ms: UnixMs = sql
            .one(concat!("SELECT ", database_ms!()), &[])?
            .try_get(0)?;
        let begun = self.watched.get().map_or(Duration::ZERO, Instant::elapsed);
        let begun_ms = now_ms - i64::try_from(begun.as_millis()).unwrap_or(i64::MAX);
        let from_ms = since_ms.unwrap_or(begun_ms);
        let mut missed = Vec::new();
        for row in &sql.all(
            "SELECT id, status, attempt FROM job WHERE changed_at_ms >= $1 ORDER BY changed_at_ms",
            &[&from_ms],
        )? {
            let job = column(row, "id")?;
            if !self.was_told(job, (column(row, "status")?, natural(row, "attempt")?)) {
                missed.push(job);
            }
        }
        for jobs in missed.chunks(JOBS_PER_NOTICE) {
            self.tell_again(session, jobs)?;
        }
        // A clock that was set back leaves a gap that the notifications alone cover.
        *since_ms = Some(now_ms - LATE_MS.min(now_ms - from_ms));
        lock(&self.told).retain(|_, (_, at)| at.elapsed() < REMEMBERED);
        Ok(())
    }

    /// Whether the watchers know this state of a job.
    fn was_told(&self, job: JobId, state: State) -> bool {
        lock(&self.told)
            .get(&job)
            .is_some_and(|(told, _)| *told == state)
    }

    /// Tells of jobs that another process changed, as they are now. Several notifications may be of one state: it is told once.
    fn tell_again(&self, session: &mut Session, jobs: &[JobId]) -> PgResult<()> {
        let _held = self.hold(jobs.iter().copied());
        let sql = Sql::new(session, OPERATION, (0, 0));
        for row in &sql.all(
            concat!("SELECT ", job_columns!(), " FROM job WHERE id = ANY($1)"),
            &[&jobs],
        )? {
            let job = job_row(row)?;
            if !self.was_told(job.id, (job.status, job.attempt)) {
                self.tell(&job);
            }
        }
        Ok(())
    }

    fn rest(&self, pause: Duration) {
        let end = Instant::now() + pause;
        while !self.ended() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn ended(&self) -> bool {
        self.ended.load(Ordering::SeqCst)
    }

    /// Sends what is left and ends the threads.
    fn end(&self) {
        // With the lock, so that the sender does not miss it between its look and its sleep.
        let outgoing = lock(&self.outgoing);
        self.ended.store(true, Ordering::SeqCst);
        drop(outgoing);
        self.wake.notify_all();
        for thread in std::mem::take(&mut *lock(&self.threads)) {
            let _ = thread.join();
        }
    }
}

impl Pending<'_> {
    /// They are committed.
    pub(super) fn tell(self) {
        self.jobs.iter().for_each(|job| self.notices.tell(job));
        self.notices.send_later(&self.jobs);
    }
}

impl Watched for PgStore {
    fn watch(&self, watcher: Arc<dyn Watcher>) {
        self.notices.watched.get_or_init(Instant::now);
        let watchers = self.notices.watchers.write();
        watchers
            .unwrap_or_else(PoisonError::into_inner)
            .push(watcher);
        self.notices.start_once("database-listen", Notices::listen);
    }

    fn tell_progress(&self, progress: Vec<JobProgress>) {
        if progress.is_empty() {
            return;
        }
        lock(&self.notices.outgoing).progress = progress;
        self.notices.start_once("database-notices", Notices::send);
        self.notices.wake.notify_one();
    }
}

impl Drop for PgStore {
    fn drop(&mut self) {
        self.notices.end();
    }
}
