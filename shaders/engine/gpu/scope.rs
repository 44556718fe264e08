//! Error scopes round device work: every error becomes an [`EngineError`] that names the work, never a panic.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use super::device::{Gpu, block_on};
use crate::cpu::panic_text;
use crate::error::EngineError;

impl Gpu {
    /// Runs `work` (called `during` in errors, for a plan of `need_bytes`) under error scopes of this thread.
    ///
    /// The order of blame: a lost device, memory, `work`'s own error, driver and validation errors.
    pub fn scoped<T>(
        &self,
        during: &str,
        need_bytes: u64,
        work: impl FnOnce() -> Result<T, EngineError>,
    ) -> Result<T, EngineError> {
        let filters = [
            wgpu::ErrorFilter::OutOfMemory,
            wgpu::ErrorFilter::Internal,
            wgpu::ErrorFilter::Validation,
        ];
        self.status.take_errors();
        let mut scopes: Vec<wgpu::ErrorScopeGuard> = filters
            .map(|filter| self.device.push_error_scope(filter))
            .into();
        let result = catch_unwind(AssertUnwindSafe(work));
        let mut errors: Vec<wgpu::Error> = Vec::new();
        while let Some(scope) = scopes.pop() {
            errors.extend(block_on(scope.pop()));
        }
        let failed = !errors.is_empty() || !matches!(result, Ok(Ok(_)));
        if failed {
            // Lets the device tell that it is lost before anything else is blamed.
            let _ = self.poll(wgpu::PollType::Poll);
        }
        if let Some(detail) = self.status.lost() {
            return Err(EngineError::DeviceLost {
                during: during.into(),
                detail,
            });
        }
        if errors
            .iter()
            .any(|e| matches!(e, wgpu::Error::OutOfMemory { .. }))
        {
            return Err(EngineError::OutOfMemory {
                during: during.into(),
                need_bytes,
            });
        }
        let mut details: Vec<String> = errors.iter().map(ToString::to_string).collect();
        details.extend(self.status.take_errors());
        let value = match result {
            Ok(Ok(value)) => Some(value),
            Ok(Err(error)) if details.is_empty() => return Err(error),
            Ok(Err(_)) => None,
            Err(panic) => {
                details.push(panic_text(&*panic));
                None
            }
        };
        match value {
            Some(value) if details.is_empty() => Ok(value),
            _ => Err(EngineError::Device {
                during: during.into(),
                detail: details.join("; "),
            }),
        }
    }

    /// Polls the device. wgpu panics when a device is lost while it waits; that is a loss like any other.
    pub fn poll(&self, poll: wgpu::PollType) -> Result<(), wgpu::PollError> {
        match catch_unwind(AssertUnwindSafe(|| self.device.poll(poll))) {
            Ok(result) => result.map(|_| ()),
            Err(panic) => {
                self.status.lose(panic_text(&*panic));
                Ok(())
            }
        }
    }

    /// Waits until a submission is done. Taking longer than `wait` counts as loss of the device.
    pub fn wait(
        &self,
        submission: wgpu::SubmissionIndex,
        wait: Duration,
        during: &str,
    ) -> Result<(), EngineError> {
        let result = self.poll(wgpu::PollType::Wait {
            submission_index: Some(submission),
            timeout: Some(wait),
        });
        if matches!(result, Err(wgpu::PollError::Timeout)) {
            self.status
                .lose(format!("no answer within {} s", wait.as_secs_f32()));
        }
        match self.status.lost() {
            Some(detail) => Err(EngineError::DeviceLost {
                during: during.into(),
                detail,
            }),
            None => result.map_err(|e| EngineError::Device {
                during: during.into(),
                detail: e.to_string(),
            }),
        }
    }
}
