//! The admin interface beside the service: its server, and the thread that makes its events.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::dev::ServerHandle;
use actix_web::rt::task::JoinHandle;
use actix_web::web;
use anyhow::Context;

use crate::admin::{self, AdminState, Sockets};
use crate::app::App;
use crate::folder::Folders;
use crate::monitor;

/// Both, running.
pub struct AdminSide {
    state: web::Data<AdminState>,
    server: Option<(ServerHandle, JoinHandle<std::io::Result<()>>)>,
    stop: Arc<AtomicBool>,
    ticker: std::thread::JoinHandle<()>,
    _socket_file: Box<dyn Send>,
}

impl AdminSide {
    /// Starts both.
    pub fn start(
        app: &web::Data<App>,
        folders: &Arc<Folders>,
        sockets: Sockets,
    ) -> anyhow::Result<AdminSide> {
        let state = web::Data::new(AdminState::new(folders.clone()));
        if let Some(path) = &app.config.admin.socket {
            tracing::info!(socket = %path.display(), "admin interface listening");
        }
        if let Some(address) = app.config.admin.listen {
            tracing::info!(%address, "admin interface listening");
        }
        let (unix, tcp, socket_file) = sockets.split();
        let server = admin::serve(app.clone(), state.clone(), unix, tcp)
            .context("starting the admin interface")?;
        let server = server.map(|server| (server.handle(), actix_web::rt::spawn(server)));
        let stop = Arc::new(AtomicBool::new(false));
        let ticker = monitor::start(app.clone().into_inner(), folders.clone(), stop.clone())
            .context("starting the thread for events")?;
        Ok(AdminSide {
            state,
            server,
            stop,
            ticker,
            _socket_file: socket_file,
        })
    }

    /// Ends event streams, then the server, then the thread.
    pub async fn stop(self) {
        self.state.closing.store(true, Ordering::SeqCst);
        if let Some((handle, serving)) = self.server {
            handle.stop(true).await;
            if let Ok(Err(error)) = serving.await {
                tracing::error!(%error, "the server of the admin interface failed");
            }
        }
        self.stop.store(true, Ordering::SeqCst);
        if self.ticker.join().is_err() {
            tracing::error!("the thread for events panicked");
        }
    }
}
