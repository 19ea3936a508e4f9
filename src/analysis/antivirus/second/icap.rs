//! A scanner that speaks ICAP (RFC 3507): RESPMOD with a preview and `Allow: 204`.
//!
//! In: octets, sent as the body of an HTTP answer. Out: clean when the server answers 204, or
//! 200 with the very same body; infected when it names an infection or puts another answer in
//! the place of ours; everything else is a failure. One connection a scan. Heads are bounded,
//! and of a body no more is read than was sent, and a little.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::super::{AntivirusError, Scan, shown};
use crate::config::IcapUrl;

const HEAD_OCTETS: u64 = 16 << 10;
const CHUNK_OCTETS: usize = 64 << 10;
/// Longest preview that is sent, whatever the server would take.
const PREVIEW_OCTETS: usize = 64 << 10;
/// For an answer to OPTIONS.
const OPTIONS_PATIENCE: Duration = Duration::from_secs(5);

/// RFC 3507 section 4.10: what OPTIONS told.
#[derive(Debug, Clone, Default)]
struct Options {
    preview_octets: Option<usize>,
    tag: String,
}

/// A server and what it says of itself.
#[derive(Debug)]
pub(super) struct Icap {
    url: IcapUrl,
    options: Mutex<Option<Options>>,
}

/// A status line and header fields, names in lower case.
struct Head {
    status: u16,
    fields: Vec<(String, String)>,
}

impl Head {
    fn field(&self, name: &str) -> Option<&str> {
        let mut fields = self.fields.iter();
        fields.find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// What the makers of scanners name infections by.
    fn infection(&self) -> Option<String> {
        if let Some(found) = self.field("x-infection-found") {
            // `Type=0; Resolution=2; Threat=EICAR;`
            let threat = found.split(';').find_map(|part| part.trim().strip_prefix("Threat="));
            return Some(shown(threat.unwrap_or(found).trim()));
        }
        let named = self.field("x-virus-id").or_else(|| self.field("x-virus-name"));
        let named = named.or_else(|| self.field("x-violations-found"));
        let name = named.filter(|name| !matches!(name.trim(), "no threats" | "none" | "0"))?;
        Some(shown(name.trim()))
    }
}

type Stream = BufReader<TcpStream>;

impl Icap {
    pub(super) fn new(url: &IcapUrl) -> Icap {
        Icap { url: url.clone(), options: Mutex::default() }
    }

    /// Its ISTag (RFC 3507 section 4.7), which changes with what it knows.
    pub(super) async fn version(&self) -> Option<String> {
        let asked = tokio::time::timeout(OPTIONS_PATIENCE, self.ask_options()).await;
        if !matches!(asked, Ok(Ok(_))) {
            tracing::debug!(url = self.url.text, "the server does not tell its version");
        }
        // A server that is silent for a while knows what it knew.
        let known = self.options.lock().unwrap_or_else(PoisonError::into_inner).clone();
        known.map(|options| options.tag).filter(|tag| !tag.is_empty())
    }

    pub(super) async fn scan(&self, octets: &Bytes) -> Result<Scan, AntivirusError> {
        let known = self.options.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // A server that does not answer OPTIONS may still scan; it is sent no preview.
        let options = match known {
            Some(options) => options,
            None => match tokio::time::timeout(OPTIONS_PATIENCE, self.ask_options()).await {
                Ok(Ok(options)) => options,
                _ => Options::default(),
            },
        };
        let mut stream = self.connect().await?;
        let preview = options.preview_octets.map(|most| most.min(octets.len()));
        stream.write_all(self.request(octets.len(), preview).as_bytes()).await?;
        let first = preview.unwrap_or(octets.len());
        let (head, rest) = octets.split_at_checked(first).unwrap_or((octets, &[]));
        let sent = async {
            write_chunks(&mut stream, head).await?;
            // RFC 3507 section 4.5: `ieof` says that the preview is all.
            let end = if preview.is_some() && rest.is_empty() { "0; ieof" } else { "0" };
            stream.write_all(format!("{end}\r\n\r\n").as_bytes()).await?;
            stream.flush().await
        };
        // A server that has seen enough may answer and close while we still send.
        let sent: io::Result<()> = sent.await;
        let mut answer = match read_head(&mut stream, "ICAP/").await {
            Ok(answer) => answer,
            Err(error) => return Err(sent.err().map_or(error, AntivirusError::from)),
        };
        if answer.status == 100 && preview.is_some() {
            write_chunks(&mut stream, rest).await?;
            stream.write_all(b"0\r\n\r\n").await?;
            stream.flush().await?;
            answer = read_head(&mut stream, "ICAP/").await?;
        }
        conclude(&mut stream, &answer, octets).await
    }

    async fn connect(&self) -> io::Result<Stream> {
        Ok(BufReader::new(TcpStream::connect(&self.url.authority).await?))
    }

    async fn ask_options(&self) -> Result<Options, AntivirusError> {
        let mut stream = self.connect().await?;
        let IcapUrl { authority, text } = &self.url;
        let request =
            format!("OPTIONS {text} ICAP/1.0\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let head = read_head(&mut stream, "ICAP/").await?;
        if head.status != 200 {
            return Err(AntivirusError::Nonsense(format!("OPTIONS: status {}", head.status)));
        }
        let preview = head.field("preview").and_then(|octets| octets.trim().parse().ok());
        let tag = head.field("istag").map(|tag| shown(tag.trim().trim_matches('"')));
        let options = Options {
            preview_octets: preview.map(|octets: usize| octets.min(PREVIEW_OCTETS)),
            tag: tag.unwrap_or_default(),
        };
        *self.options.lock().unwrap_or_else(PoisonError::into_inner) = Some(options.clone());
        Ok(options)
    }

    /// RFC 3507 section 4.9: the heads of a request and an answer that stand around the octets.
    fn request(&self, octets: usize, preview: Option<usize>) -> String {
        let IcapUrl { authority, text } = &self.url;
        let asked = "GET http://postern.invalid/message HTTP/1.1\r\nHost: postern.invalid\r\n\r\n";
        let answered = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n\
             Content-Length: {octets}\r\n\r\n"
        );
        let preview = preview.map(|octets| format!("Preview: {octets}\r\n")).unwrap_or_default();
        let (at, body_at) = (asked.len(), asked.len() + answered.len());
        format!(
            "RESPMOD {text} ICAP/1.0\r\nHost: {authority}\r\nAllow: 204\r\n{preview}\
             Connection: close\r\nEncapsulated: req-hdr=0, res-hdr={at}, res-body={body_at}\r\n\
             \r\n{asked}{answered}"
        )
    }
}

async fn write_chunks(stream: &mut Stream, octets: &[u8]) -> io::Result<()> {
    for chunk in octets.chunks(CHUNK_OCTETS) {
        stream.write_all(format!("{:x}\r\n", chunk.len()).as_bytes()).await?;
        stream.write_all(chunk).await?;
        stream.write_all(b"\r\n").await?;
    }
    Ok(())
}

async fn conclude(
    stream: &mut Stream,
    answer: &Head,
    octets: &[u8],
) -> Result<Scan, AntivirusError> {
    if let Some(name) = answer.infection() {
        return Ok(Scan::named(name));
    }
    match answer.status {
        // RFC 3507 section 4.6: no modification needed.
        204 => return Ok(Scan::Clean),
        200 | 201 => {}
        // RFC 3507 section 4.3.3 and HTTP: too large for it.
        413 => return Ok(Scan::TooLarge),
        status => return Err(AntivirusError::Nonsense(format!("status {status}"))),
    }
    let encapsulated = answer.field("encapsulated").unwrap_or_default().to_ascii_lowercase();
    if encapsulated.contains("req-hdr") {
        return Err(AntivirusError::Nonsense("a request in answer to RESPMOD".into()));
    }
    let replaced = || Scan::Infected("the server put another answer in its place".into());
    if encapsulated.contains("res-hdr") {
        let page = read_head(stream, "HTTP/").await?;
        if let Some(name) = page.infection() {
            return Ok(Scan::named(name));
        }
        if page.status != 200 {
            return Ok(replaced());
        }
    }
    match encapsulated.contains("null-body") || !encapsulated.contains("res-body") {
        true if octets.is_empty() => Ok(Scan::Clean),
        true => Ok(replaced()),
        false => match is_same_body(stream, octets).await? {
            true => Ok(Scan::Clean),
            false => Ok(replaced()),
        },
    }
}

/// Whether the chunks that come are these octets.
async fn is_same_body(stream: &mut Stream, octets: &[u8]) -> Result<bool, AntivirusError> {
    let (mut left, mut step) = (octets, vec![0; CHUNK_OCTETS]);
    loop {
        let line = read_line(stream, 256).await?;
        let size = line.split(';').next().unwrap_or_default().trim();
        let nonsense = || AntivirusError::Nonsense(shown(&line));
        let mut size = usize::from_str_radix(size, 16).map_err(|_| nonsense())?;
        if size == 0 {
            return Ok(left.is_empty());
        }
        while size > 0 {
            let room = step.get_mut(..size.min(CHUNK_OCTETS)).ok_or_else(nonsense)?;
            let count = stream.read(room).await?;
            if count == 0 {
                return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
            }
            let came = step.get(..count).unwrap_or_default();
            match left.strip_prefix(came) {
                Some(rest) => left = rest,
                None => return Ok(false),
            }
            size -= count;
        }
        read_line(stream, 2).await?;
    }
}

/// A line without its end.
async fn read_line(stream: &mut Stream, most: u64) -> Result<String, AntivirusError> {
    let mut line = Vec::new();
    let count = (&mut *stream).take(most).read_until(b'\n', &mut line).await?;
    if count == 0 || !line.ends_with(b"\n") {
        return Err(AntivirusError::Nonsense(shown(&String::from_utf8_lossy(&line))));
    }
    Ok(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']).to_owned())
}

async fn read_head(stream: &mut Stream, protocol: &str) -> Result<Head, AntivirusError> {
    let first = read_line(stream, HEAD_OCTETS).await?;
    let status = first.strip_prefix(protocol).and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
    let Some(status) = status else { return Err(AntivirusError::Nonsense(shown(&first))) };
    let (mut fields, mut left) = (Vec::<(String, String)>::new(), HEAD_OCTETS);
    loop {
        let line = read_line(stream, left).await?;
        if line.is_empty() {
            return Ok(Head { status, fields });
        }
        left = left.saturating_sub(line.len() as u64 + 2);
        match line.split_once(':') {
            // A folded line, as X-Violations-Found has them.
            _ if line.starts_with([' ', '\t']) => {
                if let Some((_, value)) = fields.last_mut() {
                    value.push(' ');
                    value.push_str(line.trim());
                }
            }
            Some((name, value)) => {
                fields.push((name.trim().to_ascii_lowercase(), value.trim().to_owned()));
            }
            None => return Err(AntivirusError::Nonsense(shown(&line))),
        }
    }
}

#[cfg(test)]
#[path = "icap_tests.rs"]
mod tests;
