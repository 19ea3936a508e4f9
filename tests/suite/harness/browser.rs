//! A small browser for the administrator's site: TLS with any certificate, cookies, forms with
//! the CSRF mark of the page that they stand in. No script, no pictures.
//!
//! In: paths. Out: [`Page`]s. One connection a request, HTTP/1.1 with `Connection: close`.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::Duration;

use ::postern::admin::people::{Draft, People, Role};
use ::postern::mail::Domain;
use ::postern::store::Store;
use nix::sys::socket::{self, AddressFamily, SockFlag, SockType, SockaddrIn};
use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use super::tls;

/// The password of those whom [`people`] makes.
pub const PASSWORD: &str = "violet-anchor-97-trombone-lake";

/// Makes people while the box does not run: an owner `olive`, and others as they are named.
pub fn people(data_dir: &Path, others: &[(&str, Role, &[&str])]) {
    std::fs::create_dir_all(data_dir).unwrap();
    let store = Store::open(data_dir).unwrap();
    let people = People::open(&store).unwrap();
    people.add_first("olive", PASSWORD, 1).unwrap();
    for (name, role, domains) in others {
        let domains = domains.iter().map(|name| Domain::parse(name).unwrap()).collect();
        let draft = Draft { domains, ..Draft::of(name, *role) };
        people.add(&draft, PASSWORD, 1).unwrap();
    }
}

/// An answer of the site.
#[derive(Debug, Clone)]
pub struct Page {
    /// Of HTTP.
    pub status: u16,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    /// As text; what is no UTF-8 is replaced.
    pub body: String,
}

impl Page {
    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Where it leads on to.
    pub fn location(&self) -> &str {
        self.header("location").unwrap_or_default()
    }

    /// Whether it says this, once its marks of HTML are taken away.
    pub fn says(&self, words: &str) -> bool {
        self.text().contains(words)
    }

    /// What a reader sees, with single blanks.
    pub fn text(&self) -> String {
        let (mut text, mut is_tag) = (String::new(), false);
        for letter in self.body.chars() {
            match letter {
                '<' => is_tag = true,
                '>' => {
                    is_tag = false;
                    text.push(' ');
                }
                letter if !is_tag => text.push(letter),
                _ => {}
            }
        }
        unescaped(&text).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// The value of the first field of that name: an input's, a text area's or a choice's. What
    /// is the page's own comes before what all pages have around it.
    pub fn value(&self, name: &str) -> Option<String> {
        let name = format!("name=\"{name}\"");
        let main = self.body.find("<main").unwrap_or(0);
        let own = self.body[main..].find(&name).map(|at| main + at);
        let at = own.or_else(|| self.body.find(&name))?;
        let begin = self.body[..at].rfind('<')?;
        let end = at + self.body[at..].find('>')?;
        let tag = &self.body[begin..end];
        let rest = &self.body[end + 1..];
        if tag.starts_with("<textarea") {
            return rest.find("</textarea>").map(|end| unescaped(&rest[..end]));
        }
        if tag.starts_with("<select") {
            let choices = &rest[..rest.find("</select>")?];
            let chosen = choices.split("<option").find(|one| one.contains(" selected"))?;
            return attribute(chosen, "value");
        }
        attribute(tag, "value")
    }
}

fn attribute(tag: &str, name: &str) -> Option<String> {
    let (_, rest) = tag.split_once(&format!("{name}=\""))?;
    rest.split_once('"').map(|(value, _)| unescaped(value))
}

fn unescaped(text: &str) -> String {
    [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
        .iter()
        .fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

/// One person's browser.
#[derive(Debug, Clone)]
pub struct Browser {
    address: SocketAddr,
    /// By name.
    pub cookies: BTreeMap<String, String>,
    /// Sent with every request.
    pub headers: Vec<(String, String)>,
    /// Of the session's forms, once somebody is [`known`](Browser::known).
    pub mark: String,
    /// The loopback address that it asks from; any when there is none.
    pub own: Option<Ipv4Addr>,
}

impl Browser {
    /// A fresh one, for the site at this address.
    pub fn new(address: SocketAddr) -> Browser {
        let (cookies, headers) = (BTreeMap::new(), Vec::new());
        Browser { address, cookies, headers, mark: String::new(), own: None }
    }

    /// Of somebody whom [`people`] made, logged in, with the mark of their forms.
    pub fn known(address: SocketAddr, name: &str) -> Browser {
        let mut browser = Browser::new(address);
        let page = browser.log_in(name, PASSWORD, "");
        assert_eq!(page.status, 200, "{}", page.text());
        browser.mark = browser.open("/account").value("csrf").expect("a form with a mark");
        browser
    }

    /// The same without the mark of its forms.
    pub fn without_mark(&self) -> Browser {
        Browser { mark: String::new(), ..self.clone() }
    }

    /// A page, redirects not followed.
    pub fn get(&mut self, path: &str) -> Page {
        self.ask("GET", path, "", b"")
    }

    /// A form with the mark; redirects not followed.
    pub fn act(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let mark = self.mark.clone();
        self.post(path, &[fields, &[("csrf", mark.as_str())][..]].concat())
    }

    /// The first octets of an answer that does not end, up to what is named.
    pub fn begin(&mut self, path: &str, until: &str) -> String {
        let request = format!("{}\r\n", self.head("GET", path));
        let mut stream = opened(self.address, self.own);
        stream.write_all(request.as_bytes()).unwrap();
        let (mut said, mut piece) = (String::new(), [0; 4096]);
        while !said.contains(until) {
            let octets = stream.read(&mut piece).unwrap();
            assert_ne!(octets, 0, "it ended: {said}");
            said += &String::from_utf8_lossy(&piece[..octets]);
        }
        said
    }

    fn head(&self, method: &str, path: &str) -> String {
        let cookies: Vec<String> =
            self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut head = format!(
            "{method} {path} HTTP/1.1\r\nHost: {0}\r\nConnection: close\r\nUser-Agent: scenario\r\n",
            self.address
        );
        if !cookies.is_empty() {
            head += &format!("Cookie: {}\r\n", cookies.join("; "));
        }
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        head
    }

    /// One request, redirects not followed.
    pub fn ask(&mut self, method: &str, path: &str, kind: &str, body: &[u8]) -> Page {
        let mut head = self.head(method, path);
        if method != "GET" && method != "HEAD" {
            head += &format!("Origin: https://{}\r\n", self.address);
            head += &format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len());
        }
        let request = [head.as_bytes(), b"\r\n", body].concat();
        let answer = read_all(&mut opened(self.address, self.own), &request);
        let page = parsed(&answer);
        self.keep_cookies(&page);
        page
    }

    /// A connection that says nothing.
    pub fn connected(&self) -> TcpStream {
        connected(self.address, self.own)
    }

    fn keep_cookies(&mut self, page: &Page) {
        for (_, cookie) in page.headers.iter().filter(|(name, _)| name == "set-cookie") {
            let pair = cookie.split(';').next().unwrap_or_default();
            let Some((name, value)) = pair.split_once('=') else { continue };
            match value.is_empty() {
                true => drop(self.cookies.remove(name.trim())),
                false => drop(self.cookies.insert(name.trim().into(), value.trim().into())),
            }
        }
    }

    /// A page, redirects followed.
    pub fn open(&mut self, path: &str) -> Page {
        let page = self.ask("GET", path, "", b"");
        self.follow(page)
    }

    /// Where an answer leads to.
    pub fn follow(&mut self, mut page: Page) -> Page {
        for _ in 0..8 {
            if !(300..400).contains(&page.status) {
                return page;
            }
            let next = page.location().to_owned();
            page = self.ask("GET", &next, "", b"");
        }
        panic!("redirected for ever, last to {}", page.location());
    }

    /// A form with these fields, as they are; redirects not followed.
    pub fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Page {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.ask("POST", path, "application/x-www-form-urlencoded", body.as_bytes())
    }

    /// A form that stands in this page: with its mark; redirects followed.
    pub fn send(&mut self, page: &Page, path: &str, fields: &[(&str, &str)]) -> Page {
        let mark = page.value("csrf").unwrap_or_default();
        let fields = [&[("csrf", mark.as_str())][..], fields].concat();
        let answer = self.post(path, &fields);
        self.follow(answer)
    }

    /// The same with files: name of the field, name of the file, content.
    pub fn upload(
        &mut self,
        page: &Page,
        path: &str,
        fields: &[(&str, &str)],
        files: &[(&str, &str, &[u8])],
    ) -> Page {
        const BOUNDARY: &str = "a-boundary-that-no-file-holds";
        let mark = page.value("csrf").unwrap_or_default();
        let mut body = Vec::new();
        for (name, value) in [&[("csrf", mark.as_str())][..], fields].concat() {
            let part = format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n"
            );
            body.extend_from_slice(part.as_bytes());
        }
        for (name, file, content) in files {
            let part = format!(
                "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{name}\"; \
                 filename=\"{file}\"\r\nContent-Type: application/octet-stream\r\n\r\n"
            );
            body.extend_from_slice(part.as_bytes());
            body.extend_from_slice(content);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
        let kind = format!("multipart/form-data; boundary={BOUNDARY}");
        let answer = self.ask("POST", path, &kind, &body);
        self.follow(answer)
    }

    /// Makes the first owner with the one-time code, and is logged in as such.
    pub fn set_up(&mut self, code: &str, name: &str, password: &str) -> Page {
        let page = self.open("/");
        let page = self.send(&page, "/setup/code", &[("code", code)]);
        assert!(page.says("Who owns this box?"), "{}", page.text());
        let fields = [("name", name), ("password", password), ("again", password)];
        let page = self.send(&page, "/setup/owner", &fields);
        assert_eq!(page.status, 200, "{}", page.text());
        page
    }

    /// Logs in; the page after that.
    pub fn log_in(&mut self, name: &str, password: &str, code: &str) -> Page {
        let page = self.open("/login");
        let fields = [("name", name), ("password", password), ("code", code)];
        self.send(&page, "/login", &fields)
    }
}

/// An answer to octets that are sent as they are; the request has to end the connection.
pub fn raw(address: SocketAddr, request: &[u8]) -> Page {
    parsed(&exchange(address, request))
}

/// All that comes back until the connection ends.
pub fn exchange(address: SocketAddr, request: &[u8]) -> Vec<u8> {
    read_all(&mut opened(address, None), request)
}

/// A connection with TLS, from this loopback address when one is named.
fn opened(address: SocketAddr, own: Option<Ipv4Addr>) -> StreamOwned<ClientConnection, TcpStream> {
    let stream = connected(address, own);
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let name = ServerName::try_from("mx.example.test").unwrap();
    let session = ClientConnection::new(tls::client_config(), name).unwrap();
    StreamOwned::new(session, stream)
}

fn connected(address: SocketAddr, own: Option<Ipv4Addr>) -> TcpStream {
    match (own, address) {
        (Some(own), SocketAddr::V4(address)) => connected_from(own, address),
        _ => TcpStream::connect(address).unwrap(),
    }
}

fn connected_from(own: Ipv4Addr, address: SocketAddrV4) -> TcpStream {
    let (flags, kind) = (SockFlag::SOCK_CLOEXEC, SockType::Stream);
    let made = socket::socket(AddressFamily::Inet, kind, flags, None).unwrap();
    let from = SockaddrIn::from(SocketAddrV4::new(own, 0));
    socket::bind(made.as_raw_fd(), &from).unwrap();
    socket::connect(made.as_raw_fd(), &SockaddrIn::from(address)).unwrap();
    TcpStream::from(made)
}

/// Sends a request; all that comes back until the connection ends.
fn read_all(stream: &mut StreamOwned<ClientConnection, TcpStream>, request: &[u8]) -> Vec<u8> {
    stream.write_all(request).unwrap();
    stream.flush().unwrap();
    let (mut answer, mut piece) = (Vec::new(), [0; 16 << 10]);
    loop {
        match stream.read(&mut piece) {
            Ok(0) => return answer,
            Ok(count) => answer.extend_from_slice(&piece[..count]),
            // A server may end without telling TLS so.
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return answer,
            Err(error) => panic!("{error} after {} octets", answer.len()),
        }
    }
}

fn parsed(answer: &[u8]) -> Page {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("a header section");
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)).unwrap().parse().unwrap();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let is_chunked =
        headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = match is_chunked {
        true => unchunked(&answer[end + 4..]),
        false => answer[end + 4..].to_vec(),
    };
    Page { status, headers, body: String::from_utf8_lossy(&body).into_owned() }
}

/// RFC 9112 section 7.1.
fn unchunked(mut rest: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = rest.windows(2).position(|two| two == b"\r\n") {
        let size = std::str::from_utf8(&rest[..end]).unwrap();
        let size = usize::from_str_radix(size.split(';').next().unwrap().trim(), 16).unwrap();
        if size == 0 {
            break;
        }
        body.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = &rest[end + 4 + size..];
    }
    body
}
