//! Sends webhooks: due ones are read from the store, posted with a signature, some at a time, and tried again with growing
//! pauses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use cleanplate_store::{DueWebhook, Store, StoreError, WEBHOOK_PAUSE_MS_MAX};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use ureq::Agent;
use ureq::http::Uri;

use super::flights::Flights;
use crate::config;
use crate::hex::hex;
use crate::outbound;
use crate::telemetry::{Metrics, names, tell_store_error};

/// Pause between looks for due webhooks.
const LOOK: Duration = Duration::from_millis(500);
/// Longest attempt, from the name look-up to the head of the reply.
const ATTEMPT_MAX: Duration = Duration::from_secs(10);
/// How long a webhook is this process's to send: an attempt and what it takes to note how it ended.
const LEASE_MS: i64 = 30_000;
/// Webhooks looked at together.
const ROWS: u32 = 200;
/// Pause after an error of the store.
const STORE_PAUSE: Duration = Duration::from_secs(5);
/// The thread rests for so many times what a look took.
const REST: u32 = 10;
/// Longest pause between attempts.
const PAUSE_MAX: Duration = Duration::from_millis(WEBHOOK_PAUSE_MS_MAX as u64);
/// Each pause is this many times the one before.
const PAUSE_GROWTH: u32 = 4;

/// Header with the time of sending, seconds since 1970. Part of what is signed.
pub const TIMESTAMP: &str = "X-Cleanplate-Timestamp";
/// Header with `v1=` and the signature in hex.
pub const SIGNATURE: &str = "X-Cleanplate-Signature";

/// What is to be sent.
pub enum Letter {
    /// A body, and the secret that signs it.
    Signed(Vec<u8>, String),
    /// Nothing, now and later, and why.
    Pointless(&'static str),
}

/// Makes the letter of a webhook. An error of the store is none of its receiver.
pub type Compose = dyn Fn(&DueWebhook) -> Result<Letter, StoreError> + Send + Sync;

/// How an attempt ended.
enum Attempt {
    Delivered,
    Failed(String),
    Pointless(String),
}

/// What looks for due webhooks and sends them.
pub struct Sender {
    store: Arc<dyn Store>,
    /// Name of this process.
    name: String,
    config: config::Webhooks,
    compose: Box<Compose>,
    agent: Agent,
    metrics: Arc<Metrics>,
    flights: Arc<Flights>,
    stop: Arc<AtomicBool>,
}

impl Sender {
    /// A sender of the process of this name; `stop` ends its thread.
    pub fn new(
        store: Arc<dyn Store>,
        name: String,
        config: config::Webhooks,
        compose: Box<Compose>,
        metrics: Arc<Metrics>,
        stop: Arc<AtomicBool>,
    ) -> Arc<Sender> {
        let agent = outbound::agent(config.allowed.clone(), ATTEMPT_MAX, 0);
        Arc::new(Sender {
            store,
            name,
            flights: Flights::new(config.at_once_max),
            config,
            compose,
            agent,
            metrics,
            stop,
        })
    }

    /// Starts the thread that looks for due webhooks; each is sent on one of its own. All end within an attempt's time after
    /// `stop`.
    pub fn start(self: Arc<Self>) -> std::io::Result<std::thread::JoinHandle<()>> {
        std::thread::Builder::new()
            .name("webhooks".to_string())
            .spawn(move || {
                while !self.stop.load(Ordering::SeqCst) {
                    let begun = Instant::now();
                    let rest = match self.look() {
                        Ok(()) => LOOK,
                        Err(error) => {
                            tell_store_error(&error, "due webhooks could not be read");
                            STORE_PAUSE
                        }
                    };
                    // However many are due, looking for them leaves the store to others most of the time.
                    let took = begun.elapsed();
                    std::thread::sleep(took * REST);
                    self.flights.wait(rest);
                }
            })
    }

    /// Sends what is due, as far as there is room.
    fn look(self: &Arc<Self>) -> Result<(), StoreError> {
        // Twice its share of each account: one part may be under way, another may wait for its host.
        let per_account_max = 2 * self.flights.share() as u32;
        for webhook in self.store.due_webhooks(per_account_max, ROWS)? {
            let (job, account) = (webhook.job.id, webhook.job.account);
            let Some(flight) = self.flights.board(job, account, &host(&webhook.url)) else {
                continue;
            };
            let sender = self.clone();
            let send = move || {
                sender.deliver(&webhook);
                drop(flight);
            };
            let started = std::thread::Builder::new()
                .name("webhook".to_string())
                .spawn(send);
            if let Err(error) = started {
                tracing::error!(%error, job_id = %job, "the thread of a webhook could not be started; it is sent later");
            }
        }
        Ok(())
    }

    fn deliver(&self, webhook: &DueWebhook) {
        if self.stop.load(Ordering::SeqCst) {
            return;
        }
        let job = webhook.job.id;
        let noted = match self.store.claim_webhook(job, &self.name, LEASE_MS) {
            // Another process was faster.
            Ok(false) => return,
            Ok(true) => self
                .attempt(webhook)
                .and_then(|attempt| self.note(webhook, attempt)),
            Err(error) => Err(error),
        };
        if let Err(error) = noted {
            let what = "the store failed under a webhook; it is sent again";
            tell_store_error(&error, what);
            std::thread::sleep(STORE_PAUSE);
        }
    }

    fn count(&self, outcome: &str) {
        self.metrics
            .add(names::WEBHOOKS, &[("outcome", outcome)], 1.0);
    }

    fn note(&self, webhook: &DueWebhook, attempt: Attempt) -> Result<(), StoreError> {
        let (id, number) = (webhook.job.id, webhook.attempts + 1);
        let (detail, again) = match attempt {
            Attempt::Delivered => {
                tracing::info!(job_id = %id, attempt = number, "webhook delivered");
                self.count("delivered");
                return self.store.webhook_delivered(id);
            }
            Attempt::Failed(detail) => {
                let again = pause(number, self.config.retry, self.config.attempts_max);
                (detail, again)
            }
            Attempt::Pointless(detail) => (detail, None),
        };
        self.count(if again.is_some() {
            "failed"
        } else {
            "given_up"
        });
        let detail = crate::telemetry::escaped(&detail);
        tracing::warn!(job_id = %id, attempt = number, again_s = again.map(|pause| pause.as_secs()), detail, "webhook failed");
        self.store
            .webhook_failed(id, &detail, again.map(|pause| pause.as_millis() as i64))
    }

    fn attempt(&self, webhook: &DueWebhook) -> Result<Attempt, StoreError> {
        if let Err(why) = outbound::check(&webhook.url, &self.config.allowed) {
            return Ok(Attempt::Failed(why));
        }
        let (body, secret) = match (self.compose)(webhook)? {
            Letter::Signed(body, secret) => (body, secret),
            Letter::Pointless(why) => return Ok(Attempt::Pointless(why.to_string())),
        };
        let now_s = crate::clock::now_s() as u64;
        let signature = format!("v1={}", sign(&secret, now_s, &body));
        let request = self
            .agent
            .post(&webhook.url)
            .content_type("application/json");
        let reply = request
            .header(TIMESTAMP, now_s.to_string())
            .header(SIGNATURE, signature)
            .send(&body[..]);
        Ok(match reply {
            Ok(reply) if reply.status().is_success() => Attempt::Delivered,
            Ok(reply) => {
                Attempt::Failed(format!("the receiver answered {}", reply.status().as_u16()))
            }
            Err(error) => Attempt::Failed(error.to_string()),
        })
    }
}

/// Who receives at this address: host and port.
fn host(url: &str) -> String {
    let uri = url.parse::<Uri>().ok();
    let authority = uri.as_ref().and_then(Uri::authority);
    authority.map_or_else(String::new, |who| who.as_str().to_ascii_lowercase())
}

/// Pause after the n-th failed attempt; `None` when there is none left.
fn pause(attempts: u32, first: Duration, attempts_max: u32) -> Option<Duration> {
    let factor = PAUSE_GROWTH.saturating_pow(attempts.saturating_sub(1));
    (attempts < attempts_max).then(|| first.saturating_mul(factor).min(PAUSE_MAX))
}

/// HMAC-SHA256 over `timestamp.body` in hex, under the text of the secret.
pub fn sign(secret: &str, timestamp_s: u64, body: &[u8]) -> String {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(secret.as_bytes())
        .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
    mac.update(timestamp_s.to_string().as_bytes());
    mac.update(b".");
    mac.update(body);
    hex(&mac.finalize().into_bytes())
}

/// In place of a key's number: the secret of all watched folders. Numbers of keys begin with 1.
pub const OF_FOLDERS: i64 = 0;

/// The secret of a key: derived, so that nothing more has to be stored.
pub fn secret(master: &[u8; 32], key: i64) -> String {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(master)
        .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
    mac.update(format!("webhook:{key}").as_bytes());
    format!("whsec_{}", hex(&mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_end() {
        let first = Duration::from_secs(10);
        let pauses: Vec<Option<u64>> = (1..=8)
            .map(|n| pause(n, first, 8).map(|pause| pause.as_secs()))
            .collect();
        assert_eq!(
            pauses,
            [
                Some(10),
                Some(40),
                Some(160),
                Some(640),
                Some(2560),
                Some(10_240),
                Some(21_600),
                None
            ]
        );
        assert_eq!(pause(u32::MAX - 1, first, u32::MAX), Some(PAUSE_MAX));
    }

    #[test]
    fn the_signature_is_the_documented_one() {
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac secret
        let mac = "b8569b78799ff9e3cbff0fc2d63a33a2b57f3282abd07c37ae5e8e7d79a5f163";
        assert_eq!(sign("secret", 1_700_000_000, b"{}"), mac);
        assert_ne!(secret(&[0; 32], 1), secret(&[0; 32], 2));
        assert!(secret(&[0; 32], 1).starts_with("whsec_"));
    }
}
