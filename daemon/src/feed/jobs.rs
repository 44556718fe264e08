//! Jobs that have not ended, and those that changed since the last event.

use std::collections::{BTreeMap, HashMap};

use cleanplate_api::JobStatus;
use cleanplate_api::admin::{JobRow, JobsChanged, Totals};
use cleanplate_store::JobId;

/// Most jobs of one event.
const CHANGED_MAX: usize = 200;

#[derive(Default)]
pub struct OpenJobs {
    /// Jobs that have not ended. As many as the queue holds.
    open: HashMap<JobId, JobRow>,
    running: u32,
    completed: u64,
    failed: u64,
    /// Changed jobs in the order of their last change.
    changed: BTreeMap<u64, JobRow>,
    places: HashMap<JobId, u64>,
    next_place: u64,
    omitted: u64,
}

fn is_open(row: &JobRow) -> bool {
    matches!(row.status, JobStatus::Pending | JobStatus::Processing)
}

impl OpenJobs {
    /// Jobs that had ended before anyone looked.
    pub fn set_ended(&mut self, completed: u64, failed: u64) {
        (self.completed, self.failed) = (completed, failed);
    }

    /// Notes an open job without an event.
    pub fn know(&mut self, row: JobRow) {
        if let Ok(id) = row.id.parse::<JobId>() {
            self.running += u32::from(row.status == JobStatus::Processing);
            self.open.insert(id, row);
        }
    }

    /// Whether the job is known and has not ended.
    pub fn is_open(&self, id: JobId) -> bool {
        self.open.contains_key(&id)
    }

    /// Notes the new state of a job.
    pub fn changed(&mut self, id: JobId, row: JobRow) {
        if self
            .open
            .remove(&id)
            .is_some_and(|before| before.status == JobStatus::Processing)
        {
            self.running -= 1;
        }
        match row.status {
            JobStatus::Completed => self.completed += 1,
            JobStatus::Failed => self.failed += 1,
            JobStatus::Processing => self.running += 1,
            JobStatus::Pending => {}
        }
        if is_open(&row) {
            self.open.insert(id, row.clone());
        }
        self.show(id, row);
    }

    fn show(&mut self, id: JobId, row: JobRow) {
        self.next_place += 1;
        if let Some(place) = self.places.insert(id, self.next_place) {
            self.changed.remove(&place);
        }
        self.changed.insert(self.next_place, row);
        if self.changed.len() > CHANGED_MAX
            && let Some((_, oldest)) = self.changed.pop_first()
        {
            self.omitted += 1;
            if let Ok(id) = oldest.id.parse::<JobId>() {
                self.places.remove(&id);
            }
        }
    }

    /// Jobs on the device.
    pub fn on_device(&self) -> Vec<JobId> {
        self.open
            .iter()
            .filter(|(_, row)| row.status == JobStatus::Processing)
            .map(|(id, _)| *id)
            .collect()
    }

    /// Notes how far a job on the device is; finer steps than hundredths are no news.
    pub fn progress(&mut self, id: JobId, stage: String, fraction: f32) {
        let Some(row) = self
            .open
            .get_mut(&id)
            .filter(|row| row.status == JobStatus::Processing)
        else {
            return;
        };
        let stage = Some(stage).filter(|stage| !stage.is_empty());
        let fraction = Some((f64::from(fraction) * 100.0).round() / 100.0);
        if (&row.stage, row.fraction) == (&stage, fraction) {
            return;
        }
        (row.stage, row.fraction) = (stage, fraction);
        let row = row.clone();
        self.show(id, row);
    }

    /// The row with what is known of its progress.
    pub fn with_progress(&self, mut row: JobRow) -> JobRow {
        let known = row
            .id
            .parse::<JobId>()
            .ok()
            .and_then(|id| self.open.get(&id));
        if let Some(known) =
            known.filter(|known| (known.status, known.attempt) == (row.status, row.attempt))
        {
            (row.stage, row.fraction) = (known.stage.clone(), known.fraction);
        }
        row
    }

    /// What changed since the last call.
    pub fn take(&mut self) -> Option<JobsChanged> {
        self.places.clear();
        let jobs: Vec<JobRow> = std::mem::take(&mut self.changed).into_values().collect();
        let omitted = std::mem::take(&mut self.omitted);
        (!jobs.is_empty()).then_some(JobsChanged { jobs, omitted })
    }

    /// Jobs waiting and jobs on the device.
    pub fn load(&self) -> (u32, u32) {
        (self.open.len() as u32 - self.running, self.running)
    }

    /// Jobs by state.
    pub fn totals(&self) -> Totals {
        let (waiting, running) = self.load();
        Totals {
            pending: waiting.into(),
            processing: running.into(),
            completed: self.completed,
            failed: self.failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(id: JobId, status: JobStatus) -> JobRow {
        JobRow {
            id: id.to_string(),
            account_id: 1,
            key_id: None,
            batch_id: None,
            service: "object-removal".to_string(),
            pipeline: "default".to_string(),
            asynchronous: true,
            status,
            attempt: 0,
            price: 3,
            credits_used: 0,
            input_filename: None,
            width: 1,
            height: 1,
            created_at_ms: 0,
            started_at_ms: None,
            finished_at_ms: None,
            processing_ms: None,
            stage: None,
            fraction: None,
            error_code: None,
            error: None,
        }
    }

    #[test]
    fn a_job_shows_once_in_its_newest_state() {
        let (mut jobs, a, b) = (OpenJobs::default(), JobId::random(), JobId::random());
        for (id, status) in [
            (a, JobStatus::Pending),
            (b, JobStatus::Pending),
            (a, JobStatus::Processing),
        ] {
            jobs.changed(id, row(id, status));
        }
        assert_eq!(jobs.load(), (1, 1));
        let changed = jobs.take().unwrap();
        let seen: Vec<_> = changed
            .jobs
            .iter()
            .map(|row| (row.id.clone(), row.status))
            .collect();
        assert_eq!(
            seen,
            [
                (b.to_string(), JobStatus::Pending),
                (a.to_string(), JobStatus::Processing)
            ]
        );
        assert!(jobs.take().is_none());
        jobs.progress(a, "lama".to_string(), 0.501);
        jobs.progress(a, "lama".to_string(), 0.502);
        assert_eq!(jobs.take().unwrap().jobs[0].fraction, Some(0.5));
        jobs.progress(a, "lama".to_string(), 0.503);
        assert!(jobs.take().is_none(), "nothing new");
        jobs.changed(a, row(a, JobStatus::Completed));
        jobs.progress(a, "lama".to_string(), 0.9);
        assert_eq!(
            jobs.totals(),
            Totals {
                pending: 1,
                processing: 0,
                completed: 1,
                failed: 0
            }
        );
        assert_eq!(jobs.take().unwrap().jobs[0].status, JobStatus::Completed);
    }

    #[test]
    fn an_event_is_bounded_and_tells_what_it_leaves_out() {
        let mut jobs = OpenJobs::default();
        for _ in 0..1_000 {
            let id = JobId::random();
            jobs.changed(id, row(id, JobStatus::Failed));
        }
        let changed = jobs.take().unwrap();
        assert_eq!((changed.jobs.len(), changed.omitted), (CHANGED_MAX, 800));
        assert_eq!(jobs.totals().failed, 1_000);
        assert!(jobs.places.is_empty() && jobs.open.is_empty());
    }
}
