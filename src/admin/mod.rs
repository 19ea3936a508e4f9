//! How the operator reaches the running box: a JSON API over a Unix socket in the data
//! directory, which only the box's own user can open. The command line is its client.
//!
//! In: HTTP/1.1 requests. Out: one JSON object, or one a line for lists. What is wrong with a
//! request is answered with 400 or 404 and a [`api::Problem`]; nothing here can stop the box.

pub mod accounts;
mod antivirus;
pub mod api;
mod archived;
mod desk;
mod directory;
mod dmarc;
mod held;
mod inspect;
mod learning;
mod lines;
pub mod past;
pub mod people;
mod replay;
pub mod reset;
mod routes;
mod ruling;
pub mod senders;
mod serve;
pub mod site;

use std::path::{Path, PathBuf};

pub use antivirus::Watchful;
pub use desk::{Desk, Hearing, OPERATOR};
pub use directory::Acquainted;
pub use ruling::{Asking, InForce, Ruling};
pub use serve::{SocketError, serve};

/// Where the control socket lies.
pub fn socket_path(data_dir: &Path) -> PathBuf {
    data_dir.join("control.sock")
}
