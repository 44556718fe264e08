//! What a webhook says: the reply of the job, under the secret of its key.

use cleanplate_store::{DueWebhook, StoreError};

use super::view::{self, Addresses, From};
use crate::app::App;
use crate::webhooks::{self, Letter};

/// Body and secret of a webhook. Blocks on the store.
pub fn webhook_letter(app: &App, due: &DueWebhook) -> Result<Letter, StoreError> {
    let Some((epoch, whose)) = signed_for(app, due)? else {
        // Neither the message nor addresses in it.
        return Ok(Letter::Pointless("the job's key is gone or was revoked"));
    };
    let base = due.job.request["webhook"]["base"].as_str();
    let addresses = Addresses {
        app,
        base: base.unwrap_or_default(),
        epoch,
        from: From::End,
    };
    let secret = webhooks::secret(&app.webhook_key.signing(), whose);
    Ok(
        match serde_json::to_vec(&view::removal(&due.job, &addresses)) {
            Ok(body) => Letter::Signed(body, secret),
            Err(_) => Letter::Pointless("the job's reply cannot be written"),
        },
    )
}

/// Epoch of the addresses of a job, and whose secret signs for it; `None` once nothing is signed for its key.
fn signed_for(app: &App, due: &DueWebhook) -> Result<Option<(u32, i64)>, StoreError> {
    let Some(key) = due.job.key else {
        // A watched folder's: no key, an epoch that never changes.
        return Ok(Some((0, webhooks::OF_FOLDERS)));
    };
    let key = app.store.key(key);
    let key = key.inspect_err(|error| app.jobs.note_store_error(error))?;
    Ok(key
        .filter(|key| key.revoked_at_ms.is_none())
        .map(|key| (key.url_epoch, key.id.0)))
}
