//! An SMTP client that does what a scenario says, right or wrong, octet by octet.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use rustls::{ClientConnection, StreamOwned};

use super::{text, tls};

enum Wire {
    Clear(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Read for Wire {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Wire::Clear(stream) => stream.read(buffer),
            Wire::Tls(stream) => stream.read(buffer),
        }
    }
}

impl Write for Wire {
    fn write(&mut self, octets: &[u8]) -> io::Result<usize> {
        match self {
            Wire::Clear(stream) => stream.write(octets),
            Wire::Tls(stream) => stream.write(octets),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Wire::Clear(stream) => stream.flush(),
            Wire::Tls(stream) => stream.flush(),
        }
    }
}

/// A reply as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    pub code: u16,
    pub lines: Vec<String>,
}

impl Reply {
    /// Whether one of the lines begins with this keyword.
    pub fn offers(&self, keyword: &str) -> bool {
        self.lines.iter().any(|line| {
            line.split(' ').next().is_some_and(|word| word.eq_ignore_ascii_case(keyword))
        })
    }
}

impl fmt::Display for Reply {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.code, self.lines.join(" / "))
    }
}

/// One connection.
pub struct Client {
    wire: Option<Wire>,
    unread: Vec<u8>,
}

impl Client {
    /// Connects; reads nothing yet.
    pub fn connect(address: SocketAddr) -> io::Result<Client> {
        let stream = TcpStream::connect_timeout(&address, Duration::from_secs(10))?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        stream.set_write_timeout(Some(Duration::from_secs(60)))?;
        stream.set_nodelay(true)?;
        Ok(Client { wire: Some(Wire::Clear(stream)), unread: Vec::new() })
    }

    /// Connects and begins TLS at once.
    pub fn connect_tls(address: SocketAddr) -> io::Result<Client> {
        let mut client = Client::connect(address)?;
        client.begin_tls()?;
        Ok(client)
    }

    /// Connects, reads the greeting, says EHLO.
    pub fn greeted(address: SocketAddr) -> Client {
        let mut client = Client::connect(address).unwrap();
        let banner = client.reply().unwrap();
        assert_eq!(banner.code, 220, "{banner}");
        assert_eq!(client.say("EHLO client.test").code, 250);
        client
    }

    /// How long a read may wait.
    pub fn set_patience(&mut self, patience: Duration) {
        match &self.wire {
            Some(Wire::Clear(stream)) => stream.set_read_timeout(Some(patience)).unwrap(),
            Some(Wire::Tls(stream)) => stream.sock.set_read_timeout(Some(patience)).unwrap(),
            None => {}
        }
    }

    fn begin_tls(&mut self) -> io::Result<()> {
        let Some(Wire::Clear(stream)) = self.wire.take() else {
            return Err(ErrorKind::NotConnected.into());
        };
        let name = "mx.example.test".try_into().unwrap();
        let connection = ClientConnection::new(tls::client_config(), name).unwrap();
        let mut stream = StreamOwned::new(connection, stream);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        self.wire = Some(Wire::Tls(Box::new(stream)));
        Ok(())
    }

    /// STARTTLS and a second EHLO; returns the reply to that.
    pub fn starttls(&mut self) -> Reply {
        let ready = self.say("STARTTLS");
        assert_eq!(ready.code, 220, "{ready}");
        self.begin_tls().unwrap();
        self.say("EHLO client.test")
    }

    /// Octets as they are.
    pub fn write(&mut self, octets: &[u8]) -> io::Result<()> {
        let wire = self.wire.as_mut().ok_or(ErrorKind::NotConnected)?;
        wire.write_all(octets)?;
        wire.flush()
    }

    fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(at) = memchr::memchr(b'\n', &self.unread) {
                let line: Vec<u8> = self.unread.drain(..=at).collect();
                assert!(line.ends_with(b"\r\n"), "a reply line must end in CRLF");
                return Ok(String::from_utf8_lossy(&line[..line.len() - 2]).into_owned());
            }
            let mut buffer = [0u8; 4096];
            let wire = self.wire.as_mut().ok_or(ErrorKind::NotConnected)?;
            match wire.read(&mut buffer)? {
                0 => return Err(ErrorKind::UnexpectedEof.into()),
                octets => self.unread.extend_from_slice(&buffer[..octets]),
            }
        }
    }

    /// The next reply.
    pub fn reply(&mut self) -> io::Result<Reply> {
        let mut lines = Vec::new();
        loop {
            let line = self.line()?;
            let wrong = || io::Error::other(format!("not a reply: {line:?}"));
            let code = line.get(..3).and_then(|digits| digits.parse().ok()).ok_or_else(wrong)?;
            lines.push(line.get(4..).unwrap_or_default().to_owned());
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(Reply { code, lines });
            }
        }
    }

    /// One command and its reply.
    pub fn try_say(&mut self, command: &str) -> io::Result<Reply> {
        self.write(format!("{command}\r\n").as_bytes())?;
        self.reply()
    }

    /// One command and its reply, which must come.
    pub fn say(&mut self, command: &str) -> Reply {
        self.try_say(command).unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    /// A whole transaction; the reply is the first that is not as hoped, or that to end of
    /// data.
    pub fn try_send(
        &mut self,
        reverse_path: &str,
        forward_paths: &[&str],
        message: &[u8],
    ) -> io::Result<Reply> {
        let mail = self.try_say(&format!("MAIL FROM:<{reverse_path}>"))?;
        if mail.code != 250 {
            return Ok(mail);
        }
        for path in forward_paths {
            let taken = self.try_say(&format!("RCPT TO:<{path}>"))?;
            if taken.code / 100 != 2 {
                return Ok(taken);
            }
        }
        let go = self.try_say("DATA")?;
        if go.code != 354 {
            return Ok(go);
        }
        self.write(&text::on_the_wire(message))?;
        self.reply()
    }

    /// A whole transaction.
    pub fn send(&mut self, reverse_path: &str, forward_paths: &[&str], message: &[u8]) -> Reply {
        self.try_send(reverse_path, forward_paths, message).unwrap()
    }

    /// Whether the other side closes, after whatever it still says.
    pub fn is_closed_by_peer(&mut self) -> bool {
        self.set_patience(Duration::from_secs(10));
        loop {
            match self.line() {
                Ok(_) => {}
                Err(error) => {
                    return !matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
                }
            }
        }
    }
}

/// One message over a fresh connection.
pub fn send(
    address: SocketAddr,
    reverse_path: &str,
    forward_paths: &[&str],
    message: &[u8],
) -> Reply {
    Client::greeted(address).send(reverse_path, forward_paths, message)
}
