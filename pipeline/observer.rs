//! Progress out, cancellation in.

/// Watches a run. Called from the thread that runs the pipeline and those that help it, often: keep it cheap.
pub trait Observer: Sync {
    /// A stage (plugin name) has done `fraction` (0..=1) of its work.
    fn stage(&self, name: &str, fraction: f32);
    /// Whether to stop before the next stage or crop.
    fn cancelled(&self) -> bool;
}

impl dyn Observer + '_ {
    /// What watches a graph that does part `part`, from 0, of `parts` of the stage `name`: hears which share of it is done, 0 to
    /// 1, and says whether to stop.
    pub fn watch<'s>(
        &'s self,
        name: &'s str,
        part: usize,
        parts: usize,
    ) -> impl Fn(f32) -> bool + 's {
        move |done| {
            self.stage(name, (part as f32 + done) / parts.max(1) as f32);
            self.cancelled()
        }
    }
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
