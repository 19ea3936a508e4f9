//! A mail server that records what it is given and answers as its script says: SMTP or LMTP,
//! with or without TLS, on TCP or a Unix socket.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::{tls, wait_for};

/// A mail as it arrived.
#[derive(Debug, Clone, Default)]
pub struct Arrived {
    /// Without angle brackets.
    pub reverse_path: String,
    /// What followed the reverse-path.
    pub mail_parameters: String,
    /// Without angle brackets, each with what followed it.
    pub forward_paths: Vec<(String, String)>,
    /// Unstuffed.
    pub content: Vec<u8>,
    /// Whether it came encrypted.
    pub tls: bool,
    /// Number of the connection, from 1.
    pub connection: usize,
    /// Whether a CR or LF stood alone on the wire.
    pub bare_line_end: bool,
}

impl Arrived {
    /// Forward-paths alone.
    pub fn recipients(&self) -> Vec<&str> {
        self.forward_paths.iter().map(|(path, _)| path.as_str()).collect()
    }
}

/// A point at which the script may interfere.
#[derive(Debug)]
pub enum Moment<'a> {
    /// The client is there.
    Connect,
    /// HELO, EHLO or LHLO.
    Greeting,
    /// MAIL.
    Mail,
    /// RCPT with its argument.
    Rcpt(&'a str),
    /// DATA.
    Data,
    /// End of data; with LMTP once a recipient, whose path is given.
    End(Option<&'a str>),
}

/// What the script wants.
#[derive(Debug, Clone)]
pub enum Act {
    /// The usual answer.
    Proceed,
    /// This line instead of it.
    Say(&'static str),
    /// The connection is cut.
    Cut,
    /// The mail is recorded and then the connection is cut without a reply.
    TakeAndCut,
    /// Nothing for a while, then the usual answer.
    Wait(Duration),
}

type Script = Arc<dyn Fn(usize, &Moment<'_>) -> Act + Send + Sync>;

trait Stream: Read + Write + Send {}
impl<T: Read + Write + Send> Stream for T {}

/// How the sink is to be.
#[derive(Clone)]
pub struct SinkOptions {
    extensions: Vec<String>,
    lmtp: bool,
    tls: Option<Arc<ServerConfig>>,
    script: Script,
    address: SocketAddr,
}

impl SinkOptions {
    /// Exactly these keywords in the reply to EHLO.
    pub fn extensions(mut self, keywords: &[&str]) -> SinkOptions {
        self.extensions = keywords.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// LMTP: LHLO and one reply a recipient.
    pub fn lmtp(mut self) -> SinkOptions {
        self.lmtp = true;
        self
    }

    /// Offers STARTTLS.
    pub fn tls(mut self) -> SinkOptions {
        self.tls = Some(tls::server_config());
        self.extensions.push("STARTTLS".to_owned());
        self
    }

    /// Called with the number of the connection at each moment.
    pub fn script(
        mut self,
        script: impl Fn(usize, &Moment<'_>) -> Act + Send + Sync + 'static,
    ) -> SinkOptions {
        self.script = Arc::new(script);
        self
    }

    /// Listens there and not on a free port of 127.0.0.1.
    pub fn address(mut self, address: SocketAddr) -> SinkOptions {
        self.address = address;
        self
    }

    /// Listens on TCP.
    pub fn start(self) -> Sink {
        let listener = TcpListener::bind(self.address).unwrap();
        let address = listener.local_addr().unwrap();
        let sink = Sink::empty(address);
        let shared = Arc::clone(&sink.shared);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if shared.closed.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (options, shared) = (self.clone(), Arc::clone(&shared));
                std::thread::spawn(move || {
                    let _ = stream.set_nodelay(true);
                    let _ = stream.set_read_timeout(Some(Duration::from_secs(120)));
                    let _ = serve(Box::new(stream), &options, &shared);
                });
            }
        });
        sink
    }

    /// Listens on a Unix socket.
    pub fn start_on(self, path: &Path) -> Sink {
        let listener = UnixListener::bind(path).unwrap();
        let sink = Sink::empty(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)));
        let shared = Arc::clone(&sink.shared);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let stream: UnixStream = stream;
                let (options, shared) = (self.clone(), Arc::clone(&shared));
                std::thread::spawn(move || serve(Box::new(stream), &options, &shared));
            }
        });
        sink
    }
}

#[derive(Default)]
struct Shared {
    arrived: Mutex<Vec<Arrived>>,
    connections: AtomicUsize,
    closed: AtomicBool,
}

/// A running sink.
pub struct Sink {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl Sink {
    fn empty(address: SocketAddr) -> Sink {
        Sink { address, shared: Arc::default() }
    }

    /// The usual sink, to be changed before it starts.
    pub fn options() -> SinkOptions {
        let usual = ["PIPELINING", "8BITMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "SIZE 0", "DSN"];
        SinkOptions {
            extensions: usual.iter().map(|word| (*word).to_owned()).collect(),
            lmtp: false,
            tls: None,
            script: Arc::new(|_, _| Act::Proceed),
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, super::free_port())),
        }
    }

    /// A sink that takes everything.
    pub fn start() -> Sink {
        Sink::options().start()
    }

    /// As a next hop is written in the configuration.
    pub fn hop(&self) -> String {
        format!("smtp://{}", self.address)
    }

    /// What has arrived.
    pub fn mails(&self) -> Vec<Arrived> {
        self.shared.arrived.lock().unwrap().clone()
    }

    /// How many have arrived.
    pub fn count(&self) -> usize {
        self.shared.arrived.lock().unwrap().len()
    }

    /// Connections so far.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Waits until so many have arrived, and returns them all.
    pub fn wait(&self, count: usize) -> Vec<Arrived> {
        wait_for(&format!("{count} mails at the sink"), || {
            (self.count() >= count).then(|| self.mails())
        })
    }

    /// Nothing more may arrive for a while.
    pub fn stays_at(&self, count: usize) {
        std::thread::sleep(Duration::from_millis(1500));
        assert_eq!(self.count(), count, "{:#?}", self.envelopes());
    }

    /// Envelopes of what has arrived, for messages.
    pub fn envelopes(&self) -> Vec<String> {
        let line = |mail: &Arrived| format!("<{}> {:?}", mail.reverse_path, mail.forward_paths);
        self.mails().iter().map(line).collect()
    }

    /// No more connections are taken.
    pub fn close(&self) {
        self.shared.closed.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(self.address);
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.close();
    }
}

enum Wire {
    Clear(Box<dyn Stream>),
    Tls(Box<StreamOwned<ServerConnection, Box<dyn Stream>>>),
    Gone,
}

struct Session<'a> {
    wire: Wire,
    unread: Vec<u8>,
    /// Where the next search for LF begins.
    searched: usize,
    number: usize,
    options: &'a SinkOptions,
}

/// The connection is to be cut.
fn cut() -> io::Error {
    ErrorKind::ConnectionAborted.into()
}

impl Session<'_> {
    fn say(&mut self, line: &str) -> io::Result<()> {
        let octets = format!("{line}\r\n");
        match &mut self.wire {
            Wire::Clear(stream) => stream.write_all(octets.as_bytes()),
            Wire::Tls(stream) => {
                stream.write_all(octets.as_bytes())?;
                stream.flush()
            }
            Wire::Gone => Err(cut()),
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut buffer = [0u8; 65_536];
        let octets = match &mut self.wire {
            Wire::Clear(stream) => stream.read(&mut buffer)?,
            Wire::Tls(stream) => stream.read(&mut buffer)?,
            Wire::Gone => 0,
        };
        if octets == 0 {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.unread.extend_from_slice(&buffer[..octets]);
        Ok(())
    }

    /// A line with its end.
    fn line(&mut self) -> io::Result<Vec<u8>> {
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.unread[self.searched..]) {
                let rest = self.unread.split_off(self.searched + at + 1);
                self.searched = 0;
                return Ok(std::mem::replace(&mut self.unread, rest));
            }
            self.searched = self.unread.len();
            self.fill()?;
        }
    }

    /// Asks the script; `usual` is said unless it wants something else. True when said.
    fn answer(&mut self, moment: &Moment<'_>, usual: &str) -> io::Result<bool> {
        match (self.options.script)(self.number, moment) {
            Act::Proceed => self.say(usual).map(|()| true),
            Act::Say(line) => self.say(line).map(|()| line.starts_with(['2', '3'])),
            Act::Cut | Act::TakeAndCut => Err(cut()),
            Act::Wait(time) => {
                std::thread::sleep(time);
                self.say(usual).map(|()| true)
            }
        }
    }

    fn greet(&mut self, verb: &str) -> io::Result<()> {
        let mut lines = vec!["sink.test".to_owned()];
        if verb != "HELO" {
            let tls = matches!(self.wire, Wire::Tls(_));
            let offered = self.options.extensions.iter().filter(|word| !tls || *word != "STARTTLS");
            lines.extend(offered.cloned());
        }
        let last = lines.len() - 1;
        let written = lines.iter().enumerate().map(|(at, line)| match at == last {
            true => format!("250 {line}"),
            false => format!("250-{line}"),
        });
        let usual = written.collect::<Vec<_>>().join("\r\n");
        self.answer(&Moment::Greeting, &usual).map(|_| ())
    }

    fn begin_tls(&mut self) -> io::Result<()> {
        let Some(config) = self.options.tls.clone() else { return self.say("502 no") };
        self.say("220 go ahead")?;
        let Wire::Clear(stream) = std::mem::replace(&mut self.wire, Wire::Gone) else {
            return Err(cut());
        };
        let connection = ServerConnection::new(config).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        self.wire = Wire::Tls(Box::new(stream));
        Ok(())
    }

    fn content(&mut self, mail: &mut Arrived) -> io::Result<()> {
        loop {
            let line = self.line()?;
            let text = line.strip_suffix(b"\r\n").unwrap_or(&line);
            if !line.ends_with(b"\r\n") || memchr::memchr(b'\r', text).is_some() {
                mail.bare_line_end = true;
            }
            if line == b".\r\n" {
                return Ok(());
            }
            mail.content.extend_from_slice(line.strip_prefix(b".").unwrap_or(&line));
        }
    }
}

/// `FROM:<a@b> SIZE=1` → (`a@b`, `SIZE=1`).
fn path_of(argument: &str) -> (String, String) {
    let inner = argument.split_once('<').map_or(argument, |(_, rest)| rest);
    let (path, rest) = inner.rsplit_once('>').unwrap_or((inner, ""));
    (path.to_owned(), rest.trim().to_owned())
}

fn serve(stream: Box<dyn Stream>, options: &SinkOptions, shared: &Shared) -> io::Result<()> {
    let number = shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
    let wire = Wire::Clear(stream);
    let mut session = Session { wire, unread: Vec::new(), searched: 0, number, options };
    let greeted = session.answer(&Moment::Connect, "220 sink.test ready")?;
    if !greeted {
        return Ok(());
    }
    let mut mail = Arrived::default();
    let mut begun = false;
    loop {
        let line = session.line()?;
        let line = String::from_utf8_lossy(&line).trim_end().to_owned();
        let (verb, argument) = line.split_once(' ').unwrap_or((&line, ""));
        match verb.to_ascii_uppercase().as_str() {
            verb @ ("EHLO" | "HELO" | "LHLO") => {
                let wanted = if options.lmtp { verb == "LHLO" } else { verb != "LHLO" };
                match wanted {
                    true => session.greet(verb)?,
                    false => session.say("500 not here")?,
                }
            }
            "STARTTLS" => session.begin_tls()?,
            "MAIL" => {
                mail = Arrived { connection: number, ..Arrived::default() };
                mail.tls = matches!(session.wire, Wire::Tls(_));
                (mail.reverse_path, mail.mail_parameters) = path_of(argument);
                begun = session.answer(&Moment::Mail, "250 2.1.0 ok")?;
            }
            "RCPT" if !begun => session.say("503 5.5.1 MAIL first")?,
            "RCPT" => {
                if session.answer(&Moment::Rcpt(argument), "250 2.1.5 ok")? {
                    mail.forward_paths.push(path_of(argument));
                }
            }
            "DATA" if mail.forward_paths.is_empty() => session.say("554 5.5.1 no recipients")?,
            "DATA" => {
                if session.answer(&Moment::Data, "354 go on")? {
                    session.content(&mut mail)?;
                    end_of_data(&mut session, &mail, shared)?;
                }
                mail = Arrived::default();
                begun = false;
            }
            "RSET" => {
                mail = Arrived::default();
                begun = false;
                session.say("250 2.0.0 ok")?;
            }
            "NOOP" => session.say("250 2.0.0 ok")?,
            "QUIT" => return session.say("221 2.0.0 bye"),
            _ => session.say("500 5.5.2 what?")?,
        }
    }
}

fn end_of_data(session: &mut Session<'_>, mail: &Arrived, shared: &Shared) -> io::Result<()> {
    let script = Arc::clone(&session.options.script);
    let lmtp = session.options.lmtp;
    let recipients =
        if lmtp { mail.recipients().into_iter().map(Some).collect() } else { vec![None] };
    let mut replies = Vec::new();
    let mut taken = Vec::new();
    let mut cut_after = false;
    for recipient in recipients {
        let reply = match script(session.number, &Moment::End(recipient)) {
            Act::Proceed => "250 2.0.0 taken",
            Act::Say(line) => line,
            Act::Cut => return Err(cut()),
            Act::TakeAndCut => {
                cut_after = true;
                "250 2.0.0 taken"
            }
            Act::Wait(time) => {
                std::thread::sleep(time);
                "250 2.0.0 taken"
            }
        };
        if reply.starts_with('2') {
            taken.extend(
                mail.forward_paths
                    .iter()
                    .filter(|(path, _)| recipient.is_none_or(|recipient| recipient == path)),
            );
        }
        replies.push(reply);
    }
    if !taken.is_empty() {
        let forward_paths = taken.into_iter().cloned().collect();
        shared.arrived.lock().unwrap().push(Arrived { forward_paths, ..mail.clone() });
    }
    if cut_after {
        return Err(cut());
    }
    replies.iter().try_for_each(|reply| session.say(reply))
}
