//! Telling of changes: this process's watcher at once, other processes by notifications of the server, and what these miss
//! by looking for it.
//!
//! A notification within a job's own transaction would make all commits wait for each other. So a thread sends the numbers of
//! the jobs that changed, many at a time, after they were committed; a process that dies in between is made good by the look.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
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
use crate::watch::{Watched, Watcher};
use crate::{JobId, UnixMs};

const OPERATION: &str = "telling of changed jobs";

/// Locks that keep the changes of one job in order; jobs share them by chance.
const STRIPES: usize = 64;
/// Changes are gathered for so long before others are told.
const GATHER: Duration = Duration::from_millis(5);
/// Jobs in one notification: its text may have 8,000 bytes.
const JOBS_PER_NOTICE: usize = 200;
/// Pause between looks for what no notification told.
const LOOK: Duration = Duration::from_secs(2);
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
    /// This process among those that share the database.
    own: Uuid,
    watchers: RwLock<Vec<Arc<dyn Watcher>>>,
    stripes: [Mutex<()>; STRIPES],
    /// What was told last of the jobs that changed lately.
    told: Mutex<HashMap<JobId, (State, Instant)>>,
    outgoing: Mutex<Vec<JobId>>,
    wake: Condvar,
    ended: AtomicBool,
    threads: Mutex<Vec<JoinHandle<()>>>,
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
            own: Uuid::new_v4(),
            watchers: RwLock::default(),
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
        lock(&self.outgoing).extend(jobs.iter().map(|job| job.id));
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
            while outgoing.is_empty() {
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
            let changed: BTreeSet<JobId> = std::mem::take(&mut *lock(&self.outgoing))
                .into_iter()
                .collect();
            if let Err(error) = self.send_now(&changed.into_iter().collect::<Vec<_>>()) {
                tracing::debug!(%error, "other processes were not notified; they look for themselves");
            }
        }
    }

    fn send_now(&self, changed: &[JobId]) -> Result<()> {
        let mut session = self.pool.take(OPERATION)?;
        for jobs in changed.chunks(JOBS_PER_NOTICE) {
            let ids: Vec<String> = jobs.iter().map(JobId::to_string).collect();
            let text = format!("{} {}", self.own, ids.join(","));
            Sql::new(&mut session, OPERATION, (0, 0))
                .execute("SELECT pg_notify($1, $2)", &[&self.channel, &text])
                .map_err(|error| error.named(OPERATION))?;
        }
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
        session
            .client()
            .batch_execute(&format!("LISTEN {}", self.channel))?;
        let mut looked = None::<Instant>;
        while !self.ended() {
            if looked.is_none_or(|last| last.elapsed() >= LOOK) {
                self.look(&mut session, since_ms)?;
                looked = Some(Instant::now());
            }
            let heard = session
                .client()
                .notifications()
                .timeout_iter(LOOK / 4)
                .next()?;
            if let Some(notice) = heard {
                self.heard(&mut session, notice.payload())?;
            }
        }
        Ok(())
    }

    fn heard(&self, session: &mut Session, text: &str) -> PgResult<()> {
        let Some((sender, ids)) = text.split_once(' ') else {
            return Ok(());
        };
        if sender == self.own.to_string() {
            return Ok(());
        }
        let jobs: Vec<JobId> = ids.split(',').filter_map(|id| id.parse().ok()).collect();
        self.tell_again(session, &jobs)
    }

    /// Finds what has changed lately and was not told. The first look only notes where to begin.
    fn look(&self, session: &mut Session, since_ms: &mut Option<UnixMs>) -> PgResult<()> {
        let sql = Sql::new(session, OPERATION, (0, 0));
        let now_ms: UnixMs = sql
            .one(concat!("SELECT ", database_ms!()), &[])?
            .try_get(0)?;
        if let Some(since_ms) = *since_ms {
            let rows = sql.all(
                "SELECT id, status, attempt FROM job WHERE changed_at_ms >= $1 ORDER BY changed_at_ms",
                &[&since_ms],
            )?;
            let mut missed = Vec::new();
            for row in &rows {
                let job = column(row, "id")?;
                let state = (column(row, "status")?, natural(row, "attempt")?);
                if lock(&self.told)
                    .get(&job)
                    .is_none_or(|(told, _)| *told != state)
                {
                    missed.push(job);
                }
            }
            for jobs in missed.chunks(JOBS_PER_NOTICE) {
                self.tell_again(session, jobs)?;
            }
        }
        // A clock that was set back leaves a gap that the notifications alone cover.
        *since_ms = Some(now_ms - LATE_MS.min(now_ms - since_ms.unwrap_or(now_ms)));
        lock(&self.told).retain(|_, (_, at)| at.elapsed() < REMEMBERED);
        Ok(())
    }

    /// Tells of jobs that another process changed, as they are now.
    fn tell_again(&self, session: &mut Session, jobs: &[JobId]) -> PgResult<()> {
        let _held = self.hold(jobs.iter().copied());
        let sql = Sql::new(session, OPERATION, (0, 0));
        for row in &sql.all(
            concat!("SELECT ", job_columns!(), " FROM job WHERE id = ANY($1)"),
            &[&jobs],
        )? {
            self.tell(&job_row(row)?);
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
        let watchers = self.notices.watchers.write();
        watchers
            .unwrap_or_else(PoisonError::into_inner)
            .push(watcher);
        self.notices.start_once("database-listen", Notices::listen);
    }
}

impl Drop for PgStore {
    fn drop(&mut self) {
        self.notices.end();
    }
}
