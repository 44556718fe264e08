//! What all commands take: where things are, and how to answer.

use std::path::PathBuf;

use clap::Args;

/// Where configuration and data are.
#[derive(Debug, Clone, Default, Args)]
pub struct Place {
    /// Configuration file over the defaults
    #[arg(long, value_name = "FILE", env = "CLEANPLATE_CONFIG")]
    pub config: Option<PathBuf>,
    /// Data folder
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

/// How to answer.
#[derive(Debug, Clone, Copy, Default, Args)]
pub struct Output {
    /// Print one JSON object on standard output
    #[arg(long)]
    pub json: bool,
}
