//! Requests as clients send them.

use super::{Encode, Endpoint, Method};

/// A request of an operation, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Method.
    pub method: Method,
    /// Path and query.
    pub path: String,
    /// Body; empty for none.
    pub body: Vec<u8>,
}

impl Request {
    /// The request of `E`. `places` stand for the placeholders of its path, in order.
    pub fn of<E: Endpoint<Body: Encode>>(
        places: &[&str],
        query: &E::Query,
        body: &E::Body,
    ) -> Result<Request, serde_json::Error> {
        Ok(Request {
            method: E::ROUTE.method,
            path: filled(E::ROUTE.path, places) + &written(&serde_json::to_value(query)?),
            body: body.encode()?,
        })
    }
}

/// A path with its placeholders replaced; none is left over, for each begins the next part.
fn filled(path: &str, places: &[&str]) -> String {
    let mut places = places.iter();
    let mut out = String::new();
    for (number, part) in path.split('{').enumerate() {
        match part.split_once('}').filter(|_| number > 0) {
            Some((_, rest)) => {
                out += &escape(places.next().copied().unwrap_or(""));
                out += rest;
            }
            None => out += part,
        }
    }
    out
}

/// A query with its question mark; nothing where no parameter is given.
fn written(query: &serde_json::Value) -> String {
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let given = query
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(_, value)| !value.is_null())
        .map(|(name, value)| format!("{}={}", escape(name), escape(&text(value))));
    let given: Vec<String> = given.collect();
    if given.is_empty() {
        String::new()
    } else {
        format!("?{}", given.join("&"))
    }
}

/// The text as part of a path or a query: everything but letters, digits and `-_.~` as `%XX`.
fn escape(text: &str) -> String {
    let kept = |b: u8| b.is_ascii_alphanumeric() || b"-_.~".contains(&b);
    text.bytes()
        .map(|b| {
            if kept(b) {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{self, ImagePart};
    use crate::endpoint::{Json, NoQuery};

    #[test]
    fn names_cannot_leave_their_place_in_the_path() {
        let request =
            Request::of::<admin::PauseFolder>(&["../keys/1?x=1#é"], &NoQuery {}, &()).unwrap();
        assert_eq!(
            request.path,
            "/admin/v1/folders/..%2Fkeys%2F1%3Fx%3D1%23%C3%A9/pause"
        );
        assert!(request.method == Method::Post && request.body.is_empty());
        let query = admin::JobsQuery {
            text: Some("a&after=b".to_string()),
            after: Some("c d".to_string()),
            rows: Some(100),
            ..Default::default()
        };
        let request = Request::of::<admin::ListJobs>(&[], &query, &()).unwrap();
        let (path, query) = request.path.split_once('?').unwrap();
        let mut pairs: Vec<&str> = query.split('&').collect();
        pairs.sort_unstable();
        assert_eq!(path, "/admin/v1/jobs");
        assert_eq!(pairs, ["after=c%20d", "rows=100", "text=a%26after%3Db"]);
    }

    #[test]
    fn places_and_bodies_are_written() {
        let part = ImagePart::Mask.as_str();
        let query = admin::ImageQuery {
            side_px_max: Some(64),
        };
        let request = Request::of::<admin::GetImage>(&["a b", part], &query, &()).unwrap();
        assert_eq!(
            request.path,
            "/admin/v1/jobs/a%20b/images/mask?side_px_max=64"
        );
        let body = Json(admin::TopUp {
            credits: -5,
            note: "x".to_string(),
        });
        let request = Request::of::<admin::TopUpAccount>(&["7"], &NoQuery {}, &body).unwrap();
        assert_eq!(request.path, "/admin/v1/accounts/7/top-ups");
        assert_eq!(request.body, br#"{"credits":-5,"note":"x"}"#);
    }
}
