//! Log lines on standard error.

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, Logging};

/// Starts logging for this process. A second call changes nothing.
pub fn start(config: &Logging) {
    let filter = EnvFilter::try_new(&config.level).unwrap_or_else(|_| EnvFilter::new("info"));
    let base = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let result = match config.format {
        LogFormat::Text => {
            base.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none()).try_init()
        }
        LogFormat::Json => base.json().flatten_event(true).try_init(),
    };
    if let Err(error) = result {
        eprintln!("logging: {error}");
    }
}
