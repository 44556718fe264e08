//! Handlers of declared operations: paths, methods and statuses come from their declarations, never from here.

use actix_web::http::header::{ALLOW, CACHE_CONTROL, HeaderValue};
use actix_web::{FromRequest, Handler, HttpResponse, Responder, Route, web};
use cleanplate_api::ErrorCode;
use cleanplate_api::endpoint::{Endpoint, Json, Method};
use serde::Serialize;

use crate::refusal::Refusal;

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

    /// The operation `E` is answered by a handler that makes whole replies.
    pub fn on<E: Endpoint, F, Args>(mut self, handler: F) -> Router
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let (declared, name) = (E::ROUTE, E::ROUTE.method.as_str());
        self.add(declared.path, name, route(declared.method).to(handler));
        self
    }

    /// The same, and `HEAD` is answered like `GET`.
    pub fn read<E: Endpoint, F, Args>(self, handler: F) -> Router
    where
        F: Handler<Args>,
        Args: FromRequest + 'static,
        F::Output: Responder + 'static,
    {
        let mut router = self.on::<E, F, Args>(handler.clone());
        router.add(E::ROUTE.path, "HEAD", web::head().to(handler));
        router
    }

    /// The operation `E` is answered by a handler that makes the body of its declared reply.
    pub fn answer<E, T, F, Args>(self, handler: F) -> Router
    where
        E: Endpoint<Reply = Json<T>>,
        T: Serialize + 'static,
        F: Handler<Args, Output = Result<Json<T>, Refusal>>,
        Args: FromRequest + 'static,
    {
        self.on::<E, _, (Args,)>(move |args: Args| {
            let answer = handler.call(args);
            async move { answer.await.map(|Json(body)| success::<E>(&body)) }
        })
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

fn method_not_allowed(allow: &str) -> HttpResponse {
    let refusal = Refusal::new(ErrorCode::MethodNotAllowed, "Method Not Allowed");
    let mut reply = HttpResponse::from_error(refusal);
    if let Ok(value) = HeaderValue::from_str(allow) {
        reply.headers_mut().insert(ALLOW, value);
    }
    reply
}

/// The usual success of `E`.
fn success<E: Endpoint>(body: &impl Serialize) -> HttpResponse {
    let status = actix_web::http::StatusCode::from_u16(E::ROUTE.status);
    HttpResponse::build(status.unwrap_or_default())
        .insert_header((CACHE_CONTROL, "no-store"))
        .json(body)
}
