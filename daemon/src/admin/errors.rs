//! Failures below the interface as refusals.

use cleanplate_api::ErrorCode;
use cleanplate_models::ModelError;
use cleanplate_store::{Store, StoreError};

use crate::app::App;
use crate::refusal::Refusal;

/// No such thing.
pub fn not_found() -> Refusal {
    Refusal::new(ErrorCode::NotFound, "Not Found")
}

/// A refusal that says which thing is not there.
pub fn no_such(what: &str, name: &dyn std::fmt::Display) -> Refusal {
    Refusal::new(ErrorCode::NotFound, format!("there is no {what} {name}"))
}

/// The state of something forbids it.
pub fn conflict(text: impl Into<String>) -> Refusal {
    Refusal::new(ErrorCode::Conflict, text)
}

/// A failure of the store: what an administrator got wrong is told, the rest is internal.
pub fn refused(error: StoreError) -> Refusal {
    match error {
        StoreError::UnknownAccount { account, .. } => no_such("account", &account),
        StoreError::UnknownKey { key, .. } => no_such("key", &key),
        StoreError::UnknownJob { job, .. } => no_such("job", &job),
        StoreError::UnknownBatch { batch, .. } => no_such("batch", &batch),
        StoreError::Overdrawn { .. } => conflict(error.to_string()),
        StoreError::Invalid {
            field, ref problem, ..
        } => Refusal::field(&["body", field], problem.clone(), "value_error"),
        other => Refusal::from(other),
    }
}

/// A failure of the model store.
pub fn model(error: &ModelError) -> Refusal {
    match error {
        ModelError::Unknown { .. } => Refusal::new(ErrorCode::NotFound, error.to_string()),
        ModelError::Name { .. } | ModelError::Reserved { .. } => {
            Refusal::field(&["path", "name"], error.to_string(), "value_error")
        }
        _ => conflict(error.to_string()),
    }
}

/// Asks the store, off the threads that serve HTTP.
pub async fn ask<T: Send + 'static>(
    app: &App,
    act: impl FnOnce(&dyn Store) -> Result<T, StoreError> + Send + 'static,
) -> Result<T, Refusal> {
    let store = app.store.clone();
    let outcome = crate::blocking::blocking(move || act(&*store)).await?;
    outcome
        .inspect_err(|error| app.jobs.note_store_error(error))
        .map_err(refused)
}
