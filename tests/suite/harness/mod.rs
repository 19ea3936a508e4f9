//! What the scenarios stand on: the real `postern` as a process, scripted and real peers,
//! free ports, temporary folders, a seeded source of randomness.
//!
//! A scenario that cannot run here says so with [`skip`]; `tests/run` gathers these lines.

pub mod browser;
pub mod clamd;
pub mod client;
pub mod clock;
pub mod nsd;
pub mod patterns;
pub mod postern;
pub mod postfix;
pub mod random;
pub mod sink;
pub mod slapd;
pub mod swaks;
pub mod text;
pub mod tls;

use std::io::{Read, Seek, Write};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

pub use browser::{Browser, Page};
pub use client::Client;
pub use clock::Clock;
pub use nsd::Nsd;
pub use postern::{Postern, Setup};
pub use sink::{Act, Arrived, Moment, Sink};
pub use slapd::Slapd;

/// How long a scenario waits for something that must come.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Says that a scenario did not run, and why.
pub fn skip(why: &str) {
    let name = std::thread::current().name().unwrap_or("scenario").to_owned();
    println!("skipped: {name}: {why}");
    if let Some(file) = std::env::var_os("POSTERN_SKIP_LOG") {
        let opened = std::fs::OpenOptions::new().create(true).append(true).open(file);
        if let Ok(mut file) = opened {
            let _ = writeln!(file, "{name}: {why}");
        }
    }
}

/// Waits until `probe` yields something, at most [`PATIENCE`].
pub fn wait_for<T>(what: &str, probe: impl FnMut() -> Option<T>) -> T {
    wait_within(PATIENCE, what, probe)
}

/// Waits until `probe` yields something, at most `limit`.
pub fn wait_within<T>(limit: Duration, what: &str, mut probe: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = probe() {
            return found;
        }
        assert!(begun.elapsed() < limit, "waited {limit:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A folder that lives as long as the value.
pub fn folder() -> tempfile::TempDir {
    tempfile::Builder::new().prefix("t").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap()
}

/// Whether the tests run as root.
pub fn is_root() -> bool {
    nix::unistd::Uid::effective().is_root()
}

/// The first of these programs that exists in the usual places.
pub fn program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/sbin"), PathBuf::from("/usr/bin")])
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
}

/// The folder of shared test messages, or `None` where it is absent.
pub fn corpora() -> Option<PathBuf> {
    let named = std::env::var_os("POSTERN_CORPORA").map(PathBuf::from);
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/corpora");
    named.into_iter().chain([beside]).find(|dir| dir.is_dir())
}

/// A port that nobody uses. The counter is shared by all test processes of the machine and
/// stays below the range that the kernel draws clients' ports from.
pub fn free_port() -> u16 {
    const FIRST: u32 = 15_000;
    const COUNT: u32 = 17_000;
    let shared = std::env::temp_dir().join("postern-test-ports");
    let own = Path::new(env!("CARGO_TARGET_TMPDIR")).join("postern-test-ports");
    let open = |path: &Path| {
        std::fs::OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
    };
    let mut file = open(&shared).or_else(|_| open(&own)).unwrap();
    file.lock().unwrap();
    let mut text = String::new();
    file.read_to_string(&mut text).unwrap();
    let mut last = text.trim().parse::<u32>().unwrap_or(std::process::id());
    for _ in 0..COUNT {
        last = last.wrapping_add(1) % COUNT;
        let port = (FIRST + last) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            file.set_len(0).unwrap();
            file.rewind().unwrap();
            write!(file, "{last}").unwrap();
            return port;
        }
    }
    panic!("no free port");
}
