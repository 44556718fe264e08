//! The admin interface: thin handlers over store, queue, folders and models, on a listener of its own.
//!
//! Routes, types and status codes are documented in `cleanplate_api::admin`; [`cleanplate_api::admin::ROUTES`] is the list
//! that the described interface and the tests follow. Every change is written to the audit table with who asked for it.

mod accounts;
mod audit;
mod config;
mod errors;
mod events;
mod folders;
mod gate;
mod images;
mod jobs;
mod keys;
mod listen;
mod log;
mod models;
mod openapi;
mod params;
mod rows;
mod server;
mod tasks;

use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::middleware::from_fn;
use actix_web::{App as Actix, HttpResponse, Resource, web};
use cleanplate_api::ErrorCode;
use cleanplate_api::admin::{PREFIX, ROUTES};

use crate::app::App;
use crate::connections::{self, Plan, Roster, Spans};
use crate::folder::Folders;
use crate::refusal::Refusal;

pub use listen::{Sockets, bind};

/// Open connections: a few dashboards and scripts.
const CONNECTIONS_MAX: usize = 64;
/// Time that a dashboard's connection is kept between its requests.
const IDLE_MAX: Duration = Duration::from_secs(60);
/// Seconds for replies under way when the server stops.
const SHUTDOWN_S: u64 = 2;
/// Threads; handlers only move text, the store is asked elsewhere.
const WORKERS: usize = 1;

/// What handlers need besides the [`App`].
pub struct AdminState {
    /// Watched folders.
    pub folders: Arc<Folders>,
    /// What is done with models in the background.
    pub tasks: tasks::Tasks,
    /// One picture is decoded at a time: it may have fifty megapixels.
    pub decoding: tokio::sync::Semaphore,
    /// Event streams end.
    pub closing: AtomicBool,
}

impl AdminState {
    /// A state where nothing was done yet.
    pub fn new(folders: Arc<Folders>) -> AdminState {
        AdminState {
            folders,
            tasks: tasks::Tasks::default(),
            decoding: tokio::sync::Semaphore::new(1),
            closing: AtomicBool::new(false),
        }
    }
}

/// A resource whose other methods get 405 with the methods that [`ROUTES`] lists.
fn at(path: &'static str) -> Resource {
    let allow: Vec<&str> = ROUTES
        .iter()
        .filter(|route| route.path == path)
        .map(|route| route.method.as_str())
        .collect();
    let allow = allow.join(", ");
    web::resource(format!("{PREFIX}{path}")).default_service(web::to(move || {
        let mut reply = HttpResponse::from_error(Refusal::new(
            ErrorCode::MethodNotAllowed,
            "Method Not Allowed",
        ));
        if let Ok(value) = allow.parse() {
            reply
                .headers_mut()
                .insert(actix_web::http::header::ALLOW, value);
        }
        async { reply }
    }))
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .service(at("/openapi.json").route(web::get().to(openapi::get)))
        .service(at("/server").route(web::get().to(server::get)))
        .service(at("/metrics/history").route(web::get().to(server::history)))
        .service(at("/events").route(web::get().to(events::get)))
        .service(
            at("/accounts")
                .route(web::get().to(accounts::list))
                .route(web::post().to(accounts::create)),
        )
        .service(
            at("/accounts/{id}")
                .route(web::get().to(accounts::get))
                .route(web::patch().to(accounts::change)),
        )
        .service(at("/accounts/{id}/top-ups").route(web::post().to(accounts::top_up)))
        .service(at("/accounts/{id}/ledger").route(web::get().to(accounts::ledger)))
        .service(
            at("/keys")
                .route(web::get().to(keys::list))
                .route(web::post().to(keys::create)),
        )
        .service(
            at("/keys/{id}")
                .route(web::get().to(keys::get))
                .route(web::patch().to(keys::change))
                .route(web::delete().to(keys::delete)),
        )
        .service(at("/keys/{id}/revoke").route(web::post().to(keys::revoke)))
        .service(at("/jobs").route(web::get().to(jobs::list)))
        .service(at("/jobs/{id}").route(web::get().to(jobs::get)))
        .service(at("/jobs/{id}/images/{part}").route(web::get().to(images::get)))
        .service(at("/jobs/{id}/cancel").route(web::post().to(jobs::cancel)))
        .service(at("/jobs/{id}/retry").route(web::post().to(jobs::retry)))
        .service(at("/folders").route(web::get().to(folders::list)))
        .service(at("/folders/{name}/pause").route(web::post().to(folders::pause)))
        .service(at("/folders/{name}/resume").route(web::post().to(folders::resume)))
        .service(at("/folders/{name}/rescan").route(web::post().to(folders::rescan)))
        .service(at("/models").route(web::get().to(models::list)))
        .service(at("/models/{name}/load").route(web::post().to(models::load)))
        .service(at("/models/{name}/unload").route(web::post().to(models::unload)))
        .service(at("/models/{name}/verify").route(web::post().to(models::verify)))
        .service(at("/models/{name}/pull").route(web::post().to(models::pull)))
        .service(at("/models/{name}/import").route(web::post().to(models::import)))
        .service(at("/pipelines").route(web::get().to(models::pipelines)))
        .service(at("/config").route(web::get().to(config::get)))
        .service(at("/log").route(web::get().to(log::get)))
        .service(at("/audit").route(web::get().to(audit::list)))
        .default_service(web::to(|| async {
            HttpResponse::from_error(errors::not_found())
        }));
}

/// Serves the sockets; `None` without any. The server runs once it is polled.
pub fn serve(
    app: web::Data<App>,
    state: web::Data<AdminState>,
    unix: Option<UnixListener>,
    tcp: Option<TcpListener>,
) -> std::io::Result<Option<Server>> {
    if unix.is_none() && tcp.is_none() {
        return Ok(None);
    }
    let server = &app.config.server;
    let plan = Plan {
        // A dashboard behind a tunnel shares its address with others: tokens tell them apart.
        roster: Roster::new(CONNECTIONS_MAX, CONNECTIONS_MAX, Vec::new()),
        spans: Spans {
            head_max: server.request_head_max,
            idle_max: IDLE_MAX,
            transfer: server.upload,
        },
        metrics: app.metrics.clone(),
        note: gate::note_peer,
    };
    let mut threads = connections::server(WORKERS, SHUTDOWN_S);
    let make = move || {
        Actix::new()
            .app_data(app.clone())
            .app_data(state.clone())
            .wrap(from_fn(gate::check))
            .wrap(from_fn(connections::bound))
            .configure(routes)
    };
    if let Some(unix) = unix {
        threads = connections::listen_unix(threads, unix, plan.clone(), make.clone())?;
    }
    if let Some(tcp) = tcp {
        threads = connections::listen(threads, tcp, plan, make)?;
    }
    Ok(Some(threads.run()))
}
