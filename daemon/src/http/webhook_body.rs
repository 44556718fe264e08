//! What a webhook says: the reply of the job, under the secret of its key.

use cleanplate_store::{DueWebhook, StoreError};

use super::view::{self, Addresses, From};
use crate::app::App;
use crate::webhooks::{self, Letter};

/// Body and secret of a webhook. Blocks on the store.
pub fn webhook_letter(app: &App, due: &DueWebhook) -> Result<Letter, StoreError> {
    let base = due.job.request["webhook"]["base"]
        .as_str()
        .unwrap_or_default();
    if due.job.key.is_none() {
        // A watched folder's: no key, an epoch that never changes.
        let addresses = Addresses {
            app,
            base,
            epoch: 0,
            from: From::End,
        };
        let secret = webhooks::secret(&app.webhook_key.signing(), webhooks::OF_FOLDERS);
        return Ok(letter(due, &addresses, secret));
    }
    let key = due.job.key.map(|key| app.store.key(key)).transpose();
    let key = key.inspect_err(|error| app.jobs.note_store_error(error))?;
    let Some(key) = key.flatten() else {
        return Ok(Letter::Pointless("the job's key is gone"));
    };
    if key.revoked_at_ms.is_some() {
        // Nothing is signed for it any more: neither the message nor addresses in it.
        return Ok(Letter::Pointless("the job's key was revoked"));
    }
    let addresses = Addresses {
        app,
        base,
        epoch: key.url_epoch,
        from: From::End,
    };
    let secret = webhooks::secret(&app.webhook_key.signing(), key.id.0);
    Ok(letter(due, &addresses, secret))
}

fn letter(due: &DueWebhook, addresses: &Addresses<'_>, secret: String) -> Letter {
    match serde_json::to_vec(&view::removal(&due.job, addresses)) {
        Ok(body) => Letter::Signed(body, secret),
        Err(_) => Letter::Pointless("the job's reply cannot be written"),
    }
}
