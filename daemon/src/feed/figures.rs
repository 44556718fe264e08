//! Counts and times of the jobs of the last minute.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use cleanplate_api::JobStatus;
use cleanplate_api::admin::{JobRow, Latency};

/// Span of percentiles.
const WINDOW: Duration = Duration::from_secs(60);
/// Most times kept: at more jobs a minute the newest of them.
const SAMPLES_MAX: usize = 8_192;

/// What one second brought.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Second {
    pub completed: u32,
    pub failed: u32,
    pub credits: i64,
    /// Share of the time in which a job was on the device.
    pub busy: f64,
}

#[derive(Default)]
struct Times(VecDeque<(Instant, f64)>);

impl Times {
    fn note(&mut self, now: Instant, ms: f64) {
        if self.0.len() == SAMPLES_MAX {
            self.0.pop_front();
        }
        self.0.push_back((now, ms));
    }

    fn latency(&mut self, now: Instant) -> Latency {
        while self
            .0
            .front()
            .is_some_and(|(at, _)| now.duration_since(*at) > WINDOW)
        {
            self.0.pop_front();
        }
        let mut sorted: Vec<f64> = self.0.iter().map(|(_, ms)| *ms).collect();
        sorted.sort_unstable_by(f64::total_cmp);
        // Nearest rank: the smallest value that at least this share does not exceed.
        let at = |percent: usize| {
            sorted
                .get((sorted.len() * percent).div_ceil(100).saturating_sub(1))
                .copied()
        };
        Latency {
            p50_ms: at(50),
            p95_ms: at(95),
            p99_ms: at(99),
        }
    }
}

#[derive(Default)]
pub struct Figures {
    completed: u32,
    failed: u32,
    credits: i64,
    latency: Times,
    wait: Times,
    busy: Duration,
    busy_since: Option<Instant>,
}

impl Figures {
    /// Counts a job's change. `known`: it was open before.
    pub fn note(&mut self, row: &JobRow, known: bool) {
        let now = Instant::now();
        match row.status {
            JobStatus::Completed => {
                self.completed += 1;
                self.credits += row.credits_used;
                if let Some(ms) = row.processing_ms {
                    self.latency.note(now, ms);
                }
            }
            JobStatus::Failed => self.failed += 1,
            JobStatus::Processing if known => {
                if let Some(started_at_ms) = row.started_at_ms {
                    self.wait
                        .note(now, (started_at_ms - row.created_at_ms).max(0) as f64);
                }
            }
            JobStatus::Processing | JobStatus::Pending => {}
        }
    }

    /// Notes how many jobs are on the device from now on.
    pub fn set_running(&mut self, running: u32) {
        let now = Instant::now();
        match (running, self.busy_since) {
            (0, Some(since)) => {
                self.busy += now.duration_since(since);
                self.busy_since = None;
            }
            (1.., None) => self.busy_since = Some(now),
            _ => {}
        }
    }

    /// Ends a second that took `span`.
    pub fn second(&mut self, span: Duration) -> (Second, Latency, Latency) {
        let now = Instant::now();
        if let Some(since) = &mut self.busy_since {
            self.busy += now.duration_since(*since);
            *since = now;
        }
        let busy = std::mem::take(&mut self.busy).as_secs_f64() / span.as_secs_f64().max(1e-3);
        let second = Second {
            completed: std::mem::take(&mut self.completed),
            failed: std::mem::take(&mut self.failed),
            credits: std::mem::take(&mut self.credits),
            busy: busy.min(1.0),
        };
        (second, self.latency.latency(now), self.wait.latency(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_nearest_ranks_of_the_last_minute() {
        let mut times = Times::default();
        let start = Instant::now();
        assert_eq!(times.latency(start), Latency::default());
        times.note(start, 1e9);
        let later = start + WINDOW + Duration::from_secs(1);
        for ms in 1..=100 {
            times.note(later, f64::from(ms));
        }
        let latency = times.latency(later);
        assert_eq!(
            (latency.p50_ms, latency.p95_ms, latency.p99_ms),
            (Some(50.0), Some(95.0), Some(99.0))
        );
        let mut one = Times::default();
        one.note(start, 7.0);
        assert_eq!(one.latency(start).p99_ms, Some(7.0));
    }

    #[test]
    fn memory_is_bounded() {
        let mut times = Times::default();
        let now = Instant::now();
        for ms in 0..20_000 {
            times.note(now, f64::from(ms));
        }
        assert_eq!(times.0.len(), SAMPLES_MAX);
    }

    #[test]
    fn the_device_is_busy_while_jobs_run() {
        let mut figures = Figures::default();
        figures.set_running(1);
        // How long a job runs is what is measured.
        std::thread::sleep(Duration::from_millis(30));
        figures.set_running(0);
        let (second, _, _) = figures.second(Duration::from_millis(60));
        assert!(second.busy >= 0.5, "{second:?}");
        let (second, _, _) = figures.second(Duration::from_secs(1));
        assert_eq!(second.busy, 0.0);
    }
}
