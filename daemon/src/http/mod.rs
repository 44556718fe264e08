//! The HTTP interface: thin handlers over store, queue and files.

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
use actix_web::http::KeepAlive;
use actix_web::middleware::from_fn;
use actix_web::{App as Actix, HttpServer, web};

pub use webhook_body::webhook_body;

use crate::app::App;

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
    let server = app.config.server.clone();
    let per_worker = server.connections_max.div_ceil(server.workers).max(1);
    let make = move || {
        Actix::new()
            .app_data(app.clone())
            .wrap(from_fn(context::stamp))
            .configure(routes)
    };
    let http = HttpServer::new(make)
        .workers(server.workers)
        .max_connections(per_worker)
        .backlog(1024)
        .client_request_timeout(server.request_head_max)
        .client_disconnect_timeout(std::time::Duration::from_secs(1))
        .keep_alive(KeepAlive::Timeout(server.keep_alive))
        .shutdown_timeout(5)
        .disable_signals();
    Ok(http.listen(listener)?.run())
}
