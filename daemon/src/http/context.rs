//! What every reply carries: request id, rate-limit headers, a log line, metrics.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, HttpMessage, HttpRequest, web};

use crate::app::App;
use crate::connections::is_within;
use crate::limits::LimitState;
use crate::refusal::Refusal;
use crate::telemetry::names;

/// Id of a request, on its reply and in every log line about it.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Id of this request.
pub fn request_id(req: &HttpRequest) -> String {
    req.extensions()
        .get::<RequestId>()
        .map_or_else(String::new, |id| id.0.clone())
}

/// Address of the client: the peer, or what the proxy in front says.
pub fn client_address(req: &HttpRequest, app: &App) -> IpAddr {
    let peer = req
        .peer_addr()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| address.ip());
    if is_proxy(peer, app) {
        forwarded_for(req.headers()).unwrap_or(peer)
    } else {
        peer
    }
}

/// Whether what this peer says of its clients is believed.
pub fn is_proxy(peer: IpAddr, app: &App) -> bool {
    is_within(peer, &app.config.server.proxies)
}

/// What a proxy says in a header: the last entry of the last line is the one that it wrote itself.
pub fn forwarded<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let last = headers.get_all(name).last()?.to_str().ok()?;
    Some(last.rsplit(',').next()?.trim())
}

fn forwarded_for(headers: &HeaderMap) -> Option<IpAddr> {
    forwarded(headers, "X-Forwarded-For")?.parse().ok()
}

/// Counts a request without a key against its address.
pub fn guard_public(req: &HttpRequest, app: &App) -> Result<(), Refusal> {
    let state = app.limits.public.count(client_address(req, app));
    req.extensions_mut().insert(state);
    if state.allowed {
        Ok(())
    } else {
        Err(too_many(&state))
    }
}

/// The refusal for a used-up limit.
pub fn too_many(state: &LimitState) -> Refusal {
    let text = format!(
        "rate limit of {} requests per minute reached; try again in {} s",
        state.limit,
        state.retry_after_s()
    );
    Refusal::new(cleanplate_api::ErrorCode::RateLimited, text).retry_after(state.retry_after_s())
}

/// Middleware around every route.
pub async fn stamp(
    req: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let started = Instant::now();
    let id = uuid::Uuid::new_v4().simple().to_string();
    req.extensions_mut().insert(RequestId(id.clone()));
    let mut res = next.call(req).await?;
    let Some(app) = res.request().app_data::<web::Data<App>>().cloned() else {
        return Ok(res);
    };
    let state = res.request().extensions().get::<LimitState>().copied();
    let state =
        state.unwrap_or_else(|| app.limits.public.count(client_address(res.request(), &app)));
    let headers = res.headers_mut();
    for (name, value) in state
        .headers()
        .into_iter()
        .chain([("X-Request-Id", id.clone())])
    {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(&value)) {
            headers.insert(name, value);
        }
    }
    record(&res, &app, &id, started);
    Ok(res)
}

fn record<B>(res: &ServiceResponse<B>, app: &App, id: &str, started: Instant) {
    let req = res.request();
    let (status, seconds) = (res.status().as_u16(), started.elapsed().as_secs_f64());
    let route = req.match_pattern().unwrap_or_else(|| "none".to_string());
    app.metrics.add(
        names::REQUESTS,
        &[("route", &route), ("status", &status.to_string())],
        1.0,
    );
    app.metrics
        .observe(names::REQUEST_SECONDS, &[("route", &route)], seconds);
    let ms = (seconds * 10_000.0).round() / 10.0;
    // The query may hold a signature: it is never logged.
    let (method, path) = (
        req.method().as_str(),
        crate::telemetry::escaped(req.uri().path()),
    );
    let refusal = res
        .response()
        .error()
        .and_then(|error| error.as_error::<Refusal>());
    if let Some(refusal) = refusal {
        app.metrics
            .add(names::ERRORS, &[("type", refusal.code.row().name)], 1.0);
    }
    let reason = refusal.map_or("", |refusal| refusal.text.as_str());
    if status >= 500 {
        tracing::warn!(
            request_id = id,
            method,
            path,
            status,
            ms,
            reason = crate::telemetry::escaped(reason),
            "request failed"
        );
    } else {
        tracing::info!(
            request_id = id,
            method,
            path,
            status,
            ms,
            reason = crate::telemetry::escaped(reason),
            "request"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_hop_counts_in_however_many_lines_it_comes() {
        let client = |lines: &[&str]| {
            let mut headers = HeaderMap::new();
            for line in lines {
                headers.append(
                    HeaderName::from_static("x-forwarded-for"),
                    HeaderValue::from_str(line).unwrap(),
                );
            }
            forwarded_for(&headers).map(|address| address.to_string())
        };
        let last = Some("192.0.2.9".to_string());
        assert_eq!(client(&["192.0.2.9"]), last);
        assert_eq!(client(&["10.0.0.1, 192.0.2.9"]), last);
        assert_eq!(client(&["10.0.0.1", "192.0.2.9"]), last);
        assert_eq!(client(&["10.0.0.1, 10.0.0.2", "10.0.0.3,192.0.2.9"]), last);
        assert_eq!(client(&["192.0.2.9", "nonsense"]), None);
        assert_eq!(client(&[]), None);
    }
}
