//! What handlers answer: the reply that their operation declares, or a refusal. Anything else does not compile.

use std::marker::PhantomData;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, HeaderName, HeaderValue};
use cleanplate_api::endpoint::{
    AnyJson, Content, Either, Endpoint, Events, Json, Picture, Png, Text,
};
use serde::Serialize;

use crate::refusal::Refusal;

/// A reply with a body of content `C`, or a refusal that is to bear headers of its own.
pub struct Answer<C> {
    reply: HttpResponse,
    content: PhantomData<C>,
}

/// Contents of which the compiler knows no more than their name: whoever makes the reply answers for its bytes.
pub trait Opaque: Content {}
impl Opaque for AnyJson {}
impl Opaque for Picture {}
impl Opaque for Png {}
impl Opaque for Text {}
impl<T: 'static> Opaque for Events<T> where Events<T>: Content {}

impl<C> Answer<C> {
    fn of(reply: HttpResponse) -> Answer<C> {
        Answer {
            reply,
            content: PhantomData,
        }
    }

    /// A refusal in place of the reply.
    pub fn refused(refusal: Refusal) -> Answer<C> {
        Answer::of(HttpResponse::from_error(refusal))
    }

    /// What was sent for the same request of the same operation before.
    pub fn again(status: u16, body: Vec<u8>) -> Answer<C> {
        let status = StatusCode::from_u16(status).unwrap_or_default();
        let mut reply = HttpResponse::build(status);
        reply.insert_header((CACHE_CONTROL, "no-store"));
        Answer::of(reply.content_type("application/json").body(body))
    }

    /// Sets a header whose value this program made.
    pub fn set(&mut self, name: &'static str, value: &str) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            self.reply.headers_mut().insert(name, value);
        }
    }

    /// The same with a header.
    pub fn with(mut self, name: &'static str, value: &str) -> Answer<C> {
        self.set(name, value);
        self
    }

    /// The same with another status than the usual one: one that the operation declares.
    pub fn status(mut self, status: StatusCode) -> Answer<C> {
        *self.reply.status_mut() = status;
        self
    }

    /// The first of two contents.
    pub fn first<D>(self) -> Answer<Either<C, D>> {
        Answer::of(self.reply)
    }

    /// The second of two contents.
    pub fn second<D>(self) -> Answer<Either<D, C>> {
        Answer::of(self.reply)
    }
}

impl<T: Serialize> Answer<Json<T>> {
    /// JSON.
    pub fn json(body: &T) -> Answer<Json<T>> {
        let mut reply = HttpResponse::Ok();
        Answer::of(reply.insert_header((CACHE_CONTROL, "no-store")).json(body))
    }

    /// JSON, with its bytes to be kept for [`Answer::again`].
    pub fn kept(body: &T) -> Result<(Answer<Json<T>>, Vec<u8>), Refusal> {
        let bytes = serde_json::to_vec(body)
            .map_err(|error| Refusal::internal("a reply could not be written", &error))?;
        Ok((Answer::again(200, bytes.clone()), bytes))
    }
}

impl<C: Opaque> Answer<C> {
    /// A reply that was made by hand.
    pub fn made(reply: HttpResponse) -> Answer<C> {
        Answer::of(reply)
    }
}

/// What a handler of `E` may return.
pub trait Answers<E: Endpoint> {
    /// The reply that goes out.
    fn reply(self) -> HttpResponse;
}

impl<E: Endpoint<Reply = C>, C: Content> Answers<E> for Answer<C> {
    fn reply(self) -> HttpResponse {
        declared::<E>(self.reply)
    }
}

impl<E: Endpoint<Reply = Json<T>>, T: Serialize> Answers<E> for Json<T> {
    fn reply(self) -> HttpResponse {
        let mut reply = HttpResponse::Ok();
        declared::<E>(
            reply
                .insert_header((CACHE_CONTROL, "no-store"))
                .json(self.0),
        )
    }
}

impl<E: Endpoint, A: Answers<E>> Answers<E> for Result<A, Refusal> {
    fn reply(self) -> HttpResponse {
        match self {
            Ok(answer) => answer.reply(),
            Err(refusal) => HttpResponse::from_error(refusal),
        }
    }
}

/// The reply with the status that `E` declares for success, unless it has another one. A success that is not declared is a fault of the
/// handler; what is none is a refusal, whose status follows from its code.
fn declared<E: Endpoint>(mut reply: HttpResponse) -> HttpResponse {
    let status = reply.status();
    if status == StatusCode::OK {
        *reply.status_mut() = StatusCode::from_u16(E::ROUTE.status).unwrap_or_default();
        return reply;
    }
    let also = |status: StatusCode| E::ROUTE.also.iter().any(|r| r.status == status.as_u16());
    if status.as_u16() >= 400 || also(status) {
        return reply;
    }
    HttpResponse::from_error(Refusal::internal(
        "a handler answered what its operation does not declare",
        &format!("{}: {status}", E::ROUTE.id),
    ))
}

#[cfg(test)]
mod tests {
    use cleanplate_api::admin::CreateAccount;
    use cleanplate_api::public::GetMask;

    use super::*;

    fn status<E: Endpoint>(answer: impl Answers<E>) -> u16 {
        answer.reply().status().as_u16()
    }

    #[test]
    fn a_success_has_a_declared_status() {
        let made = |status| Answer::<Png>::made(HttpResponse::build(status).finish());
        assert_eq!(status::<GetMask>(made(StatusCode::OK)), 200);
        assert_eq!(status::<GetMask>(made(StatusCode::PARTIAL_CONTENT)), 206);
        assert_eq!(status::<GetMask>(made(StatusCode::ACCEPTED)), 500);
        let gone = Refusal::new(cleanplate_api::ErrorCode::Gone, "gone");
        assert_eq!(status::<GetMask>(Answer::refused(gone)), 410);
        let row = cleanplate_api::admin::AccountRow {
            id: 1,
            name: "a".to_string(),
            available: 0,
            held: 0,
            created_at_ms: 0,
        };
        assert_eq!(status::<CreateAccount>(Json(row)), 201);
    }
}
