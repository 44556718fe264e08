//! The Cleanplate daemon and its command line.

mod admin;
mod app;
mod blocking;
mod cli;
mod clock;
mod config;
mod connections;
mod feed;
mod files;
mod folder;
mod http;
mod jobs;
mod limits;
mod monitor;
mod pairing;
mod picture;
mod prompts;
mod refusal;
mod router;
mod serve;
mod telemetry;
mod webhooks;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
