//! Progress of long work, on a terminal only.

use std::io::IsTerminal;
use std::sync::Mutex;

use cleanplate_pipeline::Observer;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::lock::lock;

/// A bar on standard error; nothing where that is no terminal.
pub fn bar(total: u64, template: &str) -> ProgressBar {
    let bar = if std::io::stderr().is_terminal() {
        ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr())
    } else {
        ProgressBar::hidden()
    };
    // A template is fixed in this program; a broken one costs the looks, not the work.
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A pipeline's stages as a bar.
pub struct StageBar {
    bar: ProgressBar,
    steps: f64,
    seen: Mutex<Vec<String>>,
}

impl StageBar {
    /// A bar for a pipeline of so many steps.
    pub fn new(steps: usize) -> Self {
        StageBar {
            bar: bar(1000, "{msg:12} [{bar:40}] {percent:>3} %  {elapsed}"),
            steps: steps.max(1) as f64,
            seen: Mutex::default(),
        }
    }
    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for StageBar {
    fn stage(&self, name: &str, fraction: f32) {
        let mut seen = lock(&self.seen);
        if seen.last().is_none_or(|last| last != name) {
            seen.push(name.to_string());
            self.bar.set_message(name.to_string());
        }
        let done = (seen.len() - 1) as f64 + f64::from(fraction);
        self.bar
            .set_position((1000.0 * done / self.steps).min(1000.0) as u64);
    }
    fn cancelled(&self) -> bool {
        false
    }
}
