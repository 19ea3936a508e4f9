//! `/api/openapi.json`: the table of routes as an OpenAPI document.
//!
//! In: the routes with their operations. Out: OpenAPI 3.1.0, whose schemas are JSON Schema
//! 2020-12 made from the types that the routes' functions have.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::{Gives, Kind, Operation, Parameter, about, names_of, operation};
use crate::admin::api::Problem;
use crate::admin::site::{Call, Need, Refusal, Route, routes};
use crate::web::Answer;
use crate::web::answer;

pub(in crate::admin::site) const ROUTES: &[Route] = &[operation!(
    GET "/api/openapi.json", LogIn, show => raw "application/json",
    about("openapi", "This document", &[])
)];

async fn show(_: Call) -> Result<Answer, Refusal> {
    Ok(answer::json(warp::http::StatusCode::OK, &document()))
}

/// The whole document.
pub(super) fn document() -> Value {
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let problem = generator.subschema_for::<Problem>();
    let mut paths = Map::new();
    for route in routes::ROUTES.iter().copied().flatten() {
        let Some(operation) = route.described else { continue };
        let described = described(route, operation, &mut generator);
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        if let Value::Object(methods) = path {
            methods.insert(route.method.to_ascii_lowercase(), described);
        }
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Postern",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "All that the administrator's site does. Times are RFC 3339 or \
                milliseconds since 1970, sizes are octets.",
        },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": generator.take_definitions(true),
            "responses": responses(&problem.to_value()),
            "securitySchemes": {
                "key": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A key of the API; it carries some of its owner's rights.",
                },
                "session": {
                    "type": "apiKey",
                    "in": "cookie",
                    "name": "__Host-postern",
                    "description": "A log-in of the site; what changes anything needs the \
                        header X-CSRF-Token as well.",
                },
            },
        },
    })
}

/// What may come in place of an answer: name, status, when.
const REFUSALS: &[(&str, &str, &str)] = &[
    ("Bad", "400", "The request makes no sense; the words name the parameter or field."),
    ("LogIn", "401", "Nobody has shown who they are."),
    ("Forbidden", "403", "The caller may not do this, or the request is from another site."),
    ("NotFound", "404", "There is no such thing, or it does not concern the caller."),
    ("Method", "405", "The path is known, the method is not."),
    ("TooSlow", "408", "The body took too long."),
    ("Conflict", "409", "It cannot be done now."),
    ("TooLarge", "413", "The body is too large."),
    ("TooMany", "429", "Too many requests."),
    ("Broken", "500", "The box is to blame; its log says more."),
];

fn responses(problem: &Value) -> Value {
    let one = |(name, _, words): &(&str, &str, &str)| {
        let content = json!({ "application/json": { "schema": problem } });
        ((*name).to_owned(), json!({ "description": words, "content": content }))
    };
    REFUSALS.iter().map(one).collect::<Map<String, Value>>().into()
}

fn described(route: &Route, operation: &Operation, generator: &mut SchemaGenerator) -> Value {
    let in_path: Vec<&str> = names_of(route.path).collect();
    let about = &operation.about;
    let parameters: Vec<Value> =
        about.parameters.iter().map(|one| parameter(one, in_path.contains(&one.name))).collect();
    let content = match operation.gives {
        Gives::Json(shape) => json!({ "application/json": { "schema": shape(generator) } }),
        Gives::Raw(kind) => json!({ kind: {} }),
    };
    let mut answers = Map::new();
    answers.insert("200".into(), json!({ "description": "Done.", "content": content }));
    for (name, status, _) in REFUSALS {
        let there = format!("#/components/responses/{name}");
        answers.insert((*status).into(), json!({ "$ref": there }));
    }
    let section = route.path.split('/').nth(2).unwrap_or_default();
    let mut described = json!({
        "operationId": about.id,
        "summary": about.summary,
        "description": need_words(route.need),
        "tags": [section],
        "parameters": parameters,
        "responses": answers,
        "security": security(route),
    });
    if let (Some(shape), Value::Object(fields)) = (operation.takes, &mut described) {
        let content = json!({ "application/json": { "schema": shape(generator) } });
        fields.insert("requestBody".into(), json!({ "required": true, "content": content }));
    }
    described
}

fn security(route: &Route) -> Value {
    match route.takes_keys() {
        true => json!([{ "key": [] }, { "session": [] }]),
        false => json!([{ "session": [] }]),
    }
}

fn need_words(need: Need) -> String {
    match need {
        Need::Nothing => "For everybody.".into(),
        Need::Token => "For who has the secret in the path.".into(),
        Need::LogIn => "For everybody who has logged in or has a key.".into(),
        Need::Session => "For everybody who has logged in; not with a key.".into(),
        Need::Right(right) => format!("Needs the right `{}`: {}.", right.name(), right.words()),
    }
}

fn parameter(one: &Parameter, is_in_path: bool) -> Value {
    let schema = match one.kind {
        // A part of a path is never empty, and holds no control characters.
        Kind::Text(most) if is_in_path => {
            json!({ "type": "string", "minLength": 1, "maxLength": most })
        }
        Kind::Text(most) => json!({ "type": "string", "maxLength": most }),
        Kind::Whole { least, most } => {
            json!({ "type": "integer", "minimum": least, "maximum": most })
        }
        Kind::Decimal => json!({ "type": "number" }),
        Kind::OneOf(words) => json!({ "type": "string", "enum": words }),
        Kind::Id => json!({ "type": "string", "pattern": "^[0-9A-HJKMNP-TV-Z]{20}$" }),
    };
    json!({
        "name": one.name,
        "in": if is_in_path { "path" } else { "query" },
        "required": is_in_path,
        "description": one.words,
        "schema": schema,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_every_route_and_no_other() {
        let document = document();
        let mut listed = Vec::new();
        for (path, methods) in document["paths"].as_object().unwrap() {
            for method in methods.as_object().unwrap().keys() {
                listed.push(format!("{} {path}", method.to_ascii_uppercase()));
            }
        }
        let there = routes::ROUTES.iter().copied().flatten();
        let mut there: Vec<String> = there
            .filter(|route| route.path.starts_with("/api/"))
            .map(|route| format!("{} {}", route.method, route.path))
            .collect();
        listed.sort_unstable();
        there.sort_unstable();
        assert_eq!(listed, there);
    }

    #[test]
    fn what_is_for_log_ins_only_is_said() {
        let document = document();
        let schemes = |path: &str, method: &str| {
            let all = document["paths"][path][method]["security"].as_array().unwrap().clone();
            let names = all.iter().flat_map(|one| one.as_object().unwrap().keys().cloned());
            names.collect::<Vec<_>>()
        };
        assert_eq!(schemes("/api/account/keys", "get"), ["key", "session"]);
        for (path, method) in [
            ("/api/account/keys", "post"),
            ("/api/account/keys/{key}", "delete"),
            ("/api/account/sessions", "delete"),
            ("/api/account/sessions/{session}", "delete"),
            ("/api/account/password", "post"),
        ] {
            assert_eq!(schemes(path, method), ["session"], "{method} {path}");
        }
    }

    #[test]
    fn every_reference_leads_somewhere() {
        let document = document();
        let mut open = vec![&document];
        let mut references = 0;
        while let Some(value) = open.pop() {
            match value {
                Value::Object(fields) => {
                    if let Some(there) = fields.get("$ref").and_then(Value::as_str) {
                        let pointer = there.strip_prefix('#').unwrap();
                        assert!(document.pointer(pointer).is_some(), "{there}");
                        references += 1;
                    }
                    open.extend(fields.values());
                }
                Value::Array(items) => open.extend(items),
                _ => {}
            }
        }
        assert!(references > 100, "{references}");
    }
}
