//! Unix archives (`ar`), and Debian packages, which are such (deb(5)).
//!
//! In: an archive. Out: its files as members; a package's `control.tar.*` and `data.tar.*`
//! are taken apart as what they are. Names are short, in the GNU table (`//`) or, after BSD,
//! before the content (`#1/`).

use bytes::Bytes;

use super::label;
use crate::message::contents::{Closed, Exhausted, Opening};
use crate::message::cursor::Cursor;
use crate::message::cut;

const SIGNATURES: [&[u8]; 2] = [b"!<arch>\n", b"!<thin>\n"];

/// Takes a Unix archive apart.
pub(in crate::message) fn open(
    octets: &Bytes,
    opening: &mut Opening<'_, '_>,
) -> Result<(), Exhausted> {
    if octets.starts_with(SIGNATURES[1]) {
        opening.closed(Closed::Elsewhere, "a thin archive only names its files");
        return Ok(());
    }
    if !octets.starts_with(SIGNATURES[0]) {
        opening.closed(Closed::Damaged, "no signature");
        return Ok(());
    }
    let mut cursor = Cursor::new(octets);
    let _ = cursor.take(8);
    let mut long_names = Bytes::new();
    while cursor.left() > 0 {
        opening.pay_time()?;
        let Some((name, size)) = head(&mut cursor) else {
            opening.closed(Closed::Damaged, "a header is broken");
            return Ok(());
        };
        let begin = cursor.at();
        let whole = cursor.skip(size).is_some();
        let end = if whole { cursor.at() } else { octets.len() };
        let content = cut(octets, begin..end);
        // Each begins at an even place.
        if size % 2 != 0 {
            let _ = cursor.take(1);
        }
        let trimmed = name.trim_end();
        match trimmed {
            "//" => long_names = content,
            // Symbols.
            "/" | "/SYM64/" | "__.SYMDEF" | "__.SYMDEF SORTED" => {}
            _ => {
                let (name, content) = named(trimmed, content, &long_names);
                match whole {
                    true => opening.member(&name, content)?,
                    false => opening.broken_member(&name, content, Closed::Damaged)?,
                }
            }
        }
        if !whole {
            opening.closed(Closed::Damaged, "cut off");
            return Ok(());
        }
    }
    Ok(())
}

/// A header of text: the name and the size.
fn head(cursor: &mut Cursor<'_>) -> Option<(String, u64)> {
    let head = cursor.take(60)?;
    if head.get(58..60) != Some(b"`\n") {
        return None;
    }
    let name = label::of_octets(head.get(..16)?);
    let size = std::str::from_utf8(head.get(48..58)?).ok()?.trim_end();
    Some((name, size.parse().ok()?))
}

/// The name of a file, and its content without it.
fn named(short: &str, content: Bytes, long_names: &[u8]) -> (String, Bytes) {
    if let Some(length) = short.strip_prefix("#1/").and_then(|length| length.parse().ok()) {
        let name = cut(&content, 0..length);
        let end = memchr::memchr(0, &name).unwrap_or(name.len());
        let rest = cut(&content, name.len()..content.len());
        return (label::of_octets(name.get(..end).unwrap_or_default()), rest);
    }
    if let Some(at) = short.strip_prefix('/').and_then(|at| at.parse::<usize>().ok()) {
        let name = long_names.get(at..).unwrap_or_default();
        let end = memchr::memchr(b'\n', name).unwrap_or(name.len());
        let name = label::of_octets(name.get(..end).unwrap_or_default());
        return (name.trim_end_matches('/').to_owned(), content);
    }
    (short.trim_end_matches('/').to_owned(), content)
}
