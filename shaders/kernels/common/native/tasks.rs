//! Tasks over the threads of the current rayon pool.

use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

/// Threads that a twin may use; scratch sizes are per lane.
pub fn lanes() -> usize {
    rayon::current_num_threads()
}

/// Runs `task(index, scratch)` for every index below `count`, on as many threads as there are `lane_len`-float pieces
/// in `scratch` (at most [`lanes`]). Threads take the next free index, so unequal tasks and busy cores even out.
/// Tasks must not start parallel work of their own.
pub fn run_tasks(
    count: usize,
    scratch: &mut [f32],
    lane_len: usize,
    task: impl Fn(usize, &mut [f32]) + Sync,
) {
    let next = AtomicUsize::new(0);
    let work = |lane: &mut [f32]| {
        loop {
            let index = next.fetch_add(1, Ordering::Relaxed);
            if index >= count {
                return;
            }
            task(index, lane);
        }
    };
    let threads = lanes().min(count);
    if lane_len == 0 {
        (0..threads)
            .into_par_iter()
            .with_max_len(1)
            .for_each(|_| work(&mut []));
        return;
    }
    assert!(
        scratch.len() >= lane_len,
        "scratch of {} floats, one thread needs {lane_len}",
        scratch.len()
    );
    scratch
        .par_chunks_exact_mut(lane_len)
        .take(threads)
        .with_max_len(1)
        .for_each(work);
}

/// An output that several tasks fill, each its own elements.
#[derive(Clone, Copy)]
pub struct Disjoint<'a> {
    data: *mut f32,
    len: usize,
    life: PhantomData<&'a mut [f32]>,
}

// SAFETY: access goes only through `slice`, whose callers promise that no two tasks touch the same element.
unsafe impl Send for Disjoint<'_> {}
// SAFETY: as above.
unsafe impl Sync for Disjoint<'_> {}

impl<'a> Disjoint<'a> {
    /// Shares `data` among tasks.
    pub fn new(data: &'a mut [f32]) -> Self {
        Disjoint {
            data: data.as_mut_ptr(),
            len: data.len(),
            life: PhantomData,
        }
    }

    /// The elements `start..start + len`.
    ///
    /// # Safety
    /// While the result lives, no other slice of these elements exists.
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn slice(&self, start: usize, len: usize) -> &'a mut [f32] {
        assert!(
            start.checked_add(len).is_some_and(|end| end <= self.len),
            "{start} + {len} is outside {} floats",
            self.len
        );
        // SAFETY: inside the allocation (checked above), unaliased by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.data.add(start), len) }
    }
}
