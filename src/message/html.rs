//! HTML → the text that a reader sees, with the targets of its links behind it.
//!
//! In: HTML in UTF-8, whatever its quality. Out: text; block elements and cells become line
//! ends, inline ones nothing at all, so that `V<b></b>iagra` is one word; comments, scripts
//! and styles are dropped; hidden text is kept. One pass, linear; what never closes is text.

mod colour;
mod sheet;
mod shown;
mod style;

pub(in crate::message) use shown::Styles;
pub use shown::{Concealment, MarkedText, html_to_marked_text};

use mail_parser::decoders::html::add_html_token;
use memchr::{memchr, memchr_iter, memchr2, memmem};

/// Takes what a walk through HTML meets. Whatever is text is appended to one buffer.
pub trait HtmlReader {
    /// Where text goes, character references decoded.
    fn text(&mut self) -> &mut String;
    /// An element begins; its name is in small letters.
    fn open(&mut self, element: &str, attributes: Attributes<'_>);
    /// An element ends.
    fn close(&mut self, element: &str);
}

/// Walks through HTML, whatever its quality, from its beginning to its end.
pub fn read_html(html: &str, reader: &mut impl HtmlReader) {
    let mut rest = html;
    while let Some(at) = memchr2(b'<', b'&', rest.as_bytes()) {
        let (plain, from) = split(rest, at);
        reader.text().push_str(plain);
        rest = match from.starts_with('&') {
            true => push_entity(from, reader.text()),
            false => take_tag(from, reader),
        };
    }
    reader.text().push_str(rest);
}

/// The text of an HTML document.
pub fn html_to_text(html: &str) -> String {
    let mut writer = Writer { text: String::with_capacity(html.len() / 2), links: String::new() };
    read_html(html, &mut writer);
    let Writer { mut text, links } = writer;
    text.push_str(&links);
    text
}

/// Splits where a search for ASCII found something, so always between characters.
fn split(text: &str, at: usize) -> (&str, &str) {
    text.split_at_checked(at).unwrap_or((text, ""))
}

/// Takes what begins with `<`; returns what follows it.
fn take_tag<'h>(from: &'h str, reader: &mut impl HtmlReader) -> &'h str {
    let inner = from.get(1..).unwrap_or_default();
    if let Some(comment) = inner.strip_prefix("!--") {
        return skip_comment(comment);
    }
    let begins_tag = |octet: &u8| octet.is_ascii_alphabetic() || b"/!?".contains(octet);
    if !inner.as_bytes().first().is_some_and(begins_tag) {
        reader.text().push('<');
        return inner;
    }
    let Some(end) = tag_end(inner.as_bytes()) else {
        reader.text().push_str(from);
        return "";
    };
    let (tag, rest) = split(inner, end);
    let rest = rest.get(1..).unwrap_or_default();
    let closing = tag.starts_with('/');
    let tag = tag.trim_start_matches('/');
    let name_len = tag.bytes().take_while(|octet| octet.is_ascii_alphanumeric()).count();
    let (name, attributes) = split(tag, name_len);
    let name = name.to_ascii_lowercase();
    if closing {
        reader.close(&name);
        return rest;
    }
    reader.open(&name, Attributes(attributes));
    match name.as_str() {
        "script" | "style" => skip_raw(rest, &name),
        _ => rest,
    }
}

struct Writer {
    text: String,
    /// One a line, behind the text.
    links: String,
}

impl HtmlReader for Writer {
    fn text(&mut self) -> &mut String {
        &mut self.text
    }

    fn open(&mut self, element: &str, attributes: Attributes<'_>) {
        if is_block(element) {
            self.text.push('\n');
        }
        let wanted: &[&str] = match element {
            "a" | "area" | "base" | "link" => &["href"],
            "form" => &["action"],
            "button" | "input" => &["formaction", "value"],
            "iframe" | "frame" | "embed" => &["src"],
            "img" => &["alt"],
            "meta" => &["content"],
            _ => return,
        };
        for (name, value) in attributes {
            if !wanted.iter().any(|known| name.eq_ignore_ascii_case(known)) || value.is_empty() {
                continue;
            }
            let is_text = ["alt", "value"].iter().any(|known| name.eq_ignore_ascii_case(known));
            let target = match is_text {
                true => &mut self.text,
                false => &mut self.links,
            };
            target.push(if is_text { ' ' } else { '\n' });
            push_decoded(value.trim(), target);
            if is_text {
                target.push(' ');
            }
        }
    }

    fn close(&mut self, element: &str) {
        if is_block(element) {
            self.text.push('\n');
        }
    }
}

/// Elements that begin or end a line, and cells.
pub fn is_block(name: &str) -> bool {
    matches!(
        name,
        "address"
            | "article"
            | "aside"
            | "blockquote"
            | "body"
            | "br"
            | "button"
            | "caption"
            | "center"
            | "dd"
            | "div"
            | "dl"
            | "dt"
            | "fieldset"
            | "figure"
            | "footer"
            | "form"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "head"
            | "header"
            | "hr"
            | "html"
            | "li"
            | "main"
            | "nav"
            | "ol"
            | "option"
            | "p"
            | "pre"
            | "section"
            | "select"
            | "style"
            | "script"
            | "table"
            | "tbody"
            | "td"
            | "textarea"
            | "th"
            | "thead"
            | "title"
            | "tr"
            | "ul"
    )
}

/// Where the `>` stands that ends a tag, quoted values left aside.
fn tag_end(inner: &[u8]) -> Option<usize> {
    let mut quote = None;
    let mut after_equals = false;
    for (at, octet) in inner.iter().enumerate() {
        match (quote, octet) {
            (Some(open), _) if octet == open => quote = None,
            (Some(_), _) => {}
            (None, b'>') => return Some(at),
            // A quote opens a value only behind an equals sign.
            (None, b'"' | b'\'') if after_equals => quote = Some(octet),
            (None, _) => {}
        }
        if !octet.is_ascii_whitespace() {
            after_equals = *octet == b'=';
        }
    }
    // A quote that never closes: the first `>` ends the tag after all.
    memchr(b'>', inner)
}

fn skip_comment(comment: &str) -> &str {
    // `<!-->` and `<!--->` are empty comments.
    for empty in [">", "->"] {
        if let Some(rest) = comment.strip_prefix(empty) {
            return rest;
        }
    }
    match memmem::find(comment.as_bytes(), b"-->") {
        Some(end) => comment.get(end + 3..).unwrap_or_default(),
        None => "",
    }
}

/// To the closing tag of a script or style; all that is left when it never closes.
fn skip_raw<'h>(rest: &'h str, name: &str) -> &'h str {
    for at in memchr_iter(b'<', rest.as_bytes()) {
        let tag = rest.as_bytes().get(at + 1..at + 2 + name.len()).unwrap_or_default();
        if tag.first() == Some(&b'/')
            && tag.get(1..).unwrap_or_default().eq_ignore_ascii_case(name.as_bytes())
        {
            return rest.get(at..).unwrap_or_default();
        }
    }
    ""
}

/// Name and value of each attribute in the rest of a tag, as they are written.
#[derive(Debug, Clone)]
pub struct Attributes<'t>(&'t str);

impl<'t> Attributes<'t> {
    /// Of what stands behind the name of an element.
    pub(super) fn of(text: &'t str) -> Attributes<'t> {
        Attributes(text)
    }
}

/// The value of an attribute with its character references decoded.
pub fn attribute_value(value: &str) -> String {
    let mut decoded = String::with_capacity(value.len());
    push_decoded(value, &mut decoded);
    decoded
}

impl<'t> Iterator for Attributes<'t> {
    type Item = (&'t str, &'t str);

    fn next(&mut self) -> Option<Self::Item> {
        let is_gap = |letter: char| letter.is_ascii_whitespace() || letter == '/';
        let text = self.0.trim_start_matches(is_gap);
        if text.is_empty() {
            return None;
        }
        let ends_name = |letter: char| letter.is_ascii_whitespace() || letter == '=';
        // A stray equals sign at the beginning is part of the name.
        let name_len = text
            .char_indices()
            .skip(1)
            .find(|(_, letter)| ends_name(*letter))
            .map_or(text.len(), |(at, _)| at);
        let (name, rest) = split(text, name_len);
        let rest = rest.trim_start();
        let Some(value) = rest.strip_prefix('=') else {
            self.0 = rest;
            return Some((name, ""));
        };
        let value = value.trim_start();
        let quote = value.chars().next().filter(|letter| matches!(letter, '"' | '\''));
        let (value, after) = match quote {
            Some(quote) => {
                let inner = value.get(1..).unwrap_or_default();
                inner.split_once(quote).unwrap_or((inner, ""))
            }
            None => split(value, value.find(char::is_whitespace).unwrap_or(value.len())),
        };
        self.0 = after;
        Some((name, value))
    }
}

fn push_decoded(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some(at) = memchr(b'&', rest.as_bytes()) {
        let (plain, from) = split(rest, at);
        out.push_str(plain);
        rest = push_entity(from, out);
    }
    out.push_str(rest);
}

/// The longest name of a character reference is 31 letters.
const ENTITY_OCTETS: usize = 33;

/// Decodes what begins with `&`; returns what follows. A semicolon may be missing, as
/// browsers allow for numbers and for the oldest names.
fn push_entity<'h>(from: &'h str, out: &mut String) -> &'h str {
    let inner = from.get(1..).unwrap_or_default();
    let in_name = |octet: &u8| octet.is_ascii_alphanumeric() || *octet == b'#';
    let name_len = inner.bytes().take(ENTITY_OCTETS).take_while(in_name).count();
    let (name, rest) = split(inner, name_len);
    if let Some(number) = name.strip_prefix('#') {
        if let Some((letter, digits)) = numeric(number) {
            out.push(letter);
            let after = inner.get(1 + digits..).unwrap_or_default();
            return after.strip_prefix(';').unwrap_or(after);
        }
    } else if let Some(after) = rest.strip_prefix(';')
        && name_len > 0
    {
        let token = from.get(..name_len + 2).unwrap_or_default();
        add_html_token(out, token.as_bytes(), false);
        return after;
    } else if let Some((old, letter)) = OLD.iter().find(|(old, _)| name.starts_with(old)) {
        out.push(*letter);
        return inner.get(old.len()..).unwrap_or_default();
    }
    out.push('&');
    inner
}

/// Names that need no semicolon, those that matter for words.
const OLD: [(&str, char); 7] = [
    ("nbsp", ' '),
    ("amp", '&'),
    ("quot", '"'),
    ("lt", '<'),
    ("gt", '>'),
    ("shy", '\u{ad}'),
    ("pound", '£'),
];

/// The character and how many octets its number takes behind the `#`.
fn numeric(number: &str) -> Option<(char, usize)> {
    let (digits, radix, prefix) = match number.strip_prefix(['x', 'X']) {
        Some(digits) => (digits, 16, 1),
        None => (number, 10, 0),
    };
    let len = digits.chars().take_while(|digit| digit.is_digit(radix)).count();
    let code = u32::from_str_radix(digits.get(..len)?, radix).ok()?;
    let letter = match u8::try_from(code) {
        // These numbers mean windows-1252 to every browser.
        Ok(octet @ 0x80..=0x9f) => {
            let octets = [octet];
            let text = encoding_rs::WINDOWS_1252.decode_without_bom_handling(&octets).0;
            text.chars().next()?
        }
        _ => char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER),
    };
    Some((letter, prefix + len))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_becomes_text() {
        let table = [
            ("plain", "plain"),
            ("<p>one</p><p>two</p>", "one two"),
            ("V<b></b>ia<!-- x -->gra", "Viagra"),
            ("a<br>b<td>c", "a b c"),
            ("<script>var x = '<p>';</script>y", "y"),
            ("<STYLE>p{}</STYLE ><b>y</b>", "y"),
            ("<script>never closed", ""),
            (
                "&lt;b&gt; &amp; &#65;&#x42;&#67 &euro;&nbsp;5 &#150; &unknown; &",
                "<b> & ABC € 5 – &unknown; &",
            ),
            (
                "<a href=\"http://x.test/?a=1&amp;b=2\">link</a> end",
                "link end http://x.test/?a=1&b=2",
            ),
            ("<a title='>' href=http://y.test/>y</a>", "y http://y.test/"),
            ("<img src=x alt='Your bank'>", "Your bank"),
            ("<form action='http://z.test'><input value='Log in'>", "Log in http://z.test"),
            ("1 < 2 <3", "1 < 2 <3"),
            ("<a href=\"open>text", "text open"),
            ("<unclosed", "<unclosed"),
            ("<!-- never closed", ""),
            ("<!-->seen", "seen"),
            ("<!doctype html><html>x", "x"),
            ("grün <b>über</b>", "grün über"),
            ("&#x110000;&#0;", "\u{fffd}\0"),
        ];
        for (html, text) in table {
            let shown = html_to_text(html);
            let shown: Vec<&str> = shown.split_whitespace().collect();
            assert_eq!(shown.join(" "), text, "{html}");
        }
    }
}
