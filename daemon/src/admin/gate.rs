//! Who asks: the user at the other end of the socket, or the owner of a token.

use std::any::Any;
use std::future::{Ready, ready};
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Extensions, Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{AUTHORIZATION, HeaderName, HeaderValue, WWW_AUTHENTICATE};
use actix_web::middleware::Next;
use actix_web::rt::net::UnixStream;
use actix_web::{Error, FromRequest, HttpMessage, HttpRequest, ResponseError, web};
use cleanplate_api::ErrorCode;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::app::App;
use crate::config::Token;
use crate::refusal::Refusal;
use crate::router::Carried;
use crate::telemetry::escaped;

/// Who asks, as the audit table names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Who(pub String);

impl FromRequest for Who {
    type Error = Refusal;
    type Future = Ready<Result<Who, Refusal>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let who = req.extensions().get::<Who>().cloned();
        ready(who.ok_or_else(|| {
            Refusal::internal("an admin request without a name passed", &req.path())
        }))
    }
}

impl<E> Carried<E> for Who {}

/// The process at the other end of a Unix socket.
#[derive(Debug, Clone)]
struct Peer {
    uid: Option<u32>,
}

/// Notes the peer of a new connection.
pub fn note_peer(io: &dyn Any, connection: &mut Extensions) {
    if let Some(socket) = io.downcast_ref::<UnixStream>() {
        connection.insert(Peer {
            uid: socket.peer_cred().ok().map(|peer| peer.uid()),
        });
    }
}

/// Middleware around every route: lets in who may, and logs.
pub async fn check(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, Error> {
    let started = Instant::now();
    let admitted = match req.app_data::<web::Data<App>>() {
        Some(app) => admit(req.request(), app),
        None => Err(Refusal::internal(
            "the admin interface has no application",
            &req.path(),
        )),
    };
    let id = uuid::Uuid::new_v4().simple().to_string();
    let (mut res, actor) = match admitted {
        Ok(who) => {
            req.extensions_mut().insert(who.clone());
            (next.call(req).await?.map_into_boxed_body(), who.0)
        }
        Err(refusal) => {
            let mut reply = refusal.error_response();
            if refusal.code == ErrorCode::Unauthorized {
                reply.headers_mut().insert(
                    WWW_AUTHENTICATE,
                    HeaderValue::from_static("Bearer realm=\"cleanplate-admin\""),
                );
            }
            (req.into_response(reply), "nobody".to_string())
        }
    };
    if let Ok(value) = HeaderValue::from_str(&id) {
        res.headers_mut()
            .insert(HeaderName::from_static("x-request-id"), value);
    }
    record(&res, &id, &actor, started);
    Ok(res)
}

fn record(res: &ServiceResponse, request_id: &str, actor: &str, started: Instant) {
    let (req, status) = (res.request(), res.status().as_u16());
    let (method, path) = (req.method().as_str(), escaped(req.path()));
    let ms = started.elapsed().as_millis() as u64;
    match status {
        401 | 403 => tracing::warn!(
            request_id,
            method,
            path,
            status,
            ms,
            "admin request refused"
        ),
        500.. => tracing::warn!(
            request_id,
            method,
            path,
            status,
            ms,
            actor,
            "admin request failed"
        ),
        _ => tracing::debug!(request_id, method, path, status, ms, actor, "admin request"),
    }
}

fn admit(req: &HttpRequest, app: &App) -> Result<Who, Refusal> {
    let Some(peer) = req.conn_data::<Peer>() else {
        return by_token(req, app);
    };
    let mine = rustix::process::geteuid().as_raw();
    match peer.uid {
        Some(uid) if uid == 0 || uid == mine => Ok(Who(match user_name(uid) {
            Some(name) => format!("uid {uid} ({name})"),
            None => format!("uid {uid}"),
        })),
        _ => Err(Refusal::new(
            ErrorCode::Forbidden,
            "only root and the user of the daemon may use this socket",
        )),
    }
}

fn by_token(req: &HttpRequest, app: &App) -> Result<Who, Refusal> {
    let given = req
        .headers()
        .get(AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.split_once(' '));
    let given = given
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
        .map(|(_, token)| token.trim());
    if let Some(token) = given.and_then(|given| owner(&app.config.admin.tokens, given)) {
        return Ok(Who(format!("token {}", token.name)));
    }
    let peer = req.peer_addr().map_or(
        std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED),
        |address| address.ip(),
    );
    let state = app.limits.auth_failures.count(peer);
    if state.allowed {
        Err(Refusal::new(
            ErrorCode::Unauthorized,
            "Invalid or missing admin token",
        ))
    } else {
        Err(Refusal::new(
            ErrorCode::RateLimited,
            "too many requests with a wrong admin token",
        )
        .retry_after(state.retry_after_s()))
    }
}

/// Whose token this is. Takes the same time whichever it is, or none: hashes of equal length are compared, all of them.
fn owner<'a>(tokens: &'a [Token], given: &str) -> Option<&'a Token> {
    let given = Sha256::digest(given.as_bytes());
    let mut found = None;
    for token in tokens {
        let equal: Choice = Sha256::digest(token.secret.as_bytes())[..].ct_eq(&given[..]);
        if bool::from(equal) {
            found = Some(token);
        }
    }
    found
}

/// Login name of a user, from the local user database.
fn user_name(uid: u32) -> Option<String> {
    let users = std::fs::read_to_string("/etc/passwd").ok()?;
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse::<u32>() == Ok(uid)).then(|| name.to_string())
    })?;
    Some(escaped(&crate::telemetry::short(&name, 64)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_told_apart() {
        let token = |name: &str, secret: &str| Token {
            name: name.to_string(),
            secret: secret.to_string(),
        };
        let tokens = [
            token("ada", "0123456789abcdef0123456789abcdef"),
            token("bob", "fedcba9876543210fedcba9876543210"),
        ];
        assert_eq!(
            owner(&tokens, "fedcba9876543210fedcba9876543210").map(|token| token.name.as_str()),
            Some("bob")
        );
        for wrong in [
            "",
            "ada",
            "0123456789abcdef0123456789abcde",
            "0123456789abcdef0123456789abcdeff",
        ] {
            assert!(owner(&tokens, wrong).is_none(), "{wrong}");
        }
        assert!(owner(&[], "").is_none());
    }

    #[test]
    fn root_has_a_name() {
        assert_eq!(user_name(0).as_deref(), Some("root"));
        assert_eq!(user_name(4_000_000_000), None);
    }
}
