//! The form of an API key: `sk-live-`, 32 random base62 characters, 6 base62 characters of CRC-32 over all before.
//!
//! The checksum lets a mistyped or made-up key be refused without a look-up and lets scanners find leaked keys
//! with few false alarms; it adds no security. The 32 characters carry 190 random bits, so a plain SHA-256 is a
//! sufficient hash: there is nothing to guess.

use std::fmt;

use rand::TryRngCore;
use rand::rngs::OsRng;
use sha2::{Digest, Sha256};

use crate::error::{Result, StoreError};

/// What every key starts with.
pub const KEY_PREFIX: &str = "sk-live-";
/// Length of a key in characters: prefix, random part, checksum.
pub const KEY_CHARS: usize = KEY_PREFIX.len() + RANDOM_CHARS + CHECK_CHARS;
/// Characters from the start of a key that may be shown.
pub const SHOWN_PREFIX_CHARS: usize = KEY_PREFIX.len() + 4;
/// Characters from the end of a key that may be shown.
pub const SHOWN_SUFFIX_CHARS: usize = 4;

const RANDOM_CHARS: usize = 32;
const CHECK_CHARS: usize = 6;
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/// Largest multiple of 62 in a byte: bytes from here on are drawn again, so that every character is equally likely.
const UNBIASED: u8 = 248;

/// A whole API key in clear text. Shown to its owner once; never stored, never printed by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct ApiKey(String);

/// SHA-256 of an API key: what the store keeps and looks up.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

/// Text that is not an API key. It does not say which part is wrong: the client learns nothing from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not an API key")]
pub struct KeyFormatError;

impl ApiKey {
    /// A new key from the random source of the operating system.
    pub fn generate() -> Result<Self> {
        let mut text = String::with_capacity(KEY_CHARS);
        text.push_str(KEY_PREFIX);
        let mut bytes = [0u8; 64];
        while text.len() < KEY_PREFIX.len() + RANDOM_CHARS {
            OsRng
                .try_fill_bytes(&mut bytes)
                .map_err(|source| StoreError::Database {
                    operation: "reading the random source of the operating system",
                    source: Box::new(source),
                })?;
            let missing = KEY_PREFIX.len() + RANDOM_CHARS - text.len();
            text.extend(
                bytes
                    .iter()
                    .filter(|&&byte| byte < UNBIASED)
                    .take(missing)
                    .map(|byte| base62(u32::from(byte % 62))),
            );
        }
        let check = checksum(text.as_bytes());
        text.extend(check);
        Ok(Self(text))
    }

    /// Reads a key as a client sent it. Refuses a wrong length, alphabet or checksum before any look-up.
    pub fn parse(text: &str) -> std::result::Result<Self, KeyFormatError> {
        let body = text.strip_prefix(KEY_PREFIX).ok_or(KeyFormatError)?;
        if text.len() != KEY_CHARS || !body.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(KeyFormatError);
        }
        let (signed, check) = text.split_at(KEY_CHARS - CHECK_CHARS);
        if checksum(signed.as_bytes()).into_iter().eq(check.chars()) {
            Ok(Self(text.to_owned()))
        } else {
            Err(KeyFormatError)
        }
    }

    /// The clear text, to be shown once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What the store keeps.
    pub fn hash(&self) -> KeyHash {
        KeyHash(Sha256::digest(self.0.as_bytes()).into())
    }

    /// The first [`SHOWN_PREFIX_CHARS`] characters, for display.
    pub fn shown_prefix(&self) -> &str {
        &self.0[..SHOWN_PREFIX_CHARS]
    }

    /// The last [`SHOWN_SUFFIX_CHARS`] characters, for display; they belong to the checksum.
    pub fn shown_suffix(&self) -> &str {
        &self.0[KEY_CHARS - SHOWN_SUFFIX_CHARS..]
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(hidden)")
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyHash(hidden)")
    }
}

fn base62(digit: u32) -> char {
    char::from(ALPHABET[(digit % 62) as usize])
}

/// CRC-32 in base62, most significant character first.
fn checksum(signed: &[u8]) -> [char; CHECK_CHARS] {
    let mut rest = crc32fast::hash(signed);
    let mut check = ['0'; CHECK_CHARS];
    for place in check.iter_mut().rev() {
        *place = base62(rest % 62);
        rest /= 62;
    }
    check
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashSet};

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_new_key_has_the_documented_form() {
        let key = ApiKey::generate().unwrap();
        let text = key.reveal();
        assert_eq!(text.len(), 46);
        assert!(text.starts_with("sk-live-"));
        assert_eq!(ApiKey::parse(text), Ok(key.clone()));
        assert_eq!(key.shown_prefix().len(), 12);
        assert!(text.starts_with(key.shown_prefix()) && text.ends_with(key.shown_suffix()));
    }

    #[test]
    fn the_checksum_is_crc32_in_base62() {
        // CRC-32 of "123456789" is the published check value 0xCBF43926 = 3,421,780,262.
        let mut value = 0u64;
        for digit in checksum(b"123456789") {
            value = value * 62
                + ALPHABET
                    .iter()
                    .position(|&byte| char::from(byte) == digit)
                    .unwrap() as u64;
        }
        assert_eq!(value, 3_421_780_262);
    }

    #[test]
    fn keys_differ_and_use_the_whole_alphabet() {
        let keys: HashSet<String> = (0..1_000)
            .map(|_| ApiKey::generate().unwrap().reveal().to_owned())
            .collect();
        assert_eq!(keys.len(), 1_000);
        let seen: BTreeSet<char> = keys.iter().flat_map(|key| key[8..40].chars()).collect();
        assert_eq!(seen.len(), 62);
    }

    #[test]
    fn debug_shows_no_secret() {
        let key = ApiKey::generate().unwrap();
        let shown = format!("{key:?} {:?}", key.hash());
        assert_eq!(shown, "ApiKey(hidden) KeyHash(hidden)");
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in ".{0,80}") {
            prop_assert!(ApiKey::parse(&text).is_err());
        }

        #[test]
        fn a_changed_character_is_refused(place in 0..KEY_CHARS, with in any::<char>()) {
            let key = ApiKey::generate().unwrap();
            let mut chars: Vec<char> = key.reveal().chars().collect();
            prop_assume!(chars[place] != with);
            chars[place] = with;
            let changed: String = chars.into_iter().collect();
            prop_assert!(ApiKey::parse(&changed).is_err());
        }

        #[test]
        fn any_random_part_with_its_checksum_is_accepted(body in "[0-9A-Za-z]{32}") {
            let signed = format!("{KEY_PREFIX}{body}");
            let text: String = signed.chars().chain(checksum(signed.as_bytes())).collect();
            let key = ApiKey::parse(&text).unwrap();
            prop_assert_eq!(key.hash(), ApiKey::parse(&text).unwrap().hash());
        }
    }
}
