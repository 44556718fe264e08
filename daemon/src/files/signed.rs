//! Signed addresses: `PATH?expires=UNIX_S&sig=43 characters`, an HMAC-SHA256 over path, expiry and the key's epoch.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use subtle::{Choice, ConstantTimeEq};

use super::UrlKeys;

/// Length of a signature in characters.
const SIG_CHARS: usize = 43;

/// What a signed address carries in its query.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    /// Seconds since 1970 until which it is valid.
    pub expires_s: i64,
    sig: [u8; 32],
}

/// Why an address is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// The query is not `expires=...&sig=...`.
    Malformed,
    /// The signature belongs to something else.
    Forged,
    /// It was valid once.
    Expired,
}

impl Signed {
    /// Reads `expires` and `sig` from the query, once each, in the one spelling that is written. Their order does not count,
    /// nor does what proxies, trackers and caches add.
    pub fn parse(query: &str) -> Result<Signed, Refused> {
        let digits = once(query, "expires").ok_or(Refused::Malformed)?;
        let text = once(query, "sig").ok_or(Refused::Malformed)?;
        let plain = !digits.is_empty()
            && digits.len() <= 12
            && digits.bytes().all(|byte| byte.is_ascii_digit())
            && (digits.len() == 1 || !digits.starts_with('0'));
        if !plain || text.len() != SIG_CHARS {
            return Err(Refused::Malformed);
        }
        let bytes = URL_SAFE_NO_PAD
            .decode(text)
            .map_err(|_| Refused::Malformed)?;
        let sig = bytes.try_into().map_err(|_| Refused::Malformed)?;
        Ok(Signed {
            expires_s: digits.parse().map_err(|_| Refused::Malformed)?,
            sig,
        })
    }
}

/// The value of a parameter that is there exactly once.
fn once<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    let mut values = query
        .split('&')
        .filter_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
    values.next().filter(|_| values.next().is_none())
}

fn mac(key: &[u8; 32], path: &str, expires_s: i64, epoch: u32) -> Option<[u8; 32]> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).ok()?;
    mac.update(format!("cleanplate-url-v1\n{path}\n{expires_s}\n{epoch}").as_bytes());
    Some(mac.finalize().into_bytes().into())
}

/// `path?expires=...&sig=...`. `epoch` is that of the API key the result belongs to: revoking the key raises it.
pub fn sign(keys: &UrlKeys, path: &str, expires_s: i64, epoch: u32) -> String {
    let sig = mac(&keys.signing(), path, expires_s, epoch).unwrap_or_default();
    format!(
        "{path}?expires={expires_s}&sig={}",
        URL_SAFE_NO_PAD.encode(sig)
    )
}

/// Checks a signature with every key, in constant time, then the expiry.
pub fn verify(
    keys: &UrlKeys,
    path: &str,
    signed: &Signed,
    epoch: u32,
    now_s: i64,
) -> Result<(), Refused> {
    let mut fits = Choice::from(0);
    for key in keys.verifying() {
        if let Some(want) = mac(&key, path, signed.expires_s, epoch) {
            fits |= want.ct_eq(&signed.sig);
        }
    }
    if !bool::from(fits) {
        return Err(Refused::Forged);
    }
    if now_s >= signed.expires_s {
        Err(Refused::Expired)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATH: &str = "/v1/files/0b4b9c1e-0000-4000-8000-000000000000";

    fn keys() -> UrlKeys {
        UrlKeys::from_keys(&[[7; 32], [9; 32]])
    }

    fn check(url: &str, epoch: u32, now_s: i64) -> Result<(), Refused> {
        let (path, query) = url.split_once('?').ok_or(Refused::Malformed)?;
        verify(&keys(), path, &Signed::parse(query)?, epoch, now_s)
    }

    #[test]
    fn own_addresses_pass_until_they_expire() {
        let url = sign(&keys(), PATH, 1_000, 3);
        assert_eq!(check(&url, 3, 999), Ok(()));
        assert_eq!(check(&url, 3, 1_000), Err(Refused::Expired));
        assert_eq!(check(&url, 4, 999), Err(Refused::Forged), "another epoch");
    }

    #[test]
    fn an_older_key_still_verifies_and_an_unknown_one_does_not() {
        assert_eq!(
            check(&sign(&UrlKeys::from_keys(&[[9; 32]]), PATH, 1_000, 0), 0, 1),
            Ok(())
        );
        assert_eq!(
            check(&sign(&UrlKeys::from_keys(&[[8; 32]]), PATH, 1_000, 0), 0, 1),
            Err(Refused::Forged)
        );
    }

    #[test]
    fn order_and_added_parameters_do_not_count() {
        let url = sign(&keys(), PATH, 1_000, 3);
        let (expires, sig) = url.split_once('?').unwrap().1.split_once('&').unwrap();
        for query in [
            format!("{sig}&{expires}"),
            format!("{expires}&{sig}&utm_source=mail&fbclid=1"),
            format!("v=2&{sig}&&x&{expires}&sigma=1"),
        ] {
            assert_eq!(check(&format!("{PATH}?{query}"), 3, 999), Ok(()), "{query}");
        }
    }

    #[test]
    fn other_spellings_are_malformed() {
        let url = sign(&keys(), PATH, 1_000, 0);
        let query = url.split_once('?').unwrap().1;
        let sig = query.split_once("sig=").unwrap().1;
        for bad in [
            String::new(),
            "expires=1000".into(),
            format!("expires=1000&xsig={sig}"),
            format!("expires=1000&sig={sig}&sig={sig}"),
            format!("expires=1000&sig={sig}="),
            format!("expires=01000&sig={sig}"),
            format!("expires=-1000&sig={sig}"),
            format!("expires=+1000&sig={sig}"),
            format!("expires=1e3&sig={sig}"),
            format!("expires=9999999999999&sig={sig}"),
            format!("expires=1000&expires=1000&sig={sig}"),
            "expires=1000&sig=x".into(),
        ] {
            assert_eq!(Signed::parse(&bad), Err(Refused::Malformed), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_without_panic(query in ".{0,120}") {
            let _ = Signed::parse(&query);
        }

        #[test]
        fn a_changed_byte_never_passes(at in 0usize..120, with in 0x20u8..0x7f) {
            let url = sign(&keys(), PATH, 1_000, 0);
            prop_assume!(at < url.len() && url.as_bytes()[at] != with);
            let mut bytes = url.into_bytes();
            bytes[at] = with;
            let changed = String::from_utf8(bytes).unwrap();
            prop_assert!(check(&changed, 0, 10).is_err(), "{}", changed);
        }
    }
}
