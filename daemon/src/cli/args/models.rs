//! Arguments of what is done with networks' weights.

use std::path::PathBuf;

use clap::Subcommand;

use super::{Output, Place};

/// `models`
#[derive(Debug, Subcommand)]
pub enum ModelsCommand {
    /// List known models
    #[command(after_help = "Example:\n  cleanplate models list")]
    List {
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
    /// Download a published model, check its hash
    #[command(after_help = "Example:\n  cleanplate models pull big-lama")]
    Pull {
        /// Name
        name: String,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
    /// Take a weights file: TorchScript, Lightning checkpoint, state dict or safetensors
    #[command(after_help = "Example:\n  cleanplate models import big-lama.pt --as big-lama")]
    Import {
        /// The file
        file: PathBuf,
        /// Model that it is
        #[arg(long = "as", value_name = "NAME")]
        name: String,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
    /// Hash a model's weights and compare
    #[command(after_help = "Example:\n  cleanplate models verify big-lama")]
    Verify {
        /// Name
        name: String,
        #[command(flatten)]
        place: Place,
        #[command(flatten)]
        output: Output,
    },
}
