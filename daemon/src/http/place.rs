//! Where the interface lies: a proxy may serve it below a path of its own, and clients may end paths with a slash, or begin them
//! with two where their base address ends with one.

use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::LOCATION;
use actix_web::http::uri::PathAndQuery;
use actix_web::http::{Method, Uri};
use actix_web::middleware::Next;
use actix_web::{Error, HttpRequest, HttpResponse, web};

use super::context::{forwarded, is_proxy};
use crate::app::App;
use crate::config::is_path_prefix;

/// Page whose relative links hold only without a slash at its end.
const DOCS: &str = "/docs";

/// The path before all paths: that of `server.public_url`, or what a proxy tells; empty for none.
pub fn prefix(req: &HttpRequest, app: &App) -> String {
    if let Some(url) = &app.config.server.public_url {
        return url.path.clone();
    }
    let told = forwarded(req.headers(), "X-Forwarded-Prefix");
    let proxy = req.peer_addr().is_some_and(|peer| is_proxy(peer.ip(), app));
    told.map(|path| path.trim_end_matches('/'))
        .filter(|path| proxy && is_path_prefix(path))
        .unwrap_or_default()
        .to_string()
}

/// Where a request really goes.
#[derive(Debug, PartialEq, Eq)]
enum Place<'a> {
    /// Where it says.
    Here,
    /// To another path of this interface.
    At(&'a str),
    /// Its client has to ask again there, or relative links of the page would miss.
    Elsewhere(String),
}

fn find<'a>(path: &'a str, prefix: &str) -> Place<'a> {
    let inner = path.strip_prefix(prefix).unwrap_or(path);
    if inner.is_empty() {
        let last = path.rsplit('/').next().unwrap_or_default();
        return Place::Elsewhere(format!("{last}/"));
    }
    // A neighbour whose name begins alike is none of ours.
    let inner = if inner.starts_with('/') { inner } else { path };
    let doubled = inner.bytes().take_while(|byte| *byte == b'/').count();
    let inner = &inner[doubled.saturating_sub(1)..];
    let trimmed = inner.trim_end_matches('/');
    match trimmed {
        DOCS if inner != DOCS => Place::Elsewhere("../docs".to_string()),
        "" if path == "/" => Place::Here,
        "" => Place::At("/"),
        _ if trimmed == path => Place::Here,
        _ => Place::At(trimmed),
    }
}

/// Middleware in front of the routes: takes the prefix and slashes too many away.
pub async fn settle<B: MessageBody + 'static>(
    mut req: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    let prefix = req
        .app_data::<web::Data<App>>()
        .map(|app| prefix(req.request(), app))
        .unwrap_or_default();
    let moved = match find(req.path(), &prefix) {
        Place::Elsewhere(to) if matches!(*req.method(), Method::GET | Method::HEAD) => {
            let reply = HttpResponse::PermanentRedirect()
                .insert_header((LOCATION, to))
                .finish();
            return Ok(req.into_response(reply).map_into_right_body());
        }
        Place::Here | Place::Elsewhere(_) => None,
        Place::At(path) => moved(req.uri(), path),
    };
    if let Some(uri) = moved {
        req.match_info_mut().get_mut().update(&uri);
        req.head_mut().uri = uri;
    }
    Ok(next.call(req).await?.map_into_left_body())
}

/// The address with another path, its query kept.
fn moved(uri: &Uri, path: &str) -> Option<Uri> {
    let text = match uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_string(),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(text.parse::<PathAndQuery>().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_found_with_and_without_prefix_and_slash() {
        use Place::{At, Here};
        let to = |text: &str| Place::Elsewhere(text.to_string());
        for (path, prefix, place) in [
            ("/", "", Here),
            ("/v1/account", "", Here),
            ("/v1/account/", "", At("/v1/account")),
            ("/docs", "", Here),
            ("/docs/", "", to("../docs")),
            ("/plates", "/plates", to("plates/")),
            ("/a/plates", "/a/plates", to("plates/")),
            ("/plates/", "/plates", At("/")),
            ("/plates/v1/account", "/plates", At("/v1/account")),
            ("/plates/v1/account//", "/plates", At("/v1/account")),
            ("/plates/docs/", "/plates", to("../docs")),
            // The proxy took the prefix away.
            ("/", "/plates", Here),
            ("/v1/account", "/plates", Here),
            ("/platesx/v1", "/plates", Here),
            ("//", "", At("/")),
            ("//v1/account", "", At("/v1/account")),
            ("///v1/account/", "", At("/v1/account")),
            ("/plates//v1/account", "/plates", At("/v1/account")),
            ("//docs", "", At("/docs")),
            ("//docs/", "", to("../docs")),
            ("/v1//account", "", Here),
        ] {
            assert_eq!(find(path, prefix), place, "{path} under {prefix:?}");
        }
    }

    #[test]
    fn the_query_stays() {
        let uri = "/plates/v1/files/a/?expires=1&sig=x".parse().unwrap();
        let moved = moved(&uri, "/v1/files/a").unwrap();
        assert_eq!(moved.to_string(), "/v1/files/a?expires=1&sig=x");
    }
}
