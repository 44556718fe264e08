//! OpenAPI documents, made from the lists of operations.

use std::collections::BTreeMap;

use utoipa::IntoParams;
use utoipa::openapi::path::{
    HttpMethod, Operation as Described, OperationBuilder, Parameter, ParameterBuilder, ParameterIn,
    PathItem, Paths,
};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::response::{Response, ResponseBuilder, ResponsesBuilder};
use utoipa::openapi::schema::Type;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    ComponentsBuilder, Content as Medium, HeaderBuilder, InfoBuilder, LicenseBuilder,
    ObjectBuilder, OpenApi, OpenApiBuilder, RefOr, Required, Schema,
};

use super::content::{Content, Json, Media, Schemas};
use super::{Access, Endpoint, Method, Route};
use crate::error::{BodyShape, ERRORS, ErrorBody, ErrorCode, ErrorRow, InvalidBody};

/// Name of the security scheme in the documents.
const SCHEME: &str = "key";

/// One way in which an operation can succeed, besides the usual one.
#[derive(Debug, Clone, Copy)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    says: &'static str,
    media: fn(&mut Schemas) -> Media,
}

impl Reply {
    /// A reply with this status and body.
    pub const fn of<C: Content>(status: u16, says: &'static str) -> Reply {
        Reply {
            status,
            says,
            media: C::media,
        }
    }
}

/// An operation of an [`Interface`], whatever its types.
pub struct Operation {
    /// Everything that is no type.
    pub route: Route,
    /// Whether the reply goes on for as long as both sides like.
    pub stream: bool,
    parameters: fn() -> Vec<Parameter>,
    body: fn(&mut Schemas) -> Media,
    reply: Reply,
}

impl Operation {
    /// The operation `E`.
    pub const fn of<E: Endpoint>() -> Operation {
        Operation {
            route: E::ROUTE,
            stream: <E::Reply as Content>::STREAM,
            parameters: || E::Query::into_params(|| Some(ParameterIn::Query)),
            body: <E::Body as Content>::media,
            reply: Reply::of::<E::Reply>(E::ROUTE.status, E::ROUTE.says),
        }
    }

    fn described(&self, interface: &Interface, schemas: &mut Schemas) -> Described {
        let route = &self.route;
        let mut lines = route.what.lines().map(str::trim);
        let summary = lines.next().unwrap_or_default().trim_end_matches('.');
        let more = lines.collect::<Vec<_>>().join(" ");
        let mut operation = OperationBuilder::new()
            .operation_id(Some(route.id))
            .tag(route.tag)
            .summary(Some(summary))
            .parameters(Some(self.parameters()))
            .responses(self.responses(interface, schemas));
        if !more.trim().is_empty() {
            operation = operation.description(Some(more.trim()));
        }
        let body = (self.body)(schemas);
        if !body.is_empty() {
            let mut described = RequestBodyBuilder::new().required(Some(Required::True));
            for (media_type, schema) in body {
                described = described.content(media_type, Medium::new(Some(schema)));
            }
            operation = operation.request_body(Some(described.build()));
        }
        if route.access == Access::Key {
            let none: [&str; 0] = [];
            operation = operation.security(SecurityRequirement::new(SCHEME, none));
            if interface.keyless {
                operation = operation.security(SecurityRequirement::default());
            }
        }
        operation.build()
    }

    fn parameters(&self) -> Vec<Parameter> {
        let text = || Some(ObjectBuilder::new().schema_type(Type::String).build());
        let places = self.route.placeholders().map(|name| {
            ParameterBuilder::new()
                .name(name)
                .parameter_in(ParameterIn::Path)
                .required(Required::True)
                .schema(text())
                .build()
        });
        let headers = self.route.headers.iter().map(|header| {
            ParameterBuilder::new()
                .name(header.name)
                .parameter_in(ParameterIn::Header)
                .required(Required::False)
                .description(Some(header.what))
                .schema(text())
                .build()
        });
        places.chain(headers).chain((self.parameters)()).collect()
    }

    fn responses(&self, interface: &Interface, schemas: &mut Schemas) -> ResponsesBuilder {
        let mut responses = ResponsesBuilder::new();
        for reply in std::iter::once(&self.reply).chain(self.route.also) {
            let mut response = ResponseBuilder::new().description(reply.says);
            for (media_type, schema) in (reply.media)(schemas) {
                response = response.content(media_type, Medium::new(Some(schema)));
            }
            responses = responses.response(reply.status.to_string(), response.build());
        }
        for (status, rows) in errors(&self.route) {
            responses = responses.response(status.to_string(), error(&rows, interface, schemas));
        }
        responses
    }
}

/// The errors of a route by status.
fn errors(route: &Route) -> BTreeMap<u16, Vec<&'static ErrorRow>> {
    let mut by_status: BTreeMap<u16, Vec<&ErrorRow>> = BTreeMap::new();
    // In the order of the table, each once, whichever groups name it.
    for row in ERRORS {
        if route.errors.iter().any(|group| group.contains(&row.code)) {
            by_status.entry(row.status).or_default().push(row);
        }
    }
    by_status
}

fn error(rows: &[&ErrorRow], interface: &Interface, schemas: &mut Schemas) -> Response {
    let when = rows.iter().map(|row| interface.when(row));
    let mut response = ResponseBuilder::new().description(when.collect::<Vec<_>>().join("; or "));
    let media = if rows.iter().any(|row| row.body == BodyShape::Fields) {
        Json::<InvalidBody>::media(schemas)
    } else {
        Json::<ErrorBody>::media(schemas)
    };
    for (media_type, schema) in media {
        response = response.content(media_type, Medium::new(Some(schema)));
    }
    if rows.iter().any(|row| row.retry_after) {
        let seconds = ObjectBuilder::new().schema_type(Type::Integer).build();
        let header = HeaderBuilder::new()
            .schema(RefOr::T(Schema::Object(seconds)))
            .description(Some("Seconds after which another attempt makes sense"));
        response = response.header("Retry-After", header.build());
    }
    response.build()
}

/// An HTTP interface of the daemon.
pub struct Interface {
    /// Its name.
    pub title: &'static str,
    /// What it is for.
    pub description: &'static str,
    /// What stands after `Authorization: Bearer`.
    pub key: &'static str,
    /// Whether it can be reached without a key too, where other means tell who asks.
    pub keyless: bool,
    /// Its operations.
    pub operations: &'static [Operation],
    /// When errors are sent, where it differs from what [`ERRORS`] says.
    pub when: &'static [(ErrorCode, &'static str)],
}

impl Interface {
    fn when(&self, row: &ErrorRow) -> &'static str {
        self.when
            .iter()
            .find(|(code, _)| *code == row.code)
            .map_or(row.when, |(_, when)| when)
    }

    /// Its description.
    pub fn document(&self) -> OpenApi {
        let mut schemas = Schemas::new();
        let mut paths = Paths::new();
        for operation in self.operations {
            let method = match operation.route.method {
                Method::Get => HttpMethod::Get,
                Method::Post => HttpMethod::Post,
                Method::Patch => HttpMethod::Patch,
                Method::Delete => HttpMethod::Delete,
            };
            let described = operation.described(self, &mut schemas);
            let item = PathItem::new(method, described);
            paths
                .paths
                .entry(operation.route.path.to_string())
                .or_default()
                .merge_operations(item);
        }
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(self.key));
        let components = ComponentsBuilder::new()
            .schemas_from_iter(schemas)
            .security_scheme(SCHEME, SecurityScheme::Http(scheme.build()));
        let info = InfoBuilder::new()
            .title(self.title)
            .version(env!("CARGO_PKG_VERSION"))
            .description(Some(self.description))
            .license(Some(LicenseBuilder::new().name("Apache-2.0").build()));
        OpenApiBuilder::new()
            .info(info.build())
            .paths(paths)
            .components(Some(components.build()))
            .build()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde::Serialize;
    use serde_json::Value;
    use serde_json::ser::PrettyFormatter;

    use super::*;

    const BOTH: [&Interface; 2] = [&crate::PUBLIC, &crate::admin::ADMIN];

    /// Both documents as they are committed: programs are written against them.
    #[test]
    fn the_documents_are_as_committed() {
        for (name, interface) in ["public", "admin"].into_iter().zip(BOTH) {
            let (mut text, light) = (Vec::new(), PrettyFormatter::with_indent(b" "));
            let mut writer = serde_json::Serializer::with_formatter(&mut text, light);
            interface.document().serialize(&mut writer).unwrap();
            insta::assert_snapshot!(name, String::from_utf8(text).unwrap());
        }
    }

    #[test]
    fn operations_have_names_and_places_of_their_own() {
        for interface in BOTH {
            let ids: BTreeSet<_> = interface.operations.iter().map(|o| o.route.id).collect();
            let at = |o: &'static Operation| (o.route.method, o.route.path);
            let places: BTreeSet<_> = interface.operations.iter().map(at).collect();
            assert_eq!(ids.len(), interface.operations.len());
            assert_eq!(places.len(), interface.operations.len());
            for Operation { route, .. } in interface.operations {
                let good = route.id.contains('_') || route.id == "segment";
                assert!(good, "{} is not a verb and what it acts on", route.id);
            }
        }
    }

    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(map) => {
                found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_string));
                map.values().for_each(|value| references(value, found));
            }
            Value::Array(items) => items.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }

    #[test]
    fn every_reference_leads_somewhere_and_every_status_has_a_schema() {
        for interface in BOTH {
            let document = serde_json::to_value(interface.document()).unwrap();
            let mut found = Vec::new();
            references(&document, &mut found);
            assert!(found.len() > interface.operations.len());
            for reference in found {
                let at = reference.trim_start_matches('#');
                assert!(document.pointer(at).is_some(), "{reference} leads nowhere");
            }
            for methods in document["paths"].as_object().unwrap().values() {
                for operation in methods.as_object().unwrap().values() {
                    for (status, reply) in operation["responses"].as_object().unwrap() {
                        let id = &operation["operationId"];
                        let content = reply["content"].as_object();
                        let bodyless = ["304", "307"].contains(&status.as_str());
                        assert!(
                            bodyless
                                || content.is_some_and(|all| !all.is_empty()
                                    && all.values().all(|one| one["schema"].is_object())),
                            "{id} {status}"
                        );
                    }
                }
            }
        }
    }
}
