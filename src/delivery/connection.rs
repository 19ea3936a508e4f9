//! One connection to a server: sockets, TLS and time limits around the machine of
//! `smtp::client`.
//!
//! In: a [`Target`], then letters. Out: an answer for each recipient. TLS is opportunistic,
//! required or off; when an opportunistic handshake fails, the server is tried once more in
//! clear on a new connection (RFC 7435). Every wait has its limit (RFC 5321 section 4.5.3.2)
//! for all of the awaited replies together, so that a server cannot hold a connection by
//! sending an octet now and then.
//!
//! Fails to open with a transient [`Reply`]; once open it always answers.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::letter::Letter;
use super::route::{Found, Target};
use crate::config::{self, DeliveryTls};
use crate::mail::{BodyType, EnhancedCode, Envelope, Host, Reply, TlsFacts};
use crate::net::tls;
use crate::smtp::client::{
    Answer, Awaiting, Client, ClientError, ClientSettings, Dialect, Nature, Parcel, Speaker,
    StartTls, Stuffing, Want,
};

const READ_OCTETS: usize = 4 << 10;
/// Encoded text is written in pieces of about this size.
const WRITE_OCTETS: usize = 64 << 10;
/// For what a server may have said before it closed.
const LAST_WORDS: Duration = Duration::from_secs(1);
const GOODBYE: Duration = Duration::from_secs(5);

/// How connections are made.
#[derive(Clone)]
pub(super) struct Terms {
    pub(super) hostname: String,
    pub(super) tls: DeliveryTls,
    pub(super) connector: TlsConnector,
    pub(super) connect_timeout: Duration,
    pub(super) command_timeout: Duration,
    pub(super) data_timeout: Duration,
    pub(super) keep_alive: Duration,
    pub(super) mails_per_connection: u32,
}

impl std::fmt::Debug for Terms {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Terms").field("hostname", &self.hostname).finish_non_exhaustive()
    }
}

impl Terms {
    pub(super) fn new(hostname: &str, settings: &config::Delivery) -> Terms {
        Terms {
            hostname: hostname.to_owned(),
            tls: settings.tls,
            connector: tls::opportunistic_client(),
            connect_timeout: Duration::from_secs(settings.connect_timeout_s.max(1)),
            command_timeout: Duration::from_secs(settings.command_timeout_s.max(1)),
            data_timeout: Duration::from_secs(settings.data_timeout_s.max(1)),
            keep_alive: Duration::from_secs(settings.keep_alive_s),
            mails_per_connection: settings.mails_per_connection,
        }
    }
}

/// What a transaction came to.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) answers: Vec<Answer>,
    /// The connection had been used before and the server said nothing: it was dead already,
    /// and the letter may be tried on a fresh one.
    pub(super) was_stale: bool,
}

/// An open connection that has greeted.
#[derive(Debug)]
pub(super) struct Connection {
    client: Client,
    stream: Stream,
    dialect: Dialect,
    name: String,
    tls: Option<TlsFacts>,
    mails: u32,
    terms: Arc<Terms>,
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// While or after a failed handshake.
    Gone,
}

impl Stream {
    async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Stream::Tcp(stream) => stream.read(buffer).await,
            Stream::Unix(stream) => stream.read(buffer).await,
            Stream::Tls(stream) => stream.read(buffer).await,
            Stream::Gone => Ok(0),
        }
    }

    /// Acknowledges what arrived without delay. A server that writes each reply apart and
    /// did not switch Nagle's algorithm off would otherwise wait 40 ms before the next.
    fn acknowledge(&self) {
        let tcp = match self {
            Stream::Tcp(stream) => stream,
            Stream::Tls(stream) => stream.get_ref().0,
            Stream::Unix(_) | Stream::Gone => return,
        };
        // Only speed is lost where it does not work.
        let _ = tcp.set_quickack(true);
    }

    async fn write_all(&mut self, octets: &[u8]) -> io::Result<()> {
        match self {
            Stream::Tcp(stream) => stream.write_all(octets).await,
            Stream::Unix(stream) => stream.write_all(octets).await,
            Stream::Tls(stream) => {
                stream.write_all(octets).await?;
                stream.flush().await
            }
            Stream::Gone => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

/// Why a connection could not be opened.
enum Unopened {
    Failed(Reply),
    /// The server offered TLS and could not do it.
    Handshake(Reply),
}

/// Opens a connection and greets. The reply in the error is transient, unless the server is
/// this box itself.
pub(super) async fn open(target: &Target, terms: &Arc<Terms>) -> Result<Connection, Reply> {
    let starttls = match terms.tls {
        DeliveryTls::None => StartTls::Never,
        DeliveryTls::Opportunistic => StartTls::Offered,
        DeliveryTls::Required => StartTls::Required,
    };
    match open_with(target, terms, starttls).await {
        Ok(connection) => Ok(connection),
        Err(Unopened::Handshake(_)) if terms.tls == DeliveryTls::Opportunistic => {
            tracing::info!(%target, "TLS failed; sending in clear");
            match open_with(target, terms, StartTls::Never).await {
                Ok(connection) => Ok(connection),
                Err(Unopened::Failed(reply) | Unopened::Handshake(reply)) => Err(reply),
            }
        }
        Err(Unopened::Failed(reply) | Unopened::Handshake(reply)) => Err(reply),
    }
}

async fn open_with(
    target: &Target,
    terms: &Arc<Terms>,
    starttls: StartTls,
) -> Result<Connection, Unopened> {
    let (stream, dialect, starttls) = match target {
        Target::Server { dialect, address, .. } => {
            let stream = connect(TcpStream::connect(*address), target, terms).await?;
            // Commands are small and each waits for its reply.
            let _ = stream.set_nodelay(true);
            (Stream::Tcp(stream), *dialect, starttls)
        }
        Target::LmtpSocket(path) => {
            let stream = connect(UnixStream::connect(Path::new(path)), target, terms).await?;
            // Nobody listens in on a socket of this box.
            (Stream::Unix(stream), Dialect::Lmtp, StartTls::Never)
        }
        Target::Maildir(_) => {
            return Err(Unopened::Failed(unreachable(target, "a Maildir is no server")));
        }
    };
    let hostname = terms.hostname.clone();
    let client = Client::new(ClientSettings { dialect, hostname, starttls });
    let name = target.to_string();
    let terms = Arc::clone(terms);
    let mut connection = Connection { client, stream, dialect, name, tls: None, mails: 0, terms };
    connection.greet(target).await?;
    Ok(connection)
}

async fn connect<S>(
    connecting: impl Future<Output = io::Result<S>>,
    target: &Target,
    terms: &Terms,
) -> Result<S, Unopened> {
    match timeout(terms.connect_timeout, connecting).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(Unopened::Failed(unreachable(target, error))),
        Err(_) => Err(Unopened::Failed(unreachable(target, "connecting took too long"))),
    }
}

/// RFC 3463: X.4.1, no answer from host.
fn unreachable(target: &Target, why: impl std::fmt::Display) -> Reply {
    Reply::new(451, EnhancedCode(4, 4, 1), format!("{target}: {why}"))
}

impl Connection {
    /// The server, for people.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The TLS session.
    pub(super) fn tls(&self) -> Option<&TlsFacts> {
        self.tls.as_ref()
    }

    /// What the server speaks.
    pub(super) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Whether the server answers for delivery reports from here on (RFC 3461).
    pub(super) fn takes_dsn(&self) -> bool {
        self.client.capabilities().dsn
    }

    /// Whether another letter can go over it.
    pub(super) fn is_reusable(&self) -> bool {
        let limit = self.client.capabilities().mails_max.unwrap_or(u32::MAX);
        self.client.want() == Want::Parcel
            && self.mails < limit.min(self.terms.mails_per_connection)
    }

    async fn greet(&mut self, target: &Target) -> Result<(), Unopened> {
        loop {
            match self.client.want() {
                Want::Handshake => self.shake_hands(target).await?,
                Want::Parcel => break,
                Want::Read(_) => self.exchange().await,
                Want::Close | Want::Settle | Want::Text => {
                    let why = self.client.failure().map(ToString::to_string);
                    return Err(Unopened::Failed(match self.client.failure() {
                        // RFC 3463: X.7.10 is the nearest to "no encryption to be had".
                        Some(error @ ClientError::NoTls) => {
                            Reply::new(451, EnhancedCode(4, 7, 10), format!("{target}: {error}"))
                        }
                        _ => unreachable(target, why.unwrap_or_default()),
                    }));
                }
            }
        }
        let looked_up = matches!(target, Target::Server { found: Found::Looked, .. });
        if looked_up && self.client.capabilities().peer_name == self.terms.hostname {
            let text = format!("{target} is this box itself");
            return Err(Unopened::Failed(Reply::new(554, EnhancedCode(5, 4, 6), text)));
        }
        Ok(())
    }

    async fn shake_hands(&mut self, target: &Target) -> Result<(), Unopened> {
        let (Target::Server { host, address, .. }, Stream::Tcp(tcp)) =
            (target, std::mem::replace(&mut self.stream, Stream::Gone))
        else {
            return Err(Unopened::Failed(unreachable(target, "no TLS on this kind of socket")));
        };
        let host = match host {
            Host::Literal(_) => &Host::Literal(address.ip()),
            named => named,
        };
        let name = tls::server_name(host, address.ip());
        let handshake = self.terms.connector.connect(name, tcp);
        match timeout(self.terms.connect_timeout, handshake).await {
            Ok(Ok(stream)) => {
                self.tls = Some(tls::facts(stream.get_ref().1));
                self.stream = Stream::Tls(Box::new(stream));
                self.client.secured();
                Ok(())
            }
            failed => {
                let why = match failed {
                    Ok(Err(error)) => format!("TLS: {error}"),
                    _ => "TLS: the handshake took too long".to_owned(),
                };
                let reply = Reply::new(451, EnhancedCode(4, 7, 5), format!("{target}: {why}"));
                Err(Unopened::Handshake(reply))
            }
        }
    }

    /// Delivers to these recipients, in as many transactions as it takes.
    pub(super) async fn deliver(&mut self, letter: &Letter, recipients: &[u16]) -> Sent {
        let mut waiting: Vec<u16> = recipients.to_vec();
        let mut answers = Vec::with_capacity(recipients.len());
        let mut was_stale = false;
        while !waiting.is_empty() {
            if self.client.want() != Want::Parcel {
                let lost = EnhancedCode(4, 4, 2);
                let reply = Reply::new(451, lost, "the connection ended before this recipient");
                let unasked =
                    |recipient| Answer { recipient, reply: reply.clone(), speaker: Speaker::Box };
                answers.extend(waiting.into_iter().map(unasked));
                break;
            }
            let batch = self.client.recipients_max().min(waiting.len());
            let later = waiting.split_off(batch);
            let used_before = self.mails > 0;
            let told = match self.transact(letter, waiting).await {
                Ok((told, heard)) => {
                    was_stale = used_before && !heard && self.client.want() == Want::Close;
                    told
                }
                Err(told) => told,
            };
            waiting = Vec::new();
            let progress = told.iter().any(|answer| answer.reply.is_positive());
            for answer in told {
                match self.dialect == Dialect::Smtp && progress && is_too_many(&answer.reply) {
                    true => waiting.push(answer.recipient),
                    false => answers.push(answer),
                }
            }
            waiting.extend(later);
        }
        Sent { answers, was_stale }
    }

    /// What the server says of the recipients of an envelope; nothing is sent to them.
    pub(super) async fn ask(&mut self, envelope: Arc<Envelope>) -> Vec<Answer> {
        let count = u16::try_from(envelope.recipients.len()).unwrap_or(u16::MAX);
        self.client.ask(envelope, (0..count).collect());
        while let Want::Read(_) = self.client.want() {
            self.exchange().await;
        }
        self.client.settle()
    }

    /// One transaction: the answers and whether the server said anything; or the answers when
    /// the content could not be read.
    async fn transact(
        &mut self,
        letter: &Letter,
        recipients: Vec<u16>,
    ) -> Result<(Vec<Answer>, bool), Vec<Answer>> {
        let nature = match self.nature(letter).await {
            Ok(nature) => nature,
            Err(error) => return Err(unreadable(recipients, &error)),
        };
        let envelope = Arc::clone(&letter.envelope);
        self.mails += 1;
        self.client.begin(Parcel { envelope, recipients, octets: letter.octets(), nature });
        loop {
            match self.client.want() {
                Want::Read(_) => self.exchange().await,
                Want::Text => self.send_text(letter).await,
                Want::Settle => {
                    let heard = self.client.heard();
                    return Ok((self.client.settle(), heard));
                }
                Want::Parcel | Want::Handshake | Want::Close => {
                    self.client.lost("the connection is not usable");
                    return Ok((self.client.settle(), true));
                }
            }
        }
    }

    /// Looks into the text only when the server lacks what the envelope says it may need.
    async fn nature(&self, letter: &Letter) -> io::Result<Nature> {
        let offered = self.client.capabilities();
        let eight = letter.envelope.body == BodyType::EightBitMime && !offered.eight_bit_mime;
        let utf8 = letter.envelope.smtputf8 && !offered.smtputf8;
        match eight || utf8 {
            false => Ok(Nature::default()),
            true => letter.nature().await.map(|nature| Nature {
                eight_bit: nature.eight_bit && eight,
                utf8_header: nature.utf8_header && utf8,
            }),
        }
    }

    /// Sends what is to be sent and reads until the machine wants something else.
    async fn exchange(&mut self) {
        let output = self.client.take_output();
        if !output.is_empty() && !self.write(&output).await {
            return;
        }
        let Want::Read(awaiting) = self.client.want() else { return };
        let limit = match awaiting {
            Awaiting::Greeting | Awaiting::Reply => self.terms.command_timeout,
            Awaiting::EndOfData => self.terms.data_timeout,
        };
        let deadline = Instant::now() + limit;
        let mut buffer = [0; READ_OCTETS];
        while self.client.want() == Want::Read(awaiting) {
            self.stream.acknowledge();
            match timeout_at(deadline, self.stream.read(&mut buffer)).await {
                Ok(Ok(0)) => self.client.lost("the server closed the connection"),
                Ok(Ok(octets)) => self.client.feed(buffer.get(..octets).unwrap_or_default()),
                Ok(Err(error)) => self.client.lost(format!("reading: {error}")),
                Err(_) => self.client.lost("the server took too long to reply"),
            }
            let output = self.client.take_output();
            if !output.is_empty() {
                if !self.write(&output).await {
                    return;
                }
                // New commands, new patience.
                return;
            }
        }
    }

    /// Writes within the time limit. On failure the server's last words are heard and the
    /// machine is told.
    async fn write(&mut self, octets: &[u8]) -> bool {
        let why = match timeout(self.terms.command_timeout, self.stream.write_all(octets)).await {
            Ok(Ok(())) => return true,
            Ok(Err(error)) => format!("writing: {error}"),
            Err(_) => "the server took too long to read".to_owned(),
        };
        let mut buffer = [0; READ_OCTETS];
        if let Ok(Ok(octets)) = timeout(LAST_WORDS, self.stream.read(&mut buffer)).await {
            self.client.feed(buffer.get(..octets).unwrap_or_default());
        }
        if self.client.failure().is_none() {
            self.client.lost(why);
        }
        false
    }

    async fn send_text(&mut self, letter: &Letter) {
        let output = self.client.take_output();
        if !output.is_empty() && !self.write(&output).await {
            return;
        }
        let mut stuffing = Stuffing::default();
        let mut wire = Vec::with_capacity(WRITE_OCTETS.min(letter.octets() as usize + 1_024));
        let mut at = 0u64;
        loop {
            let portion = match letter.portion(at).await {
                Ok(portion) => portion,
                // The final dot is not sent: the server must forget what it has.
                Err(error) => return self.client.lost(format!("reading the mail: {error}")),
            };
            if portion.is_empty() {
                break;
            }
            at += portion.len() as u64;
            for piece in portion.chunks(WRITE_OCTETS) {
                stuffing.push(piece, &mut wire);
                if wire.len() >= WRITE_OCTETS {
                    if !self.write(&wire).await {
                        return;
                    }
                    wire.clear();
                }
            }
        }
        stuffing.finish(&mut wire);
        if self.write(&wire).await {
            self.client.text_sent();
        }
    }

    /// Waits, while nothing is to be sent, until the server ends the connection. Safe to
    /// drop at any time.
    pub(super) async fn ended(&mut self) {
        let mut buffer = [0; 512];
        while self.client.want() == Want::Parcel {
            match self.stream.read(&mut buffer).await {
                Ok(0) | Err(_) => self.client.lost("the server closed the connection"),
                Ok(octets) => self.client.feed(buffer.get(..octets).unwrap_or_default()),
            }
        }
    }

    /// Takes leave politely, but not for long.
    pub(super) async fn close(mut self) {
        self.client.quit();
        let goodbye = async {
            while matches!(self.client.want(), Want::Read(_)) {
                self.exchange().await;
            }
        };
        let _ = timeout(GOODBYE, goodbye).await;
    }
}

/// RFC 5321 section 4.5.3.1.10: "too many recipients", the others may follow at once. With
/// 552 in older servers.
fn is_too_many(reply: &Reply) -> bool {
    match reply.enhanced {
        None => reply.code == 452,
        Some(EnhancedCode(_, subject, detail)) => {
            matches!(reply.code, 452 | 552) && (subject, detail) == (5, 3)
        }
    }
}

fn unreadable(recipients: Vec<u16>, error: &io::Error) -> Vec<Answer> {
    tracing::error!(%error, "a queued mail cannot be read");
    let reply = Reply::new(451, EnhancedCode(4, 3, 0), "the queued mail cannot be read for now");
    let answer = |recipient| Answer { recipient, reply: reply.clone(), speaker: Speaker::Box };
    recipients.into_iter().map(answer).collect()
}
