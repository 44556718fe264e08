//! What a webhook says: the reply of the job, under the secret of its key.

use cleanplate_store::DueWebhook;

use super::view::{self, Addresses, From};
use crate::app::App;
use crate::webhooks;

/// Body and secret of a webhook; `None` when the key of its job is gone. Blocks on the store.
pub fn webhook_body(app: &App, due: &DueWebhook) -> Option<(Vec<u8>, String)> {
    let key = app.store.key(due.job.key?).ok()??;
    let base = due.job.request["webhook"]["base"]
        .as_str()
        .unwrap_or_default();
    let addresses = Addresses {
        app,
        base,
        epoch: key.url_epoch,
        from: From::End,
    };
    let body = serde_json::to_vec(&view::removal(&due.job, &addresses)).ok()?;
    Some((body, webhooks::secret(app.webhook_key.signing(), key.id.0)))
}
