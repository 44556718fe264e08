//! The newest log lines.

use actix_web::{HttpResponse, web};
use cleanplate_api::admin::{LogLevel, LogTail};
use serde::Deserialize;

use super::params::{self, Params, ok};
use crate::app::App;
use crate::refusal::Refusal;

/// Rows of a request that asks for no number.
const ROWS: u32 = 200;
const ROWS_MAX: u32 = 1_000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listing {
    level: Option<LogLevel>,
    text: Option<String>,
    rows: Option<u32>,
}

/// `GET /log`
pub async fn get(
    app: web::Data<App>,
    Params(listing): Params<Listing>,
) -> Result<HttpResponse, Refusal> {
    let rows = params::whole("rows", listing.rows, 1..=ROWS_MAX, ROWS)?;
    let text = params::text(listing.text)?.unwrap_or_default();
    let (lines, oldest) = app.tail.newest_of(
        listing.level.unwrap_or(LogLevel::Trace),
        &text,
        rows as usize,
    );
    Ok(ok(&LogTail { lines, oldest }))
}
