//! Values that are more than a number or a word: addresses and folders.

use std::net::SocketAddr;
use std::path::PathBuf;

/// An address with a port, or a name that the system resolves to one.
pub(super) fn address(text: &str) -> Result<SocketAddr, String> {
    use std::net::ToSocketAddrs;
    let wanted = "an address or a name with a port, such as 127.0.0.1:8080 or localhost:8080";
    let resolved = text.to_socket_addrs().ok().and_then(|mut all| all.next());
    resolved.ok_or_else(|| wanted.to_string())
}

/// Where clients find the interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    /// Scheme, host and path, without a slash at the end.
    pub address: String,
    /// Its path alone: empty, or from its first slash on.
    pub path: String,
}

pub(super) fn public_url(text: &str) -> Result<Option<PublicUrl>, String> {
    let url = text.trim_end_matches('/');
    if url.is_empty() {
        return Ok(None);
    }
    let (_, path) = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"))
        .map(|rest| rest.split_at(rest.find('/').unwrap_or(rest.len())))
        .filter(|(host, path)| is_host(host) && is_path_prefix(path))
        .ok_or("empty, or an address such as \"https://plates.example.com\" or \"https://example.com/plates\"")?;
    Ok(Some(PublicUrl {
        address: url.to_string(),
        path: path.to_string(),
    }))
}

pub(super) fn is_host(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]_".contains(&byte);
    !text.is_empty() && text.bytes().all(good)
}

/// Whether this can stand before all paths: empty, or `/` and plain names.
pub fn is_path_prefix(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    let plain = text.len() <= 200 && text.bytes().all(good);
    let parts = text.split('/').skip(1);
    plain
        && (text.is_empty() || text.starts_with('/'))
        && !parts
            .into_iter()
            .any(|part| matches!(part, "" | "." | ".."))
}

/// Origins of web pages, or all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origins {
    /// Any page.
    All,
    /// These.
    Listed(Vec<String>),
}

/// `*`, or scheme, host and port as browsers send them.
pub(super) fn origins(list: Vec<String>) -> Result<Origins, String> {
    if list == ["*"] {
        return Ok(Origins::All);
    }
    let wrong = list.iter().find(|origin| {
        let host = origin
            .strip_prefix("https://")
            .or_else(|| origin.strip_prefix("http://"));
        !host.is_some_and(|host| is_host(host) && !host.bytes().any(|b| b.is_ascii_uppercase()))
    });
    match wrong {
        Some(origin) => Err(format!(
            "`server.cors_origins`: {origin:?} is no origin; write scheme, host and port such as \"https://app.example.com\", or \"*\" alone"
        )),
        None => Ok(Origins::Listed(list)),
    }
}

/// A name of a process: empty, or visible characters.
pub(super) fn process_name(text: &str) -> Result<String, String> {
    if text.len() <= 100 && text.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(text.to_string())
    } else {
        Err("at most 100 visible ASCII characters without spaces".to_string())
    }
}

pub(super) fn data_dir(text: &str) -> Result<PathBuf, String> {
    if !text.is_empty() {
        return Ok(PathBuf::from(text));
    }
    let from = |name: &str| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    from("STATE_DIRECTORY")
        .or_else(|| from("XDG_DATA_HOME").map(|dir| dir.join("cleanplate")))
        .or_else(|| from("HOME").map(|dir| dir.join(".local/share/cleanplate")))
        .ok_or_else(|| {
            "a folder, because neither STATE_DIRECTORY, XDG_DATA_HOME nor HOME is set".to_string()
        })
}
