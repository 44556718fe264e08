//! Where a command writes a file that the user names: nothing but a regular file is replaced, and never an input.

use std::fs::{self, Metadata};
use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::Usage;

/// The name that stands for standard output.
const STDOUT: &str = "-";

/// A place for bytes.
#[derive(Debug, PartialEq, Eq)]
pub enum Sink {
    /// Standard output.
    Stdout,
    /// A file, which appears whole.
    File(PathBuf),
}

impl Sink {
    /// The place that an argument names. One at which something else than a regular file is, or one of `inputs`, is an error.
    pub fn of(flag: &str, path: &Path, inputs: &[&Path]) -> anyhow::Result<Sink> {
        if path == Path::new(STDOUT) {
            return Ok(Sink::Stdout);
        }
        let wrong = |what: &str| {
            let text = format!("{flag} {path:?}: {what}");
            anyhow::Error::from(Usage(text))
        };
        let there = match fs::symlink_metadata(path) {
            Ok(there) => there,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Sink::File(path.to_path_buf()));
            }
            Err(error) => return Err(error).with_context(|| format!("looking at {path:?}")),
        };
        if let Some(kind) = irregular(&there) {
            return Err(wrong(&format!(
                "is a {kind}; only a regular file is replaced, {STDOUT} is standard output"
            )));
        }
        let same = |input: &&&Path| {
            fs::metadata(input)
                .is_ok_and(|input| (input.dev(), input.ino()) == (there.dev(), there.ino()))
        };
        match inputs.iter().find(same) {
            Some(input) => Err(wrong(&format!(
                "is the input {input:?}; choose another name, inputs are never replaced"
            ))),
            None => Ok(Sink::File(path.to_path_buf())),
        }
    }

    /// Writes. A file has a temporary name first: what stands at its own is always whole.
    pub fn write(&self, bytes: &[u8]) -> anyhow::Result<()> {
        let path = match self {
            Sink::Stdout => {
                let mut out = std::io::stdout().lock();
                return out
                    .write_all(bytes)
                    .and_then(|()| out.flush())
                    .context("writing to standard output");
            }
            Sink::File(path) => path,
        };
        let dir = path
            .parent()
            .filter(|dir| !dir.as_os_str().is_empty())
            .unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(dir)
            .with_context(|| format!("writing into {}", dir.display()))?;
        let writing = || format!("writing {}", path.display());
        file.write_all(bytes).with_context(writing)?;
        fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644))
            .with_context(writing)?;
        // Work took a while: what has come to stand there since is not replaced either.
        Sink::of("writing", path, &[])?;
        file.persist(path).with_context(writing)?;
        Ok(())
    }
}

/// What something is that is no regular file.
fn irregular(meta: &Metadata) -> Option<&'static str> {
    let kind = meta.file_type();
    if kind.is_file() {
        None
    } else if kind.is_symlink() {
        Some("link")
    } else if kind.is_dir() {
        Some("folder")
    } else if kind.is_fifo() {
        Some("pipe")
    } else if kind.is_socket() {
        Some("socket")
    } else {
        Some("device")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regular_files_that_are_no_input_are_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("photo"), b"p").unwrap();
        fs::hard_link(at("photo"), at("same")).unwrap();
        fs::write(at("old"), b"o").unwrap();
        std::os::unix::fs::symlink(at("old"), at("link")).unwrap();
        std::os::unix::fs::symlink(at("nowhere"), at("dangling")).unwrap();
        let pipe = std::process::Command::new("mkfifo")
            .arg(at("pipe"))
            .status();
        assert!(pipe.unwrap().success());
        let photo = at("photo");
        let of = |path: &Path| Sink::of("--out", path, &[&photo]).map_err(|e| e.to_string());
        for (name, what) in [
            ("photo", "is the input"),
            ("same", "is the input"),
            ("link", "is a link"),
            ("dangling", "is a link"),
            ("pipe", "is a pipe"),
            (".", "is a folder"),
        ] {
            let error = of(&at(name)).unwrap_err();
            assert!(
                error.contains(what) && error.starts_with("--out "),
                "{error}"
            );
        }
        assert!(of(Path::new("/dev/null")).unwrap_err().contains("a device"));
        assert_eq!(of(Path::new("-")), Ok(Sink::Stdout));
        for name in ["old", "new"] {
            of(&at(name)).unwrap().write(b"bytes").unwrap();
            assert_eq!(fs::read(at(name)).unwrap(), b"bytes");
        }
        let late = of(&at("later")).unwrap();
        std::os::unix::fs::symlink(at("old"), at("later")).unwrap();
        assert!(late.write(b"x").is_err());
        assert_eq!(fs::read(at("old")).unwrap(), b"bytes");
    }
}
