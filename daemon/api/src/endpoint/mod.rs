//! Operations of the HTTP interfaces, each declared once: the daemon's router, the documents and the clients follow from it.
//!
//! An operation is a type that implements [`Endpoint`]; `endpoints!` declares the operations of an interface and their list.

mod content;
mod document;
mod request;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

use crate::error::ErrorCode;

pub use content::{
    AnyJson, Content, Decode, Either, Encode, Events, Form, Json, Picture, Png, Text,
};
pub use document::{Interface, Operation, Reply};
pub use request::Request;

/// Method of a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Reads.
    Get,
    /// Makes or does.
    Post,
    /// Changes.
    Patch,
    /// Removes.
    Delete,
}

impl Method {
    /// Its name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Get => "GET",
            Method::Post => "POST",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }
}

/// Who may call an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Everybody.
    Open,
    /// The owner of a key or token, whichever the interface asks for.
    Key,
}

/// A header that a request may carry.
#[derive(Debug, Clone, Copy)]
pub struct Header {
    /// Its name.
    pub name: &'static str,
    /// What it does.
    pub what: &'static str,
}

/// Everything about an operation that is no type.
#[derive(Debug, Clone, Copy)]
pub struct Route {
    /// Name of the operation: a verb and what it acts on, unique in its interface.
    pub id: &'static str,
    /// Method.
    pub method: Method,
    /// Whole path; `{...}` stands for an id or a name.
    pub path: &'static str,
    /// Heading under which the documents list it.
    pub tag: &'static str,
    /// What it does: one line, and more after it.
    pub what: &'static str,
    /// Who may call it.
    pub access: Access,
    /// Headers of requests.
    pub headers: &'static [Header],
    /// Status of the usual success.
    pub status: u16,
    /// What the usual success means.
    pub says: &'static str,
    /// Other successes.
    pub also: &'static [Reply],
    /// Errors, in groups.
    pub errors: &'static [&'static [ErrorCode]],
}

impl Route {
    /// Names of the placeholders of the path, in order.
    pub fn placeholders(&self) -> impl Iterator<Item = &'static str> {
        self.path
            .split('{')
            .skip(1)
            .filter_map(|part| part.split('}').next())
    }
}

/// One operation: method, path and what travels.
pub trait Endpoint: 'static {
    /// Everything that is no type.
    const ROUTE: Route;
    /// Query parameters.
    type Query: IntoParams + Serialize + DeserializeOwned;
    /// Body of requests; `()` for none.
    type Body: Content;
    /// Body of the usual success.
    type Reply: Content;
}

/// No query parameters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
pub struct NoQuery {}

/// Declares operations and the list of them. Parts that an operation lacks are left out; those that are there keep this order:
///
/// ```text
/// /// What it does.
/// Name = verb_object: Get "/path/{id}", "tag", Key,
///     query Query, headers &[HEADER], body Json<Body> => 200 Json<Reply>, "what it means",
///     also &[Reply::of::<Json<Other>>(202, "...")], errors &[GROUP];
/// ```
macro_rules! endpoints {
    ($(#[$meta:meta])* $list:ident: $(
        $(#[doc = $doc:literal])+
        $name:ident = $id:ident: $method:ident $path:literal, $tag:literal, $access:ident
        $(, query $query:ty)? $(, headers $headers:expr)? $(, body $body:ty)?
        => $status:literal $reply:ty $(, $says:literal)? $(, also $also:expr)?, errors $errors:expr;
    )+) => {
        $(
            $(#[doc = $doc])+
            #[derive(Debug, Clone, Copy)]
            pub struct $name;

            impl $crate::endpoint::Endpoint for $name {
                const ROUTE: $crate::endpoint::Route = $crate::endpoint::Route {
                    id: stringify!($id),
                    method: $crate::endpoint::Method::$method,
                    path: $path,
                    tag: $tag,
                    what: concat!($($doc, "\n"),+),
                    access: $crate::endpoint::Access::$access,
                    headers: $crate::endpoint::or!([$($headers)?] &[]),
                    status: $status,
                    says: $crate::endpoint::or!([$($says)?] "Success"),
                    also: $crate::endpoint::or!([$($also)?] &[]),
                    errors: $errors,
                };
                type Query = $crate::endpoint::or!([$($query)?] $crate::endpoint::NoQuery);
                type Body = $crate::endpoint::or!([$($body)?] ());
                type Reply = $reply;
            }
        )+

        $(#[$meta])*
        pub static $list: &[$crate::endpoint::Operation] =
            &[$($crate::endpoint::Operation::of::<$name>()),+];
    };
}

/// The first part if it is there, else the second.
macro_rules! or {
    ([] $($default:tt)+) => { $($default)+ };
    ([$($given:tt)+] $($default:tt)+) => { $($given)+ };
}

pub(crate) use {endpoints, or};
