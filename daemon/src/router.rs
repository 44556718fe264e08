//! Handlers of declared operations: paths, methods and statuses come from their declarations, never from here.

use actix_web::http::header::{ALLOW, HeaderValue};
use actix_web::{FromRequest, Handler, HttpRequest, HttpResponse, Responder, Route, web};
use cleanplate_api::ErrorCode;
use cleanplate_api::endpoint::{Decode, Endpoint, Form, Method};

use crate::answer::Answers;
use crate::params::{Body, Params};
use crate::refusal::Refusal;

/// A part of a request that a handler of `E` may take: queries and bodies are those that `E` declares.
pub trait Carried<E>: FromRequest + 'static {}
impl<E> Carried<E> for HttpRequest {}
impl<E, T: 'static> Carried<E> for web::Data<T> {}
impl<E, T: serde::de::DeserializeOwned + 'static> Carried<E> for web::Path<T> {}
impl<E: Endpoint> Carried<E> for Params<E> {}
impl<E: Endpoint<Body: Decode>> Carried<E> for Body<E> {}
// Forms are read as they come, part by part.
impl<E: Endpoint<Body = Form<T>>, T> Carried<E> for web::Payload {}

/// What a handler of `E` takes: parts of its request.
pub trait Takes<E>: FromRequest + 'static {}

macro_rules! takes {
    ($($part:ident)*) => {
        impl<E, $($part: Carried<E>),*> Takes<E> for ($($part,)*) {}
    };
}
takes!();
takes!(A);
takes!(A B);
takes!(A B C);
takes!(A B C D);
takes!(A B C D F);

/// Operations with their handlers.
#[derive(Default)]
pub struct Router {
    /// Path, names of methods, route of each.
    resources: Vec<(&'static str, Vec<&'static str>, Vec<Route>)>,
}

fn route(method: Method) -> Route {
    match method {
        Method::Get => web::get(),
        Method::Post => web::post(),
        Method::Patch => web::patch(),
        Method::Delete => web::delete(),
    }
}

impl Router {
    fn add(&mut self, path: &'static str, method: &'static str, route: Route) {
        match self.resources.iter_mut().find(|(known, ..)| *known == path) {
            Some((_, methods, routes)) => {
                methods.push(method);
                routes.push(route);
            }
            None => self.resources.push((path, vec![method], vec![route])),
        }
    }

    /// The operation `E` is answered by a handler that takes what its request carries and returns its reply.
    pub fn on<E, F, Args>(mut self, handler: F) -> Router
    where
        E: Endpoint,
        F: Handler<Args, Output: Answers<E>>,
        Args: Takes<E>,
    {
        let (declared, name) = (E::ROUTE, E::ROUTE.method.as_str());
        let route = route(declared.method).to(answering::<E, F, Args>(handler));
        self.add(declared.path, name, route);
        self
    }

    /// The same, and `HEAD` is answered like `GET`.
    pub fn read<E, F, Args>(self, handler: F) -> Router
    where
        E: Endpoint,
        F: Handler<Args, Output: Answers<E>>,
        Args: Takes<E>,
    {
        let mut router = self.on::<E, F, Args>(handler.clone());
        let route = web::head().to(answering::<E, F, Args>(handler));
        router.add(E::ROUTE.path, "HEAD", route);
        router
    }

    /// A page for people, which is no operation.
    pub fn page<F, Args>(mut self, path: &'static str, handler: F) -> Router
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        self.add(path, "GET", web::get().to(handler.clone()));
        self.add(path, "HEAD", web::head().to(handler));
        self
    }

    /// Operations of the list that no handler was given for.
    #[cfg(test)]
    pub fn missing(&self, operations: &[cleanplate_api::endpoint::Operation]) -> Vec<&'static str> {
        let served = |path: &str, method: &str| {
            self.resources
                .iter()
                .any(|(known, methods, _)| *known == path && methods.contains(&method))
        };
        operations
            .iter()
            .map(|operation| operation.route)
            .filter(|route| !served(route.path, route.method.as_str()))
            .map(|route| route.id)
            .collect()
    }

    /// Serves all of them; other methods of their paths get 405.
    pub fn register(self, config: &mut web::ServiceConfig) {
        for (path, methods, routes) in self.resources {
            let allow = methods.join(", ");
            let resource = routes
                .into_iter()
                .fold(web::resource(path), |resource, route| resource.route(route));
            config.service(resource.default_service(web::to(move || {
                let reply = method_not_allowed(&allow);
                async { reply }
            })));
        }
    }
}

/// The handler with the reply that goes out.
fn answering<E, F, Args>(handler: F) -> impl Handler<(Args,), Output = HttpResponse>
where
    E: Endpoint,
    F: Handler<Args, Output: Answers<E>>,
    Args: Takes<E>,
{
    move |args: Args| {
        let answer = handler.call(args);
        async move { answer.await.reply() }
    }
}

fn method_not_allowed(allow: &str) -> HttpResponse {
    let refusal = Refusal::new(ErrorCode::MethodNotAllowed, "Method Not Allowed");
    let mut reply = HttpResponse::from_error(refusal);
    if let Ok(value) = HeaderValue::from_str(allow) {
        reply.headers_mut().insert(ALLOW, value);
    }
    reply
}
