//! Progress out, cancellation in.

/// Watches a run. Called from the thread that runs the pipeline, often: keep it cheap.
pub trait Observer: Sync {
    /// A stage (plugin name) has done `fraction` (0..=1) of its work.
    fn stage(&self, name: &str, fraction: f32);
    /// Whether to stop before the next stage or crop.
    fn cancelled(&self) -> bool;
}

/// Watches nothing, never cancels.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoObserver;

impl Observer for NoObserver {
    fn stage(&self, _name: &str, _fraction: f32) {}
    fn cancelled(&self) -> bool {
        false
    }
}
