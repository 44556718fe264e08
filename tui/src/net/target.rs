//! Where the daemon is, and how a connection to it is made.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper::body::Bytes;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;

use super::NetError;

/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Header lines of replies: bytes kept while reading them.
const HEAD_BYTES_MAX: usize = 32 * 1024;

/// Body of requests: all of it is known before it is sent.
pub type Body = http_body_util::Full<Bytes>;

/// A daemon's admin interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A socket on this machine.
    Socket(PathBuf),
    /// A TCP listener with a token.
    Tcp {
        /// Host and port, as in the `Host` header.
        authority: String,
        /// What goes after `Authorization: Bearer`.
        token: String,
    },
}

impl Target {
    /// The target of a base address such as `http://10.0.0.5:8081`.
    pub fn url(url: &str, token: Option<String>) -> Result<Target, String> {
        if url.starts_with("https://") {
            return Err(format!(
                "{url}: TLS is not spoken here; use http:// through an SSH tunnel (ssh -L 8081:127.0.0.1:8081 host)"
            ));
        }
        let rest = url
            .strip_prefix("http://")
            .ok_or_else(|| format!("{url}: the address must start with http://"))?;
        let authority = rest.trim_end_matches('/');
        let valid = !authority.is_empty()
            && !authority.contains(['/', '?', '#', '@', ' '])
            && authority.is_ascii();
        if !valid {
            return Err(format!(
                "{url}: the address must be http://HOST:PORT and nothing else"
            ));
        }
        let port = authority
            .rsplit_once(':')
            .filter(|(_, port)| port.parse::<u16>().is_ok());
        let authority = port.map_or_else(|| format!("{authority}:80"), |_| authority.to_string());
        let token = token.ok_or_else(|| format!("{url}: a TCP address needs --token-file FILE, or the token in CLEANPLATE_ADMIN_TOKEN"))?;
        let token = token.trim().to_string();
        if token.is_empty() || !token.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(
                "the admin token is empty or holds characters that no token has".to_string(),
            );
        }
        Ok(Target::Tcp { authority, token })
    }

    /// For people.
    pub fn shown(&self) -> String {
        match self {
            Target::Socket(path) => path.display().to_string(),
            Target::Tcp { authority, .. } => format!("http://{authority}"),
        }
    }

    /// The `Host` header.
    pub fn host(&self) -> &str {
        match self {
            Target::Socket(_) => "localhost",
            Target::Tcp { authority, .. } => authority,
        }
    }

    /// The `Authorization` header.
    pub fn authorization(&self) -> Option<String> {
        match self {
            Target::Socket(_) => None,
            Target::Tcp { token, .. } => Some(format!("Bearer {token}")),
        }
    }

    /// Opens a connection. It lives in a task of its own that ends with the connection.
    pub async fn connect(&self) -> Result<SendRequest<Body>, NetError> {
        timeout(CONNECT_MAX, self.open())
            .await
            .map_err(|_| NetError::Connect {
                target: self.shown(),
                why: format!("no answer within {} s", CONNECT_MAX.as_secs()),
            })?
    }

    async fn open(&self) -> Result<SendRequest<Body>, NetError> {
        let connect = |e: std::io::Error| NetError::Connect {
            target: self.shown(),
            why: reason(self, &e),
        };
        match self {
            Target::Socket(path) => {
                shake(TokioIo::new(
                    UnixStream::connect(path).await.map_err(connect)?,
                ))
                .await
            }
            Target::Tcp { authority, .. } => {
                shake(TokioIo::new(
                    TcpStream::connect(authority).await.map_err(connect)?,
                ))
                .await
            }
        }
    }
}

async fn shake<I>(io: I) -> Result<SendRequest<Body>, NetError>
where
    I: hyper::rt::Read + hyper::rt::Write + Send + Unpin + 'static,
{
    let (send, connection) = http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(io)
        .await
        .map_err(NetError::broken)?;
    tokio::spawn(async move {
        // A broken connection is told by the request that runs on it.
        let _ = connection.await;
    });
    Ok(send)
}

fn reason(target: &Target, error: &std::io::Error) -> String {
    use std::io::ErrorKind;
    match (target, error.kind()) {
        (Target::Socket(_), ErrorKind::NotFound) => {
            "there is no such socket: is the daemon running, and with this data folder?".to_string()
        }
        (Target::Socket(_), ErrorKind::PermissionDenied) => {
            "permission denied: run as root or as the daemon's user".to_string()
        }
        (_, ErrorKind::ConnectionRefused) => "refused: the daemon is not running".to_string(),
        _ => error.to_string(),
    }
}

/// The socket in the data folder that the daemon uses when nothing else is configured.
pub fn default_socket() -> Option<PathBuf> {
    let set = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let folder = set("CLEANPLATE_SERVER_DATA_DIR")
        .or_else(|| set("STATE_DIRECTORY"))
        .or_else(|| set("XDG_DATA_HOME").map(|data| data.join("cleanplate")))
        .or_else(|| set("HOME").map(|home| home.join(Path::new(".local/share/cleanplate"))))?;
    Some(folder.join(cleanplate_api::admin::SOCKET_FILE))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        let token = || Some("secret\n".to_string());
        let tcp = |authority: &str| {
            Ok(Target::Tcp {
                authority: authority.to_string(),
                token: "secret".to_string(),
            })
        };
        assert_eq!(
            Target::url("http://10.0.0.5:8081/", token()),
            tcp("10.0.0.5:8081")
        );
        assert_eq!(Target::url("http://plates", token()), tcp("plates:80"));
        for url in [
            "https://plates",
            "plates:80",
            "http://",
            "http://a/b",
            "http://u@h",
            "http://a b",
        ] {
            assert!(Target::url(url, token()).is_err(), "{url}");
        }
        assert!(
            Target::url("http://plates", None)
                .unwrap_err()
                .contains("--token-file")
        );
        assert!(Target::url("http://plates", Some("a\nb".to_string())).is_err());
    }
}
