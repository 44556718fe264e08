//! The Cleanplate daemon and its command line.

mod admin;
mod app;
mod cli;
mod config;
mod feed;
mod files;
mod folder;
mod http;
mod jobs;
mod limits;
mod picture;
mod refusal;
mod serve;
mod telemetry;
mod webhooks;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
