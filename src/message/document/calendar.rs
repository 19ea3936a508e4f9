//! Calendars and contacts (RFC 5545, RFC 6350 and its predecessors).
//!
//! In: octets. Out: what they say as text with folded lines joined, links as a remark, and the
//! files in them as members. Properties count wherever they stand.

use bytes::Bytes;

use super::payload::unescape;
use super::source::{any, decode};
use crate::message::contents::{Exhausted, Opening};
use crate::message::html::html_to_text;
use crate::message::transfer;

/// Lines that are read.
const LINES: usize = 200_000;

/// Takes a calendar or contact apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let source = decode(octets);
    let mut text = String::new();
    let mut links = 0_usize;
    for (count, line) in unfolded(&source).iter().enumerate() {
        if count % 64 == 0 {
            opening.pay_time()?;
        }
        let Some((head, value)) = split(line) else { continue };
        let head_upper = head.to_uppercase();
        // A group may stand before the name.
        let name = head_upper.split(';').next().unwrap_or_default();
        let name = name.rsplit('.').next().unwrap_or_default();
        match name {
            "ATTACH" | "PHOTO" | "LOGO" | "SOUND" | "KEY" | "IMAGE" | "AGENT"
            | "STRUCTURED-DATA" => {
                attached(head, &head_upper, value, opening)?;
                if value.contains("://") {
                    links += 1;
                    text.push_str(value);
                    text.push('\n');
                }
            }
            // An alarm that runs what its ATTACH names (RFC 2445 section 4.8.6.1; gone since RFC 5545).
            "ACTION" if value.trim().eq_ignore_ascii_case("PROCEDURE") => {
                opening.remark("CALENDAR_PROCEDURE", String::new());
            }
            "BEGIN" | "END" | "VERSION" | "PRODID" | "UID" | "DTSTAMP" | "DTSTART" | "DTEND"
            | "TZID" | "RRULE" | "METHOD" | "CLASS" | "SEQUENCE" => {}
            _ => {
                let plain = plain(&head_upper, value);
                links += usize::from(
                    any(&plain, &["http://", "https://", "://"]) && !matches!(name, "TZURL"),
                );
                if text.len() < super::source::SOURCE_OCTETS {
                    text.push_str(&plain);
                    text.push('\n');
                }
            }
        }
    }
    if links > 0 {
        opening.remark("CALENDAR_LINK", format!("{links} with links"));
    }
    if !text.trim().is_empty() {
        opening.text(&text);
    }
    Ok(())
}

/// RFC 5545 section 3.1; a soft line end of quoted-printable (vCard 2.1) is one as well.
fn unfolded(source: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut soft = false;
    for line in source.lines().take(LINES) {
        let folded = line.starts_with([' ', '\t']);
        match lines.last_mut() {
            Some(last) if soft => {
                last.pop();
                last.push_str(line.trim_start());
            }
            Some(last) if folded => last.push_str(line.get(1..).unwrap_or_default()),
            _ => lines.push(line.to_owned()),
        }
        let last = lines.last().map(String::as_str).unwrap_or_default();
        soft = last.ends_with('=')
            && last
                .get(..200.min(last.len()))
                .is_some_and(|head| head.to_uppercase().contains("QUOTED-PRINTABLE"));
    }
    lines
}

/// Name with parameters, and value: at the first colon outside of quotes.
fn split(line: &str) -> Option<(&str, &str)> {
    let mut quoted = false;
    let at = line.bytes().position(|octet| {
        quoted ^= octet == b'"';
        octet == b':' && !quoted
    })?;
    Some((line.get(..at)?, line.get(at + 1..)?))
}

fn plain(head: &str, value: &str) -> String {
    let mut plain = match head.contains("QUOTED-PRINTABLE") {
        true => String::from_utf8_lossy(&transfer::decode_quoted_printable(value.as_bytes()).0)
            .into_owned(),
        false => value
            .replace("\\n", "\n")
            .replace("\\N", "\n")
            .replace("\\,", ",")
            .replace("\\;", ";")
            .replace("\\\\", "\\"),
    };
    if head.starts_with("X-ALT-DESC") || head.contains("TEXT/HTML") {
        plain = html_to_text(&plain);
    }
    plain
}

/// Section 3.8.1.1: base64 in place, or a `data:` URI.
fn attached(
    head: &str,
    head_upper: &str,
    value: &str,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    let base64 = head_upper.contains("ENCODING=BASE64")
        || head_upper.contains("ENCODING=B")
        || head_upper.contains(";BASE64");
    let uri = value
        .trim()
        .get(..5)
        .filter(|scheme| scheme.eq_ignore_ascii_case("data:"))
        .and_then(|_| value.trim().split_once(','));
    let octets = match uri {
        Some((kind, data)) if kind.to_lowercase().contains(";base64") => {
            transfer::decode_base64(&unescape(data)).0
        }
        Some((_, data)) => unescape(data),
        None if base64 => transfer::decode_base64(value.as_bytes()).0,
        None => return Ok(()),
    };
    if octets.is_empty() {
        return Ok(());
    }
    let named = head.split(';').skip(1).find_map(|parameter| {
        let (key, name) = parameter.split_once('=')?;
        let key = key.to_uppercase();
        matches!(key.as_str(), "FILENAME" | "X-FILENAME" | "X-APPLE-FILENAME" | "X-ORACLE-FILENAME")
            .then(|| name.trim_matches('"').to_owned())
    });
    let kind = head_upper.split(';').next().unwrap_or_default().to_lowercase();
    opening.remark("CALENDAR_ATTACHMENT", named.clone().unwrap_or_default());
    opening.pay_octets(octets.len() as u64)?;
    opening.member(&named.unwrap_or(kind), octets.into())
}
