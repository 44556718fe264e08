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

pub use webhook_body::webhook_letter;

use crate::app::App;
use crate::connections::{self, Plan, Roster, Spans};

/// Seconds for replies under way when the server stops: all jobs have ended then.
const SHUTDOWN_S: u64 = 5;
const READ: &str = "GET, HEAD";

/// A route for GET and HEAD; other methods get 405.
macro_rules! read {
    ($path:expr, $handler:path) => {
        web::resource($path)
            .route(web::get().to($handler))
            .route(web::head().to($handler))
            .default_service(web::to(|| health::method_not_allowed(READ)))
    };
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/v1/services/object-removal")
                .route(web::post().to(removal::post))
                .default_service(web::to(|| health::method_not_allowed("POST"))),
        )
        .service(
            web::resource("/v1/services/object-removal/batch")
                .route(web::post().to(batch::post))
                .default_service(web::to(|| health::method_not_allowed("POST"))),
        )
        .service(
            web::resource("/v1/services/segmentation")
                .route(web::post().to(segmentation::post))
                .default_service(web::to(|| health::method_not_allowed("POST"))),
        )
        .service(read!("/v1/batches/{batch}", batch::get))
        .service(read!("/v1/files/{job}", files::get_output))
        .service(read!("/v1/files/{job}/mask", files::get_mask))
        .service(
            web::resource("/v1/jobs/{job}")
                .route(web::get().to(reads::job))
                .route(web::head().to(reads::job))
                .route(web::delete().to(reads::cancel))
                .default_service(web::to(|| health::method_not_allowed("GET, HEAD, DELETE"))),
        )
        .service(
            web::resource("/v1/jobs/{job}/events")
                .route(web::get().to(events::get))
                .default_service(web::to(|| health::method_not_allowed("GET"))),
        )
        .service(read!("/v1/account", reads::account))
        .service(read!("/v1/models", reads::models))
        .service(read!("/healthz", health::healthz))
        .service(read!("/readyz", health::readyz))
        .service(read!("/metrics", health::metrics))
        .service(read!("/openapi.json", openapi::get))
        .service(read!("/", web_page::index))
        .service(read!("/docs", web_page::docs))
        .service(read!("/assets/{name}", web_page::asset))
        .default_service(web::to(health::not_found));
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
            .configure(routes)
    };
    Ok(connections::listen(threads, listener, plan, make)?.run())
}
