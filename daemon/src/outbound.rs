//! Where the daemon goes when a client names the address (webhooks, photos to fetch): to public addresses, and to hosts that
//! the operator allowed by name.
//!
//! A client chooses the address, the daemon sends from inside the operator's network: without this check a client could
//! reach what only the daemon can. Names are judged by the addresses that the connection really uses, so that a name that
//! changes its meaning between check and use gains nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

/// Longest address, characters.
pub const URL_CHARS_MAX: usize = 2000;

/// Hosts that may be reached although their addresses are private.
#[derive(Debug, Clone)]
pub struct Allowed {
    /// Names or addresses.
    pub hosts: Vec<String>,
    /// The option that lists them.
    pub option: &'static str,
}

impl Allowed {
    fn has(&self, host: &str) -> bool {
        self.hosts
            .iter()
            .any(|allowed| allowed.eq_ignore_ascii_case(host))
    }

    fn refusal(&self, host: &str) -> String {
        let option = self.option;
        format!("{host} is not a public address; the operator may allow it in {option}")
    }
}

/// Judges an address as far as its text goes.
pub fn check(url: &str, allowed: &Allowed) -> Result<(), String> {
    if url.len() > URL_CHARS_MAX {
        return Err(format!("an address has at most {URL_CHARS_MAX} characters"));
    }
    let uri: Uri = url
        .parse()
        .map_err(|error| format!("not an address: {error}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("an address starts with http:// or https://".to_string());
    }
    let Some(authority) = uri.authority() else {
        return Err("the address has no host".to_string());
    };
    if authority.as_str().contains('@') {
        return Err("an address may not carry a user name".to_string());
    }
    let host = authority.host();
    let literal = host
        .trim_start_matches('[')
        .trim_end_matches(']')
        .parse::<IpAddr>();
    match literal {
        Ok(address) if !is_public(address) && !allowed.has(host) => Err(allowed.refusal(host)),
        _ if host.is_empty() => Err("the address has no host".to_string()),
        _ => Ok(()),
    }
}

/// Whether an address belongs to the public network.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let shared = a == 100 && (64..128).contains(&b);
    let benchmark = a == 198 && (18..20).contains(&b);
    let protocol = (a, b, c) == (192, 0, 0) || (a, b, c) == (192, 88, 99);
    let special = address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation();
    a != 0 && a < 224 && !shared && !benchmark && !protocol && !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let parts = address.segments();
    let v4 = |high: u16, low: u16| {
        is_public_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)))
    };
    match parts {
        // IPv4 inside: mapped, NAT64, 6to4. Judged by what is inside.
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        // Teredo, benchmarks, documentation.
        [0x2001, 0 | 2 | 0xdb8, ..] => false,
        // Only 2000::/3 is given out: this leaves out loopback, unspecified, local, multicast.
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

/// Looks names up as usual and keeps the addresses that may be reached.
#[derive(Debug)]
struct GuardedResolver {
    /// Hosts that may have any address.
    allowed: Allowed,
}

/// A client that reaches only what it may. An answer of any status is one.
pub fn agent(allowed: Allowed, time_max: Duration, redirects_max: u32) -> Agent {
    let settings = Agent::config_builder()
        .http_status_as_error(false)
        .max_redirects(redirects_max)
        // A proxy would connect on our behalf, past the check of addresses.
        .proxy(None)
        .timeout_global(Some(time_max))
        .user_agent(format!("cleanplate/{}", crate::VERSION))
        .build();
    Agent::with_parts(
        settings,
        DefaultConnector::new(),
        GuardedResolver { allowed },
    )
}

impl Resolver for GuardedResolver {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let found = DefaultResolver::default().resolve(uri, config, timeout)?;
        let host = uri.host().unwrap_or_default();
        if self.allowed.has(host) {
            return Ok(found);
        }
        let mut public = self.empty();
        found
            .iter()
            .filter(|address| is_public(address.ip()))
            .for_each(|address| public.push(*address));
        if public.is_empty() {
            Err(ureq::Error::Other(self.allowed.refusal(host).into()))
        } else {
            Ok(public)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(hosts: &[&str]) -> Allowed {
        let hosts = hosts.iter().map(|host| host.to_string()).collect();
        let option = "webhooks.allowed_hosts";
        Allowed { hosts, option }
    }

    #[test]
    fn addresses_of_the_inner_network_are_not_public() {
        for inner in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "255.255.255.255",
            "224.0.0.1",
            "198.18.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "::1",
            "::",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "64:ff9b::7f00:1",
            "2002:7f00:1::",
            "2001:db8::1",
            "2001::1",
        ] {
            assert!(!is_public(inner.parse().unwrap()), "{inner}");
        }
        for outer in [
            "8.8.8.8",
            "1.1.1.1",
            "100.128.0.1",
            "172.32.0.1",
            "2606:4700::1111",
            "::ffff:8.8.8.8",
            "64:ff9b::808:808",
        ] {
            assert!(is_public(outer.parse().unwrap()), "{outer}");
        }
    }

    #[test]
    fn texts_that_cannot_be_reached_or_may_not_be() {
        for bad in [
            "",
            "x",
            "/path",
            "ftp://a.example/x",
            "file:///etc/passwd",
            "http://user@a.example/",
            "http://127.0.0.1/",
            "http://[::1]:80/x",
            "https://169.254.169.254/latest",
            "http://[::ffff:10.0.0.1]/",
        ] {
            assert!(check(bad, &allowed(&[])).is_err(), "{bad}");
        }
        assert!(
            check(
                &format!("https://a.example/{}", "x".repeat(2000)),
                &allowed(&[])
            )
            .is_err()
        );
        assert!(check("https://hooks.example.com/a?b=c", &allowed(&[])).is_ok());
        assert!(check("http://127.0.0.1:9000/x", &allowed(&["127.0.0.1"])).is_ok());
    }
}
