//! Mails for tests, durable by decree, and a server that answers by a script.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use crate::mail::{
    BodyType, Content, Durable, Envelope, Facts, Mail, MailId, Recipient, ReversePath, Role,
};

/// Durable because the test says so.
#[derive(Debug, Clone)]
pub(crate) struct Decreed;

impl Durable for Decreed {}

pub(crate) fn facts() -> Facts {
    Facts {
        role: Role::Inbound,
        client: "192.0.2.7".parse().unwrap(),
        helo: "client.test".into(),
        extended: true,
        tls: None,
        account: None,
        received_ms: 1_700_000_000_000,
        manners: Default::default(),
    }
}

pub(crate) fn envelope(recipients: &[&str]) -> Envelope {
    Envelope {
        reverse_path: ReversePath::Mailbox("sender@from.test".parse().unwrap()),
        recipients: recipients
            .iter()
            .map(|address| Recipient::plain(address.parse().unwrap()))
            .collect(),
        body: BodyType::SevenBit,
        smtputf8: false,
        dsn_return: None,
        envelope_id: None,
    }
}

pub(crate) fn mail(recipients: &[&str], text: &str) -> Mail<Decreed> {
    mail_with(envelope(recipients), text)
}

pub(crate) fn mail_with(envelope: Envelope, text: &str) -> Mail<Decreed> {
    let content = Content::from_bytes(text.as_bytes().to_vec());
    Mail::new(MailId::mint(), Arc::new(envelope), Arc::new(facts()), content, Decreed)
}

/// What a scripted server took.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) connection: usize,
    pub(crate) reverse_path: String,
    pub(crate) forward_paths: Vec<String>,
    pub(crate) text: String,
}

/// A server on the loopback that answers by a script.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    pub(crate) kept: Arc<Mutex<Vec<Kept>>>,
    pub(crate) connections: Arc<AtomicUsize>,
    pub(crate) open: Arc<AtomicUsize>,
    pub(crate) most_open: Arc<AtomicUsize>,
}

/// Connection number and line → reply. `<connect>` and `<text>` (LMTP: `<text> PATH`) stand
/// for the start of a connection and the end of data. `None` is the usual reply, `!` closes,
/// an empty reply is silence, `|` is CRLF, a leading `~` waits 200 ms.
pub(crate) type Script = Arc<dyn Fn(usize, &str) -> Option<String> + Send + Sync>;

impl Server {
    pub(crate) async fn start(
        script: impl Fn(usize, &str) -> Option<String> + Send + Sync + 'static,
    ) -> Server {
        Server::start_with(Arc::new(script), None).await
    }

    pub(crate) async fn start_with(script: Script, tls: Option<TlsAcceptor>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let server = Server {
            address: listener.local_addr().unwrap(),
            kept: Arc::default(),
            connections: Arc::default(),
            open: Arc::default(),
            most_open: Arc::default(),
        };
        let accepting = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (server, script, tls) = (accepting.clone(), script.clone(), tls.clone());
                let _ = stream.set_nodelay(true);
                let number = server.connections.fetch_add(1, Ordering::SeqCst);
                let open = server.open.fetch_add(1, Ordering::SeqCst) + 1;
                server.most_open.fetch_max(open, Ordering::SeqCst);
                tokio::spawn(async move {
                    let _ = server.clone().converse(number, stream, script, tls).await;
                    server.open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        server
    }

    async fn converse(
        self,
        number: usize,
        stream: TcpStream,
        script: Script,
        tls: Option<TlsAcceptor>,
    ) -> std::io::Result<()> {
        let mut wire = Wire { stream: BufStream::new(Box::new(stream) as Box<dyn Both>) };
        wire.say(script(number, "<connect>").unwrap_or("220 mx.test".into())).await?;
        let mut kept = Kept {
            connection: number,
            reverse_path: String::new(),
            forward_paths: Vec::new(),
            text: String::new(),
        };
        let mut lmtp = false;
        loop {
            let line = wire.line().await?;
            let own = script(number, &line);
            let verb = line.split([' ', ':']).next().unwrap_or_default();
            let path = || line.split(['<', '>']).nth(1).unwrap_or_default().to_owned();
            lmtp |= verb == "LHLO";
            let usual = match verb {
                "EHLO" | "LHLO" if tls.is_some() => "250-mx.test|250-PIPELINING|250 STARTTLS",
                "EHLO" | "LHLO" => "250-mx.test|250-8BITMIME|250 PIPELINING",
                "DATA" if kept.forward_paths.is_empty() => "554 5.5.1 no recipients",
                "DATA" => "354 go ahead",
                "QUIT" => "221 bye",
                "STARTTLS" => "220 go",
                _ => "250 2.0.0 ok",
            };
            let reply = own.unwrap_or(usual.into());
            let positive = reply.trim_start_matches('~').starts_with('2');
            match verb {
                "MAIL" => kept.reverse_path = path(),
                "RCPT" if positive => kept.forward_paths.push(path()),
                "RSET" => kept.forward_paths.clear(),
                _ => {}
            }
            let goes_ahead = verb == "DATA" && reply.trim_start_matches('~').starts_with("354");
            wire.say(reply).await?;
            if verb == "STARTTLS"
                && positive
                && let Some(acceptor) = &tls
            {
                let inner = wire.stream.into_inner();
                let secure = acceptor.accept(inner).await?;
                wire = Wire { stream: BufStream::new(Box::new(secure)) };
            }
            if verb == "QUIT" {
                return Ok(());
            }
            if goes_ahead {
                kept.text = wire.text().await?;
                let paths = std::mem::take(&mut kept.forward_paths);
                let answers: Vec<String> = match lmtp {
                    true => paths.iter().map(|path| format!("<text> {path}")).collect(),
                    false => vec!["<text>".into()],
                };
                for (at, answer) in answers.iter().enumerate() {
                    let reply = script(number, answer).unwrap_or("250 2.0.0 queued".into());
                    let stored = if lmtp { &paths[at..=at] } else { &paths[..] };
                    if reply.trim_start_matches('~').starts_with('2') {
                        let forward_paths = stored.to_vec();
                        let kept = Kept { forward_paths, ..kept.clone() };
                        self.kept.lock().unwrap().push(kept);
                    }
                    wire.say(reply).await?;
                }
            }
        }
    }
}

trait Both: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}

struct Wire {
    stream: BufStream<Box<dyn Both>>,
}

impl Wire {
    async fn say(&mut self, reply: String) -> std::io::Result<()> {
        let reply = match reply.strip_prefix('~') {
            Some(late) => {
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
                late.to_owned()
            }
            None => reply,
        };
        match reply.as_str() {
            "!" => return Err(std::io::ErrorKind::ConnectionAborted.into()),
            "" => return Ok(()),
            _ => {}
        }
        let (reply, closes) = match reply.strip_suffix('!') {
            Some(before) => (before.to_owned(), true),
            None => (reply, false),
        };
        self.stream.write_all(format!("{}\r\n", reply.replace('|', "\r\n")).as_bytes()).await?;
        self.stream.flush().await?;
        if closes { Err(std::io::ErrorKind::ConnectionAborted.into()) } else { Ok(()) }
    }

    async fn line(&mut self) -> std::io::Result<String> {
        let mut line = String::new();
        match self.stream.read_line(&mut line).await? {
            0 => Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(line.trim_end().to_owned()),
        }
    }

    async fn text(&mut self) -> std::io::Result<String> {
        let mut text = String::new();
        loop {
            let mut line = Vec::new();
            if self.stream.read_until(b'\n', &mut line).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            let line = String::from_utf8_lossy(&line);
            match line.strip_prefix('.') {
                Some("\r\n") => return Ok(text),
                Some(stuffed) => text.push_str(stuffed),
                None => text.push_str(&line),
            }
        }
    }
}
