//! Progress of long work on model files.

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Bytes come from the network.
    Download,
    /// A file is read and hashed.
    Verify,
    /// The converted file is written.
    Write,
}

/// A step of the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub phase: Phase,
    /// Bytes done in this phase.
    pub done_bytes: u64,
    /// Bytes of this phase.
    pub total_bytes: u64,
}

/// Called often; `&mut |_| {}` for nobody.
pub type OnProgress<'a> = &'a mut dyn FnMut(Progress);

pub(super) trait Report {
    fn report(&mut self, phase: Phase, done_bytes: u64, total_bytes: u64);
}

impl Report for dyn FnMut(Progress) + '_ {
    fn report(&mut self, phase: Phase, done_bytes: u64, total_bytes: u64) {
        self(Progress {
            phase,
            done_bytes,
            total_bytes,
        });
    }
}
