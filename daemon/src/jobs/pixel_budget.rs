//! Memory for photos: jobs that run at the same time have at most so many pixels together.

use std::sync::{Condvar, Mutex};
use std::time::Duration;

use super::lock;

/// Longest sleep between looks at the wish to stop.
const NAP: Duration = Duration::from_millis(100);

/// Room for the pixels of running jobs.
#[derive(Debug)]
pub struct PixelBudget {
    pixels_max: u64,
    taken: Mutex<u64>,
    freed: Condvar,
}

/// Pixels that a job has taken.
#[derive(Debug)]
pub struct Taken<'a> {
    room: &'a PixelBudget,
    pixels: u64,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        *lock(&self.room.taken) -= self.pixels;
        self.room.freed.notify_all();
    }
}

impl PixelBudget {
    /// Room for so many pixels.
    pub fn new(pixels_max: u64) -> Self {
        PixelBudget {
            pixels_max,
            taken: Mutex::default(),
            freed: Condvar::new(),
        }
    }

    /// Waits until these pixels fit, or nothing else runs, or `stop` says so.
    pub fn take(&self, pixels: u64, stop: impl Fn() -> bool) -> Taken<'_> {
        let mut taken = lock(&self.taken);
        while *taken > 0 && taken.saturating_add(pixels) > self.pixels_max && !stop() {
            taken = self
                .freed
                .wait_timeout(taken, NAP)
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .0;
        }
        *taken = taken.saturating_add(pixels);
        Taken { room: self, pixels }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_photos_wait_for_each_other_and_small_ones_do_not() {
        let room = PixelBudget::new(100);
        let first = room.take(60, || false);
        let second = room.take(40, || false);
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // More than there ever is: alone.
                let third = room.take(1000, || false);
                sender.send(()).unwrap();
                drop(third);
            });
            assert!(receiver.recv_timeout(Duration::from_millis(150)).is_err());
            drop(first);
            assert!(receiver.recv_timeout(Duration::from_millis(150)).is_err());
            drop(second);
            receiver.recv_timeout(Duration::from_secs(10)).unwrap();
        });
        assert_eq!(*lock(&room.taken), 0);
        let _held = room.take(100, || false);
        drop(room.take(100, || true));
    }
}
