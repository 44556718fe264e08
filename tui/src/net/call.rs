//! Requests to the daemon and what comes back. Every declared operation of the admin interface is one; none is named here.

use std::any::Any;
use std::fmt;

use cleanplate_api::endpoint::{Decode, Encode, Endpoint, Method, NoQuery, Request};
use serde::de::DeserializeOwned;

use super::NetError;

/// A request.
#[derive(Debug, Clone)]
pub struct Call {
    id: &'static str,
    places: Vec<String>,
    query: serde_json::Value,
    request: Result<Request, String>,
    read: fn(Vec<u8>) -> Result<Reply, NetError>,
}

/// The same request, whatever it was made for.
impl PartialEq for Call {
    fn eq(&self, other: &Call) -> bool {
        self.id == other.id && self.request == other.request
    }
}

impl Call {
    /// A request of `E`. `places` stand for the placeholders of its path, in order.
    pub fn of<E>(places: &[&str], query: &E::Query, body: &E::Body) -> Call
    where
        E: Endpoint<Body: Encode, Reply: Decode + Send>,
    {
        let wrong = |error: serde_json::Error| error.to_string();
        Call {
            id: E::ROUTE.id,
            places: places.iter().map(|place| (*place).to_string()).collect(),
            query: serde_json::to_value(query).unwrap_or_default(),
            request: Request::of::<E>(places, query, body).map_err(wrong),
            read: |body| {
                let reply = E::Reply::decode(body).map_err(|e| {
                    NetError::Protocol(format!(
                        "the reply is not what this version understands: {e}"
                    ))
                })?;
                Ok(Reply::new(reply))
            },
        }
    }

    /// A request of `E`, which has neither query nor body.
    pub fn plain<E>(places: &[&str]) -> Call
    where
        E: Endpoint<Query = NoQuery, Body = (), Reply: Decode + Send>,
    {
        Call::of::<E>(places, &NoQuery {}, &())
    }

    /// Whether it is one of `E`.
    pub fn is<E: Endpoint>(&self) -> bool {
        self.id == E::ROUTE.id
    }

    /// What stands for a placeholder of its path, counted from 0.
    pub fn place(&self, number: usize) -> &str {
        self.places.get(number).map_or("", String::as_str)
    }

    /// Its query.
    pub fn query<T: DeserializeOwned + Default>(&self) -> T {
        serde_json::from_value(self.query.clone()).unwrap_or_default()
    }

    /// Whether it asks for the first page of a list.
    pub fn is_first_page(&self) -> bool {
        self.query["after"].is_null()
    }

    /// Whether it changes something in the daemon: not with `--readonly`, and never repeated by itself.
    pub fn changes(&self) -> bool {
        !matches!(&self.request, Ok(request) if request.method == Method::Get)
    }

    /// What is sent.
    pub fn request(&self) -> Result<&Request, NetError> {
        self.request
            .as_ref()
            .map_err(|e| NetError::Protocol(format!("the request cannot be written: {e}")))
    }

    /// Reads the body of a reply that says success.
    pub fn read(&self, body: Vec<u8>) -> Result<Reply, NetError> {
        (self.read)(body)
    }
}

/// What a request brings: the declared reply of its operation.
pub struct Reply(Box<dyn Any + Send>);

impl fmt::Debug for Reply {
    // A reply may hold a secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Reply")
    }
}

impl Reply {
    /// A reply.
    pub fn new(reply: impl Any + Send) -> Reply {
        Reply(Box::new(reply))
    }

    /// The reply of `E`, if it is one.
    pub fn of<E: Endpoint>(&self) -> Option<&E::Reply> {
        self.0.downcast_ref()
    }
}

#[cfg(test)]
mod tests {
    use cleanplate_api::admin::{GetImage, GetServer, LoadModel, RevokeKey};

    use super::*;

    #[test]
    fn only_reads_count_as_reads() {
        let picture = Call::of::<GetImage>(&["a", "mask"], &Default::default(), &());
        assert!(!Call::plain::<GetServer>(&[]).changes() && !picture.changes());
        for call in [
            Call::plain::<RevokeKey>(&["1"]),
            Call::plain::<LoadModel>(&["m"]),
        ] {
            assert!(call.changes(), "{call:?}");
        }
    }

    #[test]
    fn calls_are_told_apart_by_what_they_ask() {
        let revoke = |id: &str| Call::plain::<RevokeKey>(&[id]);
        assert!(revoke("1") == revoke("1") && revoke("1") != revoke("2"));
        assert!(revoke("1").is::<RevokeKey>() && !revoke("1").is::<LoadModel>());
        assert_eq!(revoke("7").place(0), "7");
        assert!(revoke("1").read(b"{}".to_vec()).is_err());
    }
}
