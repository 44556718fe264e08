//! Progress of long work, on a terminal only.

use std::io::IsTerminal;
use std::sync::Mutex;

use cleanplate_basics::lock;
use cleanplate_pipeline::{Observer, Pipeline};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::jobs::Advance;

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

/// A pipeline's stages as a bar: each step takes its usual share of it and moves as far as it is.
pub struct StageBar {
    bar: ProgressBar,
    advance: Mutex<Advance>,
}

impl StageBar {
    /// A bar for a run of this pipeline.
    pub fn new(pipeline: &Pipeline) -> Self {
        StageBar {
            bar: bar(1000, "{msg:17} [{bar:40}] {percent:>3} %  {elapsed}"),
            advance: Mutex::new(Advance::guessed(pipeline)),
        }
    }
    /// Takes the bar away.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for StageBar {
    fn stage(&self, name: &str, fraction: f32) {
        let mut advance = lock(&self.advance);
        advance.step(name, f64::from(fraction));
        if self.bar.message() != name {
            self.bar.set_message(name.to_string());
        }
        self.bar.set_position((1000.0 * advance.done()) as u64);
    }
    fn cancelled(&self) -> bool {
        false
    }
}
