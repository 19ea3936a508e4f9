//! A short conversation with a mail server, word for word, for people to read.
//!
//! In: a [`NextHop`], a recipient perhaps. Out: a [`Talk`]: each line with who said it, and
//! whether the server would take mail. Greeting, EHLO, STARTTLS where it is offered, MAIL with
//! the null reverse-path, RCPT; never any content. Bounded in time, in lines and in octets.

use std::net::SocketAddr;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout, timeout_at};

use crate::config::{NextHop, SmtpHost};
use crate::mail::{Address, Host};
use crate::net::resolver::Resolve;
use crate::net::tls;

/// Of one address, and of the question for addresses.
const CONNECT: Duration = Duration::from_secs(5);
const ADDRESSES: usize = 3;
const REPLY: Duration = Duration::from_secs(20);
/// Of all that is asked of a next hop: somebody sits and waits for the answer.
const WHOLE: Duration = Duration::from_secs(30);
const LINE_OCTETS: usize = 2_048;
const LINES_OF_REPLY: usize = 64;

/// Who says a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    /// This box to the server.
    Box,
    /// The server.
    Server,
    /// This box to the reader.
    Note,
}

/// What was said, and what it came to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Talk {
    /// In order.
    pub lines: Vec<(Who, String)>,
    /// Whether mail would be taken, as far as was asked.
    pub is_good: bool,
    /// In one sentence.
    pub sum: String,
}

trait Wire: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Wire for T {}

/// It went no further; the words are for people.
#[derive(Debug)]
struct Ended(String);

impl From<String> for Ended {
    fn from(why: String) -> Ended {
        Ended(why)
    }
}

/// One side of it.
pub struct Speech {
    wire: Box<dyn Wire>,
    read: Vec<u8>,
    /// What was said so far.
    pub talk: Talk,
}

impl std::fmt::Debug for Speech {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Speech").field("talk", &self.talk).finish_non_exhaustive()
    }
}

/// A reply: its code, and whether a line of it names an extension.
#[derive(Debug)]
pub struct Replied {
    /// Of the last line.
    pub code: u16,
    lines: Vec<String>,
}

impl Replied {
    fn offers(&self, extension: &str) -> bool {
        let names = self.lines.iter().filter_map(|line| line.get(4..));
        names.into_iter().any(|line| {
            line.split(' ').next().is_some_and(|word| word.eq_ignore_ascii_case(extension))
        })
    }

    /// The last line.
    pub fn words(&self) -> &str {
        self.lines.last().map_or("", String::as_str)
    }
}

impl Speech {
    /// Connects to an address, in clear.
    pub async fn connect(address: SocketAddr) -> Result<Speech, String> {
        let connected = timeout(CONNECT, TcpStream::connect(address)).await;
        match connected {
            Ok(Ok(stream)) => Ok(Speech::over(Box::new(stream))),
            Ok(Err(error)) => Err(format!("{address}: {error}")),
            Err(_) => Err(format!("{address} does not answer within {} s", CONNECT.as_secs())),
        }
    }

    fn over(wire: Box<dyn Wire>) -> Speech {
        Speech { wire, read: Vec::new(), talk: Talk::default() }
    }

    /// Says one line, and reads the reply.
    pub async fn say(&mut self, line: &str) -> Result<Replied, String> {
        // What people typed cannot become a second command.
        let line: String = line.chars().filter(|letter| !letter.is_control()).collect();
        self.talk.lines.push((Who::Box, line.clone()));
        self.send(format!("{line}\r\n").as_bytes()).await?;
        self.reply().await
    }

    /// Sends octets as they are.
    pub async fn send(&mut self, octets: &[u8]) -> Result<(), String> {
        let sending = async {
            self.wire.write_all(octets).await?;
            self.wire.flush().await
        };
        match timeout(REPLY, sending).await {
            Ok(sent) => sent.map_err(|error| format!("the connection broke: {error}")),
            Err(_) => Err("the server takes nothing more".into()),
        }
    }

    /// Reads a reply of one or more lines (RFC 5321 section 4.2).
    pub async fn reply(&mut self) -> Result<Replied, String> {
        let reading = timeout(REPLY, self.read_reply()).await;
        reading.unwrap_or_else(|_| Err(format!("no reply within {} s", REPLY.as_secs())))
    }

    async fn read_reply(&mut self) -> Result<Replied, String> {
        let mut lines = Vec::new();
        loop {
            let line = self.line().await?;
            self.talk.lines.push((Who::Server, line.clone()));
            let code = line.get(..3).and_then(|code| code.parse::<u16>().ok());
            let code = code.filter(|code| (200..600).contains(code));
            let Some(code) = code else { return Err("that is no reply of a mail server".into()) };
            let goes_on = line.as_bytes().get(3) == Some(&b'-');
            lines.push(line);
            if !goes_on {
                return Ok(Replied { code, lines });
            }
            if lines.len() >= LINES_OF_REPLY {
                return Err("the reply does not end".into());
            }
        }
    }

    async fn line(&mut self) -> Result<String, String> {
        loop {
            if let Some(end) = self.read.iter().position(|octet| *octet == b'\n') {
                let line: Vec<u8> = self.read.drain(..=end).collect();
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                return Ok(text.chars().filter(|letter| !letter.is_control()).collect());
            }
            if self.read.len() > LINE_OCTETS {
                return Err("the line does not end".into());
            }
            let mut piece = [0; 1_024];
            match self.wire.read(&mut piece).await {
                Ok(0) => return Err("the server closed the connection".into()),
                Ok(count) => self.read.extend_from_slice(piece.get(..count).unwrap_or_default()),
                Err(error) => return Err(format!("the connection broke: {error}")),
            }
        }
    }

    fn note(&mut self, words: impl Into<String>) {
        self.talk.lines.push((Who::Note, words.into()));
    }
}

/// Asks a next hop whether it would take mail, for a recipient perhaps; within [`WHOLE`].
pub async fn with_next_hop(
    hop: &NextHop,
    own_name: &str,
    recipient: Option<&Address>,
    resolver: &dyn Resolve,
) -> Talk {
    let question = |hello| Question { hello, own_name, recipient, until: Instant::now() + WHOLE };
    match hop {
        NextHop::Maildir(path) => maildir(path),
        NextHop::LmtpSocket(path) => {
            let connected = timeout(CONNECT, UnixStream::connect(path)).await;
            match connected {
                Ok(Ok(stream)) => {
                    question("LHLO").put_to(Speech::over(Box::new(stream)), None).await
                }
                Ok(Err(error)) => bad(Talk::default(), format!("{}: {error}", path.display())),
                Err(_) => bad(Talk::default(), format!("{} does not answer", path.display())),
            }
        }
        NextHop::Smtp { host, port } => over_tcp(host, *port, question("EHLO"), resolver).await,
        NextHop::Lmtp { host, port } => over_tcp(host, *port, question("LHLO"), resolver).await,
    }
}

/// What a next hop is asked.
struct Question<'a> {
    /// EHLO or LHLO.
    hello: &'static str,
    own_name: &'a str,
    recipient: Option<&'a Address>,
    until: Instant,
}

fn bad(mut talk: Talk, why: String) -> Talk {
    talk.is_good = false;
    talk.sum = why;
    talk
}

fn maildir(path: &std::path::Path) -> Talk {
    let known = path.ancestors().find(|folder| folder.exists());
    let is_writable = known.is_some_and(|folder| {
        nix::unistd::access(folder, nix::unistd::AccessFlags::W_OK).is_ok() && folder.is_dir()
    });
    let mut talk = Talk { is_good: is_writable, ..Talk::default() };
    talk.sum = match is_writable {
        true => format!("{} is on this box and can be written", path.display()),
        false => format!("{} cannot be written by the box", path.display()),
    };
    talk
}

async fn over_tcp(
    host: &SmtpHost,
    port: u16,
    question: Question<'_>,
    resolver: &dyn Resolve,
) -> Talk {
    let mut talk = Talk::default();
    let (addresses, name) = match host {
        SmtpHost::Ip(address) => (vec![*address], Host::Literal(*address)),
        SmtpHost::Name(name) => match timeout(CONNECT, resolver.addresses(name)).await {
            Ok(Ok(found)) if found.is_empty() => {
                return bad(talk, format!("{name} has no address in DNS"));
            }
            Ok(Ok(found)) => (found, Host::Domain(name.clone())),
            Ok(Err(error)) => return bad(talk, format!("{name}: {error}")),
            Err(_) => return bad(talk, format!("DNS says nothing of {name} in time")),
        },
    };
    let mut why = String::new();
    for address in addresses.iter().take(ADDRESSES) {
        let there = SocketAddr::new(*address, port);
        talk.lines.push((Who::Note, format!("connecting to {there}")));
        match Speech::connect(there).await {
            Ok(mut speech) => {
                speech.talk = talk;
                let named = Some(tls::server_name(&name, *address));
                return question.put_to(speech, named).await;
            }
            Err(error) => {
                talk.lines.push((Who::Note, error.clone()));
                why = error;
            }
        }
    }
    bad(talk, why)
}

type ServerName = tokio_rustls::rustls::pki_types::ServerName<'static>;

impl Question<'_> {
    async fn put_to(&self, mut speech: Speech, name: Option<ServerName>) -> Talk {
        let Ok(went) = timeout_at(self.until, self.converse(&mut speech, name)).await else {
            let why = format!("it is too slow: no end within {} s", WHOLE.as_secs());
            return bad(speech.talk, why);
        };
        // Whatever it says to that changes nothing.
        let _ = timeout(Duration::from_secs(2), speech.say("QUIT")).await;
        let (is_good, sum) = match went {
            Ok(sum) => (true, sum),
            Err(Ended(why)) => (false, why),
        };
        Talk { is_good, sum, ..speech.talk }
    }

    async fn converse(
        &self,
        speech: &mut Speech,
        name: Option<ServerName>,
    ) -> Result<String, Ended> {
        wanted(speech.reply().await?, "this box")?;
        let hello = format!("{} {}", self.hello, self.own_name);
        let mut known = wanted(speech.say(&hello).await?, "the greeting")?;
        let mut secured = "in clear";
        if let Some(name) = name.filter(|_| known.offers("STARTTLS")) {
            wanted(speech.say("STARTTLS").await?, "STARTTLS")?;
            secure(speech, name).await?;
            secured = "over TLS";
            known = wanted(speech.say(&hello).await?, "the greeting over TLS")?;
        }
        wanted(speech.say("MAIL FROM:<>").await?, "the null reverse-path")?;
        let Some(recipient) = self.recipient else {
            return Ok(format!("it answers and takes mail from this box, {secured}"));
        };
        if recipient.needs_smtputf8() && !known.offers("SMTPUTF8") {
            return Err(Ended("it does not know SMTPUTF8, which this address needs".into()));
        }
        let replied = speech.say(&format!("RCPT TO:<{recipient}>")).await?;
        wanted(replied, &recipient.to_string())?;
        Ok(format!("it takes mail for {recipient}, {secured}"))
    }
}

fn wanted(replied: Replied, what: &str) -> Result<Replied, Ended> {
    match replied.code {
        200..=299 => Ok(replied),
        _ => Err(Ended(format!("it refuses {what}: {}", replied.words()))),
    }
}

async fn secure(speech: &mut Speech, name: ServerName) -> Result<(), Ended> {
    // What came in clear before the handshake is nobody's word (RFC 3207 section 6).
    speech.read.clear();
    let (gone, _) = tokio::io::duplex(1);
    let wire = std::mem::replace(&mut speech.wire, Box::new(gone));
    let shaken = timeout(REPLY, tls::opportunistic_client().connect(name, wire)).await;
    match shaken {
        Ok(Ok(stream)) => {
            speech.wire = Box::new(stream);
            speech.note("TLS");
            Ok(())
        }
        Ok(Err(error)) => Err(Ended(format!("TLS fails: {error}"))),
        Err(_) => Err(Ended("the handshake of TLS does not end".into())),
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;
    use crate::net::resolver::mock::MockResolver;

    /// A server that says these lines, one after each that it hears.
    async fn server(says: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut heard = [0; 512];
            for line in says {
                stream.write_all(line.as_bytes()).await.unwrap();
                if stream.read(&mut heard).await.unwrap() == 0 {
                    return;
                }
            }
        });
        address
    }

    async fn asked(says: &'static [&'static str]) -> Talk {
        let address = server(says).await;
        let hop = NextHop::Smtp { host: SmtpHost::Ip(address.ip()), port: address.port() };
        let recipient: Address = "bob@example.test".parse().unwrap();
        with_next_hop(&hop, "mx.test", Some(&recipient), &MockResolver::parse("").unwrap()).await
    }

    #[tokio::test]
    async fn the_servers_words_are_kept_and_weighed() {
        let good =
            asked(&["220 hi\r\n", "250-hi\r\n250 SIZE 1\r\n", "250 ok\r\n", "250 ok\r\n", ""])
                .await;
        assert!(good.is_good, "{good:?}");
        assert!(good.lines.contains(&(Who::Box, "RCPT TO:<bob@example.test>".into())));
        let refused =
            asked(&["220 hi\r\n", "250 hi\r\n", "250 ok\r\n", "550 5.1.1 who?\r\n", ""]).await;
        assert!(!refused.is_good && refused.sum.contains("550 5.1.1 who?"), "{refused:?}");
        for odd in
            [&["554 go away\r\n"][..], &["hello\r\n"], &["220 a\r\n", "250-b\r\n250-"], &[""]]
        {
            assert!(!asked(odd).await.is_good, "{odd:?}");
        }
    }

    #[tokio::test]
    async fn a_server_that_dawdles_is_given_up() {
        let (here, mut there) = tokio::io::duplex(4_096);
        there.write_all(b"220 a\r\n250-b\r\n").await.unwrap();
        let recipient: Address = "bob@example.test".parse().unwrap();
        let until = Instant::now() + Duration::from_millis(200);
        let (own_name, recipient) = ("mx.test", Some(&recipient));
        let question = Question { hello: "EHLO", own_name, recipient, until };
        let talk = question.put_to(Speech::over(Box::new(here)), None).await;
        assert!(!talk.is_good && talk.sum.contains("too slow"), "{talk:?}");
        assert!(talk.lines.contains(&(Who::Server, "250-b".into())), "{talk:?}");
    }

    #[tokio::test]
    async fn what_was_typed_is_one_command() {
        let address = server(&["220 a\r\n", "250 b\r\n"]).await;
        let mut speech = Speech::connect(address).await.unwrap();
        speech.reply().await.unwrap();
        speech.say("EHLO a\r\nDATA").await.unwrap();
        assert!(speech.talk.lines.contains(&(Who::Box, "EHLO aDATA".into())));
    }
}
