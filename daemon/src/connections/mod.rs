//! HTTP connections with a bound at every moment.
//!
//! The HTTP library times the first head of a connection and idle ones, nothing else: a body that nobody reads, a later
//! head that trickles and a reply that is not taken would hold a connection for ever. Here every accepted stream carries a
//! [`Meter`] that knows what the connection is doing and until when it may. A watchdog beside the library's own task drops
//! the connection when that moment has passed, whatever the library waits for. A [`Roster`] bounds how many connections
//! there are, in all and from one address; who is over it is told so at once instead of waiting to be accepted.

mod expectation;
mod meter;
mod request;
mod roster;
mod socket;

use std::any::Any;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::os::unix::net::UnixListener;
use std::rc::Rc;
use std::sync::Arc;

use actix_http::{HttpService, Request, Response};
use actix_server::{GracefulShutdownSignal, ServerBuilder};
use actix_service::{IntoServiceFactory, Service, ServiceFactory, ServiceFactoryExt, map_config};
use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{AppConfig, Extensions, Server, fn_factory, fn_service};

pub use meter::{Meter, Spans};
pub use request::bound;
pub use roster::{Roster, is_within};
use socket::{Socket, Wire};

use crate::telemetry::{Metrics, names};

/// Connections that the system may hold ready until they are accepted.
const BACKLOG: i32 = 4096;
/// Open files besides connections: the database, uploads, results, the device.
const OTHER_FILES: u64 = 512;
/// Connections that a thread of the library takes: the [`Roster`] decides earlier.
const UNBOUNDED: usize = 1 << 20;

/// Notes something about a new connection for its requests.
pub type Note = fn(&dyn Any, &mut Extensions);

/// What all connections of a server share.
#[derive(Clone)]
pub struct Plan {
    /// Who is there.
    pub roster: Arc<Roster>,
    /// How long a connection may do what.
    pub spans: Spans,
    /// Where connections that were cut are counted.
    pub metrics: Arc<Metrics>,
    /// Called for each new connection.
    pub note: Note,
}

/// Lets the process have as many open files as the system allows, and says when that is too few for so many connections.
pub fn allow_open_files(connections_max: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let raised = Rlimit {
        current: maximum,
        maximum,
    };
    let open_max = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => maximum,
        Err(_) => current,
    };
    let needed = connections_max as u64 + OTHER_FILES;
    if let Some(open_max) = open_max.filter(|max| *max < needed) {
        tracing::warn!(
            open_max,
            needed,
            "the system allows fewer open files than server.connections_max may need: raise LimitNOFILE, or lower the option"
        );
    }
}

/// A server without a listener. It handles no signals.
pub fn server(workers: usize, shutdown_s: u64) -> ServerBuilder {
    Server::build()
        .workers(workers)
        .max_concurrent_connections(UNBOUNDED)
        .shutdown_timeout(shutdown_s)
        .disable_signals()
}

/// Adds a TCP listener to a server.
pub fn listen<F, I, S, B>(
    server: ServerBuilder,
    listener: std::net::TcpListener,
    plan: Plan,
    make: F,
) -> std::io::Result<ServerBuilder>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    // The standard library asks for a short queue: a burst of strangers would make others wait for a repeated SYN.
    socket2::SockRef::from(&listener).listen(BACKLOG)?;
    let (address, signal) = (listener.local_addr()?, server.graceful_shutdown_signal());
    server.listen("http", listener, move || {
        connections::<actix_web::rt::net::TcpStream, _, _, _>(&plan, make(), address, &signal)
    })
}

/// Adds a Unix listener to a server.
pub fn listen_unix<F, I, S, B>(
    server: ServerBuilder,
    listener: UnixListener,
    plan: Plan,
    make: F,
) -> std::io::Result<ServerBuilder>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    // Stands in the library's description of the server; no address of ours is made of it.
    let address = SocketAddr::from(([127, 0, 0, 1], 0));
    let signal = server.graceful_shutdown_signal();
    server.listen_uds("http-unix", listener, move || {
        connections::<actix_web::rt::net::UnixStream, _, _, _>(&plan, make(), address, &signal)
    })
}

/// What one thread of a server does with the streams of a listener.
fn connections<Io, I, S, B>(
    plan: &Plan,
    app: I,
    address: SocketAddr,
    signal: &GracefulShutdownSignal,
) -> impl ServiceFactory<Io, Config = (), Response = (), Error = (), InitError = ()> + use<Io, I, S, B>
where
    Io: Wire,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<actix_web::Error> + 'static,
    S::InitError: Debug,
    S::Response: Into<Response<B>> + 'static,
    S::Service: 'static,
    <S::Service as Service<Request>>::Future: 'static,
    B: MessageBody + 'static,
{
    let (spans, note, signal) = (plan.spans, plan.note, signal.clone());
    let app = app
        .into_factory()
        .map_err(|error| error.into().error_response());
    let http = HttpService::build()
        .keep_alive(spans.idle_max)
        .client_request_timeout(spans.head_max)
        // After a reply whose body was not read, this long the rest is read and dropped, so that a client that sends
        // before it listens gets to see the reply.
        .client_disconnect_timeout(spans.head_max)
        .local_addr(address)
        .graceful_shutdown_signal(move || {
            let signal = signal.clone();
            async move { signal.notified().await }
        })
        .expect(fn_service(|req: Request| async move {
            if let Some(meter) = req.conn_data::<Arc<Meter>>() {
                meter.expectation().asked().await;
            }
            Ok::<_, Response<BoxBody>>(req)
        }))
        .on_connect_ext(move |socket: &Socket<Io>, data: &mut Extensions| {
            note(socket.io(), data);
            data.insert(socket.meter().clone());
        })
        .h1(map_config(app, move |()| AppConfig::default()));
    let plan = plan.clone();
    fn_factory(move || {
        let (starting, plan) = (http.new_service(()), plan.clone());
        async move {
            let http = Rc::new(starting.await?);
            Ok(fn_service(move |io: Io| {
                serve(io, plan.clone(), http.clone())
            }))
        }
    })
}

/// One connection from its beginning to its end.
async fn serve<Io, H>(io: Io, plan: Plan, http: Rc<H>) -> Result<(), ()>
where
    Io: Wire,
    H: Service<(Socket<Io>, Option<SocketAddr>)>,
{
    let (address, meter) = (io.address(), Arc::new(Meter::new(plan.spans)));
    let Some(_seat) = plan.roster.enter(address.map(|at| at.ip()), &meter) else {
        plan.metrics.add(names::CONNECTIONS_REFUSED, &[], 1.0);
        io.refuse();
        return Ok(());
    };
    let serving = http.call((Socket::new(io, meter.clone()), address));
    tokio::select! {
        // The library has logged what was wrong.
        ended = serving => drop(ended),
        why = meter.expired() => plan.metrics.add(names::CONNECTIONS_CUT, &[("why", why.name())], 1.0),
    }
    Ok(())
}
