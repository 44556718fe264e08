//! `/` and `/docs`: the page to work with photos, and the interface to read. Everything is embedded; nothing is loaded from
//! elsewhere.

use actix_web::{HttpRequest, HttpResponse, web};
use cleanplate_api::ErrorCode;

use super::context::guard_public;
use crate::app::App;
use crate::refusal::Refusal;

/// Scripts and styles come from here alone; pictures may be the ones that the page itself holds.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Content types by the end of a file's name.
const TYPES: [(&str, &str); 5] = [
    ("html", "text/html; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("svg", "image/svg+xml"),
    ("jpg", "image/jpeg"),
];

macro_rules! assets {
    ($($name:literal),* $(,)?) => { &[$(($name, include_bytes!($name))),*] };
}

/// What the pages load: name below `/assets/`, content.
const ASSETS: &[(&str, &[u8])] = assets![
    "style.css",
    "icon.svg",
    "app.js",
    "account.js",
    "api.js",
    "download.js",
    "events.js",
    "finder.js",
    "geometry.js",
    "history.js",
    "mask.js",
    "page.js",
    "panels.js",
    "removal.js",
    "studio.js",
    "tools.js",
    "view.js",
    "zip.js",
    "docs.css",
    "docs.js",
    "examples.js",
    "boat.jpg",
    "beach.jpg",
    "lighthouse.jpg",
];

fn page(name: &str, body: &'static [u8]) -> HttpResponse {
    let end = name.rsplit('.').next().unwrap_or_default();
    let content_type = TYPES.iter().find(|(known, _)| *known == end);
    HttpResponse::Ok()
        .content_type(content_type.map_or("application/octet-stream", |(_, name)| name))
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
    Ok(page("index.html", include_bytes!("index.html")))
}

/// `GET /docs`
pub async fn docs(req: HttpRequest, app: web::Data<App>) -> Result<HttpResponse, Refusal> {
    guard_public(&req, &app)?;
    Ok(page("docs.html", include_bytes!("docs.html")))
}

/// `GET /assets/{name}`
pub async fn asset(
    req: HttpRequest,
    app: web::Data<App>,
    name: web::Path<String>,
) -> Result<HttpResponse, Refusal> {
    guard_public(&req, &app)?;
    let found = ASSETS.iter().find(|(known, _)| *known == name.as_str());
    let (name, body) = found.ok_or_else(|| Refusal::new(ErrorCode::NotFound, "no such asset"))?;
    Ok(page(name, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGES: [&str; 2] = [include_str!("index.html"), include_str!("docs.html")];

    /// Scripts with their text.
    fn scripts() -> impl Iterator<Item = (&'static str, &'static str)> {
        let scripts = ASSETS.iter().filter(|(name, _)| name.ends_with(".js"));
        scripts.map(|(name, bytes)| (*name, std::str::from_utf8(bytes).unwrap()))
    }

    /// What follows each `start` in `text` up to the next quote.
    fn quoted<'a>(text: &'a str, start: &'a str) -> impl Iterator<Item = &'a str> {
        text.split(start)
            .skip(1)
            .filter_map(|rest| rest.split(['"', '\'', '`']).next())
    }

    #[test]
    fn pages_load_only_assets_that_exist_and_every_asset_is_loaded() {
        let mut unused: Vec<&str> = ASSETS.iter().map(|(name, _)| *name).collect();
        let mut used = |whose: &str, name: &str| {
            let known = ASSETS.iter().any(|(asset, _)| *asset == name);
            assert!(known, "{whose} loads {name}, which is not served");
            unused.retain(|other| *other != name);
        };
        for html in PAGES {
            quoted(html, "\"assets/").for_each(|name| used("a page", name));
            assert!(!html.contains("//"), "a page names another host");
            assert!(!html.contains("=\"/"), "a link misses below a proxy's path");
        }
        for (whose, text) in scripts() {
            quoted(text, "from './").for_each(|name| used(whose, name));
        }
        assert!(unused.is_empty(), "nothing loads {unused:?}");
    }

    #[test]
    fn every_asset_has_a_type() {
        for (name, _) in ASSETS {
            let end = name.rsplit('.').next().unwrap();
            assert!(TYPES.iter().any(|(known, _)| *known == end), "{name}");
        }
    }

    #[test]
    fn scripts_find_the_elements_that_they_name() {
        let mut seen = 0;
        for (whose, text) in scripts() {
            let html = PAGES[usize::from(whose == "docs.js")];
            for id in quoted(text, "$('") {
                let there = html.contains(&format!("id=\"{id}\""));
                assert!(there, "{whose} names #{id}");
                seen += 1;
            }
        }
        assert!(seen >= 50, "only {seen} elements found");
    }

    /// A path with every variable part as `*`.
    fn shape(path: &str, opening: &str) -> String {
        let mut parts = path.split(opening);
        let first = parts.next().unwrap_or_default().to_string();
        parts.fold(first, |shape, part| {
            shape + "*" + part.split_once('}').map_or("", |(_, rest)| rest)
        })
    }

    #[test]
    fn scripts_call_the_routes_that_there_are() {
        let text = scripts().find(|(name, _)| *name == "api.js").unwrap().1;
        let declared: Vec<String> = cleanplate_api::PUBLIC
            .operations
            .iter()
            .map(|operation| shape(operation.route.path, "{"))
            .collect();
        let mut seen = 0;
        for start in ["'/", "`/"] {
            for path in quoted(text, start) {
                let path = path.split('?').next().unwrap();
                let called = shape(&format!("/{path}"), "${");
                assert!(declared.contains(&called), "api.js calls {called}");
                seen += 1;
            }
        }
        assert!(seen >= 6, "only {seen} calls found");
    }
}
