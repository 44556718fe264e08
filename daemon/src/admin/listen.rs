//! The sockets of the admin interface: a Unix socket for this user, TCP where a token is configured.

use std::net::TcpListener;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::config::Admin;

/// Longest path that the system lets a Unix socket have, bytes.
const PATH_BYTES_MAX: usize = 107;

/// Bound, not yet served.
pub struct Sockets {
    unix: Option<UnixListener>,
    tcp: Option<TcpListener>,
    file: Option<SocketFile>,
}

/// The socket in the file system, removed at the end.
struct SocketFile(PathBuf);

impl Drop for SocketFile {
    fn drop(&mut self) {
        // What stays is recognised as left behind by the next start.
        drop(std::fs::remove_file(&self.0));
    }
}

/// Binds what is configured.
pub fn bind(config: &Admin) -> anyhow::Result<Sockets> {
    let unix = config.socket.as_deref().map(bind_unix).transpose()?;
    let tcp = config.listen.map(TcpListener::bind).transpose();
    let tcp = tcp.with_context(|| {
        format!(
            "listening on {} for the admin interface",
            config.listen.map_or(String::new(), |a| a.to_string())
        )
    })?;
    if let Some(address) = config.listen.filter(|address| !address.ip().is_loopback()) {
        tracing::warn!(%address, "the admin interface is reachable from other machines, without encryption");
    }
    let (unix, file) = unix.unzip();
    Ok(Sockets { unix, tcp, file })
}

fn bind_unix(path: &Path) -> anyhow::Result<(UnixListener, SocketFile)> {
    // Bound under a name of its own, made private, then moved to its name: at no time can others connect.
    let name = path
        .file_name()
        .with_context(|| format!("admin.socket: {} is not the path of a file", path.display()))?;
    let fresh = path.with_file_name(format!(
        ".{}-{}",
        std::process::id(),
        name.to_string_lossy()
    ));
    let bytes = fresh.as_os_str().len();
    if bytes > PATH_BYTES_MAX {
        let excess = bytes - PATH_BYTES_MAX;
        bail!(
            "admin.socket: the path {} is {excess} bytes longer than a socket can have; set a shorter one, or \"off\"",
            path.display()
        );
    }
    clear(path)?;
    let tried = || format!("listening on {} for the admin interface", path.display());
    drop(std::fs::remove_file(&fresh));
    let listener = UnixListener::bind(&fresh).with_context(tried)?;
    let settled = std::fs::set_permissions(&fresh, std::fs::Permissions::from_mode(0o600))
        .and_then(|()| std::fs::rename(&fresh, path));
    if settled.is_err() {
        drop(std::fs::remove_file(&fresh));
    }
    settled.with_context(tried)?;
    Ok((listener, SocketFile(path.to_path_buf())))
}

/// Makes way for a socket: what a daemon that died left is removed, anything else is in the way.
fn clear(path: &Path) -> anyhow::Result<()> {
    let kind = match path.symlink_metadata() {
        Ok(meta) => meta.file_type(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("looking at {}", path.display())),
    };
    if !kind.is_socket() {
        bail!(
            "admin.socket: {} is there and no socket; remove it or choose another path",
            path.display()
        );
    }
    match UnixStream::connect(path) {
        Ok(_) => bail!(
            "admin.socket: a running daemon listens on {}; stop it or choose another path",
            path.display()
        ),
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).with_context(|| {
                format!(
                    "removing the socket {} that an earlier run left",
                    path.display()
                )
            })
        }
        Err(error) => Err(error)
            .with_context(|| format!("finding out whether a daemon listens on {}", path.display())),
    }
}

impl Sockets {
    /// The sockets apart; the file of the Unix socket goes when the last part is dropped.
    pub fn split(self) -> (Option<UnixListener>, Option<TcpListener>, Box<dyn Send>) {
        (self.unix, self.tcp, Box::new(self.file))
    }
}
