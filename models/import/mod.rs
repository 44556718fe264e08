//! Readers of weight files. The format is found by content, never by the file's name.
//!
//! Safetensors files, TorchScript and `torch.save` archives, each also compressed with gzip. All readers give the same [`Weights`]:
//! names in the published checkpoints' form, tensors converted to `f32` only when asked for. No reader runs anything from a file, and every size is bounded by [`Limits`]:
//! a hostile file is an error.

mod archive;
mod bytes;
mod checkpoint;
mod directory;
mod names;
mod pickle;
mod safetensors;
mod tensor;
mod weights;
mod write;

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use flate2::read::GzDecoder;

use crate::error::ImportError;

pub use bytes::{Bytes, Stored};
pub use names::Names;
pub use tensor::{WeightTensor, WeightType};
pub use weights::Weights;
pub use write::write_safetensors;

/// Bounds on what a weight file may ask for. The defaults admit every published checkpoint with room to spare.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Size of the file in bytes.
    pub file_bytes_max: u64,
    /// Bytes unpacked from an archive or a compressed file, as a multiple of its own size (plus 64 MiB).
    pub expansion_max: u64,
    /// Entries of an archive.
    pub entries_max: u64,
    /// Size in bytes of the part that describes the tensors: the JSON header, or the pickle stream inside an archive.
    pub header_bytes_max: u64,
    /// Values that a pickle stream may create or copy.
    pub pickle_values_max: u64,
    /// Tensors of a file.
    pub tensors_max: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            // The largest published file, SAM's ViT-H, has 2,564,550,879 bytes.
            file_bytes_max: 4 << 30,
            expansion_max: 8,
            entries_max: 65_536,
            header_bytes_max: 16 << 20,
            pickle_values_max: 2 << 20,
            tensors_max: 65_536,
        }
    }
}

/// What kind of file the weights came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A safetensors file.
    Safetensors,
    /// A zip archive with a pickled module: TorchScript.
    TorchScript,
    /// A zip archive with a pickled dictionary: `torch.save` and Lightning checkpoints.
    Checkpoint,
}

/// Reads weight files within limits.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    limits: &'a Limits,
    names: &'a Names,
}

impl<'a> Reader<'a> {
    /// A reader that knows these names.
    pub fn new(limits: &'a Limits, names: &'a Names) -> Self {
        Reader { limits, names }
    }

    /// Reads a weight file.
    pub fn read(&self, path: &Path) -> Result<Weights, ImportError> {
        let io = |source| ImportError::Io {
            during: "reading the file".into(),
            source,
        };
        let mut file = File::open(path).map_err(io)?;
        let bytes = file.metadata().map_err(io)?.len();
        limit("file size in bytes", bytes, self.limits.file_bytes_max)?;
        let mut head = Vec::with_capacity(HEAD_BYTES);
        (&mut file)
            .take(HEAD_BYTES as u64)
            .read_to_end(&mut head)
            .map_err(io)?;
        file.seek(SeekFrom::Start(0)).map_err(io)?;
        match sniff(&head)? {
            Container::Zip => {
                // A handle of its own: this one's position is the reader's.
                let stored = Stored::new(File::open(path).map_err(io)?).map_err(io)?;
                let source = archive::Origin {
                    length: bytes,
                    stored: Some(stored),
                };
                archive::read(
                    BufReader::new(file),
                    source,
                    self,
                    archive::Nesting::Allowed,
                )
            }
            Container::Safetensors => {
                safetensors::read(Bytes::Stored(Stored::new(file).map_err(io)?), self)
            }
            Container::Gzip => self.read_gzip(file, bytes, archive::Nesting::Allowed),
        }
    }

    /// Reads a weight file that is in memory already.
    pub fn read_bytes(&self, bytes: Bytes) -> Result<Weights, ImportError> {
        self.read_nested(bytes, archive::Nesting::Allowed)
    }

    /// Reads a gzip-compressed weight file of `length` bytes; what is in it may not be compressed again.
    fn read_gzip(
        &self,
        reader: impl Read,
        length: u64,
        nesting: archive::Nesting,
    ) -> Result<Weights, ImportError> {
        let most = length
            .saturating_mul(self.limits.expansion_max)
            .saturating_add(archive::EXPANSION_FREE_BYTES)
            .min(self.limits.file_bytes_max);
        let mut data = Vec::new();
        let unpacked = GzDecoder::new(reader).take(most + 1).read_to_end(&mut data);
        unpacked.map_err(|source| ImportError::Io {
            during: "unpacking the gzip file".into(),
            source,
        })?;
        limit("bytes unpacked from gzip", data.len() as u64, most)?;
        if let Container::Gzip = sniff(&data[..data.len().min(HEAD_BYTES)])? {
            return Err(ImportError::Unrecognised {
                what: "a gzip file within a gzip file".into(),
            });
        }
        self.read_nested(Bytes::from(data), nesting)
    }

    fn read_nested(&self, bytes: Bytes, nesting: archive::Nesting) -> Result<Weights, ImportError> {
        let length = bytes.len() as u64;
        limit("file size in bytes", length, self.limits.file_bytes_max)?;
        let io = |source| ImportError::Io {
            during: "reading the file".into(),
            source,
        };
        let kind = sniff(&bytes.read(0..bytes.len().min(HEAD_BYTES)).map_err(io)?)?;
        if let Container::Safetensors = kind {
            return safetensors::read(bytes, self);
        }
        let whole = Cursor::new(bytes.read(0..bytes.len()).map_err(io)?);
        match kind {
            Container::Gzip => self.read_gzip(whole, length, nesting),
            _ => {
                let source = archive::Origin {
                    length,
                    stored: None,
                };
                archive::read(whole, source, self, nesting)
            }
        }
    }
}

const HEAD_BYTES: usize = 64;

enum Container {
    Zip,
    Gzip,
    Safetensors,
}

/// Finds the container format from the first bytes; names common mistakes (a saved web page, a pointer file).
fn sniff(head: &[u8]) -> Result<Container, ImportError> {
    let what = match head {
        [b'P', b'K', 3, 4, ..] => return Ok(Container::Zip),
        [0x1f, 0x8b, ..] => return Ok(Container::Gzip),
        // A safetensors file starts with the length of its JSON header, then the header's opening brace.
        [_, _, _, _, _, 0, 0, 0, b'{', ..] => return Ok(Container::Safetensors),
        [] => "the file is empty".to_string(),
        [0x80, 2..=5, ..] => {
            "a torch.save file in the format before PyTorch 1.6; save it again with `torch.save(torch.load(FILE), FILE)`".to_string()
        }
        _ if head.starts_with(b"version https://git-lfs") => "a Git LFS pointer, not the file itself; run `git lfs pull`".to_string(),
        _ if head.trim_ascii_start().starts_with(b"<") => "a web page, probably saved by a failed download".to_string(),
        _ => format!("it starts with the bytes {:02x?}", &head[..head.len().min(8)]),
    };
    Err(ImportError::Unrecognised { what })
}

/// Refuses `got` over `max`.
fn limit(what: &str, got: u64, max: u64) -> Result<(), ImportError> {
    if got > max {
        Err(ImportError::Limit {
            what: what.to_string(),
            got,
            max,
        })
    } else {
        Ok(())
    }
}
