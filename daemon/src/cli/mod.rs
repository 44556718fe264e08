//! The command line: parses, dispatches, turns errors into exit codes (0 done, 1 failed, 2 usage).

pub mod args;

mod accounts;
mod backup;
mod bench;
mod check;
mod devices;
mod eval;
mod folder;
mod health;
mod help;
mod keys;
mod models;
mod open;
mod pipelines;
mod plugins;
mod progress;
mod restore;
mod run;
mod selftest;
mod sink;
mod store;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command, ConfigCommand, Place, Serve};

use crate::config::{self, Config, Flag};
use crate::print::explain;
use crate::telemetry::escaped_lines;

/// Runs the command of this process.
pub fn main() -> ExitCode {
    let outcome = match parse().command {
        Command::Serve(args) => serve(&args),
        Command::Run(args) => run::run(&args),
        Command::Folder(args) => folder::run(&args),
        Command::Keys(command) => keys::run(&command),
        Command::Accounts(command) => accounts::run(&command),
        Command::Models(command) => models::run(&command),
        Command::Pipelines(args) => pipelines::run(&args),
        Command::Plugins(command) => plugins::run(&command),
        Command::Config(ConfigCommand::Check { file, output }) => {
            check::run(file.as_deref(), output)
        }
        Command::Config(ConfigCommand::Show {
            place,
            changed,
            output,
        }) => check::show(&place, changed, output),
        Command::Completions { shell } => help::completions(shell),
        Command::Man { dir } => help::man(&dir),
        Command::Store(command) => store::run(&command),
        Command::Backup(args) => backup::run(&args),
        Command::Restore(args) => restore::run(&args),
        Command::Health(args) => health::run(&args),
        Command::Selftest(args) => selftest::run(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Eval(args) => eval::run(&args),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {}", escaped_lines(&explain(error.as_ref())));
            if error.is::<Usage>() {
                ExitCode::from(2)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

/// The command line. What it says of arguments that make no sense must not carry their escape sequences to a terminal: names
/// of files come there by way of patterns.
fn parse() -> Cli {
    let error = match Cli::try_parse() {
        Ok(cli) => return cli,
        Err(error) => error,
    };
    let controls = |arg: std::ffi::OsString| arg.to_string_lossy().contains(char::is_control);
    if std::env::args_os().any(controls) {
        // Without colours: in the coloured text theirs cannot be told from those of the arguments.
        eprint!("{}", escaped_lines(&error.render().to_string()));
        std::process::exit(error.exit_code());
    }
    error.exit()
}

/// An argument that makes no sense: exit code 2.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Usage(String);

/// Reads an argument, or says which one is wrong and what is expected.
fn usage<T>(flag: &str, text: &str, expected: &str, value: Option<T>) -> anyhow::Result<T> {
    value.ok_or_else(|| Usage(format!("{flag} {text:?}: expected {expected}")).into())
}

fn serve(args: &Serve) -> anyhow::Result<ExitCode> {
    let mut flags: Vec<Flag> = Vec::new();
    flags.extend(
        args.listen
            .clone()
            .map(|text| ("--listen", "server.listen", text)),
    );
    flags.extend(
        args.role
            .clone()
            .map(|text| ("--role", "server.role", text)),
    );
    flags.extend(
        args.backend
            .map(|backend| ("--backend", "engine.backend", backend.word().to_string())),
    );
    if args.open {
        // One's own machine is not paid for.
        for option in ["pricing.removal", "pricing.segmentation"] {
            flags.push(("--open", option, "0".to_string()));
        }
    }
    let config = load(&args.place, flags)?;
    if args.open {
        refuse_strangers(&config)?;
    }
    crate::serve::run(config, args.open)
}

/// An error where others than who sits at this machine could reach a daemon that asks for no key.
fn refuse_strangers(config: &Config) -> anyhow::Result<()> {
    let listen = config.server.listen;
    if !listen.ip().is_loopback() {
        let text = format!(
            "--open serves this machine alone, without a key, and server.listen is {listen}: use 127.0.0.1 or ::1, or leave out --open"
        );
        return Err(Usage(text).into());
    }
    if config.server.role != config::Role::All {
        let text = "--open is the whole service for one person, and server.role is another: use all, or leave out --open";
        return Err(Usage(text.to_string()).into());
    }
    if !config.server.proxies.is_empty() {
        let text = "--open serves this machine alone, without a key, and server.behind_proxy is on: turn it off, or leave out --open";
        return Err(Usage(text.to_string()).into());
    }
    Ok(())
}

/// Configuration of a command: defaults, file, variables, flags.
fn load(place: &Place, mut flags: Vec<Flag>) -> anyhow::Result<Config> {
    flags.extend(
        place
            .data
            .as_ref()
            .map(|dir| ("--data", "server.data_dir", dir.display().to_string())),
    );
    Ok(config::load(
        place.config.as_deref(),
        std::env::vars(),
        &flags,
    )?)
}

/// Prints one JSON object on standard output.
fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    println!("{}", serde_json::to_string(value)?);
    Ok(())
}
