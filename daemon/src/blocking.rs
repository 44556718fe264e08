//! Work that blocks, off the threads that serve HTTP.

use crate::refusal::Refusal;

/// Runs something that blocks, off the threads that serve HTTP.
pub async fn blocking<T: Send + 'static>(
    act: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Refusal> {
    actix_web::web::block(act)
        .await
        .map_err(|error| Refusal::internal("the pool for blocking work refused", &error))
}
