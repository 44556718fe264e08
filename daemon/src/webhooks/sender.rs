//! Sends webhooks: due ones are read from the store, posted with a signature, and tried again with growing pauses.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use cleanplate_store::{DueWebhook, Store};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use ureq::Agent;
use ureq::unversioned::transport::DefaultConnector;

use super::target::{GuardedResolver, check};
use crate::config;

/// Pause between looks for due webhooks.
const LOOK: Duration = Duration::from_millis(500);
/// Longest attempt, from the name look-up to the head of the reply.
const ATTEMPT_MAX: Duration = Duration::from_secs(10);
/// Webhooks taken at a time.
const ROWS: u32 = 20;
/// Longest pause between attempts.
const PAUSE_MAX: Duration = Duration::from_secs(6 * 3600);
/// Each pause is this many times the one before.
const PAUSE_GROWTH: u32 = 4;

/// Header with the time of sending, seconds since 1970. Part of what is signed.
pub const TIMESTAMP: &str = "X-Cleanplate-Timestamp";
/// Header with `v1=` and the signature in hex.
pub const SIGNATURE: &str = "X-Cleanplate-Signature";

/// Makes the body and finds the secret of a webhook.
pub type Compose = dyn Fn(&DueWebhook) -> Option<(Vec<u8>, String)> + Send + Sync;

/// The thread that sends.
pub struct Sender {
    store: Arc<dyn Store>,
    config: config::Webhooks,
    compose: Box<Compose>,
    agent: Agent,
    stop: Arc<AtomicBool>,
}

impl Sender {
    /// A sender; `stop` ends its thread.
    pub fn new(
        store: Arc<dyn Store>,
        config: config::Webhooks,
        compose: Box<Compose>,
        stop: Arc<AtomicBool>,
    ) -> Sender {
        let settings = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            // A proxy would connect on our behalf, past the check of addresses.
            .proxy(None)
            .timeout_global(Some(ATTEMPT_MAX))
            .user_agent(concat!("cleanplate/", env!("CARGO_PKG_VERSION")))
            .build();
        let resolver = GuardedResolver {
            allowed_hosts: config.allowed_hosts.clone(),
        };
        let agent = Agent::with_parts(settings, DefaultConnector::new(), resolver);
        Sender {
            store,
            config,
            compose,
            agent,
            stop,
        }
    }

    /// Starts the thread. It ends within an attempt's time after `stop`.
    pub fn start(self) -> std::io::Result<std::thread::JoinHandle<()>> {
        std::thread::Builder::new()
            .name("webhooks".to_string())
            .spawn(move || {
                while !self.stop.load(Ordering::SeqCst) {
                    match self.store.due_webhooks(ROWS) {
                        Ok(due) if !due.is_empty() => {
                            due.iter().for_each(|webhook| self.deliver(webhook))
                        }
                        Ok(_) => std::thread::sleep(LOOK),
                        Err(error) => {
                            tracing::error!(%error, "due webhooks could not be read");
                            std::thread::sleep(Duration::from_secs(5));
                        }
                    }
                }
            })
    }

    fn deliver(&self, webhook: &DueWebhook) {
        if self.stop.load(Ordering::SeqCst) {
            return;
        }
        let id = webhook.job.id;
        let noted = match self.attempt(webhook) {
            Ok(()) => {
                tracing::info!(job_id = %id, attempt = webhook.attempts + 1, "webhook delivered");
                self.store.webhook_delivered(id)
            }
            Err(detail) => {
                let again = pause(
                    webhook.attempts + 1,
                    self.config.retry,
                    self.config.attempts_max,
                );
                let detail = crate::telemetry::escaped(&detail);
                tracing::warn!(job_id = %id, attempt = webhook.attempts + 1, again_s = again.map(|pause| pause.as_secs()), detail, "webhook failed");
                self.store
                    .webhook_failed(id, &detail, again.map(|pause| pause.as_millis() as i64))
            }
        };
        if let Err(error) = noted {
            tracing::error!(%error, job_id = %id, "the end of a webhook could not be stored; it is sent again");
            std::thread::sleep(Duration::from_secs(5));
        }
    }

    fn attempt(&self, webhook: &DueWebhook) -> Result<(), String> {
        check(&webhook.url, &self.config.allowed_hosts)?;
        let (body, secret) = (self.compose)(webhook).ok_or("the job's key is gone")?;
        let now_s = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        let signature = format!("v1={}", sign(&secret, now_s, &body));
        let request = self
            .agent
            .post(&webhook.url)
            .content_type("application/json");
        let reply = request
            .header(TIMESTAMP, now_s.to_string())
            .header(SIGNATURE, signature)
            .send(&body[..]);
        match reply {
            Ok(reply) if reply.status().is_success() => Ok(()),
            Ok(reply) => Err(format!("the receiver answered {}", reply.status().as_u16())),
            Err(error) => Err(error.to_string()),
        }
    }
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

/// The secret of a key: derived, so that nothing more has to be stored.
pub fn secret(master: &[u8; 32], key: i64) -> String {
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(master)
        .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
    mac.update(format!("webhook:{key}").as_bytes());
    format!("whsec_{}", hex(&mac.finalize().into_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
