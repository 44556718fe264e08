//! Where the database is: the URL of the configuration, read once.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use postgres::config::{Host, SslMode};

use super::tls::Tls;
use crate::error::Result;
use crate::limits::invalid;

const OPERATION: &str = "reading the address of the database";
/// How a URL of PostgreSQL begins.
const SCHEMES: [&str; 2] = ["postgres://", "postgresql://"];
/// Longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);
/// A server that acknowledges nothing for so long is gone.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// Pause on a quiet connection before it is probed, and pause between probes.
const PROBE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_secs(2));
/// Probes without an answer after which a connection is given up.
const PROBES: u32 = 3;

/// The address of a database: `postgres://user:password@host:port/database?sslmode=...&sslrootcert=...&schema=...`, with the
/// options of libpq that the connection knows. Beyond these:
///
/// - `sslmode`: `disable`, or `require`, `verify-ca` and `verify-full`, which all check certificate and host name. Left out:
///   `disable` for this machine (a socket, `localhost`, a loopback address), `require` for any other.
/// - `sslrootcert`: file of the authorities (PEM) that may sign the server's certificate, in place of the public ones.
/// - `schema`: the schema that holds the tables; made if it is missing.
#[derive(Clone)]
pub struct PgAddress {
    pub(super) config: postgres::Config,
    pub(super) tls: Option<Tls>,
    pub(super) schema: Option<String>,
    shown: String,
}

impl PgAddress {
    /// Whether a text is meant to be such an address.
    pub fn is_one(text: &str) -> bool {
        SCHEMES.iter().any(|scheme| text.starts_with(scheme))
    }

    /// Reads an address. `password` takes the place of one in the URL.
    pub fn parse(url: &str, password: Option<&str>) -> Result<Self> {
        if !Self::is_one(url) {
            return Err(invalid(OPERATION, "url", "does not begin with postgres://"));
        }
        let (base, query) = url.split_once('?').unwrap_or((url, ""));
        let mut kept = Vec::new();
        let (mut mode, mut roots, mut schema) = (None, None, None);
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "sslmode" => mode = Some(decoded(value)),
                "sslrootcert" => roots = Some(PathBuf::from(decoded(value))),
                "schema" => schema = Some(schema_name(&decoded(value))?),
                _ => kept.push(pair),
            }
        }
        let mut config: postgres::Config =
            format!("{base}?{}", kept.join("&"))
                .parse()
                .map_err(|error: postgres::Error| {
                    invalid(
                        OPERATION,
                        "url",
                        format!("cannot be read: {}", cause(&error)),
                    )
                })?;
        if let Some(password) = password {
            config.password(password);
        }
        let set = |option: &str| {
            kept.iter()
                .any(|pair| pair.split('=').next() == Some(option))
        };
        set_times(&mut config, &set);
        let encrypted = match mode.as_deref() {
            Some("disable") => false,
            Some("require" | "verify-ca" | "verify-full") => true,
            None => !is_local(&config),
            Some(other) => {
                let problem =
                    format!("has sslmode={other}; disable, require and verify-full are known");
                return Err(invalid(OPERATION, "url", problem));
            }
        };
        config.ssl_mode(if encrypted {
            SslMode::Require
        } else {
            SslMode::Disable
        });
        let tls = encrypted
            .then(|| Tls::checked(roots.as_deref()))
            .transpose()?;
        let shown = shown(&config, schema.as_deref());
        Ok(Self {
            config,
            tls,
            schema,
            shown,
        })
    }

    /// The address for people, without user and password.
    pub fn shown(&self) -> &str {
        &self.shown
    }
}

impl fmt::Debug for PgAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PgAddress({})", self.shown)
    }
}

fn set_times(config: &mut postgres::Config, set: &impl Fn(&str) -> bool) {
    if !set("connect_timeout") {
        config.connect_timeout(CONNECT_MAX);
    }
    if !set("tcp_user_timeout") {
        config.tcp_user_timeout(SILENCE_MAX);
    }
    if !set("keepalives_idle") {
        config.keepalives_idle(PROBE.0);
    }
    if !set("keepalives_interval") {
        config.keepalives_interval(PROBE.1);
    }
    if !set("keepalives_retries") {
        config.keepalives_retries(PROBES);
    }
    if !set("application_name") {
        config.application_name("cleanplate");
    }
}

/// The reason within an error of the driver, which shows itself as its kind only.
pub(super) fn cause(error: &postgres::Error) -> String {
    let mut text = error.to_string();
    let mut inner = std::error::Error::source(error);
    while let Some(next) = inner {
        let line = next.to_string();
        if !text.contains(&line) {
            text = format!("{text}: {line}");
        }
        inner = next.source();
    }
    text
}

fn is_local(config: &postgres::Config) -> bool {
    config.get_hosts().iter().all(|host| match host {
        Host::Tcp(name) => {
            let ip = name.trim_matches(['[', ']']).parse::<std::net::IpAddr>();
            name == "localhost" || ip.is_ok_and(|ip| ip.is_loopback())
        }
        #[cfg(unix)]
        Host::Unix(_) => true,
    })
}

fn shown(config: &postgres::Config, schema: Option<&str>) -> String {
    let ports = config.get_ports();
    let hosts: Vec<String> = config
        .get_hosts()
        .iter()
        .enumerate()
        .map(|(at, host)| {
            let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
            match host {
                Host::Tcp(name) => format!("{name}:{port}"),
                #[cfg(unix)]
                Host::Unix(path) => format!("{}:{port}", path.display()),
            }
        })
        .collect();
    let database = config.get_dbname().or(config.get_user()).unwrap_or("");
    let schema = schema.map_or(String::new(), |schema| format!(" (schema {schema})"));
    format!("postgres://{}/{database}{schema}", hosts.join(","))
}

/// A name that needs no quoting, so that it can stand in every statement and in a channel's name.
fn schema_name(text: &str) -> Result<String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let begins = text.starts_with(|c: char| c.is_ascii_lowercase() || c == '_');
    if begins && text.len() <= 40 && text.chars().all(plain) && !text.starts_with("pg_") {
        return Ok(text.to_owned());
    }
    Err(invalid(
        OPERATION,
        "url",
        "names a schema that is not 1 to 40 of a-z, 0-9 and _, beginning with a letter",
    ))
}

/// Percent-decoded; what is no UTF-8 afterwards stays as it was written.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, tail @ ..] = rest {
        let hex = tail
            .get(..2)
            .and_then(|two| std::str::from_utf8(two).ok())
            .and_then(|two| u8::from_str_radix(two, 16).ok());
        match (first, hex) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> PgAddress {
        PgAddress::parse(url, None).unwrap_or_else(|error| panic!("{url}: {error}"))
    }

    #[test]
    fn other_machines_are_spoken_to_in_secret() {
        for (url, encrypted) in [
            ("postgres://u@localhost/db", false),
            ("postgres://u@127.0.0.1:5433/db", false),
            ("postgres://u@[::1]/db", false),
            ("postgres://u@%2Frun%2Fpostgresql/db", false),
            ("postgres://u@db.example/db", true),
            ("postgres://u@localhost,db.example/db", true),
            ("postgresql://u@localhost/db?sslmode=verify-full", true),
            ("postgres://u@db.example/db?sslmode=disable", false),
        ] {
            let required = parse(url).config.get_ssl_mode() == SslMode::Require;
            assert_eq!(required, encrypted, "{url}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let address =
            parse("postgres://user:hunter2@db.example:6000/plates?schema=studio&sslmode=require");
        let told = format!("{address:?} {}", address.shown());
        assert!(!told.contains("hunter2"), "{told}");
        assert_eq!(
            address.shown(),
            "postgres://db.example:6000/plates (schema studio)"
        );
        let given =
            PgAddress::parse("postgres://user:hunter2@localhost/db", Some("other")).unwrap();
        assert_eq!(given.config.get_password(), Some(b"other".as_slice()));
    }

    #[test]
    fn wrong_addresses_are_refused_with_the_reason() {
        for (url, reason) in [
            ("mysql://x", "postgres://"),
            ("postgres://u@h/db?sslmode=prefer", "sslmode"),
            ("postgres://u@h/db?schema=Robert%27%29", "schema"),
            ("postgres://u@h/db?schema=pg_x", "schema"),
            ("postgres://u@h/db?nonsense=1", "nonsense"),
            (
                "postgres://u@h/db?sslrootcert=/no/such/file",
                "/no/such/file",
            ),
        ] {
            let error = PgAddress::parse(url, None).unwrap_err().to_string();
            assert!(error.contains(reason), "{url}: {error}");
        }
    }
}
