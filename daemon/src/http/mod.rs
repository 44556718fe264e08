//! The HTTP interface: thin handlers over store, queue and files.

mod admit;
mod auth;
mod batch;
mod batch_feed;
mod batch_upload;
mod batch_view;
mod check;
mod context;
mod events;
mod files;
mod health;
mod idempotency;
mod local;
mod openapi;
mod order;
mod reads;
mod removal;
mod reply;
mod segmentation;
mod tuning;
mod upload;
mod view;
mod web_page;
mod webhook_body;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App as Actix, web};

pub use local::Local;
pub use webhook_body::webhook_letter;

use cleanplate_api::public;

use crate::app::App;
use crate::connections::{self, Plan, Roster, Spans};
use crate::router::Router;

/// Seconds for replies under way when the server stops: all jobs have ended then.
const SHUTDOWN_S: u64 = 5;

/// Every operation with its handler, and the pages for people.
fn routes() -> Router {
    Router::default()
        .on::<public::RemoveObject, _, _>(removal::post)
        .on::<public::RemoveObjects, _, _>(batch::post)
        .on::<public::Segment, _, _>(segmentation::post)
        .read::<public::GetBatch, _, _>(batch::get)
        .read::<public::GetFile, _, _>(files::get_output)
        .read::<public::GetMask, _, _>(files::get_mask)
        .read::<public::GetCandidate, _, _>(files::get_candidate)
        .read::<public::GetJob, _, _>(reads::job)
        .on::<public::CancelJob, _, _>(reads::cancel)
        .on::<public::WatchJob, _, _>(events::get)
        .read::<public::GetAccount, _, _>(reads::account)
        .read::<public::ListModels, _, _>(reads::models)
        .read::<public::GetHealth, _, _>(health::healthz)
        .read::<public::GetReadiness, _, _>(health::readyz)
        .read::<public::GetMetrics, _, _>(health::metrics)
        .read::<public::GetDocument, _, _>(openapi::get)
        .page("/", web_page::index)
        .page("/docs", web_page::docs)
        .page("/assets/{name}", web_page::asset)
}

/// Binds the listener. The server runs once it is polled.
pub fn bind(app: web::Data<App>, listener: std::net::TcpListener) -> std::io::Result<Server> {
    let server = &app.config.server;
    let plan = Plan {
        roster: Roster::new(
            server.connections_max,
            server.connections_per_address_max,
            server.proxies.clone(),
        ),
        spans: Spans {
            head_max: server.request_head_max,
            idle_max: server.keep_alive,
            transfer: server.upload,
        },
        metrics: app.metrics.clone(),
        note: |_, _| {},
    };
    let threads = connections::server(server.workers, SHUTDOWN_S);
    let make = move || {
        Actix::new()
            .app_data(app.clone())
            .wrap(from_fn(context::stamp))
            .wrap(from_fn(connections::bound))
            .configure(|config| routes().register(config))
            .default_service(web::to(health::not_found))
    };
    Ok(connections::listen(threads, listener, plan, make)?.run())
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_declared_operation_has_a_handler() {
        let missing = super::routes().missing(cleanplate_api::PUBLIC.operations);
        assert!(missing.is_empty(), "no handler for {missing:?}");
    }
}
