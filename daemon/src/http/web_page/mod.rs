//! `/` and `/docs`: a small page to try the service with, and its interface to read. Everything is embedded; nothing is
//! loaded from elsewhere.

use actix_web::{HttpRequest, HttpResponse, web};
use cleanplate_api::ErrorCode;

use super::context::guard_public;
use crate::app::App;
use crate::refusal::Refusal;

/// Scripts and styles come from here alone; pictures may be the ones that the page itself holds.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Name below `/assets/`, content type, content.
const ASSETS: [(&str, &str, &str); 6] = [
    (
        "style.css",
        "text/css; charset=utf-8",
        include_str!("style.css"),
    ),
    ("app.js", SCRIPT, include_str!("app.js")),
    ("api.js", SCRIPT, include_str!("api.js")),
    ("mask.js", SCRIPT, include_str!("mask.js")),
    ("view.js", SCRIPT, include_str!("view.js")),
    ("docs.js", SCRIPT, include_str!("docs.js")),
];

fn page(content_type: &str, body: &'static str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(content_type)
        .insert_header(("Content-Security-Policy", POLICY))
        .insert_header(("X-Content-Type-Options", "nosniff"))
        .insert_header(("Referrer-Policy", "no-referrer"))
        // A new version of the daemon shows its own page at once.
        .insert_header(("Cache-Control", "no-cache"))
        .body(body)
}

/// `GET /`
pub async fn index(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Refusal> {
    guard_public(&req, &app)?;
    Ok(page(HTML, include_str!("index.html")))
}

/// `GET /docs`
pub async fn docs(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Refusal> {
    guard_public(&req, &app)?;
    Ok(page(HTML, include_str!("docs.html")))
}

/// `GET /assets/{name}`
pub async fn asset(
    req: HttpRequest,
    app: web::Data<App>,
    name: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    guard_public(&req, &app)?;
    let found = ASSETS.iter().find(|(known, _, _)| *known == name.as_str());
    let (_, content_type, body) =
        found.ok_or_else(|| Refusal::new(ErrorCode::NotFound, "no such asset"))?;
    Ok(page(content_type, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What follows each `start` in `text` up to the next quote.
    fn quoted<'a>(text: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
        text.split(start)
            .skip(1)
            .filter_map(|rest| rest.split(['"', '\'']).next())
    }

    #[test]
    fn pages_load_only_assets_that_exist() {
        let known = |name: &str| ASSETS.iter().any(|(asset, _, _)| *asset == name);
        let mut seen = 0;
        for html in [include_str!("index.html"), include_str!("docs.html")] {
            for name in quoted(html, "/assets/") {
                assert!(known(name), "{name} is not served");
                seen += 1;
            }
            assert!(!html.contains("//"), "a page names another host");
        }
        for (name, _, text) in ASSETS {
            for import in quoted(text, "from './") {
                assert!(
                    known(import),
                    "{name} imports {import}, which is not served"
                );
                seen += 1;
            }
        }
        assert!(seen >= 7, "only {seen} references found");
    }

    #[test]
    fn scripts_find_the_elements_and_routes_they_name() {
        let html = include_str!("index.html");
        for id in quoted(include_str!("app.js"), "$('") {
            assert!(html.contains(&format!("id=\"{id}\"")), "app.js names #{id}");
        }
        let calls = include_str!("api.js")
            .split("call(")
            .filter_map(|rest| rest.strip_prefix(['\'', '`']))
            .filter_map(|rest| rest.split(['\'', '`', '?']).next());
        let mut seen = 0;
        for path in calls {
            let declared = cleanplate_api::PUBLIC
                .operations
                .iter()
                .any(|operation| operation.route.path == path);
            assert!(declared, "api.js calls {path}");
            seen += 1;
        }
        assert!(seen >= 3, "only {seen} calls found");
    }
}
