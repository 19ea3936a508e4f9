//! The JSON API: all that the pages do, for programs.
//!
//! In: requests below `/api/`, by key or session. Out: JSON, or a [`Problem`] that names the
//! parameter or field that is to blame. Each route carries its [`Operation`]: what it is called,
//! which parameters and body it takes, what it answers. [`document`] makes the OpenAPI document
//! of them, and [`admitted`] checks requests by them before anything is done, so that neither can
//! tell another story than the other. Types of bodies and answers are those that the compiler
//! checks the route's function with.
//!
//! Invariant: what concerns a mail that the caller may not see is 404 (RFC 9110 section 15.5.5).
//!
//! [`Problem`]: crate::admin::api::Problem

pub(super) mod acts;
pub(super) mod approvals;
pub(super) mod certificate;
pub(super) mod checks;
pub(super) mod configuration;
pub(super) mod credentials;
pub(super) mod document;
pub(super) mod drafts;
pub(super) mod keys;
pub(super) mod mailboxes;
mod many;
pub(super) mod metrics;
pub(super) mod overview;
#[cfg(test)]
mod parity;
pub(super) mod people;
pub(super) mod quarantine;
pub(super) mod queue;
pub(super) mod rules;
pub(super) mod senders;
pub(super) mod tracking;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use super::{Call, Refusal};
use crate::mail::MailId;

/// The most rows of one answer.
const MOST_ROWS: u64 = 1_000;

/// What one route does, for people and programs.
#[derive(Debug)]
pub struct Operation {
    /// Name and parameters.
    pub about: About,
    /// The body, when it takes one.
    pub takes: Option<Shape>,
    /// The answer when all went well.
    pub gives: Gives,
}

/// The part of an operation that is written by hand.
#[derive(Debug)]
pub struct About {
    /// The only one of this name.
    pub id: &'static str,
    /// In one line.
    pub summary: &'static str,
    /// Of path and query.
    pub parameters: &'static [Parameter],
}

/// The JSON schema of a type.
pub type Shape = fn(&mut SchemaGenerator) -> Schema;

/// What is answered.
#[derive(Debug, Clone, Copy)]
pub enum Gives {
    /// JSON of this shape.
    Json(Shape),
    /// Something of this media type.
    Raw(&'static str),
}

/// One parameter of path or query; those in braces of the path are of the path.
#[derive(Debug, Clone, Copy)]
pub struct Parameter {
    /// As it is written.
    pub name: &'static str,
    /// What it may be.
    pub kind: Kind,
    /// In plain words.
    pub words: &'static str,
}

/// What a parameter may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text of so many characters at most.
    Text(usize),
    /// A whole number.
    Whole {
        /// At least.
        least: u64,
        /// At most.
        most: u64,
    },
    /// Any number.
    Decimal,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// The name of a mail, of an entry of the quarantine or of an act.
    Id,
}

impl Parameter {
    pub(super) const fn new(name: &'static str, kind: Kind, words: &'static str) -> Parameter {
        Parameter { name, kind, words }
    }

    fn takes(&self, text: &str) -> Result<(), String> {
        match self.kind {
            Kind::Text(most) if text.chars().count() > most => {
                Err(format!("{} characters at most", most))
            }
            Kind::Text(_) => Ok(()),
            Kind::Whole { least, most } => match text.parse::<u64>() {
                Ok(number) if (least..=most).contains(&number) && is_plain(text) => Ok(()),
                _ => Err(format!("a whole number from {least} to {most}")),
            },
            Kind::Decimal => match text.parse::<f32>() {
                Ok(number) if number.is_finite() => Ok(()),
                _ => Err("a number".to_owned()),
            },
            Kind::OneOf(words) if words.contains(&text) => Ok(()),
            Kind::OneOf(words) => Err(format!("one of {}", words.join(", "))),
            Kind::Id => match text.parse::<MailId>() {
                Ok(_) => Ok(()),
                Err(error) => Err(error.to_string()),
            },
        }
    }
}

fn is_plain(number: &str) -> bool {
    number.bytes().all(|octet| octet.is_ascii_digit())
}

/// So many rows at most.
const LIMIT: Parameter = Parameter::new(
    "limit",
    Kind::Whole { least: 1, most: MOST_ROWS },
    "rows at most; 100 unless given",
);
/// A mail by name, in the path.
const ID: Parameter = Parameter::new("id", Kind::Id, "the name of the mail or entry");

/// `route!` with an [`Operation`]:
/// `operation!(GET "/api/x", Right(SeeMail), act => Row, about)`, with a body
/// `operation!(POST "/api/x", Right(Queue), act(Order) => Row, about)`, and
/// `operation!(GET "/api/x", Right(SeeMail), act => raw "text/plain", about)`.
macro_rules! operation {
    (@route $method:ident $path:literal, $need:ident $(($right:ident))?, $octets:expr, $op:ident, $act:expr) => {
        $crate::admin::site::Route {
            described: Some($op),
            body_octets: $octets,
            act: $act,
            ..$crate::admin::site::routes::route!(
                $method $path, $need $(($right))?, $crate::admin::site::api::nothing
            )
        }
    };
    ($method:ident $path:literal, $need:ident $(($right:ident))?, $act:ident => raw $kind:literal, $about:expr) => {{
        const OPERATION: &$crate::admin::site::api::Operation = &$crate::admin::site::api::Operation {
            about: $about,
            takes: None,
            gives: $crate::admin::site::api::Gives::Raw($kind),
        };
        $crate::admin::site::api::operation!(
            @route $method $path, $need $(($right))?,
            $crate::admin::site::routes::FORM_OCTETS, OPERATION,
            |call| Box::pin(async move {
                $crate::admin::site::api::admitted(OPERATION, $path, &call)?;
                $act(call).await
            })
        )
    }};
    ($method:ident $path:literal, $need:ident $(($right:ident))?, $act:ident($takes:ty) => raw $kind:literal, $about:expr) => {{
        const OPERATION: &$crate::admin::site::api::Operation = &$crate::admin::site::api::Operation {
            about: $about,
            takes: Some($crate::admin::site::api::shape::<$takes>),
            gives: $crate::admin::site::api::Gives::Raw($kind),
        };
        $crate::admin::site::api::operation!(
            @route $method $path, $need $(($right))?,
            $crate::admin::site::routes::UPLOAD_OCTETS, OPERATION,
            |call| Box::pin(async move {
                $crate::admin::site::api::admitted(OPERATION, $path, &call)?;
                let order: $takes = $crate::admin::site::api::body(&call)?;
                $act(call, order).await
            })
        )
    }};
    ($method:ident $path:literal, $need:ident $(($right:ident))?, $act:ident => $gives:ty, $about:expr) => {{
        const OPERATION: &$crate::admin::site::api::Operation = &$crate::admin::site::api::Operation {
            about: $about,
            takes: None,
            gives: $crate::admin::site::api::Gives::Json($crate::admin::site::api::shape::<$gives>),
        };
        $crate::admin::site::api::operation!(
            @route $method $path, $need $(($right))?,
            $crate::admin::site::routes::FORM_OCTETS, OPERATION,
            |call| Box::pin(async move {
                $crate::admin::site::api::admitted(OPERATION, $path, &call)?;
                let row: $gives = $act(call).await?;
                Ok($crate::web::answer::json(warp::http::StatusCode::OK, &row))
            })
        )
    }};
    ($method:ident $path:literal, $need:ident $(($right:ident))?, $act:ident($takes:ty) => $gives:ty, $about:expr) => {{
        const OPERATION: &$crate::admin::site::api::Operation = &$crate::admin::site::api::Operation {
            about: $about,
            takes: Some($crate::admin::site::api::shape::<$takes>),
            gives: $crate::admin::site::api::Gives::Json($crate::admin::site::api::shape::<$gives>),
        };
        $crate::admin::site::api::operation!(
            @route $method $path, $need $(($right))?,
            $crate::admin::site::routes::UPLOAD_OCTETS, OPERATION,
            |call| Box::pin(async move {
                $crate::admin::site::api::admitted(OPERATION, $path, &call)?;
                let order: $takes = $crate::admin::site::api::body(&call)?;
                let row: $gives = $act(call, order).await?;
                Ok($crate::web::answer::json(warp::http::StatusCode::OK, &row))
            })
        )
    }};
}
pub(crate) use operation;

/// A name, a summary and parameters.
const fn about(id: &'static str, summary: &'static str, parameters: &'static [Parameter]) -> About {
    About { id, summary, parameters }
}

/// Stands where a route's own function is put.
pub(super) async fn nothing(_: Call) -> Result<crate::web::Answer, Refusal> {
    Err(Refusal::NotFound)
}

pub(super) fn shape<T: JsonSchema>(generator: &mut SchemaGenerator) -> Schema {
    generator.subschema_for::<T>()
}

/// The names in the braces of a path.
fn names_of(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// Whether path and query are what the operation says. What no path can be is not there.
pub(super) fn admitted(
    operation: &Operation,
    path: &'static str,
    call: &Call,
) -> Result<(), Refusal> {
    let known = |name: &str| operation.about.parameters.iter().find(|one| one.name == name);
    let in_path: Vec<&str> = names_of(path).collect();
    for (at, name) in in_path.iter().enumerate() {
        let fits = known(name).is_some_and(|one| one.takes(call.part(at)).is_ok());
        if !fits {
            return Err(Refusal::NotFound);
        }
    }
    let mut seen: Vec<&str> = Vec::new();
    for (name, text) in call.ask.query.iter() {
        let Some(one) = known(name).filter(|one| !in_path.contains(&one.name)) else {
            let short: String = name.chars().take(100).collect();
            return Err(Refusal::Bad(format!("there is no parameter {short:?}")));
        };
        if seen.contains(&name) {
            return Err(Refusal::Bad(format!("{name}: given more than once")));
        }
        seen.push(name);
        one.takes(text).map_err(|why| Refusal::Bad(format!("{name}: {why}")))?;
    }
    Ok(())
}

/// The body; what is wrong with it is said with the path to the field.
pub(super) fn body<T: DeserializeOwned>(call: &Call) -> Result<T, Refusal> {
    if !call.ask.is_json() {
        return Err(Refusal::bad("the body is to be application/json"));
    }
    let mut reader = serde_json::Deserializer::from_slice(&call.body);
    let read = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let (at, why) = (error.path().to_string(), error.inner().to_string());
        match at.as_str() {
            "." => Refusal::Bad(why),
            at => Refusal::Bad(format!("{at}: {why}")),
        }
    })?;
    reader.end().map_err(Refusal::bad)?;
    Ok(read)
}

/// A parameter of the query that is a number.
fn whole(call: &Call, name: &str) -> Option<u64> {
    call.ask.query.first(name).and_then(|text| text.parse().ok())
}

/// Rows at most.
fn limit(call: &Call) -> usize {
    whole(call, "limit").and_then(|limit| usize::try_from(limit).ok()).unwrap_or(100)
}

/// A parameter of the query that is text.
fn text(call: &Call, name: &str) -> Option<String> {
    call.ask.query.filled(name).map(str::to_owned)
}

/// The mail that the path names.
fn id_of(call: &Call) -> Result<MailId, Refusal> {
    call.part(0).parse().map_err(|_| Refusal::NotFound)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::super::routes;
    use super::*;

    #[test]
    fn every_route_of_the_api_is_described_and_its_path_too() {
        let mut ids = HashSet::new();
        for route in routes::ROUTES.iter().copied().flatten() {
            let is_api = route.path.starts_with("/api/");
            assert_eq!(route.described.is_some(), is_api, "{} {}", route.method, route.path);
            let Some(operation) = route.described else { continue };
            let about = &operation.about;
            assert!(ids.insert(about.id), "{} is there twice", about.id);
            assert!(!about.summary.is_empty() && !about.summary.ends_with('.'), "{}", about.id);
            for name in names_of(route.path) {
                let known = about.parameters.iter().any(|one| one.name == name);
                assert!(known, "{} of {} is not described", name, route.path);
            }
        }
        assert!(ids.len() > 30, "{}", ids.len());
    }

    #[test]
    fn parameters_take_what_they_say() {
        let whole = Parameter::new("n", Kind::Whole { least: 1, most: 10 }, "");
        for (text, fits) in
            [("1", true), ("10", true), ("0", false), ("11", false), ("+3", false), ("", false)]
        {
            assert_eq!(whole.takes(text).is_ok(), fits, "{text}");
        }
        let word = Parameter::new("w", Kind::OneOf(&["a", "b"]), "");
        assert!(word.takes("a").is_ok() && word.takes("").is_err() && word.takes("A").is_err());
        let number = Parameter::new("d", Kind::Decimal, "");
        assert!(number.takes("-2.5").is_ok() && number.takes("nan").is_err());
        assert!(number.takes("inf").is_err() && number.takes("").is_err());
        let text = Parameter::new("t", Kind::Text(2), "");
        assert!(text.takes("äö").is_ok() && text.takes("äöü").is_err());
        assert!(ID.takes("nothing").is_err());
        assert!(ID.takes(&MailId::mint().to_string()).is_ok());
    }
}
