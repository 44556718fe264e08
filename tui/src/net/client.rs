//! Single requests.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use cleanplate_api::endpoint::Request;
use cleanplate_api::{ErrorBody, InvalidBody, Loc};

use super::inbox::{Change, Inbox};
use super::target::{Body, Target};
use super::{Call, NetError, Reply};

/// Bytes of a reply; pictures are far smaller at the side that is asked for.
const REPLY_BYTES_MAX: usize = 16 << 20;
/// Longest wait for a whole reply. Loading weights is the slowest request.
const REPLY_MAX: Duration = Duration::from_secs(60);
/// Requests at a time: marking a thousand jobs must not open a thousand connections.
const REQUESTS_MAX: usize = 4;

/// Sends requests and puts what comes back into the inbox.
#[derive(Debug, Clone)]
pub struct Client {
    target: Arc<Target>,
    places: Arc<Semaphore>,
}

impl Client {
    /// A client of this daemon.
    pub fn new(target: Target) -> Client {
        Client {
            target: Arc::new(target),
            places: Arc::new(Semaphore::new(REQUESTS_MAX)),
        }
    }

    /// Starts a request; its outcome comes to the inbox as a [`Change::Reply`].
    pub fn start(&self, call: Call, inbox: &Arc<Inbox>) {
        let (client, inbox) = (self.clone(), inbox.clone());
        tokio::spawn(async move {
            let outcome = client.ask(&call).await;
            inbox.push(Change::Reply(Box::new(call), outcome));
        });
    }

    async fn ask(&self, call: &Call) -> Result<Reply, NetError> {
        let _place = self
            .places
            .acquire()
            .await
            .map_err(|e| NetError::Broken(e.to_string()))?;
        let exchange = async {
            let reply = self.send(call.request()?, &[]).await?;
            let status = reply.status().as_u16();
            let body = Limited::new(reply.into_body(), REPLY_BYTES_MAX)
                .collect()
                .await;
            let body = body
                .map_err(|e| NetError::Broken(e.to_string()))?
                .to_bytes();
            if (200..300).contains(&status) {
                call.read(body.to_vec())
            } else {
                Err(refusal(status, &body))
            }
        };
        let late = || NetError::Broken(format!("no reply within {} s", REPLY_MAX.as_secs()));
        timeout(REPLY_MAX, exchange).await.map_err(|_| late())?
    }

    /// Sends one request on a connection of its own and returns the reply's head with its body still to be read.
    pub async fn send(
        &self,
        request: &Request,
        headers: &[(&'static str, &str)],
    ) -> Result<hyper::Response<Incoming>, NetError> {
        let mut send = self.target.connect().await?;
        let mut builder = hyper::Request::builder()
            .method(request.method.as_str())
            .uri(&request.path)
            .header(header::HOST, self.target.host());
        if let Some(value) = self.target.authorization() {
            builder = builder.header(header::AUTHORIZATION, value);
        }
        if !request.body.is_empty() {
            builder = builder.header(header::CONTENT_TYPE, "application/json");
        }
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let body = Body::new(Bytes::from(request.body.clone()));
        let built = builder
            .body(body)
            .map_err(|e| NetError::Protocol(format!("the request cannot be written: {e}")))?;
        send.send_request(built).await.map_err(NetError::broken)
    }
}

/// What a reply says that is no success.
pub fn refusal(status: u16, body: &[u8]) -> NetError {
    let invalid = || {
        serde_json::from_slice::<InvalidBody>(body)
            .ok()
            .map(|invalid| fields(&invalid))
    };
    let detail = serde_json::from_slice::<ErrorBody>(body)
        .ok()
        .map(|error| error.detail)
        .or_else(invalid);
    let detail = detail.unwrap_or_else(|| format!("status {status} without an explanation"));
    let detail = if status == 401 {
        format!("{detail}: check the admin token")
    } else {
        detail
    };
    NetError::Refused { status, detail }
}

fn fields(body: &InvalidBody) -> String {
    let place = |loc: &[Loc]| {
        let parts = loc.iter().skip(1).map(|part| match part {
            Loc::Name(name) => name.clone(),
            Loc::Index(index) => index.to_string(),
        });
        parts.collect::<Vec<_>>().join(".")
    };
    body.detail
        .iter()
        .map(|field| format!("{}: {}", place(&field.loc), field.msg))
        .collect::<Vec<_>>()
        .join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_tell_what_the_daemon_says() {
        let detail = |status, body: &str| refusal(status, body.as_bytes()).to_string();
        assert_eq!(
            detail(409, r#"{"detail":"the job has ended"}"#),
            "the job has ended"
        );
        let body = r#"{"detail":[{"loc":["body","name"],"msg":"1 to 100 characters","type":"value_error"}]}"#;
        assert_eq!(detail(422, body), "name: 1 to 100 characters");
        assert_eq!(detail(502, "<html>"), "status 502 without an explanation");
    }
}
