//! One pass over HTML source: the text that it shows, where its links lead, which tags it uses.
//!
//! In: HTML source. Out: [`Markup`]. A tolerant scanner, not a parser: mail is written to be
//! read by tolerant readers. Linear time, bounded output, never fails.

use super::tokens::head;

/// Most links kept of a message.
const MOST_LINKS: usize = 200;
/// Most tags kept of a message.
const MOST_TAGS: usize = 600;
/// Octets of a tag looked into.
const TAG_OCTETS: usize = 2000;
/// Attributes of a tag looked into.
const MOST_ATTRIBUTES: usize = 40;

/// Where a link was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Seen {
    /// An anchor, with the text shown.
    Anchor(String),
    /// Another element that loads or sends: its name.
    Element(&'static str),
    /// Written out in text.
    Text,
}

/// A link and how it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    pub(super) target: String,
    pub(super) seen: Seen,
}

/// What the scan found.
#[derive(Debug, Default)]
pub(super) struct Markup {
    pub(super) text: String,
    pub(super) links: Vec<Link>,
    /// Each tag with its attributes, values of layout kept, values of content left out.
    pub(super) tags: Vec<String>,
}

/// Scans HTML source.
pub(super) fn scan(source: &str) -> Markup {
    let mut out = Markup { text: String::with_capacity(source.len() / 2), ..Markup::default() };
    let mut anchor: Option<(String, usize)> = None;
    let mut rest = source;
    while let Some(first) = rest.bytes().next() {
        rest = match first {
            b'<' => match tag_at(rest) {
                Some(Piece::Comment(after)) => {
                    out.tag("!--".to_owned());
                    after
                }
                Some(Piece::Tag { inside, after }) => out.element(inside, after, &mut anchor),
                None => out.literal(rest, '<'),
            },
            b'&' => match entity(rest) {
                Some((letter, after)) => {
                    out.text.push(letter);
                    after
                }
                None => out.literal(rest, '&'),
            },
            _ => {
                let end = memchr::memchr2(b'<', b'&', rest.as_bytes()).unwrap_or(rest.len());
                let (text, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
                out.flow(text);
                after
            }
        };
    }
    if let Some((target, _)) = anchor {
        out.link(target, Seen::Anchor(String::new()));
    }
    out
}

/// Adds the links written out in a text.
pub(super) fn written_links(text: &str, links: &mut Vec<Link>) {
    let octets = text.as_bytes();
    let mut after = 0;
    for at in memchr::memmem::find_iter(octets, b"://") {
        if at < after || links.len() >= MOST_LINKS {
            continue;
        }
        let before = octets.get(at.saturating_sub(8)..at).unwrap_or_default();
        let scheme = before.iter().rev().take_while(|octet| octet.is_ascii_alphabetic()).count();
        let tail = octets.get(at..octets.len().min(at + 300)).unwrap_or_default();
        let length = tail
            .iter()
            .position(|octet| {
                octet.is_ascii_whitespace() || matches!(octet, b'<' | b'>' | b'"' | b')')
            })
            .unwrap_or(tail.len());
        after = text.floor_char_boundary(at + length).max(at + 3);
        if let (true, Some(target)) = (scheme > 0, text.get(at - scheme..after)) {
            links.push(Link { target: target.to_owned(), seen: Seen::Text });
        }
    }
}

enum Piece<'a> {
    Comment(&'a str),
    Tag { inside: &'a str, after: &'a str },
}

/// The tag or comment at the beginning of a text that begins with `<`; none if it is only a
/// less-than sign.
fn tag_at(rest: &str) -> Option<Piece<'_>> {
    if rest.starts_with("<!--") {
        let end = rest.find("-->").map_or(rest.len(), |at| at + 3);
        return Some(Piece::Comment(rest.get(end..).unwrap_or("")));
    }
    let second = rest.as_bytes().get(1)?;
    if !second.is_ascii_alphabetic() && !matches!(second, b'/' | b'!' | b'?') {
        return None;
    }
    let mut quote = None;
    let mut before = b'<';
    let mut end = None;
    for (at, octet) in rest.bytes().enumerate().take(TAG_OCTETS) {
        match (quote, octet) {
            (Some(open), _) if open == octet => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') if matches!(before, b'=' | b' ') => quote = Some(octet),
            (None, b'>') => {
                end = Some(at);
                break;
            }
            _ => {}
        }
        before = octet;
    }
    // An unclosed quote: readers fall back to the first `>` as well.
    let end = end.or_else(|| memchr::memchr(b'>', rest.as_bytes())).unwrap_or(rest.len());
    let inside = rest.get(1..end).unwrap_or("");
    Some(Piece::Tag { inside, after: rest.get(end + 1..).unwrap_or("") })
}

/// A character reference: the character, and what follows it.
fn entity(rest: &str) -> Option<(char, &str)> {
    let end = rest.bytes().take(12).position(|octet| octet == b';')?;
    let name = rest.get(1..end)?;
    let letter = match name.strip_prefix('#') {
        Some(number) => {
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)?
        }
        None => *ENTITIES.iter().find(|(known, _)| *known == name).map(|(_, letter)| letter)?,
    };
    Some((letter, rest.get(end + 1..)?))
}

const ENTITIES: [(&str, char); 32] = [
    ("nbsp", ' '),
    ("amp", '&'),
    ("lt", '<'),
    ("gt", '>'),
    ("quot", '"'),
    ("apos", '\''),
    ("copy", '©'),
    ("reg", '®'),
    ("eacute", 'é'),
    ("egrave", 'è'),
    ("aacute", 'á'),
    ("agrave", 'à'),
    ("atilde", 'ã'),
    ("ccedil", 'ç'),
    ("otilde", 'õ'),
    ("oacute", 'ó'),
    ("iacute", 'í'),
    ("uacute", 'ú'),
    ("uuml", 'ü'),
    ("ouml", 'ö'),
    ("auml", 'ä'),
    ("szlig", 'ß'),
    ("ntilde", 'ñ'),
    ("zwnj", '\u{200c}'),
    ("shy", '\u{ad}'),
    ("rsquo", '\''),
    ("lsquo", '\''),
    ("hellip", '.'),
    ("bull", '*'),
    ("ndash", '-'),
    ("mdash", '-'),
    ("euro", '€'),
];

/// Name of a tag's element, in small letters.
fn element_name(inside: &str) -> String {
    inside
        .trim_start_matches('/')
        .bytes()
        .take_while(u8::is_ascii_alphanumeric)
        .take(12)
        .map(|octet| octet.to_ascii_lowercase() as char)
        .collect()
}

/// Names (in small letters) and values of a tag's attributes.
fn attributes(mut rest: &str) -> Vec<(String, &str)> {
    let mut out = Vec::new();
    let blank = |letter: char| letter.is_ascii_whitespace() || letter == '/';
    while out.len() < MOST_ATTRIBUTES {
        rest = rest.trim_start_matches(blank);
        let Some(end) = rest.find(|letter: char| letter.is_ascii_whitespace() || letter == '=')
        else {
            if !rest.is_empty() {
                out.push((head(rest, 40).to_ascii_lowercase(), ""));
            }
            break;
        };
        let (name, after) = rest.split_at_checked(end).unwrap_or((rest, ""));
        let after = after.trim_start();
        let Some(value) = after.strip_prefix('=') else {
            out.push((head(name, 40).to_ascii_lowercase(), ""));
            rest = after;
            continue;
        };
        let value = value.trim_start();
        let quoted = value.strip_prefix(['"', '\'']).map(|inner| {
            let mark = value.chars().next().unwrap_or('"');
            inner.split_once(mark).unwrap_or((inner, ""))
        });
        let (value, after) = quoted.unwrap_or_else(|| {
            let end = value.find(|c: char| c.is_ascii_whitespace()).unwrap_or(value.len());
            value.split_at_checked(end).unwrap_or((value, ""))
        });
        if !name.is_empty() {
            out.push((head(name, 40).to_ascii_lowercase(), value));
        }
        rest = after;
    }
    out
}

impl Markup {
    fn tag(&mut self, tag: String) {
        if self.tags.len() < MOST_TAGS {
            self.tags.push(tag);
        }
    }

    fn link(&mut self, target: String, seen: Seen) {
        if self.links.len() < MOST_LINKS {
            self.links.push(Link { target, seen });
        }
    }

    fn literal<'a>(&mut self, rest: &'a str, letter: char) -> &'a str {
        self.text.push(letter);
        rest.get(letter.len_utf8()..).unwrap_or("")
    }

    /// Text outside of tags, white space drawn together.
    fn flow(&mut self, text: &str) {
        for letter in text.chars() {
            if !letter.is_whitespace() {
                self.text.push(letter);
            } else if !self.text.ends_with([' ', '\n']) {
                self.text.push(' ');
            }
        }
    }

    /// One tag; returns where the scan goes on.
    fn element<'a>(
        &mut self,
        inside: &str,
        after: &'a str,
        anchor: &mut Option<(String, usize)>,
    ) -> &'a str {
        let name = element_name(inside);
        let block =
            matches!(name.as_str(), "p" | "div" | "tr" | "li" | "h1" | "h2" | "h3" | "table");
        if inside.starts_with('/') {
            if let ("a", Some((target, at))) = (name.as_str(), anchor.take_if(|_| name == "a")) {
                let shown = head(self.text.get(at..).unwrap_or("").trim(), 200).to_owned();
                self.link(target, Seen::Anchor(shown));
            }
            if block {
                self.text.push('\n');
            }
            return after;
        }
        if matches!(name.as_str(), "script" | "style" | "title") {
            // Their content is not text: go on at the end tag.
            let end = memchr::memmem::find_iter(after.as_bytes(), b"</").find(|at| {
                let tag = after.as_bytes().get(at + 2..at + 2 + name.len()).unwrap_or_default();
                tag.eq_ignore_ascii_case(name.as_bytes())
            });
            self.tag(name);
            return end.and_then(|end| after.get(end..)).unwrap_or("");
        }
        let list = attributes(inside.get(name.len()..).unwrap_or(""));
        let mut tag = name.clone();
        for (key, value) in &list {
            self.attribute(&name, key, value, anchor);
            tag.push(' ');
            tag.push_str(key);
            let content = matches!(
                key.as_str(),
                "href"
                    | "src"
                    | "alt"
                    | "title"
                    | "id"
                    | "content"
                    | "class"
                    | "background"
                    | "action"
                    | "value"
            );
            if !content && value.len() <= 200 {
                tag.push('=');
                tag.push_str(&value.to_ascii_lowercase());
            }
        }
        self.tag(tag);
        if matches!(name.as_str(), "td" | "th") {
            self.text.push(' ');
        } else if block || matches!(name.as_str(), "br" | "hr" | "center" | "ul") {
            self.text.push('\n');
        }
        after
    }

    fn attribute(
        &mut self,
        element: &str,
        key: &str,
        value: &str,
        anchor: &mut Option<(String, usize)>,
    ) {
        let loads = matches!(key, "src" | "action" | "background");
        match element {
            "a" | "area" if key == "href" => {
                *anchor = Some((head(value, 2000).to_owned(), self.text.len()));
            }
            _ if loads => {
                let known = ["img", "iframe", "form", "body", "td", "table"];
                if let Some(name) = known.into_iter().find(|known| *known == element) {
                    self.link(head(value, 2000).to_owned(), Seen::Element(name));
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_links_and_tags() {
        let source = "<html><style>p{}</style><!-- x --><body bgcolor=\"#FFF\"><p>Dear&nbsp;you,\n\
                      <a href='http://evil.example/x?a=1'>www.<b>bank</b>.example</a> 1 < 2 &#33; \
                      <img src=http://i.example/1.gif width=1></body>";
        let out = scan(source);
        let words: Vec<&str> = out.text.split_whitespace().collect();
        assert_eq!(words, ["Dear", "you,", "www.bank.example", "1", "<", "2", "!"]);
        assert_eq!(
            out.links,
            [
                Link {
                    target: "http://evil.example/x?a=1".into(),
                    seen: Seen::Anchor("www.bank.example".into())
                },
                Link { target: "http://i.example/1.gif".into(), seen: Seen::Element("img") },
            ]
        );
        let tags = ["html", "style", "!--", "body bgcolor=#fff", "p", "a href", "b"];
        assert_eq!(out.tags.get(..7).unwrap(), tags);
        assert_eq!(out.tags.last().unwrap(), "img src width=1");
    }

    #[test]
    fn hostile_markup_is_scanned_to_its_end() {
        let cases = [
            "<".repeat(100_000),
            "<a".repeat(100_000),
            "<a href=\"".repeat(50_000),
            "<a ='>".repeat(50_000),
            "<!--".repeat(50_000),
            "<script>".repeat(20_000),
            "&#x110000;&#xd800;&;&&#;".repeat(20_000),
            "<a href=x>é".repeat(20_000),
            "<p é='ü".to_owned(),
            "</".to_owned(),
            "<a href".to_owned(),
            "<x =====>".repeat(10_000),
        ];
        for source in cases {
            let out = scan(&source);
            assert!(out.links.len() <= MOST_LINKS && out.tags.len() <= MOST_TAGS);
        }
    }

    #[test]
    fn links_written_out() {
        let mut links = Vec::new();
        written_links("see http://a.example/b) or (ftp://c) and :// é://é", &mut links);
        let targets: Vec<&str> = links.iter().map(|link| link.target.as_str()).collect();
        assert_eq!(targets, ["http://a.example/b", "ftp://c"]);
    }
}
