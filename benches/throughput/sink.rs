//! A sink that costs as little as it can: no threads but one a connection, no copies, numbers
//! noted and the rest thrown away.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::corpus::{NUMBER_DIGITS, NUMBER_FIELD};

/// What has arrived.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    pub total: usize,
    pub distinct: usize,
}

#[derive(Default)]
struct Shared {
    total: AtomicUsize,
    distinct: AtomicUsize,
    /// Messages that carry a header field of rspamd.
    marked: AtomicUsize,
    octets: AtomicU64,
    numbers: Mutex<Vec<bool>>,
}

/// A running sink.
pub struct FastSink {
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl FastSink {
    pub fn start() -> FastSink {
        let port = super::harness::free_port();
        let listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let sink = FastSink { address, shared: Arc::clone(&shared) };
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                std::thread::spawn(move || serve(stream, &shared));
            }
        });
        sink
    }

    /// Forgets what has arrived.
    pub fn reset(&self) {
        self.shared.numbers.lock().unwrap().clear();
        self.shared.total.store(0, Ordering::Relaxed);
        self.shared.marked.store(0, Ordering::Relaxed);
        self.shared.distinct.store(0, Ordering::Relaxed);
    }

    pub fn seen(&self) -> Seen {
        Seen {
            total: self.shared.total.load(Ordering::Relaxed),
            distinct: self.shared.distinct.load(Ordering::Relaxed),
        }
    }

    /// Messages that carry a header field of rspamd.
    pub fn marked(&self) -> usize {
        self.shared.marked.load(Ordering::Relaxed)
    }
}

fn note(shared: &Shared, head: &[u8]) {
    let at = memchr::memmem::find(head, NUMBER_FIELD.as_bytes()).expect("a number");
    let digits = &head[at + NUMBER_FIELD.len()..][..NUMBER_DIGITS];
    let number: usize = std::str::from_utf8(digits).unwrap().parse().unwrap();
    let mut numbers = shared.numbers.lock().unwrap();
    if numbers.len() <= number {
        numbers.resize(number + 1, false);
    }
    if !std::mem::replace(&mut numbers[number], true) {
        shared.distinct.fetch_add(1, Ordering::Relaxed);
    }
    shared.total.fetch_add(1, Ordering::Relaxed);
}

/// Octets of a message that are looked into.
const HEAD: usize = 16_384;

struct Text {
    head: Vec<u8>,
    /// The last five octets: an end may be torn apart.
    tail: Vec<u8>,
}

impl Text {
    fn begin() -> Text {
        Text { head: Vec::with_capacity(HEAD), tail: b"\r\n".to_vec() }
    }

    /// Takes octets; where the message ends in them, how many were its own.
    fn take(&mut self, octets: &[u8]) -> Option<usize> {
        const END: &[u8] = b"\r\n.\r\n";
        let overlap = self.tail.len();
        let mut seam = std::mem::take(&mut self.tail);
        seam.extend_from_slice(&octets[..octets.len().min(END.len())]);
        let end = memchr::memmem::find(&seam, END)
            .map(|at| at + END.len() - overlap)
            .or_else(|| memchr::memmem::find(octets, END).map(|at| at + END.len()));
        let own = &octets[..end.unwrap_or(octets.len())];
        let room = HEAD - self.head.len().min(HEAD);
        self.head.extend_from_slice(&own[..own.len().min(room)]);
        if end.is_none() {
            let from = octets.len().saturating_sub(END.len() - 1);
            let keep = END.len() - 1 - (octets.len() - from);
            let before = &seam[..overlap];
            self.tail.extend_from_slice(&before[overlap.saturating_sub(keep)..]);
            self.tail.extend_from_slice(&octets[from..]);
        }
        end
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) {
    let _ = stream.set_nodelay(true);
    let _ = stream.write_all(b"220 sink.test\r\n");
    let mut buffer = vec![0u8; 262_144];
    let mut filled = 0;
    let mut text: Option<Text> = None;
    let mut replies = Vec::new();
    loop {
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => return,
            Ok(octets) => {
                filled += octets;
                shared.octets.fetch_add(octets as u64, Ordering::Relaxed);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return,
        }
        let mut at = 0;
        loop {
            if let Some(open) = &mut text {
                match open.take(&buffer[at..filled]) {
                    Some(own) => at += own,
                    None => {
                        at = filled;
                        break;
                    }
                }
                if let Some(done) = text.take() {
                    note(shared, &done.head);
                    let mark = memchr::memmem::find(&done.head, b"X-Spam").is_some();
                    shared.marked.fetch_add(usize::from(mark), Ordering::Relaxed);
                }
                replies.extend_from_slice(b"250 2.0.0 taken\r\n");
                continue;
            }
            let Some(end) = memchr::memchr(b'\n', &buffer[at..filled]) else { break };
            let verb = buffer[at..at + end].get(..4).unwrap_or_default().to_ascii_uppercase();
            at += end + 1;
            let reply: &[u8] = match verb.as_slice() {
                b"EHLO" => b"250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 0\r\n",
                b"DATA" => {
                    text = Some(Text::begin());
                    b"354 go on\r\n"
                }
                b"QUIT" => {
                    let _ = stream.write_all(b"221 bye\r\n");
                    return;
                }
                _ => b"250 2.0.0 ok\r\n",
            };
            replies.extend_from_slice(reply);
        }
        buffer.copy_within(at..filled, 0);
        filled -= at;
        if stream.write_all(&replies).is_err() {
            return;
        }
        replies.clear();
    }
}
