//! Log lines on standard error, and the newest of them in memory.

use std::sync::{Arc, OnceLock};

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

use super::tail::{Tail, TailLayer};
use crate::config::{LogFormat, Logging};

/// What decides which lines are written.
static FILTER: OnceLock<reload::Handle<Targets, Registry>> = OnceLock::new();

/// Changes which lines are written from now on.
pub fn set_level(level: &str) {
    let filter = level.parse::<Targets>();
    if let (Some(handle), Ok(filter)) = (FILTER.get(), filter)
        && let Err(error) = handle.reload(filter)
    {
        tracing::error!(%error, "the log level stays as it was");
    }
}

/// Starts logging for this process; the tail has the newest `lines_max` lines. A second call changes nothing.
pub fn start(config: &Logging, lines_max: usize) -> Arc<Tail> {
    let filter =
        (config.level.parse()).unwrap_or_else(|_| Targets::new().with_default(LevelFilter::INFO));
    let base = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match config.format {
        LogFormat::Text => base
            .with_ansi(
                std::io::IsTerminal::is_terminal(&std::io::stderr())
                    && std::env::var_os("NO_COLOR").is_none(),
            )
            .boxed(),
        LogFormat::Json => base.json().flatten_event(true).boxed(),
    };
    let tail = Tail::new(lines_max);
    let (filter, handle) = reload::Layer::new(filter);
    drop(FILTER.set(handle));
    if let Err(error) = tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .with(TailLayer(tail.clone()))
        .try_init()
    {
        eprintln!("logging: {error}");
    }
    tail
}
