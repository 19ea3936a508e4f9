//! Drives `smtp::server` over a connection; mints `Mail<Received>`.

mod pipeline;

pub use pipeline::{Decision, Pipeline, Received};
