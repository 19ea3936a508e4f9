//! Sessions over pipes in memory and over loopback sockets.

mod connections;
mod door;
mod idle;
mod mails;
mod relay;
mod times;
mod tls;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::*;
use crate::config::Config;
use crate::mail::{Budget, Durable, EnhancedCode, Envelope, Facts, Mail, Receipt, Reply, Role};

pub(super) const HELLO: &str = "EHLO client.test\r\n";
pub(super) const MAIL: &str = "MAIL FROM:<a@client.test>\r\n";
pub(super) const RCPT: &str = "RCPT TO:<b@example.test>\r\n";
pub(super) const TEXT: &str = "DATA\r\nSubject: hello\r\n\r\ntext\r\n.\r\n";

/// Keeps what it is given. `Subject: refuse` is refused, `Subject: slow` takes a while.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    pub(super) mails: Mutex<Vec<(Envelope, Facts, Vec<u8>)>>,
}

struct Kept;

impl Durable for Kept {}

impl Pipeline for Keeper {
    async fn process(&self, mail: Mail<Received>) -> Decision {
        let content = mail.content.read_all().unwrap().to_vec();
        if content.starts_with(b"Subject: refuse") {
            return Decision::Refused(Reply::new(550, EnhancedCode(5, 7, 1), "not this"));
        }
        if content.starts_with(b"Subject: slow") {
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
        let kept = (Envelope::clone(&mail.envelope), Facts::clone(&mail.facts), content);
        self.mails.lock().unwrap().push(kept);
        Decision::Accepted(Receipt::of(&mail.advance(|_| Kept)))
    }
}

#[derive(Debug)]
pub(super) struct Accounts(HashMap<&'static str, (&'static str, Vec<&'static str>)>);

impl Authenticator for Accounts {
    async fn verify(
        &self,
        name: &str,
        password: &str,
    ) -> Result<Option<Account>, AccountsUnavailable> {
        if name == "down" {
            return Err(AccountsUnavailable);
        }
        let found = self.0.get(name).filter(|(known, _)| *known == password);
        let allowed = |list: &Vec<&str>| list.iter().map(|entry| (*entry).to_owned()).collect();
        Ok(found.map(|(_, list)| Account { name: name.to_owned(), allowed: allowed(list) }))
    }
}

/// Lets everybody in but 192.0.2.66, and does what a test tells it.
#[derive(Debug, Default)]
pub(super) struct Door {
    inside: Arc<AtomicUsize>,
    pub(super) greeting_delay: Mutex<Duration>,
    /// Places in the tarpit.
    pub(super) places: Arc<AtomicUsize>,
    /// What is refused, by the name of the question.
    pub(super) refusals: Mutex<HashMap<&'static str, Reply>>,
    /// What it was told.
    pub(super) told: Mutex<Vec<String>>,
}

impl Door {
    fn answer(&self, question: &'static str) -> Result<(), Reply> {
        self.told.lock().unwrap().push(question.to_owned());
        self.refusals.lock().unwrap().get(question).cloned().map_or(Ok(()), Err)
    }

    pub(super) fn refuse(&self, question: &'static str, code: u16) {
        let class = u8::try_from(code / 100).unwrap();
        let reply = Reply::new(code, EnhancedCode(class, 7, 1), question);
        self.refusals.lock().unwrap().insert(question, reply);
    }
}

struct Inside(Arc<AtomicUsize>);

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

struct Detained(Arc<AtomicUsize>);

impl Drop for Detained {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Doorman for Door {
    fn admit(&self, client: std::net::IpAddr) -> Result<Permit, Reply> {
        if client.to_string() == "192.0.2.66" {
            return Err(Reply::new(421, EnhancedCode(4, 7, 0), "too many connections"));
        }
        self.inside.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Inside(Arc::clone(&self.inside))))
    }

    fn greeting_delay(&self, _: std::net::IpAddr) -> Duration {
        *self.greeting_delay.lock().unwrap()
    }

    fn waited(&self, client: std::net::IpAddr) {
        self.told.lock().unwrap().push(format!("{client} waited"));
    }

    fn detain(&self, _: std::net::IpAddr) -> Option<Permit> {
        let one_less = |places: usize| places.checked_sub(1);
        self.places.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).ok()?;
        Some(Box::new(Detained(Arc::clone(&self.places))))
    }

    fn sender(&self, caller: &Caller<'_>) -> Result<(), Reply> {
        assert!(!caller.helo.is_empty());
        self.answer("sender")
    }

    fn recipient(&self, caller: &Caller<'_>) -> Result<(), Reply> {
        assert_eq!(caller.visitor.role == Role::Submission, caller.account.is_some());
        self.answer("recipient")
    }

    fn unknown_recipient(&self, client: std::net::IpAddr) {
        self.told.lock().unwrap().push(format!("{client} unknown"));
    }

    fn mail_taken(&self, client: std::net::IpAddr, recipients: usize) {
        self.told.lock().unwrap().push(format!("{client} taken {recipients}"));
    }

    fn log_in(&self, _: std::net::IpAddr, _: &str) -> Result<(), Reply> {
        self.answer("log-in")
    }

    fn log_in_ended(&self, _: std::net::IpAddr, name: &str, outcome: LogIn) {
        self.told.lock().unwrap().push(format!("{name} {outcome:?}"));
    }
}

impl Gatekeeper for Door {
    fn sender<'a>(&'a self, _: Caller<'a>) -> Asked<'a> {
        Box::pin(async { self.answer("known sender").err() })
    }

    fn recipient<'a>(&'a self, _: Caller<'a>, forward_path: &'a crate::mail::Address) -> Asked<'a> {
        assert!(!forward_path.to_string().is_empty());
        Box::pin(async { self.answer("known recipient").err() })
    }
}

#[derive(Debug, Default)]
pub(super) struct Diary(pub(super) Mutex<Vec<String>>);

impl Witness for Diary {
    fn saw(&self, visitor: &Visitor, sight: Sight<'_>) {
        self.0.lock().unwrap().push(format!("{} {sight:?}", visitor.client));
    }
}

/// A house with everything that a test wants to look at.
pub(super) struct Stage {
    pub(super) keeper: Arc<Keeper>,
    pub(super) diary: Arc<Diary>,
    pub(super) budget: Arc<Budget>,
    pub(super) inside: Arc<AtomicUsize>,
    pub(super) door: Arc<Door>,
    pub(super) house: Arc<House<Keeper, Accounts>>,
    pub(super) settings: Arc<Settings>,
    pub(super) drain: watch::Sender<bool>,
    pub(super) certificate: rustls::pki_types::CertificateDer<'static>,
    _dir: tempfile::TempDir,
}

impl Stage {
    /// `listen` and `limits` are lines of the two sections.
    pub(super) fn new(role: &str, listen: &str, limits: &str) -> Stage {
        let dir = tempfile::tempdir().unwrap();
        let text = format!(
            "[system]\nhostname = \"mx.test\"\ndata_dir = {:?}\npostmaster = \"root@example.test\"\n\
             [[domain]]\nname = \"example.test\"\nnext_hop = [\"smtp://127.0.0.1:1\"]\n\
             [[domain]]\nname = \"listed.test\"\nnext_hop = [\"smtp://127.0.0.1:1\"]\n\
             recipients = \"list\"\naddresses = [\"Ann\", \"bob@listed.test\"]\n\
             [limits]\n{limits}\n[[listen]]\nrole = \"{role}\"\naddress = \"127.0.0.1:2525\"\n{listen}\n",
            dir.path()
        );
        let config = Config::parse(&text, Path::new("test.toml"), dir.path()).unwrap();
        let settings = Arc::new(Settings::new(&config, &config.listen[0]));
        let made = rcgen::generate_simple_self_signed(vec!["mx.test".to_owned()]).unwrap();
        let certificate = made.cert.der().clone();
        let key = rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der());
        let server = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key.unwrap())
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
        let accounts = HashMap::from([
            ("user", ("secret", vec!["user@example.test", "Alias@example.test"])),
            ("robot", ("secret", vec!["@example.test", "<>"])),
        ]);
        let keeper = Arc::new(Keeper::default());
        let diary = Arc::new(Diary::default());
        let door = Arc::new(Door::default());
        let budget = Budget::new(config.limits.budget_octets);
        let house = House {
            pipeline: Arc::clone(&keeper),
            accounts: Arc::new(Accounts(accounts)),
            doorman: Arc::clone(&door) as Arc<dyn Doorman>,
            gatekeeper: Arc::clone(&door) as Arc<dyn Gatekeeper>,
            tls: Arc::new(move || Some(acceptor.clone())),
            proxy: Arc::new(proxied),
            witness: Arc::clone(&diary) as Arc<dyn Witness>,
            budget: Arc::clone(&budget),
        };
        Stage {
            keeper,
            diary,
            budget,
            inside: Arc::clone(&door.inside),
            door,
            house: Arc::new(house),
            settings,
            drain: watch::Sender::new(false),
            certificate,
            _dir: dir,
        }
    }

    pub(super) fn inbound() -> Stage {
        Stage::new("inbound", "", "")
    }

    /// A session over a pipe, from this client.
    pub(super) fn connect_from(&self, client: &str) -> Peer<DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(64 << 10);
        let session = attend(
            theirs,
            client.parse().unwrap(),
            Arc::clone(&self.settings),
            Arc::clone(&self.house),
            self.drain.subscribe(),
        );
        tokio::spawn(session);
        Peer { stream: ours, unread: Vec::new() }
    }

    pub(super) fn connect(&self) -> Peer<DuplexStream> {
        self.connect_from("192.0.2.1")
    }

    /// The accept loop on a loopback socket, and what ends when it does.
    pub(super) async fn listen(&self) -> (std::net::SocketAddr, tokio::task::JoinHandle<()>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let settings = Arc::new(ArcSwap::new(Arc::clone(&self.settings)));
        let house = Arc::clone(&self.house);
        (address, tokio::spawn(serve(listener, settings, house, self.drain.subscribe())))
    }

    pub(super) fn mails(&self) -> Vec<(Envelope, Facts, Vec<u8>)> {
        self.keeper.mails.lock().unwrap().clone()
    }

    pub(super) fn saw(&self, what: &str) -> bool {
        self.diary.0.lock().unwrap().iter().any(|line| line.contains(what))
    }
}

/// Not PROXY v2, but as long-winded: `PROXY`, then a digit for the client, then `;`.
fn proxied(octets: &[u8]) -> Proxied {
    const NAME: &[u8] = b"PROXY";
    if octets.len() < 7 {
        return match NAME.starts_with(octets) || octets.starts_with(NAME) {
            true => Proxied::Incomplete,
            false => Proxied::Malformed,
        };
    }
    match octets {
        [b'P', b'R', b'O', b'X', b'Y', b'0', b';', ..] => {
            Proxied::Header { octets: 7, client: None }
        }
        [b'P', b'R', b'O', b'X', b'Y', digit, b';', ..] => {
            Proxied::Header { octets: 7, client: Some([192, 0, 2, digit - b'0'].into()) }
        }
        _ => Proxied::Malformed,
    }
}

/// The client's side.
pub(super) struct Peer<S> {
    pub(super) stream: S,
    unread: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Peer<S> {
    pub(super) fn new(stream: S) -> Peer<S> {
        Peer { stream, unread: Vec::new() }
    }

    pub(super) async fn send(&mut self, text: impl AsRef<[u8]>) {
        self.stream.write_all(text.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The next reply, all of its lines; empty at the end of the connection.
    pub(super) async fn reply(&mut self) -> String {
        loop {
            let text = String::from_utf8_lossy(&self.unread).into_owned();
            let mut length = 0;
            for line in text.split_inclusive("\r\n").filter(|line| line.ends_with("\r\n")) {
                length += line.len();
                if line.as_bytes().get(3) == Some(&b' ') {
                    self.unread.drain(..length);
                    return text[..length].to_owned();
                }
            }
            let mut buffer = [0u8; 4096];
            let limit = Duration::from_secs(100_000);
            match tokio::time::timeout(limit, self.stream.read(&mut buffer)).await.unwrap() {
                Ok(octets @ 1..) => self.unread.extend_from_slice(&buffer[..octets]),
                Ok(0) | Err(_) => return String::new(),
            }
        }
    }

    /// The beginnings of the next replies.
    pub(super) async fn expect(&mut self, codes: &[&str]) {
        for code in codes {
            let reply = self.reply().await;
            assert!(reply.starts_with(code), "expected {code}, found {reply:?}");
        }
    }

    /// Nothing more comes, and the connection ends.
    pub(super) async fn expect_end(&mut self) {
        assert_eq!(self.reply().await, "");
    }
}

pub(super) async fn dial(address: std::net::SocketAddr) -> Peer<TcpStream> {
    Peer::new(TcpStream::connect(address).await.unwrap())
}
