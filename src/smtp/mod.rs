//! Sans-IO protocol (RFC 5321 and its extensions): no sockets, no clocks, no async.

pub mod client;
pub mod command;
pub mod server;
