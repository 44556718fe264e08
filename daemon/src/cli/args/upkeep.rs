//! Arguments of what operators do now and then: backups, plugins of their own.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Output, Place};

/// `backup`
#[derive(Debug, Args)]
#[command(
    after_help = "In the file: the database, the keys that sign addresses and webhooks, and the folders pipelines and plugins of the
data folder. Keep it like a password. Not in it: imported models, the configuration file.

Examples:
  cleanplate backup /var/backups/cleanplate-$(date +%F).tar
  cleanplate backup all.tar --results"
)]
pub struct Backup {
    /// The file to write; it must not exist
    pub file: PathBuf,
    /// Take results, and the uploads of waiting jobs, too
    #[arg(long)]
    pub results: bool,
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub output: Output,
}

/// `restore`
#[derive(Debug, Args)]
#[command(
    after_help = "The backup is read and checked as a whole before anything is changed. Stop the daemon first.

Examples:
  cleanplate restore cleanplate-2026-11-30.tar --data /var/lib/cleanplate
  cleanplate restore all.tar --force"
)]
pub struct Restore {
    /// A file that `cleanplate backup` wrote
    pub file: PathBuf,
    /// Put it in the place of what is there, which moves into the folder before-restore-TIME
    #[arg(long)]
    pub force: bool,
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub output: Output,
}

/// `store`
#[derive(Debug, Subcommand)]
pub enum StoreCommand {
    /// Copy a whole store into an empty one of the other kind, all of it or nothing
    #[command(
        after_help = "SQLite is the file in the data folder, PostgreSQL the database that store.url names. Stop the daemons first. Rows,
balances and books are compared before anything is kept. Files of jobs stay where they are; the SQLite file and its keys
move into a folder before-copy-TIME once they are in PostgreSQL.

Examples:
  CLEANPLATE_STORE_URL=postgres://plates@db/plates cleanplate store copy --from sqlite --to postgres
  cleanplate store copy --from postgres --to sqlite"
    )]
    Copy {
        /// Where everything is
        #[arg(long)]
        from: Side,
        /// Where it goes
        #[arg(long)]
        to: Side,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
    /// Sign addresses with a new key from now on; for PostgreSQL (otherwise the key is a line of the file url-keys)
    #[command(after_help = "Example:\n  cleanplate store rotate-keys --keep 3")]
    RotateKeys {
        /// Keys that verify altogether: addresses that older ones signed die
        #[arg(long, default_value_t = 2, value_name = "KEYS")]
        keep: u32,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
}

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Side {
    /// The file in the data folder
    Sqlite,
    /// The database that store.url names
    Postgres,
}

/// `plugins`
#[derive(Debug, Subcommand)]
pub enum PluginsCommand {
    /// Write a plugin that works, to be changed into yours
    #[command(after_help = "Examples:
  cleanplate plugins new soften --entry process      a program in Python, in the folder soften
  cleanplate plugins new my-grain --entry wgsl       a compute shader

Then put its folder into the folder plugins of the data folder and name it in a pipeline of your own, a file in the
folder pipelines there, which requests may name once pipelines.allowed lists it:

  name = \"mine\"
  description = \"One sentence.\"
  [[step]]
  plugin = \"grow\"
  [[step]]
  plugin = \"patchmatch\"
  [[step]]
  plugin = \"soften\"
  parameters = { strength = 0.5 }")]
    New {
        /// Name of the plugin and of its folder: a letter, then letters, digits and -
        name: String,
        /// What it is made of
        #[arg(long)]
        entry: NewEntry,
        /// Folder in which its folder is made; this one if not given
        #[arg(long, value_name = "DIR")]
        into: Option<PathBuf>,
    },
    /// Read and check the plugin in a folder: its manifest, its program or shader
    #[command(after_help = "Example:\n  cleanplate plugins check ./soften")]
    Check {
        /// The folder with plugin.toml
        dir: PathBuf,
        #[command(flatten)]
        output: Output,
    },
}

/// What a plugin of the user is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum NewEntry {
    /// Any program: frames on standard input and output
    Process,
    /// A compute shader
    Wgsl,
}
