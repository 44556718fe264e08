//! The Cleanplate daemon and its command line.

// First: its macros hold for all that follows.
#[macro_use]
mod print;

mod admin;
mod answer;
mod app;
mod blocking;
mod cgroup;
mod cli;
mod clock;
mod config;
mod connections;
mod database;
mod feed;
mod files;
mod folder;
mod hex;
mod http;
mod jobs;
mod limits;
mod local;
mod monitor;
mod node;
mod outbound;
mod pairing;
mod params;
mod picture;
mod process;
mod prompts;
mod refusal;
mod reserve;
mod router;
mod serve;
mod telemetry;
mod tuning;
mod webhooks;

use std::path::Path;
use std::process::ExitCode;

/// What the program says of itself: a release names its commit too.
const VERSION: &str = match option_env!("RELEASE_VERSION") {
    Some(version) => version,
    None => env!("CARGO_PKG_VERSION"),
};

#[global_allocator]
static ALLOCATOR: reserve::Allocator = reserve::Allocator;

fn main() -> ExitCode {
    silence_device_selection();
    let code = cli::main();
    if code == ExitCode::SUCCESS && print::is_lost() {
        return ExitCode::FAILURE;
    }
    code
}

/// Mesa's layer that selects a Vulkan device asks the desktop for it, and complains on standard error where there is none:
/// nobody misses it there, unless a device was chosen through it.
fn silence_device_selection() {
    let desktop =
        std::env::var_os("XDG_RUNTIME_DIR").is_some_and(|dir| Path::new(&dir).is_absolute());
    if !desktop && std::env::var_os("MESA_VK_DEVICE_SELECT").is_none() {
        // SAFETY: no other thread runs yet.
        unsafe { std::env::set_var("NODEVICE_SELECT", "1") };
    }
}
