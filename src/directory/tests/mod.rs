//! Against a real slapd, where the machine has one: answers, groups, log-ins, failures.

#[path = "../../../tests/suite/harness/slapd.rs"]
mod slapd;

mod answers;
mod callouts;
mod failures;

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Called, Calling, Directories, NextHops, Recipient};
use crate::config::Config;
use crate::mail::Address;
use slapd::{BASE, READER, Slapd};

fn skip(why: &str) {
    println!("skipped: {why}");
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn program(name: &str) -> Option<PathBuf> {
    let dirs = ["/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    dirs.iter().map(|dir| PathBuf::from(dir).join(name)).find(|file| file.is_file())
}

fn free_port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

fn wait_for<T>(what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Takes nobody.
#[derive(Debug)]
struct NoHops;

impl NextHops for NoHops {
    fn take<'a>(&'a self, _: &'a Address) -> Calling<'a> {
        Box::pin(std::future::ready(Called::Unclear("nobody is asked".into())))
    }
}

/// A configuration with a directory in clear, and lines for it.
fn config(slapd: &Slapd, dir: &std::path::Path, lines: &str, rest: &str) -> Config {
    let servers = format!("servers = [\"{}\"]", slapd.url());
    let tls =
        if lines.contains("tls =") || lines.contains("ldaps") { "" } else { "tls = \"none\"" };
    let servers = if lines.contains("servers =") { "" } else { &servers };
    let timeout = if lines.contains("\ntimeout_s") || lines.starts_with("timeout_s") {
        ""
    } else {
        "timeout_s = 5"
    };
    let text = format!(
        "[system]\nhostname = \"mx.example.test\"\ndata_dir = \"{}\"\n\
         postmaster = \"postmaster@example.test\"\n\
         [[domain]]\nname = \"example.test\"\nnext_hop = [\"smtp://127.0.0.1\"]\n\
         recipients = \"ldap\"\nsubaddress = \"+\"\n\
         [[directory]]\nname = \"staff\"\n{servers}\n{tls}\nbase = \"{BASE}\"\n\
         bind_dn = \"{READER}\"\nbind_password_file = \"{}\"\n{timeout}\n{lines}\n{rest}",
        dir.display(),
        slapd.password_file().display(),
    );
    Config::parse(&text, std::path::Path::new("t"), dir).unwrap()
}

fn directories(config: &Config) -> Arc<Directories> {
    Arc::new(Directories::new(config, Arc::new(NoHops), None).unwrap())
}

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

async fn told(directories: &Directories, recipient: &str) -> String {
    match directories.recipient(&address(recipient)).await {
        Recipient::Known(address) => address.to_string(),
        Recipient::Unknown => "unknown".into(),
        Recipient::Unverified { then, why } => format!("{then:?}: {why}"),
    }
}
