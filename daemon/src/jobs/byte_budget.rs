//! Memory for pictures: what is decoded at the same time, for jobs, folders and the dashboard, takes at most so many bytes
//! together. What each will take is known from its header.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex};
use std::time::Duration;

use cleanplate_basics::lock;
use cleanplate_pictures::{Header, ImageError, Limits, ask, probe};
use cleanplate_plugins::patchmatch::filling_bytes_max;
use cleanplate_plugins::sam::FOUND_BYTES;

use super::Service;
use crate::cgroup::memory_bytes_max;
use crate::reserve::{STANDING_BYTES, keep};

/// Longest sleep between looks at the wish to stop.
const NAP: Duration = Duration::from_millis(100);

/// Bytes of a fill as large as the photo for each of its pixels.
const CANDIDATE_BYTES: u64 = 12;
/// Bytes that writing a photo in another type than its own takes for each pixel: lossless WebP takes the most.
const CONVERSION_BYTES: u64 = 16;
/// The same with an alpha plane: lossy WebP takes the most.
const ALPHA_CONVERSION_BYTES: u64 = 44;
/// Bytes for each pixel of a photo with alpha while its hidden colours are completed.
const COMPLETED_BYTES: u64 = 6;
/// Memory of everything that is no picture: threads, the database, uploads under way, a small network.
const OTHER_BYTES: u64 = 512 << 20;
/// The least that pictures get, whatever the system says.
const LEAST_BYTES: u64 = 64 << 20;
/// Masks beside a photo: as sent, as grown, as blended.
const MASKS: u64 = 3;

/// Room for the pictures that are decoded. First come, first served: small ones in endless succession would keep out a large one,
/// and with it the jobs behind it. Who holds some must not wait for more.
#[derive(Debug)]
pub struct ByteBudget {
    bytes_max: u64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    taken: u64,
    next_ticket: u64,
    /// Tickets of those who wait, in the order in which they came.
    waiting: VecDeque<u64>,
}

/// Bytes that a job has taken. As many are kept for it where the system would not have them later.
#[derive(Debug)]
pub struct TakenBytes<'a> {
    room: &'a ByteBudget,
    bytes: u64,
}

impl Drop for TakenBytes<'_> {
    fn drop(&mut self) {
        let mut state = lock(&self.room.state);
        state.taken -= self.bytes;
        // Less than before: there is nothing to refuse.
        let _ = keep(state.taken.saturating_add(STANDING_BYTES), 0);
        drop(state);
        self.room.changed.notify_all();
    }
}

/// The part of `bytes` that the system has for this process, `OTHER_BYTES` besides: what is admitted must not fail later.
pub fn to_be_had(bytes: u64) -> u64 {
    let allowed = memory_bytes_max().map(|max| max.saturating_sub(OTHER_BYTES).max(LEAST_BYTES));
    let mut fits = allowed.map_or(bytes, |allowed| allowed.min(bytes));
    while fits > LEAST_BYTES && ask(fits + OTHER_BYTES).is_err() {
        fits -= fits / 8;
    }
    fits
}

/// Most bytes that a removal takes at a time: while the photo is decoded, then the mask, then while the hole is filled and the
/// result written.
pub fn removal_bytes(photo: &Header, mask: Option<&Header>, candidates: u64) -> u64 {
    let pixels = (photo.width * photo.height) as u64;
    // As it came, its alpha twice, and what completes hidden colours.
    let alpha = if photo.channels.has_alpha() {
        2 * photo.need.photo_bytes + COMPLETED_BYTES * pixels
    } else {
        0
    };
    let conversion = conversion_per_pixel(photo);
    let (photo, mask) = (&photo.need, mask.map(|mask| &mask.need));
    let masks = MASKS * pixels;
    let fills = filling_bytes_max(pixels as usize) as u64;
    let second = mask.map_or(0, |mask| mask.cut_bytes_max);
    // Each candidate's fill, and its photo besides the result's; of one of them, the photo as it came.
    let others = candidates * (photo.photo_bytes + CANDIDATE_BYTES * pixels);
    let written = photo.encode_bytes_max.max(conversion * pixels);
    let work = photo.photo_bytes + alpha + masks + others + fills.max(written);
    photo
        .decode_bytes_max
        .max(photo.photo_bytes + second)
        .max(work)
}

/// Most bytes that finding an object takes at a time: while the photo is decoded, then while its mask is made and written.
pub fn preview_bytes(photo: &Header) -> u64 {
    let pixels = (photo.width * photo.height) as u64;
    let alpha = match photo.channels.has_alpha() {
        true => 2 * photo.need.photo_bytes,
        false => 0,
    };
    let work = photo.need.photo_bytes + alpha + FOUND_BYTES * pixels;
    photo.need.decode_bytes_max.max(work)
}

fn conversion_per_pixel(photo: &Header) -> u64 {
    match photo.channels.has_alpha() {
        true => ALPHA_CONVERSION_BYTES,
        false => CONVERSION_BYTES,
    }
}

/// Most bytes that writing a picture in another form takes at a time.
pub fn conversion_bytes(photo: &Header) -> u64 {
    let pixels = (photo.width * photo.height) as u64;
    let written = photo
        .need
        .encode_bytes_max
        .max(conversion_per_pixel(photo) * pixels);
    (photo.need.decode_bytes_max).max(photo.need.photo_bytes + written)
}

/// Probes the pictures of a job: the bytes that it takes.
pub fn probe_job(
    service: Service,
    photo: &[u8],
    mask: Option<&[u8]>,
    candidates: u64,
    limits: &Limits,
) -> Result<u64, ImageError> {
    let photo = probe(photo, limits)?;
    let mask = mask.map(|mask| probe(mask, limits)).transpose()?;
    Ok(match service {
        Service::Removal => removal_bytes(&photo, mask.as_ref(), candidates),
        Service::Segmentation => preview_bytes(&photo),
    })
}

impl ByteBudget {
    /// Room for so many bytes.
    pub fn new(bytes_max: u64) -> Self {
        ByteBudget {
            bytes_max,
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Waits until all who came before have theirs and these bytes fit, or nothing else runs, or `stop` says so. An error when the
    /// system has no such memory.
    pub fn take(&self, bytes: u64, stop: impl Fn() -> bool) -> Result<TakenBytes<'_>, ImageError> {
        let mut state = lock(&self.state);
        let ticket = state.next_ticket;
        state.next_ticket += 1;
        state.waiting.push_back(ticket);
        let fits = |state: &State| {
            state.waiting.front() == Some(&ticket)
                && (state.taken == 0 || state.taken.saturating_add(bytes) <= self.bytes_max)
        };
        while !fits(&state) && !stop() {
            state = self
                .changed
                .wait_timeout(state, NAP)
                .unwrap_or_else(std::sync::PoisonError::into_inner)
                .0;
        }
        state.waiting.retain(|other| *other != ticket);
        let taken = state.taken.saturating_add(bytes);
        let kept = keep(taken.saturating_add(STANDING_BYTES), bytes);
        if kept.is_ok() {
            state.taken = taken;
        }
        drop(state);
        self.changed.notify_all();
        kept.map(|()| TakenBytes { room: self, bytes })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_photos_wait_for_each_other_and_small_ones_do_not() {
        let room = ByteBudget::new(100);
        let first = room.take(60, || false).unwrap();
        let second = room.take(40, || false).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                // More than there ever is: alone.
                let third = room.take(1000, || false).unwrap();
                sender.send(()).unwrap();
                drop(third);
            });
            assert!(receiver.recv_timeout(Duration::from_millis(150)).is_err());
            drop(first);
            assert!(receiver.recv_timeout(Duration::from_millis(150)).is_err());
            drop(second);
            receiver.recv_timeout(Duration::from_secs(10)).unwrap();
        });
        assert_eq!(lock(&room.state).taken, 0);
        let _held = room.take(100, || false).unwrap();
        drop(room.take(100, || true).unwrap());
    }

    #[test]
    fn a_large_one_that_waits_is_not_overtaken_by_small_ones() {
        let room = ByteBudget::new(100);
        let first = room.take(60, || false).unwrap();
        let (sender, receiver) = std::sync::mpsc::channel();
        let line = |length: usize| {
            while lock(&room.state).waiting.len() < length {
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        std::thread::scope(|scope| {
            for (at, bytes) in [90, 20].into_iter().enumerate() {
                let (sender, room) = (sender.clone(), &room);
                scope.spawn(move || {
                    let _held = room.take(bytes, || false).unwrap();
                    sender.send(bytes).unwrap();
                });
                line(at + 1);
            }
            assert!(receiver.recv_timeout(Duration::from_millis(150)).is_err());
            drop(first);
            let order = [(); 2].map(|()| receiver.recv_timeout(Duration::from_secs(10)).unwrap());
            assert_eq!(order, [90, 20]);
        });
        assert_eq!(lock(&room.state).taken, 0);
    }
}
