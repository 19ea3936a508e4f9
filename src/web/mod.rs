//! HTTPS for the box's own sites: the listener, requests with their limits, answers with their
//! security headers, log-in sessions, back-off, assets.
//!
//! In: a [`Site`], which turns an [`Ask`] into an [`Answer`]. Out: a running listener
//! ([`serve`]). TLS only; HTTP/1.1. A body is read only after the site has said how large it
//! may be, so who may not send one costs nothing.
//!
//! Fails towards the client only: 400, 408, 413 or a closed connection.

pub mod answer;
pub mod ask;
pub mod assets;
pub mod attempts;
pub mod form;
mod guests;
pub mod serve;
pub mod sessions;

pub use answer::Answer;
pub use ask::{Ask, Upload};
pub use form::Pairs;
pub use serve::{Answering, Site, serve};
