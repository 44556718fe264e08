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

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory, Parser};

    use super::{Cli, NAME};

    /// The commands in the examples of a help text: from the program's name up to a comment or what the shell takes.
    fn examples(help: &str) -> Vec<Vec<&str>> {
        let calls = help.lines().filter_map(|line| {
            let at = line.strip_prefix("  ")?.find("cleanplate ")?;
            line.get(2 + at..)
        });
        let calls = calls.map(|call| call.split("  ").next().unwrap_or(call));
        calls
            .map(|call| {
                let words = call.split_whitespace();
                words.take_while(|word| *word != ">").collect()
            })
            .collect()
    }

    fn check(command: &Command, path: &str) {
        let path = format!("{path} {}", command.get_name());
        let help = command.get_after_help().map(ToString::to_string);
        let help = help.map(|help| help.replace("$(date +%F)", "today"));
        let calls = help.iter().flat_map(|help| examples(help));
        let calls: Vec<Vec<&str>> = calls.collect();
        for call in &calls {
            let parsed = Cli::try_parse_from(call);
            assert!(parsed.is_ok(), "{path}: {call:?}: {}", parsed.unwrap_err());
        }
        let leaf = command.get_subcommands().next().is_none();
        assert!(!leaf || !calls.is_empty(), "{path} has no example");
        for sub in command.get_subcommands() {
            check(sub, &path);
        }
    }

    #[test]
    fn every_command_has_examples_that_it_takes() {
        let whole = Cli::command();
        assert_eq!(whole.get_name(), NAME);
        check(&whole, "");
    }
}
