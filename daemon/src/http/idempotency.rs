//! `Idempotency-Key`: the same key and request is done once, and its reply repeated.

use actix_web::HttpRequest;
use cleanplate_store::{
    IDEMPOTENCY_KEEP_MS, Idempotency, IdempotencyKey, IdempotencyScope, KeyRecord, Reply,
};
use sha2::{Digest, Sha256};

use super::upload::Upload;
use crate::answer::Answer;
use crate::refusal::Refusal;

/// Header that carries the key.
const HEADER: &str = "Idempotency-Key";

/// The identity of a request: method, path, query and the files in order.
pub struct Fingerprint(Sha256);

impl Fingerprint {
    /// Of a request without its files.
    pub fn of(req: &HttpRequest, asynchronous: bool) -> Fingerprint {
        let mut print = Fingerprint(Sha256::new());
        print.add(req.method().as_str().as_bytes());
        print.add(req.path().as_bytes());
        print.add(req.query_string().as_bytes());
        print.add(&[u8::from(asynchronous)]);
        print
    }

    /// Adds bytes with their length in front, so that neighbours cannot trade bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update((bytes.len() as u64).to_le_bytes());
        self.0.update(bytes);
    }

    /// Adds a file of a field.
    pub fn file(&mut self, field: &str, upload: &Upload) {
        self.add(field.as_bytes());
        self.add(upload.filename.as_bytes());
        self.add(&upload.sha256);
    }

    /// Adds parameters that came as fields of the form.
    pub fn fields(&mut self, fields: &[(String, String)]) {
        for (name, text) in fields {
            self.add(name.as_bytes());
            self.add(text.as_bytes());
        }
    }

    fn hash(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// The key of a request, if it has one.
pub fn key(req: &HttpRequest) -> Result<Option<IdempotencyKey>, Refusal> {
    let Some(value) = req.headers().get(HEADER) else {
        return Ok(None);
    };
    let parsed = value
        .to_str()
        .ok()
        .and_then(|text| IdempotencyKey::parse(text).ok());
    let wrong = || {
        Refusal::field(
            &["header", HEADER],
            "1 to 255 visible ASCII characters are expected",
            "value_error.idempotency_key",
        )
    };
    parsed.map(Some).ok_or_else(wrong)
}

/// The wish to be done once. `reply` is what is answered if it is known already.
pub fn wish(
    key: IdempotencyKey,
    caller: &KeyRecord,
    print: Fingerprint,
    reply: Option<Reply>,
) -> Idempotency {
    Idempotency {
        scope: IdempotencyScope::Key(caller.id),
        key,
        request_hash: print.hash(),
        keep_ms: IDEMPOTENCY_KEEP_MS,
        reply,
    }
}

/// A kept reply as it was sent first, marked as repeated.
pub fn replay<C>(kept: Reply) -> Answer<C> {
    mark_replay(Answer::again(kept.status, kept.body))
}

/// Says that a reply repeats an earlier one.
pub fn mark_replay<C>(reply: Answer<C>) -> Answer<C> {
    reply.with("Idempotency-Replayed", "true")
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[test]
    fn every_part_of_a_request_counts() {
        let print = |uri: &str, parts: &[&str], asynchronous| {
            let mut print = Fingerprint::of(
                &TestRequest::post().uri(uri).to_http_request(),
                asynchronous,
            );
            parts.iter().for_each(|part| print.add(part.as_bytes()));
            print.hash()
        };
        let all = [
            print("/a", &[], false),
            print("/a", &[], true),
            print("/a?x=1", &[], false),
            print("/b", &[], false),
            print("/a", &["xy", "z"], false),
            print("/a", &["x", "yz"], false),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().collect();
        assert_eq!(distinct.len(), all.len());
        assert_eq!(print("/a", &["x"], false), print("/a", &["x"], false));
    }

    #[test]
    fn a_malformed_key_is_refused() {
        let read = |value: &'static str| {
            key(&TestRequest::post()
                .insert_header((HEADER, value))
                .to_http_request())
        };
        assert_eq!(read("abc-1").unwrap().unwrap().as_str(), "abc-1");
        assert!(read("").is_err());
        assert!(read("a b").is_err());
        assert_eq!(key(&TestRequest::post().to_http_request()).unwrap(), None);
    }
}
