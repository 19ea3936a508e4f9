//! The parameters of Content-Type and Content-Disposition (RFC 2045 section 5.1, RFC 2183,
//! RFC 2231), as each of several readers would understand them.
//!
//! In: the value of a field as it is written. Out: [`Parameters`]: what stands before the first
//! semicolon, and for each parameter all values that some reader takes from it, the usual one
//! first. Readers differ in comments, quotes, white space, repeated names and RFC 2231; where a
//! field gives them no occasion to, there is one value. Nothing fails; fields are bounded by
//! the caller, and work is linear in their octets for every one of three ways of reading.

use super::charset;
use super::transfer::hex_pair;
use super::words;

/// A way in which readers take a field apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// RFC 2045: comments are left away, a semicolon in quotes does not separate.
    Standard,
    /// Comments are part of what they stand in.
    CommentsKept,
    /// Separated at every semicolon first, quotes are stripped afterwards.
    SplitFirst,
}

/// A field taken apart in one way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Parameters {
    /// What stands before the parameters: `text/plain`, `attachment`.
    pub(super) token: Vec<u8>,
    /// Something stood where a semicolon should.
    pub(super) separator_absent: bool,
    parameters: Vec<Parameter>,
}

/// A parameter as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parameter {
    /// In lower case, without what RFC 2231 puts behind it.
    name: String,
    /// RFC 2231 section 3.
    section: Option<u16>,
    /// RFC 2231 section 4.
    extended: bool,
    /// What readers take its value for, the usual one first.
    values: Vec<Vec<u8>>,
}

/// More parameters than this are not looked at.
const PARAMETERS: usize = 500;

/// What a field says: the standard reading first, and others where they could differ.
pub(super) fn readings(value: &[u8]) -> Vec<(Way, Parameters)> {
    let line = words::unfolded(value);
    let mut readings = vec![(Way::Standard, Parameters::read(&line, Way::Standard))];
    if line.contains(&b'(') {
        readings.push((Way::CommentsKept, Parameters::read(&line, Way::CommentsKept)));
    }
    if is_separator_quoted(&line) {
        readings.push((Way::SplitFirst, Parameters::split_first(&line)));
    }
    let mut different: Vec<(Way, Parameters)> = Vec::with_capacity(readings.len());
    for (way, reading) in readings {
        if different.iter().all(|(_, known)| *known != reading) {
            different.push((way, reading));
        }
    }
    different
}

/// Whether a semicolon stands in quotes, or a quote never ends.
fn is_separator_quoted(line: &[u8]) -> bool {
    let (mut quoted, mut escaped, mut found) = (false, false, false);
    for octet in line {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b';' => found |= quoted,
            _ => {}
        }
    }
    found || quoted
}

impl Parameters {
    fn read(line: &[u8], way: Way) -> Parameters {
        let mut cursor = Cursor { octets: line, at: 0, way };
        let mut field = Parameters { token: cursor.token(), ..Parameters::default() };
        field.separator_absent = cursor.peek().is_some_and(|octet| octet != b';');
        while field.parameters.len() < PARAMETERS {
            cursor.skip_separators();
            if cursor.peek().is_none() {
                break;
            }
            let name = cursor.name();
            cursor.skip_blank();
            if cursor.peek() != Some(b'=') {
                continue;
            }
            cursor.at += 1;
            cursor.skip_blank();
            let values = cursor.values();
            field.push(&name, values);
        }
        field
    }

    fn split_first(line: &[u8]) -> Parameters {
        let mut pieces = line.split(|octet| *octet == b';');
        let token = pieces.next().unwrap_or_default().trim_ascii().to_vec();
        let mut field = Parameters { token, ..Parameters::default() };
        for piece in pieces.take(PARAMETERS) {
            let Some(equals) = memchr::memchr(b'=', piece) else { continue };
            let (name, value) = piece.split_at(equals);
            let value = value.get(1..).unwrap_or_default().trim_ascii();
            let value = value.strip_prefix(b"\"").unwrap_or(value);
            let value = value.strip_suffix(b"\"").unwrap_or(value);
            field.push(name.trim_ascii(), vec![value.to_vec()]);
        }
        field
    }

    fn push(&mut self, name: &[u8], values: Vec<Vec<u8>>) {
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let (bare, extended) = match name.strip_suffix('*') {
            Some(bare) => (bare, true),
            None => (name.as_str(), false),
        };
        let (bare, section) = match bare.rsplit_once('*') {
            Some((start, digits)) => match digits.parse() {
                Ok(section) => (start, Some(section)),
                Err(_) => (bare, None),
            },
            None => (bare, None),
        };
        let name = bare.trim().to_owned();
        self.parameters.push(Parameter { name, section, extended, values });
    }

    fn named<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p Parameter> {
        self.parameters.iter().filter(move |parameter| parameter.name == name)
    }

    /// The values of a parameter that readers could take, the usual one first, as octets.
    pub(super) fn octets(&self, name: &str) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        for (text, _) in self.extended(name) {
            add(&mut found, text);
        }
        for value in self.plain(name) {
            if memchr::memmem::find(value, b"=?").is_some() {
                add(&mut found, words::decode(value).into_owned().into_bytes());
            }
            add(&mut found, value.clone());
        }
        found
    }

    /// The same as text: charsets and encoded words decoded (encoded words in parameters are
    /// against RFC 2047 section 5, and usual).
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (octets, charset) in self.extended(name) {
            add(&mut found, charset::decode(&octets, charset.as_deref()).text.into_owned());
        }
        for value in self.plain(name) {
            add(&mut found, words::decode(value).into_owned());
        }
        found
    }

    /// The values that stand in the field as they are: the first parameter's and the last's.
    fn plain<'p>(&'p self, name: &'p str) -> impl Iterator<Item = &'p Vec<u8>> {
        let is_plain = |parameter: &&Parameter| !parameter.extended && parameter.section.is_none();
        self.named(name).filter(is_plain).flat_map(|parameter| &parameter.values)
    }

    /// What RFC 2231 makes of a parameter, and its charset; then what is made of it by readers
    /// that join the sections as they stand, or know the first only.
    fn extended(&self, name: &str) -> Vec<(Vec<u8>, Option<String>)> {
        let mut found = Vec::new();
        let whole = self.named(name).filter(|one| one.extended && one.section.is_none());
        for parameter in whole {
            found.push(join(std::iter::once(parameter)));
        }
        let mut sections: Vec<&Parameter> =
            self.named(name).filter(|one| one.section.is_some()).collect();
        let is_one_by_one =
            sections.iter().enumerate().all(|(at, one)| one.section == u16::try_from(at).ok());
        if is_one_by_one && !sections.is_empty() {
            found.push(join(sections.iter().copied()));
            return found;
        }
        if !sections.is_empty() {
            let as_written = join(sections.iter().copied());
            sections.sort_by_key(|one| one.section);
            sections.dedup_by_key(|one| one.section);
            found.push(join(sections.iter().copied()));
            found.push(as_written);
            found.extend(sections.first().map(|first| join(std::iter::once(*first))));
        }
        found
    }

    /// Whether readers that know RFC 2231 read a parameter otherwise than those that do not,
    /// or one of its values is given twice.
    pub(super) fn is_repeated(&self, name: &str) -> bool {
        let mut plain = self.named(name).filter(|one| !one.extended && one.section.is_none());
        let first = plain.next().and_then(|one| one.values.first());
        plain.any(|other| other.values.first() != first)
    }
}

fn add<V: PartialEq>(found: &mut Vec<V>, value: V) {
    /// One field may offer no more readings than this.
    const VALUES: usize = 8;
    if found.len() < VALUES && !found.contains(&value) {
        found.push(value);
    }
}

/// RFC 2231 sections 3 and 4: the charset stands in the first section.
fn join<'p>(sections: impl Iterator<Item = &'p Parameter>) -> (Vec<u8>, Option<String>) {
    let mut octets = Vec::new();
    let mut charset = None;
    for (at, parameter) in sections.enumerate() {
        let mut value = parameter.values.first().map(Vec::as_slice).unwrap_or_default();
        if !parameter.extended {
            octets.extend_from_slice(value);
            continue;
        }
        if at == 0 {
            let mut pieces = value.splitn(3, |octet| *octet == b'\'');
            if let (Some(label), Some(_), Some(text)) =
                (pieces.next(), pieces.next(), pieces.next())
            {
                charset = Some(String::from_utf8_lossy(label).into_owned());
                value = text;
            }
        }
        push_percent_decoded(value, &mut octets);
    }
    (octets, charset.filter(|label| !label.is_empty()))
}

fn push_percent_decoded(value: &[u8], octets: &mut Vec<u8>) {
    let mut rest = value;
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, hex_pair(after)) {
            (b'%', Some(octet)) => {
                octets.push(octet);
                rest = after.get(2..).unwrap_or_default();
            }
            (octet, _) => octets.push(*octet),
        }
    }
}

struct Cursor<'l> {
    octets: &'l [u8],
    at: usize,
    way: Way,
}

impl Cursor<'_> {
    fn peek(&self) -> Option<u8> {
        self.octets.get(self.at).copied()
    }

    fn slice(&self, from: usize, to: usize) -> &[u8] {
        self.octets.get(from..to).unwrap_or_default()
    }

    /// White space, and comments where they are known.
    fn skip_blank(&mut self) {
        while let Some(octet) = self.peek() {
            match octet {
                b' ' | b'\t' => self.at += 1,
                b'(' if self.way == Way::Standard => self.skip_comment(),
                _ => break,
            }
        }
    }

    fn skip_separators(&mut self) {
        loop {
            self.skip_blank();
            match self.peek() {
                Some(b';') => self.at += 1,
                _ => break,
            }
        }
    }

    /// RFC 5322 section 3.2.2: comments nest.
    fn skip_comment(&mut self) {
        let mut open = 0usize;
        while let Some(octet) = self.peek() {
            self.at += 1;
            match octet {
                b'\\' => self.at += 1,
                b'(' => open += 1,
                b')' => {
                    open = open.saturating_sub(1);
                    if open == 0 {
                        break;
                    }
                }
                _ => {}
            }
        }
    }

    /// `type / subtype`, or one word.
    fn token(&mut self) -> Vec<u8> {
        let mut token: Vec<u8> = Vec::new();
        loop {
            self.skip_blank();
            let from = self.at;
            while let Some(octet) = self.peek() {
                let ends = matches!(octet, b';' | b' ' | b'\t')
                    || (octet == b'(' && self.way == Way::Standard);
                if ends {
                    break;
                }
                self.at += 1;
            }
            let word = self.slice(from, self.at);
            if word.is_empty() {
                return token;
            }
            // A word that belongs to the type no more.
            if !token.is_empty() && !token.ends_with(b"/") && !word.starts_with(b"/") {
                self.at = from;
                return token;
            }
            token.extend_from_slice(word);
        }
    }

    fn name(&mut self) -> Vec<u8> {
        let from = self.at;
        while let Some(octet) = self.peek() {
            let ends = matches!(octet, b';' | b'=' | b' ' | b'\t')
                || (octet == b'(' && self.way == Way::Standard);
            if ends {
                break;
            }
            self.at += 1;
        }
        let name = self.slice(from, self.at).to_vec();
        if self.at == from {
            // Nothing that a name begins with: step over it.
            self.at += 1;
        }
        name
    }

    /// What the value of a parameter may be taken for.
    fn values(&mut self) -> Vec<Vec<u8>> {
        match self.peek() {
            Some(b'"') => self.quoted(),
            _ => self.bare(),
        }
    }

    fn quoted(&mut self) -> Vec<Vec<u8>> {
        self.at += 1;
        let from = self.at;
        let mut plain = Vec::new();
        let mut ended = false;
        while let Some(octet) = self.peek() {
            self.at += 1;
            match octet {
                b'"' => {
                    ended = true;
                    break;
                }
                b'\\' => {
                    plain.extend(self.peek());
                    self.at += 1;
                }
                octet => plain.push(octet),
            }
        }
        let end = self.at.min(self.octets.len());
        let written = self.slice(from, if ended { end - 1 } else { end }).to_vec();
        let mut values = Vec::new();
        add(&mut values, plain.clone());
        add(&mut values, written.clone());
        if !ended {
            // A quote that never closes: the value may end where a bare one would.
            let word = written.split(|octet| matches!(octet, b';' | b' ' | b'\t')).next();
            add(&mut values, word.unwrap_or_default().to_vec());
            return values;
        }
        let tail = self.until_separator();
        let is_parameter = tail.contains(&b'=');
        if !tail.is_empty() && !is_parameter {
            plain.extend_from_slice(&tail);
            add(&mut values, plain);
        }
        if is_parameter {
            // A semicolon was forgotten; what follows is the next parameter.
            self.at = end;
        }
        values
    }

    /// What stands before the next semicolon, comments left away.
    fn until_separator(&mut self) -> Vec<u8> {
        let mut text = Vec::new();
        while let Some(octet) = self.peek() {
            match octet {
                b';' => break,
                b'(' if self.way == Way::Standard => self.skip_comment(),
                octet => {
                    text.push(octet);
                    self.at += 1;
                }
            }
        }
        text.trim_ascii().to_vec()
    }

    /// A value without quotes: to the semicolon; to some readers only to the first blank.
    fn bare(&mut self) -> Vec<Vec<u8>> {
        let from = self.at;
        let text = self.until_separator();
        let word = text.split(|octet| matches!(octet, b' ' | b'\t')).next().unwrap_or_default();
        let rest = text.get(word.len()..).unwrap_or_default();
        if rest.contains(&b'=') {
            // A semicolon was forgotten; what follows is the next parameter.
            self.at = from + word.len();
            return vec![word.to_vec()];
        }
        let mut values = Vec::new();
        add(&mut values, text.clone());
        add(&mut values, word.to_vec());
        values
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(value: &str, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        for (_, reading) in readings(value.as_bytes()) {
            for octets in reading.octets(name) {
                add(&mut found, String::from_utf8_lossy(&octets).into_owned());
            }
        }
        found
    }

    #[test]
    fn parameters_have_the_values_that_readers_give_them() {
        let table: [(&str, &[&str]); 27] = [
            ("m/m; boundary=b", &["b"]),
            ("m/m; boundary=\"b c\"", &["b c"]),
            ("m/m;boundary=b;", &["b"]),
            ("m/m;; ;boundary=b", &["b"]),
            ("m/m; Boundary = b", &["b"]),
            ("m/m; a=1; boundary=b\r\n\t; c=2", &["b"]),
            ("m/m; boundary=b; boundary=c", &["b", "c"]),
            ("m/m; boundary=b (c)", &["b", "b (c)"]),
            ("m/m; boundary=(c)b", &["b", "(c)b"]),
            ("m/m (; boundary=c); boundary=b", &["b", "c)"]),
            ("m/m; (x) boundary=b", &["b"]),
            ("m/m; boundary=b c", &["b c", "b"]),
            ("m/m; boundary=\"b\\c\"", &["bc", "b\\c"]),
            ("m/m; boundary=\"b\"c", &["b", "bc"]),
            ("m/m; boundary=\"b", &["b"]),
            ("m/m; boundary=\"b; x=y", &["b; x=y", "b"]),
            ("m/m; name=\"x; boundary=c\"; boundary=b", &["b", "c"]),
            ("m/m boundary=b", &["b"]),
            ("m/m; charset=x boundary=b", &["b"]),
            ("m/m; charset=\"x\" boundary=b", &["b"]),
            ("m/m; boundary*=us-ascii'en'b%63; boundary=d", &["bc", "d"]),
            ("m/m; boundary*0=b; boundary*1=c", &["bc"]),
            ("m/m; boundary*1=c; boundary*0=b", &["bc", "cb", "b"]),
            ("m/m; boundary*0*=''b%63; boundary*1=\"%63\"", &["bc%63"]),
            ("m/m; boundary==?us-ascii?q?b?=", &["b", "=?us-ascii?q?b?="]),
            ("m/m; boundary", &[]),
            ("m/m; =b; boundary=", &[""]),
        ];
        for (value, expected) in table {
            assert_eq!(all(value, "boundary"), expected, "{value}");
        }
    }

    #[test]
    fn names_are_read_in_their_charsets() {
        let table = [
            ("attachment; filename=\"a b.txt\"", "a b.txt"),
            ("attachment; filename=a b.txt", "a b.txt"),
            ("attachment; filename*=utf-8''gr%C3%BCn.txt", "grün.txt"),
            ("attachment; filename*0*=iso-8859-1''gr%FC; filename*1=n.txt", "grün.txt"),
            ("attachment; filename=\"=?utf-8?q?gr=C3=BCn?=.txt\"", "grün.txt"),
            ("attachment; filename=\"grün.txt\"", "grün.txt"),
            ("attachment; filename=x; filename*=utf-8''y", "y"),
        ];
        for (value, name) in table {
            let reading = Parameters::read(value.as_bytes(), Way::Standard);
            assert_eq!(reading.texts("filename").first().map(String::as_str), Some(name));
            assert_eq!(reading.token, b"attachment");
        }
        let latin = Parameters::read(b"a; filename=gr\xfcn.txt", Way::Standard);
        assert_eq!(latin.texts("filename"), ["grün.txt"]);
    }

    #[test]
    fn any_field_is_read() {
        let seed = b"a/b;(\\\" x*0*='%4\";=boundary=b c)\x00\xff";
        for from in 0..seed.len() {
            for to in from..=seed.len() {
                for value in [seed[from..to].to_vec(), seed[from..to].repeat(3)] {
                    for (_, reading) in readings(&value) {
                        reading.octets("boundary");
                        reading.texts("x");
                    }
                }
            }
        }
    }
}
