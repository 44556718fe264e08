//! `cleanplate-tui`: the terminal dashboard of a Cleanplate daemon.
//!
//! Keys, pasted text and the daemon's events become actions and changes; these alter the [`state::State`] and leave effects;
//! the screen is drawn from the state. Only `app` and `net` know of time, sockets and the terminal, so everything else is
//! tested without them.

mod app;
mod args;
mod config;
mod draw;
mod net;
mod preview;
mod probe;
mod screen;
mod state;
mod terminal;
#[cfg(test)]
mod tests;
mod text;
mod widget;

use std::process::ExitCode;

use clap::Parser;

use crate::app::End;
use crate::args::{Args, Start};

fn main() -> ExitCode {
    let args = Args::parse();
    let start = match args.start(&|name| std::env::var(name).ok()) {
        Ok(start) => start,
        Err(message) => {
            eprintln!("cleanplate-tui: {message}");
            return ExitCode::from(2);
        }
    };
    match run(start) {
        Ok(End::Quit) => ExitCode::SUCCESS,
        Ok(End::Signal(name)) => {
            eprintln!("cleanplate-tui: ended by {name}");
            ExitCode::from(1)
        }
        Err(error) => {
            eprintln!("cleanplate-tui: {error}");
            ExitCode::from(1)
        }
    }
}

fn run(start: Start) -> std::io::Result<End> {
    terminal::require()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(2)
        .enable_all()
        .build()?;
    let picker = probe::picker(start.config.images);
    let mut state = state::State::new(
        &start.config,
        start.readonly,
        start.target.shown(),
        app::now_ms(),
    );
    state.colourless = start.colourless;
    let screen = terminal::TakenTerminal::take(start.config.mouse)?;
    let client = net::Client::new(start.target);
    let end = runtime.block_on(app::run(
        state,
        screen,
        client,
        preview::Renderer::new(picker),
    ));
    // Requests under way are not waited for.
    runtime.shutdown_background();
    end
}
