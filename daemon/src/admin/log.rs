//! The newest log lines.

use actix_web::web;
use cleanplate_api::admin::{GetLog, LogLevel, LogTail};
use cleanplate_api::endpoint::Json;

use crate::app::App;
use crate::params::{self, Params};
use crate::refusal::Refusal;

/// Rows of a request that asks for no number.
const ROWS: u32 = 200;
const ROWS_MAX: u32 = 1_000;

/// `GET /log`
pub async fn get(
    app: web::Data<App>,
    Params(listing): Params<GetLog>,
) -> Result<Json<LogTail>, Refusal> {
    let rows = params::whole("rows", listing.rows, 1..=ROWS_MAX, ROWS)?;
    let text = params::text(listing.text)?.unwrap_or_default();
    let (lines, oldest) = app.tail.newest_of(
        listing.level.unwrap_or(LogLevel::Trace),
        &text,
        rows as usize,
    );
    Ok(Json(LogTail { lines, oldest }))
}
