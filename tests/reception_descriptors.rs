//! The accept loop when the process has no file descriptor left: it waits and goes on.
//! A file of its own, because the limit is the whole process's.

#![allow(clippy::unwrap_used)]

use std::io::Read;
use std::net::{IpAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use postern::config::Config;
use postern::mail::{Budget, EnhancedCode, Mail, Reply};
use postern::session::{
    Account, AccountsUnavailable, Authenticator, Decision, Doorman, House, OpenGate, Permit,
    Pipeline, Proxied, Received, Settings, Sight, Visitor, Witness, serve,
};

struct Nobody;

impl Pipeline for Nobody {
    async fn process(&self, _: Mail<Received>) -> Decision {
        Decision::Refused(Reply::new(451, EnhancedCode(4, 3, 0), "not now"))
    }
}

impl Authenticator for Nobody {
    async fn verify(&self, _: &str, _: &str) -> Result<Option<Account>, AccountsUnavailable> {
        Ok(None)
    }
}

impl Doorman for Nobody {
    fn admit(&self, _: IpAddr) -> Result<Permit, Reply> {
        Ok(Box::new(()))
    }
}

impl Witness for Nobody {
    fn saw(&self, _: &Visitor, _: Sight<'_>) {}
}

fn is_greeted(client: &mut TcpStream) -> bool {
    client.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let mut banner = [0u8; 4];
    client.read_exact(&mut banner).is_ok() && &banner == b"220 "
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_descriptor_left() {
    let dir = tempfile::tempdir().unwrap();
    let text = "[system]\nhostname = \"mx.test\"\ndata_dir = \".\"\npostmaster = \"p@x.test\"\n\
                [[listen]]\nrole = \"inbound\"\naddress = \"127.0.0.1:2525\"\n";
    let config = Config::parse(text, Path::new("test.toml"), dir.path()).unwrap();
    let settings = arc_swap::ArcSwap::from_pointee(Settings::new(&config, &config.listen[0]));
    let house = House {
        pipeline: Arc::new(Nobody),
        accounts: Arc::new(Nobody),
        doorman: Arc::new(Nobody),
        gatekeeper: Arc::new(OpenGate),
        tls: Arc::new(|| None),
        proxy: Arc::new(|_: &[u8]| Proxied::Malformed),
        witness: Arc::new(Nobody),
        budget: Budget::new(1 << 20),
    };
    let (drain, drained) = tokio::sync::watch::channel(false);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(serve(listener, Arc::new(settings), Arc::new(house), drained));

    let clients = tokio::task::spawn_blocking(move || {
        let open = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
        setrlimit(Resource::RLIMIT_NOFILE, open + 20, hard).unwrap();
        let mut clients = Vec::new();
        while let Ok(client) = TcpStream::connect(address) {
            clients.push(client);
        }
        assert!(clients.len() >= 5 && clients.len() < 25, "{}", clients.len());
        std::thread::sleep(Duration::from_millis(300));
        drop(clients);
        // The loop pauses, then takes who comes.
        let mut late = loop {
            match TcpStream::connect(address) {
                Ok(client) => break client,
                Err(_) => std::thread::sleep(Duration::from_millis(50)),
            }
        };
        assert!(is_greeted(&mut late));
    });
    clients.await.unwrap();
    drain.send(true).unwrap();
    tokio::time::timeout(Duration::from_secs(10), serving).await.unwrap().unwrap();
}
