//! The HTTP interface: thin handlers over store, queue and files.

mod admit;
mod auth;
mod batch;
mod batch_feed;
mod batch_upload;
mod batch_view;
mod check;
mod context;
mod convert;
mod cors;
mod events;
mod fetch;
mod files;
mod health;
mod idempotency;
mod openapi;
mod order;
mod part;
mod place;
mod preferred;
mod reads;
mod removal;
mod reply;
mod segmentation;
mod upload;
mod view;
mod web_page;
mod webhook_body;

use actix_web::dev::Server;
use actix_web::middleware::{Condition, from_fn};
use actix_web::{App as Actix, web};

pub use webhook_body::webhook_letter;

use cleanplate_api::public;

use crate::app::App;
use crate::config::Role;
use crate::connections::{self, Plan, Roster, Spans};
use crate::router::Router;

/// Seconds for replies under way when the server stops: all jobs have ended then.
const SHUTDOWN_S: u64 = 5;
/// Connections of the listener for metrics: a few collectors.
const METRICS_CONNECTIONS_MAX: usize = 16;

/// What a process of this role serves.
fn routes(role: Role) -> Router {
    let router = Router::default()
        .read::<public::GetHealth, _, _>(health::healthz)
        .read::<public::GetReadiness, _, _>(health::readyz)
        .read::<public::GetMetrics, _, _>(health::metrics);
    if role.takes_calls() {
        service(router)
    } else {
        router
    }
}

/// Every other operation with its handler, and the pages for people.
fn service(router: Router) -> Router {
    router
        .on::<public::RemoveObject, _, _>(removal::post)
        .on::<public::RemoveObjects, _, _>(batch::post)
        .on::<public::Segment, _, _>(segmentation::post)
        .read::<public::GetBatch, _, _>(batch::get)
        .read::<public::GetFile, _, _>(files::get_output)
        .read::<public::GetMask, _, _>(files::get_mask)
        .read::<public::GetCandidate, _, _>(files::get_candidate)
        .read::<public::ListJobs, _, _>(reads::jobs)
        .read::<public::GetJob, _, _>(reads::job)
        .on::<public::CancelJob, _, _>(reads::cancel)
        .on::<public::WatchJob, _, _>(events::get)
        .read::<public::GetAccount, _, _>(reads::account)
        .read::<public::ListModels, _, _>(reads::models)
        .read::<public::GetDocument, _, _>(openapi::get)
        .page("/", web_page::index)
        .page("/docs", web_page::docs)
        .page("/assets/{name}", web_page::asset)
}

/// What all connections of a listener share.
fn plan(app: &App, connections_max: usize) -> Plan {
    let server = &app.config.server;
    Plan {
        roster: Roster::new(
            connections_max,
            server.connections_per_address_max.min(connections_max),
            server.proxies.clone(),
        ),
        spans: Spans {
            head_max: server.request_head_max,
            idle_max: server.keep_alive,
            transfer: server.upload,
        },
        metrics: app.metrics.clone(),
        note: |_, _| {},
    }
}

/// Binds the listener of `/metrics` alone. The server runs once it is polled.
pub fn bind_metrics(
    app: web::Data<App>,
    listener: std::net::TcpListener,
) -> std::io::Result<Server> {
    let plan = plan(&app, METRICS_CONNECTIONS_MAX);
    let make = move || {
        Actix::new()
            .app_data(app.clone())
            .wrap(from_fn(connections::bound))
            .route("/metrics", web::get().to(health::own_metrics))
            .default_service(web::to(health::not_found))
    };
    Ok(connections::listen(connections::server(1, 1), listener, plan, make)?.run())
}

/// Binds the listener. The server runs once it is polled.
pub fn bind(app: web::Data<App>, listener: std::net::TcpListener) -> std::io::Result<Server> {
    let server = &app.config.server;
    let plan = plan(&app, server.connections_max);
    let threads = connections::server(server.workers, SHUTDOWN_S);
    let make = move || {
        Actix::new()
            .app_data(app.clone())
            .wrap(from_fn(place::settle))
            .wrap(Condition::new(
                cors::is_open(&app.config.server.cors_origins),
                cors::middleware(&app.config.server.cors_origins),
            ))
            .wrap(from_fn(context::stamp))
            .wrap(from_fn(connections::bound))
            .configure(|config| routes(app.config.server.role).register(config))
            .default_service(web::to(health::not_found))
    };
    Ok(connections::listen(threads, listener, plan, make)?.run())
}

#[cfg(test)]
mod tests {
    use super::Role;

    #[test]
    fn every_declared_operation_has_a_handler() {
        let missing = super::routes(Role::All).missing(cleanplate_api::PUBLIC.operations);
        assert!(missing.is_empty(), "no handler for {missing:?}");
    }
}
