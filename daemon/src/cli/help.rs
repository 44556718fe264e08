//! `completions` and `man`: what packages install beside the program, made from the same definition as `--help`.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Context;
use clap::CommandFactory;
use clap_complete::Shell;

use super::args::Cli;

const NAME: &str = "cleanplate";

/// Prints the completions of a shell.
pub fn completions(shell: Shell) -> anyhow::Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), NAME, &mut text);
    crate::print::out(format_args!("{}", String::from_utf8_lossy(&text)));
    Ok(ExitCode::SUCCESS)
}

/// Writes `cleanplate.1` and a page for each command, `cleanplate-run.1` and so on.
pub fn man(dir: &Path) -> anyhow::Result<ExitCode> {
    let named = || format!("writing man pages into {}", dir.display());
    std::fs::create_dir_all(dir).with_context(named)?;
    clap_mangen::generate_to(Cli::command(), dir).with_context(named)?;
    Ok(ExitCode::SUCCESS)
}
