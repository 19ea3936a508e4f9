//! The checks together, over a name server on loopback; public corpora where they are present.

mod arc;
mod authors;
mod cases;
mod dkim;
mod dmarc;
mod stage;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::signatures::{self, Signatures};
use crate::config::{Config, Dns};
use crate::message::{Head, Oddities};
use crate::net::resolver::mock::{self, MockServer};
use crate::net::resolver::{DnsResolver, Resolve};

fn resolver(server: &MockServer) -> Arc<dyn Resolve> {
    let dns = Dns { servers: vec![server.address], timeout_s: 1, cache_entries: 1024 };
    Arc::new(DnsResolver::new(&dns).unwrap())
}

fn corpora() -> PathBuf {
    std::env::var_os("POSTERN_CORPORA")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora"), Into::into)
}

/// As it comes over the wire.
fn crlf(text: &[u8]) -> Bytes {
    let mut wire = Vec::with_capacity(text.len() + 100);
    for line in text.split_inclusive(|octet| *octet == b'\n') {
        let bare = line.strip_suffix(b"\n").unwrap_or(line);
        wire.extend_from_slice(bare.strip_suffix(b"\r").unwrap_or(bare));
        if line.ends_with(b"\n") {
            wire.extend_from_slice(b"\r\n");
        }
    }
    wire.into()
}

async fn signatures_of(resolver: &Arc<dyn Resolve>, message: &Bytes) -> Signatures {
    let (head, body) = Head::split(message, &mut Oddities::default());
    let deadline = Instant::now() + Duration::from_secs(8);
    signatures::check(resolver, &head, &body, 10, &[], deadline).await
}

fn config(more: &str) -> Config {
    let text = format!(
        "[system]\nhostname = \"mx.example.org\"\ndata_dir = \"/x\"\n\
         postmaster = \"postmaster@example.org\"\n{more}"
    );
    Config::parse(&text, Path::new("t.toml"), Path::new("/")).unwrap()
}

fn serve(table: &str) -> MockServer {
    mock::serve(table).unwrap_or_else(|error| panic!("{error}"))
}
