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
mod workers;

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
        .on::<api::GetServer, _, _>(server::get)
        .on::<api::GetHistory, _, _>(server::history)
        .on::<api::ListWorkers, _, _>(workers::list)
        .on::<api::GetConfig, _, _>(config::get)
        .on::<api::GetLog, _, _>(log::get)
        .on::<api::ListActions, _, _>(audit::list)
        .on::<api::ListAccounts, _, _>(accounts::list)
        .on::<api::CreateAccount, _, _>(accounts::create)
        .on::<api::GetAccount, _, _>(accounts::get)
        .on::<api::ChangeAccount, _, _>(accounts::change)
        .on::<api::TopUpAccount, _, _>(accounts::top_up)
        .on::<api::ListLedger, _, _>(accounts::ledger)
        .on::<api::ListKeys, _, _>(keys::list)
        .on::<api::CreateKey, _, _>(keys::create)
        .on::<api::GetKey, _, _>(keys::get)
        .on::<api::ChangeKey, _, _>(keys::change)
        .on::<api::DeleteKey, _, _>(keys::delete)
        .on::<api::RevokeKey, _, _>(keys::revoke)
        .on::<api::ListJobs, _, _>(jobs::list)
        .on::<api::GetJob, _, _>(jobs::get)
        .on::<api::CancelJob, _, _>(jobs::cancel)
        .on::<api::RetryJob, _, _>(jobs::retry)
        .on::<api::ListFolders, _, _>(folders::list)
        .on::<api::PauseFolder, _, _>(folders::pause)
        .on::<api::ResumeFolder, _, _>(folders::resume)
        .on::<api::RescanFolder, _, _>(folders::rescan)
        .on::<api::RetryPair, _, _>(folders::retry)
        .on::<api::ReleasePair, _, _>(folders::release)
        .on::<api::ListModels, _, _>(models::list)
        .on::<api::LoadModel, _, _>(models::load)
        .on::<api::UnloadModel, _, _>(models::unload)
        .on::<api::VerifyModel, _, _>(model_tasks::verify)
        .on::<api::PullModel, _, _>(model_tasks::pull)
        .on::<api::ImportModel, _, _>(model_tasks::import)
        .on::<api::ListPipelines, _, _>(pipelines::list)
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
