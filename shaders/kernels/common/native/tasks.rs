//! Tasks over the threads of the current rayon pool.

use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Threads that a twin may use; scratch sizes are per lane.
pub fn lanes() -> usize {
    rayon::current_num_threads()
}

thread_local! {
    static THREADS_MAX: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// Runs `work`, whose tasks then use at most `threads_max` threads (at least this one): for work that is done before
/// another thread has woken up.
pub fn with_threads_max<T>(threads_max: usize, work: impl FnOnce() -> T) -> T {
    struct Restore(usize);
    impl Drop for Restore {
        fn drop(&mut self) {
            THREADS_MAX.set(self.0);
        }
    }
    let _restore = Restore(THREADS_MAX.replace(threads_max.max(1)));
    work()
}

/// Runs `task(index, scratch)` for every index below `count`, on as many threads as there are `lane_len`-float pieces
/// in `scratch` (at most [`lanes`], and what [`with_threads_max`] allows). The calling thread works too: one thread is
/// no parallel work at all. Threads take the next free index, so unequal tasks and busy cores even out.
/// Tasks must not start parallel work of their own.
pub fn run_tasks(
    count: usize,
    scratch: &mut [f32],
    lane_len: usize,
    task: impl Fn(usize, &mut [f32]) + Sync,
) {
    let threads = lanes().min(count).min(THREADS_MAX.get());
    let pieces: Vec<&mut [f32]> = if lane_len == 0 {
        (0..threads).map(|_| &mut [][..]).collect()
    } else {
        assert!(
            scratch.len() >= lane_len,
            "scratch of {} floats, one thread needs {lane_len}",
            scratch.len()
        );
        scratch.chunks_exact_mut(lane_len).take(threads).collect()
    };
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
    let mut pieces = pieces.into_iter();
    let (Some(own), others) = (pieces.next(), pieces) else {
        return;
    };
    if others.len() == 0 {
        return work(own);
    }
    let work = &work;
    rayon::in_place_scope(|scope| {
        others.for_each(|lane| scope.spawn(move |_| work(lane)));
        work(own);
    });
}

/// Runs `task(index, piece)` for the pieces of `out`, each `len` values long but for the last, as [`run_tasks`] does.
pub fn run_pieces(out: &mut [f32], len: usize, task: impl Fn(usize, &mut [f32]) + Sync) {
    let total = out.len();
    let out = Disjoint::new(out);
    run_tasks(total.div_ceil(len), &mut [], 0, |index, _| {
        let start = index * len;
        // SAFETY: every index is run once, and pieces of different indices do not overlap.
        task(index, unsafe { out.slice(start, len.min(total - start)) });
    });
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

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Mutex;
    use std::thread;

    use super::*;

    fn pool() -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new()
            .num_threads(3)
            .build()
            .unwrap()
    }

    #[test]
    fn every_index_runs_once() {
        for count in [0, 1, 2, 50] {
            let runs: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
            let mut scratch = [0.0; 7];
            pool().install(|| {
                run_tasks(count, &mut scratch, 3, |index, lane| {
                    assert_eq!(lane.len(), 3);
                    runs[index].fetch_add(1, Ordering::Relaxed);
                })
            });
            assert!(runs.iter().all(|n| n.load(Ordering::Relaxed) == 1));
        }
    }

    #[test]
    fn little_work_stays_on_its_thread() {
        let threads = Mutex::new(HashSet::new());
        let note = |_: usize, _: &mut [f32]| {
            threads.lock().unwrap().insert(thread::current().id());
            thread::sleep(std::time::Duration::from_millis(1));
        };
        with_threads_max(1, || run_tasks(50, &mut [], 0, note));
        assert_eq!(
            threads.lock().unwrap().drain().collect::<Vec<_>>(),
            [thread::current().id()]
        );
        pool().install(|| run_tasks(50, &mut [], 0, note));
        assert!(threads.into_inner().unwrap().len() > 1);
    }

    #[test]
    fn pieces_cover_the_output() {
        let mut out = vec![0.0; 10];
        run_pieces(&mut out, 4, |index, piece| piece.fill(index as f32 + 1.0));
        assert_eq!(out, [1.0, 1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0, 3.0, 3.0]);
    }
}
