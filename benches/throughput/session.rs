//! One SMTP session of the load: opened once, then message after message with pipelining.

use std::io::{BufRead, BufReader, Error, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// What follows head and body in one write; larger ones are not copied together.
const COPIED: usize = 65_536;

/// A connection that has said EHLO.
pub struct Session {
    out: TcpStream,
    replies: BufReader<TcpStream>,
}

impl Session {
    pub fn open(address: SocketAddr) -> Result<Session> {
        let out = TcpStream::connect(address)?;
        out.set_nodelay(true)?;
        out.set_read_timeout(Some(Duration::from_secs(300)))?;
        let replies = BufReader::new(out.try_clone()?);
        let mut session = Session { out, replies };
        session.expect(b'2')?;
        session.out.write_all(b"EHLO load.test\r\n")?;
        session.expect(b'2')?;
        Ok(session)
    }

    /// Sends one message; the time from its last octet to the reply, in milliseconds.
    pub fn send(&mut self, head: &str, rest: &[u8]) -> Result<f64> {
        self.out
            .write_all(b"MAIL FROM:<ann@sender.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n")?;
        for kind in [b'2', b'2', b'3'] {
            self.expect(kind)?;
        }
        if rest.len() < COPIED {
            self.out.write_all(&[head.as_bytes(), rest].concat())?;
        } else {
            self.out.write_all(head.as_bytes())?;
            self.out.write_all(rest)?;
        }
        let sent = Instant::now();
        self.expect(b'2')?;
        Ok(sent.elapsed().as_secs_f64() * 1000.0)
    }

    pub fn quit(mut self) -> Result<()> {
        self.out.write_all(b"QUIT\r\n")?;
        self.expect(b'2')
    }

    /// Reads one reply, which must be of this kind.
    fn expect(&mut self, kind: u8) -> Result<()> {
        let mut line = String::new();
        loop {
            line.clear();
            self.replies.read_line(&mut line)?;
            if line.as_bytes().first() != Some(&kind) {
                return Err(Error::other(format!("unexpected reply {line:?}")));
            }
            if line.as_bytes().get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    }
}
