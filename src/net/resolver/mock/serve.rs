//! The table of a [`MockResolver`] as a name server on loopback, so that whatever speaks DNS
//! can be tested with it.
//!
//! In: a table. Out: [`MockServer`], which answers over UDP, and over TCP what UDP cannot
//! carry, until it is dropped. It counts the questions that it was asked.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use hickory_resolver::proto::op::{Edns, Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, AAAA, CNAME, MX, PTR, SOA, TXT};
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};

use super::{Entry, Kind, MockResolver, Said};

/// How often threads look whether they shall end.
const TICK: Duration = Duration::from_millis(50);
/// Without EDNS, RFC 1035 section 4.2.1.
const PLAIN_UDP_OCTETS: usize = 512;
/// With EDNS, what is safe on any path.
const UDP_OCTETS: usize = 1232;
const TTL_S: u32 = 60;

/// A name server that ends when it is dropped.
#[derive(Debug)]
pub struct MockServer {
    /// Where it answers, UDP and TCP.
    pub address: SocketAddr,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    table: MockResolver,
    ended: AtomicBool,
    questions: AtomicUsize,
}

impl MockServer {
    /// How many questions it was asked.
    pub fn questions(&self) -> usize {
        self.state.questions.load(Ordering::Relaxed)
    }
}

impl Drop for MockServer {
    fn drop(&mut self) {
        self.state.ended.store(true, Ordering::Relaxed);
    }
}

/// Answers questions from a table until the server is dropped.
pub fn serve(table: &str) -> io::Result<MockServer> {
    let table = MockResolver::parse(table).map_err(io::Error::other)?;
    let ended = AtomicBool::new(false);
    let state = Arc::new(State { table, ended, questions: AtomicUsize::new(0) });
    let (udp, tcp) = sockets()?;
    let address = udp.local_addr()?;
    udp.set_read_timeout(Some(TICK))?;
    tcp.set_nonblocking(true)?;
    let shared = Arc::clone(&state);
    thread::Builder::new().name("mock-dns-udp".into()).spawn(move || serve_udp(&udp, &shared))?;
    let shared = Arc::clone(&state);
    thread::Builder::new().name("mock-dns-tcp".into()).spawn(move || serve_tcp(&tcp, &shared))?;
    Ok(MockServer { address, state })
}

/// A port that is free for both.
fn sockets() -> io::Result<(UdpSocket, TcpListener)> {
    let mut tries = 0;
    loop {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
        match TcpListener::bind(udp.local_addr()?) {
            Ok(tcp) => return Ok((udp, tcp)),
            Err(error) if tries == 20 => return Err(error),
            Err(_) => tries += 1,
        }
    }
}

fn serve_udp(socket: &UdpSocket, state: &State) {
    let mut buffer = [0u8; 4096];
    while !state.ended.load(Ordering::Relaxed) {
        let Ok((octets, client)) = socket.recv_from(&mut buffer) else { continue };
        let question = buffer.get(..octets).unwrap_or_default();
        if let Some(answer) = answer(state, question, Some(UDP_OCTETS)) {
            // A client that is gone asks no more.
            let _ = socket.send_to(&answer, client);
        }
    }
}

fn serve_tcp(listener: &TcpListener, state: &Arc<State>) {
    while !state.ended.load(Ordering::Relaxed) {
        let Ok((stream, _)) = listener.accept() else {
            thread::sleep(TICK);
            continue;
        };
        let shared = Arc::clone(state);
        thread::spawn(move || serve_stream(stream, &shared));
    }
}

fn serve_stream(mut stream: TcpStream, state: &State) -> Option<()> {
    stream.set_nonblocking(false).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    while !state.ended.load(Ordering::Relaxed) {
        let mut octets = [0u8; 2];
        stream.read_exact(&mut octets).ok()?;
        let mut question = vec![0; usize::from(u16::from_be_bytes(octets))];
        stream.read_exact(&mut question).ok()?;
        if let Some(answer) = answer(state, &question, None) {
            let octets = u16::try_from(answer.len()).ok()?;
            stream.write_all(&octets.to_be_bytes()).ok()?;
            stream.write_all(&answer).ok()?;
        }
    }
    None
}

/// The reply, or nothing when the table is silent. `udp_octets` bounds it.
fn answer(state: &State, question: &[u8], udp_octets: Option<usize>) -> Option<Vec<u8>> {
    state.questions.fetch_add(1, Ordering::Relaxed);
    let question = Message::from_vec(question).ok()?;
    let mut reply = Message::response(question.metadata.id, OpCode::Query);
    reply.metadata.recursion_desired = question.metadata.recursion_desired;
    reply.metadata.recursion_available = true;
    reply.metadata.authoritative = true;
    let mut room = PLAIN_UDP_OCTETS;
    if let Some(edns) = &question.edns {
        room = usize::from(edns.max_payload()).clamp(PLAIN_UDP_OCTETS, UDP_OCTETS);
        let mut own = Edns::new();
        own.set_max_payload(1232);
        reply.set_edns(own);
    }
    let asked = question.queries.first()?.clone();
    fill(&mut reply, &state.table, asked.name(), asked.query_type())?;
    reply.add_query(asked);
    let octets = reply.to_vec().ok()?;
    if udp_octets.is_none() || octets.len() <= room {
        return Some(octets);
    }
    reply.metadata.truncation = true;
    reply.answers.clear();
    reply.to_vec().ok()
}

fn fill(reply: &mut Message, table: &MockResolver, name: &Name, kind: RecordType) -> Option<()> {
    let labels: Vec<String> =
        name.iter().map(|label| String::from_utf8_lossy(label).into_owned()).collect();
    let kind = match kind {
        RecordType::A => Kind::A,
        RecordType::AAAA => Kind::Aaaa,
        RecordType::MX => Kind::Mx,
        RecordType::PTR => Kind::Ptr,
        RecordType::TXT => Kind::Txt,
        _ => {
            reply.metadata.response_code = ResponseCode::NoError;
            return Some(());
        }
    };
    match table.ask(&labels.join("."), kind) {
        Said::Silent => return None,
        Said::Broken => reply.metadata.response_code = ResponseCode::ServFail,
        Said::Absent => {
            reply.metadata.response_code = ResponseCode::NXDomain;
            reply.add_authority(negative());
        }
        Said::Records { aliases, entries } => {
            let mut owner = name.clone();
            for target in &aliases {
                let target = raw_name(target)?;
                let data = RData::CNAME(CNAME(target.clone()));
                reply.add_answer(Record::from_rdata(owner, TTL_S, data));
                owner = target;
            }
            if entries.is_empty() {
                reply.add_authority(negative());
            }
            for entry in entries {
                reply.add_answer(Record::from_rdata(owner.clone(), TTL_S, data_of(entry)?));
            }
        }
    }
    Some(())
}

/// RFC 2308 section 3: how long a negative answer may be kept.
fn negative() -> Record {
    let root = Name::root();
    Record::from_rdata(
        root.clone(),
        TTL_S,
        RData::SOA(SOA::new(root.clone(), root, 1, 60, 60, 60, 60)),
    )
}

fn raw_name(text: &str) -> Option<Name> {
    if text == "." {
        return Some(Name::root());
    }
    let mut name = Name::from_labels(text.split('.').map(str::as_bytes)).ok()?;
    name.set_fqdn(true);
    Some(name)
}

fn data_of(entry: &Entry) -> Option<RData> {
    Some(match entry {
        Entry::Mx(preference, exchange) => RData::MX(MX::new(*preference, raw_name(exchange)?)),
        Entry::Address(std::net::IpAddr::V4(address)) => RData::A(A(*address)),
        Entry::Address(std::net::IpAddr::V6(address)) => RData::AAAA(AAAA(*address)),
        Entry::Name(target) => RData::PTR(PTR(raw_name(target)?)),
        Entry::Text(strings) => {
            RData::TXT(TXT::from_bytes(strings.iter().map(Vec::as_slice).collect()))
        }
        Entry::Alias(_) | Entry::Temporary(_) | Entry::Timeout(_) | Entry::Exists => return None,
    })
}
