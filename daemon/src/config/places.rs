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

pub(super) fn public_url(text: &str) -> Result<Option<String>, String> {
    let url = text.trim_end_matches('/');
    if url.is_empty() {
        return Ok(None);
    }
    let host = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"));
    match host {
        Some(host)
            if !host.is_empty()
                && host
                    .bytes()
                    .all(|byte| byte.is_ascii_graphic() && byte != b'"') =>
        {
            Ok(Some(url.to_string()))
        }
        _ => Err("empty, or an address such as \"https://plates.example.com\"".to_string()),
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
