//! `/openapi.json` of the admin interface, made from the list of routes and the types themselves.

use actix_web::HttpResponse;
use cleanplate_api::admin::{self, PREFIX, ROUTES, Route};
use cleanplate_api::{ErrorBody, InvalidBody};
use serde_json::{Map, Value, json};
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(
    info(title = "Cleanplate admin", description = "Looks after a Cleanplate daemon.", license(name = "Apache-2.0")),
    components(schemas(
        ErrorBody,
        InvalidBody,
        admin::ServerView,
        admin::MetricsHistory,
        admin::Envelope,
        admin::AccountRow,
        admin::NewAccount,
        admin::AccountChange,
        admin::TopUp,
        admin::LedgerRow,
        admin::KeyRow,
        admin::NewKey,
        admin::KeyCreated,
        admin::KeyChange,
        admin::JobRow,
        admin::JobDetail,
        admin::FoldersReply,
        cleanplate_api::FolderStatus,
        admin::ModelsReply,
        admin::ModelRow,
        admin::ImportModel,
        admin::PipelinesReply,
        admin::ConfigView,
        admin::LogTail,
        admin::AuditRow,
        admin::Page<admin::AccountRow>,
        admin::Page<admin::LedgerRow>,
        admin::Page<admin::KeyRow>,
        admin::Page<admin::JobRow>,
        admin::Page<admin::AuditRow>
    ))
)]
struct Types;

/// The description as JSON.
pub fn document() -> Value {
    let mut document = serde_json::to_value(Types::openapi()).unwrap_or(Value::Null);
    let mut paths = Map::new();
    for route in ROUTES {
        let path = paths
            .entry(format!("{PREFIX}{}", route.path))
            .or_insert_with(|| json!({}));
        path[route.method.as_str().to_lowercase()] = operation(route);
    }
    document["paths"] = Value::Object(paths);
    document["components"]["securitySchemes"] = json!({ "token": { "type": "http", "scheme": "bearer", "description": "Admin token; only over TCP" } });
    document["security"] = json!([{ "token": [] }, {}]);
    document
}

fn operation(route: &Route) -> Value {
    let tag = route
        .path
        .trim_start_matches('/')
        .split('/')
        .next()
        .unwrap_or_default();
    let in_path = route
        .path
        .split('{')
        .skip(1)
        .filter_map(|part| part.split('}').next());
    let in_path = in_path.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }));
    let in_query = route.query.iter().map(|name| json!({ "name": name, "in": "query", "required": false, "schema": { "type": "string" } }));
    let parameters: Vec<Value> = in_path.chain(in_query).collect();
    let success = json!({ "description": "Success", "content": { media_type(route): { "schema": schema(route.reply) } } });
    let mut replies = json!({ route.status.to_string(): success });
    let mut error = |status: &str, body: &str, when: &str| {
        replies[status] = json!({ "description": when, "content": { "application/json": { "schema": schema(body) } } });
    };
    error("401", "ErrorBody", "TCP without the admin token");
    error(
        "403",
        "ErrorBody",
        "A peer of the socket that is neither root nor the daemon's user",
    );
    if route.path.contains('{') {
        error("404", "ErrorBody", "No such thing");
    }
    if route.method != admin::Method::Get {
        error("409", "ErrorBody", "Its state forbids it");
    }
    if !route.body.is_empty() {
        error("400", "ErrorBody", "A body that is not JSON");
        error("413", "ErrorBody", "A body above 64 KiB");
    }
    if !route.body.is_empty() || !route.query.is_empty() {
        error(
            "422",
            "InvalidBody",
            "A field or parameter that is missing, unknown or out of its limits",
        );
    }
    let mut operation = json!({ "tags": [tag], "summary": route.what, "parameters": parameters, "responses": replies });
    if !route.body.is_empty() {
        operation["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": schema(route.body) } } });
    }
    operation
}

fn media_type(route: &Route) -> &'static str {
    match route.reply {
        "image/*" => "image/*",
        "Envelope" => "text/event-stream",
        _ => "application/json",
    }
}

fn schema(name: &str) -> Value {
    match name {
        "object" => json!({ "type": "object" }),
        "image/*" => json!({ "type": "string", "format": "binary" }),
        name => {
            json!({ "$ref": format!("#/components/schemas/{}", name.replace('<', "_").replace('>', "")) })
        }
    }
}

/// `GET /openapi.json`
pub async fn get() -> HttpResponse {
    HttpResponse::Ok().json(document())
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn every_route_is_described_and_every_reference_leads_somewhere() {
        let document = document();
        for route in ROUTES {
            let operation = &document["paths"][format!("{PREFIX}{}", route.path)]
                [route.method.as_str().to_lowercase()];
            assert_eq!(operation["summary"], route.what);
            assert!(
                operation["responses"][route.status.to_string()].is_object(),
                "{}",
                route.path
            );
        }
        let mut found = Vec::new();
        references(&document, &mut found);
        assert!(found.len() > ROUTES.len());
        for reference in found {
            let at = reference.trim_start_matches('#');
            assert!(document.pointer(at).is_some(), "{reference} leads nowhere");
        }
    }
}
