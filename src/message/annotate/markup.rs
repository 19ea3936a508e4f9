//! Where in HTML an annotation is seen, and the annotation as HTML.
//!
//! In: the octets of an HTML part in a charset in which markup is ASCII. Out: [`Spot`]: an
//! offset between two octets at which text is displayed: not in a comment, a script, a tag or
//! whatever else never closes. One pass, linear (HTML Living Standard, section 13.2.5).

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memmem};

use crate::mail::AnnotationPlace as Place;
use crate::message::html::{Attributes, Styles};

/// Where an annotation goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) at: usize,
    /// Closes elements that hide what is in them.
    pub(super) before: String,
}

/// What the walk has seen.
#[derive(Default)]
struct Seen {
    body_open: Option<usize>,
    head_close: Option<usize>,
    html_open: Option<usize>,
    /// Behind a mark of the octets' order, declarations and comments at the beginning.
    lead: usize,
    body_close: Option<usize>,
    html_close: Option<usize>,
    /// Text is displayed before anything of the above.
    text_before_body: bool,
    text_after_body: bool,
    text_after_html: bool,
    in_head: bool,
    /// Elements that are open at the end of the body, and whether they hide it.
    open: Vec<String>,
    open_at_body_close: Vec<String>,
    styles: Styles,
    hidden_at_body_close: bool,
}

/// Elements whose content is no markup.
const RAW: [&str; 8] =
    ["script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes"];
/// Elements that are open at once, beyond which none is remembered.
const DEPTH: usize = 200;

/// Finds the place for an annotation.
pub(super) fn spot(html: &[u8], place: Place) -> Spot {
    let styles = Styles::of(&String::from_utf8_lossy(html));
    let mut seen = Seen { styles, ..Seen::default() };
    let end = seen.walk(html);
    match place {
        Place::Above => seen.above(),
        Place::Below => seen.below(end),
    }
}

impl Seen {
    fn above(&self) -> Spot {
        let by_body = self.body_open.filter(|_| !self.text_before_body);
        let at = by_body.or(self.head_close).or(self.html_open).unwrap_or(self.lead);
        Spot { at, before: String::new() }
    }

    fn below(&self, end: usize) -> Spot {
        let by_body = self.body_close.filter(|_| !self.text_after_body);
        let by_html = self.html_close.filter(|_| !self.text_after_html);
        let (at, open, hidden) = match by_body {
            Some(at) => (at, &self.open_at_body_close, self.hidden_at_body_close),
            None => {
                let hidden = self.styles.concealment().is_some();
                (by_html.unwrap_or(end), &self.open, hidden)
            }
        };
        let mut before = String::new();
        for element in open.iter().rev().filter(|_| hidden) {
            before.push_str(&format!("</{element}>"));
        }
        Spot { at, before }
    }

    /// Goes through the markup; returns where what never closes begins, or the end.
    fn walk(&mut self, html: &[u8]) -> usize {
        let mut at = if html.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 };
        self.lead = at;
        let mut leading = true;
        while let Some(rest) = html.get(at..).filter(|rest| !rest.is_empty()) {
            let Some(tag) = memchr(b'<', rest) else {
                self.take_text(rest);
                return html.len();
            };
            let (text, from) = rest.split_at(tag);
            self.take_text(text);
            leading &= text.trim_ascii().is_empty();
            let start = at + tag;
            match self.take_markup(from, start) {
                Markup::Text => {
                    self.take_text(b"<");
                    leading = false;
                    at = start + 1;
                }
                Markup::Declaration(octets) => {
                    at = start + octets;
                    if leading {
                        self.lead = at;
                    }
                }
                Markup::Tag(octets) => {
                    leading = false;
                    at = start + octets;
                }
                Markup::Unclosed => return start,
            }
        }
        html.len()
    }

    fn take_text(&mut self, text: &[u8]) {
        if text.trim_ascii().is_empty() {
            return;
        }
        self.text_before_body |= self.body_open.is_none() && !self.in_head;
        self.text_after_body |= self.body_close.is_some();
        self.text_after_html |= self.html_close.is_some();
    }

    fn take_markup(&mut self, from: &[u8], start: usize) -> Markup {
        if from.starts_with(b"<!--") {
            let inner = from.get(4..).unwrap_or_default();
            // `<!-->` and `<!--->` are empty comments.
            let empty = [&b">"[..], b"->"].into_iter().find(|empty| inner.starts_with(empty));
            if let Some(empty) = empty {
                return Markup::Declaration(4 + empty.len());
            }
            let is_end = |at: &usize| {
                let before = inner.get(..*at).unwrap_or_default();
                before.ends_with(b"--") || before.ends_with(b"--!")
            };
            return match memchr_iter(b'>', inner).find(is_end) {
                Some(end) => Markup::Declaration(4 + end + 1),
                None => Markup::Unclosed,
            };
        }
        match from.get(1) {
            Some(b'!' | b'?') => match memchr(b'>', from) {
                Some(end) => Markup::Declaration(end + 1),
                None => Markup::Unclosed,
            },
            Some(b'/') if from.get(2).is_some_and(u8::is_ascii_alphabetic) => {
                self.take_tag(from, start, 2)
            }
            Some(octet) if octet.is_ascii_alphabetic() => self.take_tag(from, start, 1),
            _ => Markup::Text,
        }
    }

    fn take_tag(&mut self, from: &[u8], start: usize, name_start: usize) -> Markup {
        let Some(end) = tag_end(from) else { return Markup::Unclosed };
        let inner = from.get(name_start..end).unwrap_or_default();
        let is_name = |octet: &u8| !octet.is_ascii_whitespace() && *octet != b'/';
        let name_octets = inner.iter().take_while(|octet| is_name(octet)).count();
        let (name, attributes) = inner.split_at(name_octets);
        let name = String::from_utf8_lossy(name).to_ascii_lowercase();
        let octets = end + 1;
        if name_start == 2 {
            self.close(&name, start, start + octets);
            return Markup::Tag(octets);
        }
        self.open(&name, &String::from_utf8_lossy(attributes), start + octets);
        if !RAW.contains(&name.as_str()) {
            return Markup::Tag(octets);
        }
        let rest = from.get(octets..).unwrap_or_default();
        match raw_end(rest, &name) {
            Some(raw) => {
                if name == "textarea" {
                    self.take_text(rest.get(..raw).unwrap_or_default());
                }
                Markup::Tag(octets + raw)
            }
            None => Markup::Unclosed,
        }
    }

    fn open(&mut self, name: &str, attributes: &str, end: usize) {
        match name {
            "html" if !self.text_before_body => {
                self.html_open.get_or_insert(end);
            }
            "head" => self.in_head = self.body_open.is_none(),
            "body" => {
                self.in_head = false;
                self.body_open.get_or_insert(end);
            }
            // They show something without a text.
            "img" | "hr" | "table" | "input" => self.take_text(b"."),
            _ => {}
        }
        self.styles.open(name, Attributes::of(attributes));
        let is_kept = !matches!(name, "html" | "head" | "body");
        if is_kept && !is_never_closed(name) && self.open.len() < DEPTH {
            self.open.push(name.to_owned());
        }
    }

    fn close(&mut self, name: &str, start: usize, end: usize) {
        match name {
            "head" => {
                self.in_head = false;
                if !self.text_before_body {
                    self.head_close.get_or_insert(end);
                }
            }
            "body" => {
                self.body_close = Some(start);
                self.text_after_body = false;
                self.open_at_body_close.clone_from(&self.open);
                self.hidden_at_body_close = self.styles.concealment().is_some();
            }
            "html" => {
                self.html_close = Some(start);
                self.text_after_html = false;
            }
            _ => {}
        }
        if !matches!(name, "html" | "body") {
            self.styles.close(name);
        }
        if let Some(at) = self.open.iter().rposition(|open| open == name) {
            self.open.truncate(at);
        }
    }
}

enum Markup {
    /// A `<` that begins nothing.
    Text,
    /// A comment or declaration of so many octets.
    Declaration(usize),
    /// A tag of so many octets, with what is in it where that is no markup.
    Tag(usize),
    /// Nothing behind it is displayed.
    Unclosed,
}

/// Where the `>` stands that ends a tag; a quote opens a value only behind an equals sign.
fn tag_end(from: &[u8]) -> Option<usize> {
    let mut quote = None;
    let mut after_equals = false;
    for (at, octet) in from.iter().enumerate() {
        match (quote, octet) {
            (Some(open), _) if octet == open => quote = None,
            (Some(_), _) => {}
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') if after_equals => quote = Some(octet),
            (None, _) => {}
        }
        if !octet.is_ascii_whitespace() {
            after_equals = *octet == b'=';
        }
    }
    None
}

/// Where the closing tag of an element begins.
fn raw_end(rest: &[u8], name: &str) -> Option<usize> {
    memmem::find_iter(rest, b"</").find(|at| {
        let tag = rest.get(at + 2..at + 2 + name.len()).unwrap_or_default();
        let after = rest.get(at + 2 + name.len());
        tag.eq_ignore_ascii_case(name.as_bytes())
            && after.is_none_or(|octet| octet.is_ascii_whitespace() || b"/>".contains(octet))
    })
}

fn is_never_closed(name: &str) -> bool {
    const NEVER: [&str; 16] = [
        "area", "base", "br", "col", "embed", "hr", "img", "input", "keygen", "link", "meta", "p",
        "param", "source", "track", "wbr",
    ];
    NEVER.contains(&name)
}

/// Octets with letters of a charset with escapes masked, so that those that look like markup
/// are none (RFC 1468, RFC 1557).
pub(super) fn masked<'h>(html: &'h [u8], label: Option<&str>) -> Cow<'h, [u8]> {
    let label = label.unwrap_or_default().trim().to_ascii_lowercase();
    if !label.starts_with("iso-2022") {
        return Cow::Borrowed(html);
    }
    let mut out = html.to_vec();
    let mut is_ascii = true;
    let mut escape = 0;
    for (at, octet) in html.iter().enumerate() {
        if *octet == 0x1b {
            let sequence = html.get(at + 1..at + 3).unwrap_or_default();
            is_ascii = matches!(sequence, b"(B" | b"(J");
            escape = 3;
        }
        if escape > 0 || (!is_ascii && !matches!(octet, b'\r' | b'\n')) {
            escape -= usize::from(escape > 0);
            if let Some(masked) = out.get_mut(at) {
                *masked = b'x';
            }
        }
    }
    Cow::Owned(out)
}

/// The part of a document that its body holds; what never closes is left away, so that it
/// cannot swallow what follows.
pub(super) fn fragment(html: &str) -> &str {
    let mut seen = Seen::default();
    let end = seen.walk(html.as_bytes());
    let from = seen.body_open.or(seen.head_close).unwrap_or(seen.html_open.unwrap_or(0));
    let to = seen.body_close.or(seen.html_close).unwrap_or(end).min(end);
    html.get(from..to.max(from)).unwrap_or(html).trim()
}

/// Plain text as HTML.
pub(super) fn of_text(text: &str) -> String {
    let mut html = String::with_capacity(text.len() + 32);
    for (at, line) in text.trim().lines().enumerate() {
        if at > 0 {
            html.push_str("<br>\n");
        }
        for letter in line.trim_end().chars() {
            match letter {
                '&' => html.push_str("&amp;"),
                '<' => html.push_str("&lt;"),
                '>' => html.push_str("&gt;"),
                '"' => html.push_str("&quot;"),
                letter => html.push(letter),
            }
        }
    }
    html
}

/// HTML in ASCII: other letters as references, which every charset can carry.
pub(super) fn in_ascii(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    for letter in html.chars() {
        match letter {
            letter if letter.is_ascii() => out.push(letter),
            letter => out.push_str(&format!("&#{};", u32::from(letter))),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `|` marks the place.
    #[test]
    fn the_place_is_where_it_is_seen() {
        let below = [
            "x|",
            "|",
            "<body>x|</body>",
            "<html><BODY>x|</BODY ></html>",
            "<html><body>x|</html>",
            "<body>x<!-- </body> -->y|</body>",
            "<body>x|</body><!-- </body> --></html>",
            "<body>x|<!-- never closed </body>",
            "<body>x</body></html>after|",
            "<body>x<script>'</body>'</script>y|</body>",
            "<body>x|<script>'</body>'",
            "<body>x<a title='</body>'>y</a>|</body>",
            "<body>x|<a title='</body>",
            "<body>x<blockquote><body>old</body></blockquote>y|</body></html>",
            "<body>x<blockquote><body>old</body></blockquote>y|</html>",
            "<body>1 < 2|</body>",
            "<style>p{}</style>x|",
            "<body>x</bodyguard>y|</body>",
            "<body>x<textarea></body></textarea>|</body>",
            "<body>x|<!-",
        ];
        let above = [
            "|x",
            "|",
            "<body class='a>b'>|x</body>",
            "<!-- <body> --><body>|x",
            "<html><head><title>t</title></head>|x",
            "<!DOCTYPE html>|x",
            "<!DOCTYPE html><html>|x",
            "<html><head><style>p</style></head><body lang=en>|x</body>",
            "|x<blockquote><html><body>old</body></html></blockquote>",
            "\u{feff}|x",
            "<html>|text<body>x",
            "<?xml version='1.0'?><!DOCTYPE html><html><body>|x",
            "|<div><body>x",
        ];
        for (place, table) in [(Place::Below, &below[..]), (Place::Above, &above[..])] {
            for marked in table {
                let at = marked.find('|').unwrap();
                let html = marked.replace('|', "");
                let found = spot(html.as_bytes(), place);
                let seen = format!("{}|{}", &html[..found.at], &html[found.at..]);
                let expected = match marked {
                    // A body within a div still opens the body to a browser.
                    &"|<div><body>x" => "<div><body>|x".to_owned(),
                    _ => format!("{}|{}", &html[..at], &html[at..]),
                };
                assert_eq!(seen, expected, "{place:?}");
                assert_eq!(found.before, "", "{html}");
            }
        }
    }

    #[test]
    fn what_hides_is_closed() {
        let html = b"<body>x<div style='display:none'><b>y</body>";
        assert_eq!(spot(html, Place::Below).before, "</b></div>");
        let html = b"<div hidden>y";
        assert_eq!(spot(html, Place::Below).before, "</div>");
        let html = b"<div hidden>y</div>z";
        assert_eq!(spot(html, Place::Below).before, "");
    }

    #[test]
    fn html_is_made() {
        assert_eq!(of_text("a & b\n<c>\n"), "a &amp; b<br>\n&lt;c&gt;");
        assert_eq!(in_ascii("a\u{2013}"), "a&#8211;");
        assert_eq!(fragment("<html><body><p>x</p></body></html>"), "<p>x</p>");
        assert_eq!(fragment("<p>x</p><!-- y"), "<p>x</p>");
        assert_eq!(fragment("<p>x</p>"), "<p>x</p>");
        let japanese = b"<p>\x1b$B<!</body>\x1b(B</p>";
        let hidden = masked(japanese, Some("ISO-2022-JP"));
        assert_eq!(memmem::find_iter(&hidden[..], b"<").count(), 2);
    }
}
