//! `/metrics`: counters for Prometheus (text format 0.0.4).
//!
//! By key or session with the right to see the configuration: counters tell of the whole site.

use warp::http::StatusCode;

use super::super::routes::route;
use super::{about, operation};
use crate::admin::site::{Call, Refusal, Route};
use crate::web::answer::{self, Answer};

/// As Prometheus asks for it.
const KIND: &str = "text/plain; version=0.0.4; charset=utf-8";

pub(in crate::admin::site) const ROUTES: &[Route] = &[
    route!(GET "/metrics", Right(SeeSettings), show),
    operation!(
        GET "/api/metrics", Right(SeeSettings), show => raw "text/plain",
        about("metrics", "Counters, in Prometheus' text format", &[])
    ),
];

async fn show(call: Call) -> Result<Answer, Refusal> {
    Ok(answer::of(StatusCode::OK, KIND, call.site.desk.metrics()))
}
