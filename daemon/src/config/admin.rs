//! `[admin]`: who looks after the daemon, and how they reach it.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::reader::Reader;

/// Shortest token, characters: 32 of hex are 128 bits.
const TOKEN_CHARS_MIN: usize = 32;
/// Most tokens; each is compared at every request.
const TOKENS_MAX: usize = 64;
const NAME_CHARS_MAX: usize = 64;

/// `[admin]`
#[derive(Debug, Clone)]
pub struct Admin {
    /// Path of the Unix socket; `None` = off.
    pub socket: Option<PathBuf>,
    /// Address and port; `None` = off.
    pub listen: Option<SocketAddr>,
    /// Who may use it over TCP.
    pub tokens: Vec<Token>,
    /// Event streams at a time.
    pub streams_max: u32,
    /// Log lines kept in memory.
    pub log_lines_max: usize,
    /// Longer side of kept previews in pixels; 0 = none are kept.
    pub preview_px_max: u32,
    /// How long uploads of failed asynchronous jobs are kept.
    pub retry_keep: Duration,
    /// Bytes of uploads up to which those of failed jobs are kept.
    pub retry_keep_bytes_max: u64,
}

/// A token and who has it.
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// For the audit table.
    pub name: String,
    /// The secret.
    pub secret: String,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Token({}, hidden)", self.name)
    }
}

pub(super) fn read(r: &mut Reader<'_>, data: &Path) -> Admin {
    let admin = Admin {
        socket: socket(&r.text("admin.socket"), data),
        listen: r.parsed("admin.listen", None, |text| {
            let address = (!text.is_empty()).then(|| text.parse()).transpose();
            address.map_err(|_| "an address and port such as 127.0.0.1:8081, or empty".to_string())
        }),
        tokens: tokens(r),
        streams_max: r.whole("admin.streams_max", 1..=1_000) as u32,
        log_lines_max: r.whole("admin.log_lines_max", 100..=100_000) as usize,
        preview_px_max: r.whole("admin.preview_px_max", 0..=4_096) as u32,
        retry_keep: Duration::from_secs(r.whole("admin.retry_keep_h", 0..=24 * 365) as u64 * 3600),
        retry_keep_bytes_max: (r.whole("admin.retry_keep_mib_max", 0..=1 << 24) as u64) << 20,
    };
    if admin.listen.is_some() && admin.tokens.is_empty() {
        let text = "`admin.listen` is set but `admin.tokens` is empty: anyone who reaches the port could act; set a token such as \
                    CLEANPLATE_ADMIN_TOKENS=\"ada:$(openssl rand -hex 32)\", or use the socket";
        r.problem("admin.listen", text.to_string());
    }
    admin
}

fn socket(text: &str, data: &Path) -> Option<PathBuf> {
    match text {
        "off" => None,
        "" => Some(data.join(cleanplate_api::admin::SOCKET_FILE)),
        path => Some(PathBuf::from(path)),
    }
}

fn tokens(r: &mut Reader<'_>) -> Vec<Token> {
    let mut tokens: Vec<Token> = Vec::new();
    // Problems name the position, never the text.
    for (at, entry) in r.list("admin.tokens").iter().enumerate() {
        let problem = match entry.split_once(':') {
            Some((name, secret))
                if good_name(name)
                    && good_secret(secret)
                    && !tokens.iter().any(|token| token.name == name) =>
            {
                tokens.push(Token {
                    name: name.to_string(),
                    secret: secret.to_string(),
                });
                continue;
            }
            Some((name, _)) if tokens.iter().any(|token| token.name == name) => {
                "has the name of an earlier one".to_string()
            }
            Some((name, _)) if good_name(name) => {
                format!("has a token of less than {TOKEN_CHARS_MIN} visible characters")
            }
            _ => "is not NAME:TOKEN with a name of letters, digits, `.`, `_`, `-`".to_string(),
        };
        r.problem(
            "admin.tokens",
            format!("entry {} of `admin.tokens` {problem}", at + 1),
        );
    }
    if tokens.len() > TOKENS_MAX {
        r.problem(
            "admin.tokens",
            format!(
                "`admin.tokens` has {} entries, at most {TOKENS_MAX} are allowed",
                tokens.len()
            ),
        );
    }
    tokens
}

fn good_name(name: &str) -> bool {
    (1..=NAME_CHARS_MAX).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}

fn good_secret(secret: &str) -> bool {
    (TOKEN_CHARS_MIN..=256).contains(&secret.len()) && secret.bytes().all(|b| b.is_ascii_graphic())
}
