//! Memory kept for work that was admitted.
//!
//! What a picture will take is computed before work on it begins ([`crate::jobs::ByteBudget`]), but is taken step by step, much of it
//! by crates that end the process where an allocation fails. So as much as was admitted is kept in hand from then on: address
//! space that nobody has touched, which costs two calls of the system and no memory. An allocation that the system refuses
//! takes its room from it and is tried again. Where the system never refuses (overcommitted memory without a limit), it does nothing.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::Mutex;

use cleanplate_basics::lock;
use cleanplate_pictures::ImageError;
use memmap2::MmapMut;

/// Kept besides what was admitted, for everything that is no picture: requests, the database, reports.
pub const STANDING_BYTES: u64 = 32 << 20;
/// The least that is given up at a time.
const STEP_BYTES: usize = 1 << 20;

static KEPT: Mutex<Option<MmapMut>> = Mutex::new(None);

/// The system's allocator, and the reserve where that has no more.
pub struct Allocator;

// SAFETY: every place is the system allocator's own, asked for with what the caller asked for.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        insist(layout.size(), || unsafe { System.alloc(layout) })
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        insist(layout.size(), || unsafe { System.alloc_zeroed(layout) })
    }
    unsafe fn dealloc(&self, place: *mut u8, layout: Layout) {
        unsafe { System.dealloc(place, layout) }
    }
    unsafe fn realloc(&self, place: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // One that fails leaves the old place as it was.
        insist(size, || unsafe { System.realloc(place, layout, size) })
    }
}

/// What `take` gets, in the end out of the reserve.
fn insist(bytes: usize, take: impl Fn() -> *mut u8) -> *mut u8 {
    loop {
        let place = take();
        if !place.is_null() || !give_up(bytes) {
            return place;
        }
    }
}

/// Makes the reserve smaller by so many bytes; false when there is none. Allocates nothing.
#[cold]
fn give_up(bytes: usize) -> bool {
    let mut kept = lock(&KEPT);
    let Some(room) = kept.take() else {
        return false;
    };
    let left = room.len().saturating_sub(bytes.max(STEP_BYTES));
    drop(room);
    // The last of it leaves nothing, so that who insists comes to an end.
    *kept = (left > 0).then(|| MmapMut::map_anon(left).ok()).flatten();
    true
}

/// Keeps `wanted` bytes from now on instead of what was kept, or as many as there are; an error when `least` are not to be
/// had, and then everything is as before.
pub fn keep(wanted: u64, least: u64) -> Result<(), ImageError> {
    let none = || ImageError::OutOfMemory { bytes: least };
    let size = |bytes| usize::try_from(bytes).map_err(|_| none());
    let (wanted, least) = (size(wanted)?, size(least)?);
    let mut kept = lock(&KEPT);
    let before = kept.take().map_or(0, |room| room.len());
    let mut bytes = wanted;
    loop {
        if let Ok(room) = MmapMut::map_anon(bytes) {
            *kept = Some(room);
            return Ok(());
        }
        if bytes <= least {
            *kept = MmapMut::map_anon(before).ok();
            return match least {
                0 => Ok(()),
                _ => Err(none()),
            };
        }
        bytes = (bytes - bytes.div_ceil(8)).max(least);
    }
}
