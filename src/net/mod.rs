//! The box's edge: listeners, TLS, names, limits and the PROXY header.
//!
//! In: configuration and bytes from strangers. Out: connections that may be served, the TLS
//! they are served with, and typed answers from DNS. Nothing here knows SMTP.

pub mod breaker;
pub mod gate;
pub mod limits;
pub mod listen;
pub mod network;
pub mod proxy;
pub mod rates;
pub mod registrable;
pub mod resolver;
pub mod tls;
