//! `health`: asks a running daemon, for container and service checks. Exit code 0 when it takes service calls.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use serde_json::{Value, json};

use super::args::Health;
use super::{load, print_json};
use crate::config::Flag;

const WAIT: Duration = Duration::from_secs(5);
/// Bytes of a reply that are read.
const REPLY_BYTES_MAX: u64 = 1 << 20;

/// Asks and reports.
pub fn run(args: &Health) -> anyhow::Result<ExitCode> {
    let flags: Vec<Flag> = args
        .listen
        .iter()
        .map(|text| ("--listen", "server.listen", text.clone()))
        .collect();
    let config = load(&args.place, flags)?;
    let mut address = config.server.listen;
    if address.ip().is_unspecified() {
        let local: std::net::IpAddr = if address.is_ipv4() {
            [127, 0, 0, 1].into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        };
        address.set_ip(local);
    }
    let (ready_status, ready) = get(address, "/readyz")?;
    let (_, health) = get(address, "/healthz")?;
    let ok = ready_status == 200;
    if args.output.json {
        print_json(&json!({ "ready": ok, "reason": ready["reason"], "health": health }))?;
    } else {
        let reason = ready["reason"]
            .as_str()
            .map(|reason| format!(": {reason}"))
            .unwrap_or_default();
        let device = health["device"]["name"].as_str().unwrap_or("none");
        println!(
            "{}{reason}; device: {device}",
            if ok { "ready" } else { "not ready" }
        );
    }
    Ok(if ok {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn get(address: SocketAddr, path: &str) -> anyhow::Result<(u16, Value)> {
    let mut stream = TcpStream::connect_timeout(&address, WAIT)
        .with_context(|| format!("no daemon answers at {address}"))?;
    stream
        .set_read_timeout(Some(WAIT))
        .context("setting a time limit")?;
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )
    .with_context(|| format!("asking {address}"))?;
    let mut text = String::new();
    stream
        .take(REPLY_BYTES_MAX)
        .read_to_string(&mut text)
        .with_context(|| format!("reading the answer of {address}"))?;
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        bail!("{address} does not speak HTTP")
    };
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|word| word.parse().ok())
        .with_context(|| format!("{address} does not speak HTTP"))?;
    Ok((
        status,
        serde_json::from_str(body)
            .with_context(|| format!("{address}{path} did not answer with JSON"))?,
    ))
}
