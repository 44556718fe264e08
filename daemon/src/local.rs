//! Single-user mode (`serve --open`): whoever sits at this machine needs no key.
//!
//! A browser carries requests of every site that it shows to every address that it reaches, this one too. So a request without
//! a key is taken only if it comes from this machine, names this machine (a site whose name was turned to 127.0.0.1 does not),
//! was not made by another site's page, and was not handed on by a proxy.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::{HOST, HeaderMap, ORIGIN};
use cleanplate_store::{KeyFilter, KeyId, KeyState, NewKey, PageRequest, Store, StoreError};

/// Name of the key that its jobs belong to.
const KEY: &str = "this computer";
/// Who made it, in the audit table.
const ACTOR: &str = "serve --open";
/// What proxies add: a request that has one of these was handed on.
const HANDED_ON: [&str; 6] = [
    "Forwarded",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Prefix",
    "X-Real-IP",
    "Via",
];

/// The key that stands for whoever sits at this machine, and the hosts that it is reached by.
#[derive(Debug)]
pub struct Local {
    /// The key.
    pub key: KeyId,
    hosts: Vec<String>,
}

impl Local {
    /// Finds or makes the key, on the account that the first start made.
    pub fn prepare(store: &dyn Store, listen: SocketAddr) -> Result<Local, StoreError> {
        let page = PageRequest {
            after: None,
            rows: 100,
        };
        let mine = KeyFilter {
            state: Some(KeyState::Active),
            text: Some(KEY.to_string()),
            ..KeyFilter::default()
        };
        let kept = store.list_keys(&mine, &page)?.items;
        let key = match kept.into_iter().find(|key| key.name == KEY) {
            Some(key) => key.id,
            None => {
                let account = match store.list_accounts(None, &page)?.items.into_iter().next() {
                    Some(account) => account,
                    None => store.create_account("default", ACTOR)?,
                };
                // Nobody is shown its secret: it opens no door from elsewhere.
                let made = store.create_key(&NewKey::named(account.id, KEY), ACTOR)?;
                made.record.id
            }
        };
        Ok(Local {
            key,
            hosts: hosts(listen),
        })
    }

    /// Whether a request without a key is from whoever sits at this machine.
    pub fn admits(&self, req: &HttpRequest) -> bool {
        let peer = req.peer_addr().map(|address| address.ip());
        peer.is_some_and(|peer| is_local(peer, req.headers(), &self.hosts))
    }
}

/// What a browser on this machine calls the daemon.
fn hosts(listen: SocketAddr) -> Vec<String> {
    let port = listen.port();
    let own = SocketAddr::new(listen.ip(), port).to_string();
    let mut hosts = vec![own, format!("localhost:{port}")];
    if port == 80 {
        let bare = |host: &String| host.trim_end_matches(":80").to_string();
        hosts.extend(hosts.iter().map(bare).collect::<Vec<_>>());
    }
    hosts
}

fn is_local(peer: IpAddr, headers: &HeaderMap, hosts: &[String]) -> bool {
    // A header in several lines, or one that is no text, is nobody's browser.
    let one = |name: &str| {
        let mut values = headers.get_all(name);
        let first = values.next().map(|value| value.to_str().unwrap_or("\0"));
        if values.next().is_some() {
            Some("\0")
        } else {
            first
        }
    };
    let named =
        one(HOST.as_str()).filter(|host| hosts.iter().any(|own| own.eq_ignore_ascii_case(host)));
    let same_origin = |host: &str| {
        one(ORIGIN.as_str())
            .is_none_or(|origin| origin.eq_ignore_ascii_case(&format!("http://{host}")))
    };
    peer.to_canonical().is_loopback()
        && named.is_some_and(same_origin)
        && one("Sec-Fetch-Site").is_none_or(|site| matches!(site, "same-origin" | "none"))
        && HANDED_ON.iter().all(|name| !headers.contains_key(*name))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actix_web::http::header::{HeaderName, HeaderValue};
    use cleanplate_store::{SqliteStore, SystemClock};

    use super::*;

    fn taken(peer: &str, lines: &[(&str, &str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(
                HeaderName::try_from(*name).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        let hosts = hosts("127.0.0.1:8080".parse().unwrap());
        is_local(peer.parse().unwrap(), &headers, &hosts)
    }

    #[test]
    fn only_this_machines_own_page_is_taken_without_a_key() {
        let host = ("Host", "127.0.0.1:8080");
        let page = [
            host,
            ("Origin", "http://127.0.0.1:8080"),
            ("Sec-Fetch-Site", "same-origin"),
        ];
        assert!(taken("127.0.0.1", &page));
        assert!(taken("::ffff:127.0.0.1", &[host]), "a program");
        assert!(taken("127.0.0.1", &[("Host", "LOCALHOST:8080")]));
        for (why, peer, lines) in [
            ("another machine", "192.168.0.7", vec![host]),
            (
                "a name turned to this machine",
                "127.0.0.1",
                vec![("Host", "evil.example:8080")],
            ),
            (
                "another port",
                "127.0.0.1",
                vec![("Host", "127.0.0.1:9000")],
            ),
            ("no host", "127.0.0.1", vec![]),
            (
                "two hosts",
                "127.0.0.1",
                vec![host, ("Host", "evil.example")],
            ),
            (
                "another origin",
                "127.0.0.1",
                vec![host, ("Origin", "http://evil.example")],
            ),
            (
                "a sandboxed page",
                "127.0.0.1",
                vec![host, ("Origin", "null")],
            ),
            (
                "another scheme",
                "127.0.0.1",
                vec![host, ("Origin", "https://127.0.0.1:8080")],
            ),
            (
                "another local page",
                "127.0.0.1",
                vec![host, ("Origin", "http://127.0.0.1:3000")],
            ),
            (
                "a picture in another site",
                "127.0.0.1",
                vec![host, ("Sec-Fetch-Site", "cross-site")],
            ),
            (
                "a site beside it",
                "127.0.0.1",
                vec![host, ("Sec-Fetch-Site", "same-site")],
            ),
            (
                "a proxy",
                "127.0.0.1",
                vec![host, ("X-Forwarded-For", "192.0.2.1")],
            ),
            (
                "another proxy",
                "127.0.0.1",
                vec![host, ("Via", "1.1 cache")],
            ),
        ] {
            assert!(!taken(peer, &lines), "{why}");
        }
    }

    #[test]
    fn the_key_is_made_once_and_again_after_it_was_revoked() {
        let dir = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(dir.path(), Arc::new(SystemClock)).unwrap();
        let listen = "[::1]:80".parse().unwrap();
        let first = Local::prepare(&store, listen).unwrap();
        assert_eq!(
            first.hosts,
            ["[::1]:80", "localhost:80", "[::1]", "localhost"]
        );
        assert_eq!(Local::prepare(&store, listen).unwrap().key, first.key);
        cleanplate_store::Keys::revoke_key(&store, first.key, ACTOR).unwrap();
        assert_ne!(Local::prepare(&store, listen).unwrap().key, first.key);
    }
}
