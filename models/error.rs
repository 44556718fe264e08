//! Errors of weight files, networks and the model store.

use std::io;
use std::path::PathBuf;

use cleanplate_engine::EngineError;
use cleanplate_kernels::KernelError;

/// Why the bytes of a weight file were refused.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// The bytes are none of the known formats.
    #[error(
        "not a weight file: {what}; accepted are safetensors, TorchScript archives, Lightning checkpoints and torch.save files \
         (PyTorch 1.6 or later)"
    )]
    Unrecognised {
        /// What the bytes look like.
        what: String,
    },
    /// A pickle stream is damaged or uses something that no weight file needs.
    #[error("pickle, byte {at}: {why}")]
    Pickle {
        /// Offset of the opcode.
        at: usize,
        /// What is wrong.
        why: String,
    },
    /// A pickle stream names a Python function or class that no weight file needs. Nothing was run.
    #[error(
        "pickle, byte {at}: asks for the global `{name}`, which no weight file needs; refused, nothing of it was run"
    )]
    Global {
        /// Offset of the opcode.
        at: usize,
        /// `module name` as written in the stream.
        name: String,
    },
    /// A size in the file is beyond what is accepted.
    #[error("{what}: {got} is over the limit of {max}")]
    Limit {
        /// What is too large.
        what: String,
        /// The size found.
        got: u64,
        /// The limit.
        max: u64,
    },
    /// A zip archive or one of its entries cannot be used.
    #[error("archive entry {entry}: {why}")]
    Archive {
        /// Entry name, or what was looked for.
        entry: String,
        /// What is wrong.
        why: String,
    },
    /// One tensor's description does not fit its data.
    #[error("tensor {name}: {why}")]
    Tensor {
        /// Tensor name.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// The safetensors header or layout is invalid.
    #[error("safetensors: {0}")]
    Safetensors(String),
    /// The file cannot be read.
    #[error("{during}: {source}")]
    Io {
        /// What was being read.
        during: String,
        /// The system's message.
        source: io::Error,
    },
}

/// What can go wrong between a model's name and its graph.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A file could not be imported.
    #[error("{}: {source}", file.display())]
    Import {
        /// The file.
        file: PathBuf,
        /// Why.
        source: ImportError,
    },
    /// A tensor's values cannot be read.
    #[error("{name}: {source}")]
    Tensor {
        /// Its name.
        name: String,
        /// Why.
        source: ImportError,
    },
    /// Weights do not fit the network.
    #[error("{} weights do not fit: {}", arch, summary(problems))]
    Weights {
        /// Network family.
        arch: &'static str,
        /// One line per tensor that is missing, wrongly shaped or superfluous.
        problems: Vec<String>,
    },
    /// Sizes that the network cannot have.
    #[error("{arch}: {why}")]
    Config {
        /// Network family.
        arch: &'static str,
        /// What is wrong and what is accepted.
        why: String,
    },
    /// A kernel refused a layer's weights.
    #[error("layer {layer}: {source}")]
    Kernel {
        /// Layer name as in the checkpoint.
        layer: String,
        /// The kernel's own message.
        source: KernelError,
    },
    /// Two kernels that a network relies on being one operation cannot be folded: a programmer's error.
    #[error("layer {layer}: its operations cannot be folded into one")]
    Fusion {
        /// Layer name as in the checkpoint.
        layer: String,
    },
    /// The engine refused a graph or a run.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A name that neither this program nor the model folder knows.
    #[error(
        "no model named {name}; known are {known}; `cleanplate models import FILE --as {name}` adds one"
    )]
    Unknown {
        /// The name asked for.
        name: String,
        /// Names known to this program.
        known: String,
    },
    /// A known model whose weights are not there.
    #[error("model {name} is not there: {remedy}")]
    Absent {
        /// The model.
        name: String,
        /// Commands that bring it.
        remedy: String,
    },
    /// A model that no published file is pinned for.
    #[error(
        "model {name} has no published file to download; `cleanplate models import FILE --as {name}`"
    )]
    NotPublished {
        /// The model.
        name: String,
    },
    /// A file is not what its name stands for.
    #[error("{name} cannot be made of this file: it holds {found}, wanted {wanted}")]
    Arch {
        /// The model.
        name: String,
        /// What the file is.
        found: String,
        /// What it should be, and under which name it can be imported.
        wanted: String,
    },
    /// A model that does something else than what it is wanted for.
    #[error("model {name} ({arch}) {does}; a network that {wanted} is needed")]
    Role {
        /// The model.
        name: String,
        /// Its network family.
        arch: String,
        /// What it does.
        does: &'static str,
        /// What it should do.
        wanted: &'static str,
    },
    /// A name that cannot be a model's.
    #[error(
        "{name:?} cannot be a model's name: up to 64 lower-case letters, digits, `-`, `_` and inner dots, a letter or digit first"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// The name of an embedded model.
    #[error("{name} is embedded in the program and cannot be replaced; import under another name")]
    Reserved {
        /// The model.
        name: String,
    },
    /// Stored weights are not the recorded ones.
    #[error("model {name}: {} has SHA-256 {got}, recorded is {want}; import or pull it again", file.display())]
    Hash {
        /// The model.
        name: String,
        /// The stored file.
        file: PathBuf,
        /// Recorded hash.
        want: String,
        /// Hash of the bytes.
        got: String,
    },
    /// A record or manifest is invalid.
    #[error("{}: {why}", file.display())]
    Record {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The model folder cannot be read or written.
    #[error("{during} ({}): {source}", path.display())]
    Store {
        /// What was being done.
        during: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's message.
        source: io::Error,
    },
    /// A download failed.
    #[error("downloading {url}: {why}")]
    Download {
        /// The address.
        url: String,
        /// What happened.
        why: String,
    },
    /// A golden file lacks something or is of another network.
    #[error("golden file {}: {why}", file.display())]
    Golden {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        why: String,
    },
}

/// The first problems, and how many there are in all.
fn summary(problems: &[String]) -> String {
    const SHOWN: usize = 8;
    let shown = problems[..problems.len().min(SHOWN)].join("; ");
    match problems.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}
