//! Measured speed: how long until so many jobs have ended.

use std::sync::Mutex;
use std::time::Duration;

use super::lock;

/// Time of one job before any was measured.
const FIRST_GUESS_S: f64 = 2.0;
/// Weight of the newest job in the moving average.
const NEWEST: f64 = 0.2;
/// Longest time that is told.
const TOLD_S_MAX: u64 = 300;

/// A moving average of the time between the ends of jobs while the device is busy.
#[derive(Debug, Default)]
pub struct Throughput(Mutex<Option<f64>>);

impl Throughput {
    /// Notes a job's time, shared among the jobs that ran with it.
    pub fn note(&self, took: Duration) {
        let mut mean = lock(&self.0);
        let took = took.as_secs_f64();
        *mean = Some(mean.map_or(took, |old| old + NEWEST * (took - old)));
    }

    /// Whole seconds until `jobs` jobs have ended.
    pub fn seconds_for(&self, jobs: u32) -> u64 {
        let mean = lock(&self.0).unwrap_or(FIRST_GUESS_S);
        ((mean * f64::from(jobs)).ceil() as u64).clamp(1, TOLD_S_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_average_follows_what_is_measured() {
        let throughput = Throughput::default();
        assert_eq!(throughput.seconds_for(1), 2);
        throughput.note(Duration::from_secs(10));
        assert_eq!(throughput.seconds_for(3), 30);
        for _ in 0..50 {
            throughput.note(Duration::from_millis(100));
        }
        assert_eq!(throughput.seconds_for(10), 2);
        assert_eq!(throughput.seconds_for(1_000_000), 300);
    }
}
