//! Log lines on standard error, and the newest of them in memory.

use std::sync::Arc;

use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer};

use super::tail::{Tail, TailLayer};
use crate::config::{LogFormat, Logging};

/// Starts logging for this process; the tail has the newest `lines_max` lines. A second call changes nothing.
pub fn start(config: &Logging, lines_max: usize) -> Arc<Tail> {
    let filter = EnvFilter::try_new(&config.level).unwrap_or_else(|_| EnvFilter::new("info"));
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
