//! The admin interface: thin handlers over store, queue, folders and models, on a listener of its own.
//!
//! Operations, types and status codes are declared in `cleanplate_api::admin`; the routes, the described interface and the
//! tests follow from there. Every change is written to the audit table with who asked for it.

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
mod model_tasks;
mod models;
mod openapi;
mod pipelines;
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
use actix_web::{App as Actix, HttpResponse, web};

use crate::app::App;
use crate::connections::{self, Plan, Roster, Spans};
use crate::folder::Folders;
use crate::router::Router;

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

/// Every operation with its handler.
fn routes() -> Router {
    use cleanplate_api::admin as api;
    Router::default()
        .on::<api::GetDocument, _, _>(openapi::get)
        .on::<api::WatchEvents, _, _>(events::get)
        .on::<api::GetImage, _, _>(images::get)
        .answer::<api::GetServer, _, _, _>(server::get)
        .answer::<api::GetHistory, _, _, _>(server::history)
        .answer::<api::GetConfig, _, _, _>(config::get)
        .answer::<api::GetLog, _, _, _>(log::get)
        .answer::<api::ListActions, _, _, _>(audit::list)
        .answer::<api::ListAccounts, _, _, _>(accounts::list)
        .answer::<api::CreateAccount, _, _, _>(accounts::create)
        .answer::<api::GetAccount, _, _, _>(accounts::get)
        .answer::<api::ChangeAccount, _, _, _>(accounts::change)
        .answer::<api::TopUpAccount, _, _, _>(accounts::top_up)
        .answer::<api::ListLedger, _, _, _>(accounts::ledger)
        .answer::<api::ListKeys, _, _, _>(keys::list)
        .answer::<api::CreateKey, _, _, _>(keys::create)
        .answer::<api::GetKey, _, _, _>(keys::get)
        .answer::<api::ChangeKey, _, _, _>(keys::change)
        .answer::<api::DeleteKey, _, _, _>(keys::delete)
        .answer::<api::RevokeKey, _, _, _>(keys::revoke)
        .answer::<api::ListJobs, _, _, _>(jobs::list)
        .answer::<api::GetJob, _, _, _>(jobs::get)
        .answer::<api::CancelJob, _, _, _>(jobs::cancel)
        .answer::<api::RetryJob, _, _, _>(jobs::retry)
        .answer::<api::ListFolders, _, _, _>(folders::list)
        .answer::<api::PauseFolder, _, _, _>(folders::pause)
        .answer::<api::ResumeFolder, _, _, _>(folders::resume)
        .answer::<api::RescanFolder, _, _, _>(folders::rescan)
        .answer::<api::ListModels, _, _, _>(models::list)
        .answer::<api::LoadModel, _, _, _>(models::load)
        .answer::<api::UnloadModel, _, _, _>(models::unload)
        .answer::<api::VerifyModel, _, _, _>(model_tasks::verify)
        .answer::<api::PullModel, _, _, _>(model_tasks::pull)
        .answer::<api::ImportModel, _, _, _>(model_tasks::import)
        .answer::<api::ListPipelines, _, _, _>(pipelines::list)
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
            .configure(|config| routes().register(config))
            .default_service(web::to(|| async {
                HttpResponse::from_error(errors::not_found())
            }))
    };
    if let Some(unix) = unix {
        threads = connections::listen_unix(threads, unix, plan.clone(), make.clone())?;
    }
    if let Some(tcp) = tcp {
        threads = connections::listen(threads, tcp, plan, make)?;
    }
    Ok(Some(threads.run()))
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_declared_operation_has_a_handler() {
        let missing = super::routes().missing(cleanplate_api::admin::ADMIN.operations);
        assert!(missing.is_empty(), "no handler for {missing:?}");
    }
}
