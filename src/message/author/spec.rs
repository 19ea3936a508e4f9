//! One addr-spec (RFC 5322 section 3.4.1, RFC 6532): octets → [`Address`], or a doubt.
//!
//! In: what stands between angle brackets, or a bare address. Out: the address when every
//! reader comes to the same one; otherwise one of [`doubt`]'s reasons. What mail is sent with
//! though the grammar forbids it, dots at the ends of a local part, is let through.

use unicode_normalization::{IsNormalized, is_nfkc_quick};

use super::doubt;
use crate::mail::{Address, Domain};
use crate::message::normal::is_hidden;

/// RFC 5321 section 4.5.3.1.1.
const LOCAL_OCTETS: usize = 64;

/// Reads an address that leaves no doubt.
pub(super) fn read(raw: &[u8]) -> Result<Address, &'static str> {
    let text = std::str::from_utf8(raw).map_err(|_| doubt::OCTETS)?;
    // RFC 5322 allows white space around the address within the brackets.
    let text = text.trim_matches([' ', '\t']);
    if text.contains("=?") && text.contains("?=") {
        return Err(doubt::ENCODED_ADDRESS);
    }
    if text.starts_with('@') {
        return Err(doubt::ROUTE);
    }
    if text.contains(char::is_control) {
        return Err(doubt::CONTROL);
    }
    if !text.is_ascii() && !is_plain_unicode(text) {
        return Err(doubt::DECEPTIVE_LETTERS);
    }
    let (local, host) = split(text).ok_or(doubt::UNREADABLE)?;
    match local.strip_prefix('"') {
        Some(quoted) => check_quoted(quoted)?,
        None => check_bare(local)?,
    }
    if host.contains(char::is_whitespace) || host.contains(['(', ')']) {
        return Err(doubt::SCATTERED);
    }
    if host.ends_with('.') {
        return Err(doubt::TRAILING_DOT);
    }
    match parse(local, host) {
        Some(address) => Ok(address),
        None if local.len() > LOCAL_OCTETS && Domain::parse(host).is_ok() => Err(doubt::LONG_LOCAL),
        None => Err(doubt::UNREADABLE),
    }
}

/// Reads whatever can be read, for fields that verify nothing.
pub(super) fn read_tolerantly(raw: &[u8]) -> Option<Address> {
    let text = std::str::from_utf8(raw).ok()?.trim();
    // Behind a route, RFC 5322 section 4.4.
    let text = match text.strip_prefix('@') {
        Some(route) => route.split_once(':')?.1,
        None => text,
    };
    let (local, host) = split(text)?;
    parse(local, host.trim_end_matches('.'))
}

fn parse(local: &str, host: &str) -> Option<Address> {
    let plain = format!("{local}@{host}");
    if let Ok(address) = plain.parse() {
        return Some(address);
    }
    // Dots at the ends or side by side: forbidden, and in use with some providers.
    let only_dots = !local.starts_with('"') && local.contains('.');
    let quoted = || format!("\"{local}\"@{host}").parse::<Address>().ok();
    let dots_aside = || format!("{}@{host}", local.replace('.', "")).parse::<Address>().is_ok();
    match only_dots && dots_aside() {
        true => quoted(),
        false => None,
    }
}

/// Before and behind the `@` that every reader cuts at: there is only one outside of quotes.
fn split(text: &str) -> Option<(&str, &str)> {
    let (local, host) = text.rsplit_once('@')?;
    let is_quoted = local.len() > 1 && local.starts_with('"') && local.ends_with('"');
    match is_quoted || !local.contains('@') {
        true => Some((local, host)),
        false => None,
    }
}

/// A quoted local part that a reader without quotes would cut elsewhere.
fn check_quoted(quoted: &str) -> Result<(), &'static str> {
    let inner = quoted.strip_suffix('"').ok_or(doubt::UNREADABLE)?;
    match inner.contains(['@', '<', '>', ',', ';', ':', '"', '\\', '(', ')']) {
        true => Err(doubt::QUOTED_LOCAL),
        false => Ok(()),
    }
}

fn check_bare(local: &str) -> Result<(), &'static str> {
    if local.contains(char::is_whitespace) || local.contains(['(', ')']) {
        return Err(doubt::SCATTERED);
    }
    // RFC 5321 appendix F.2 and RFC 1123 section 5.2.16: mail for the inner domain once.
    let percent = local.rsplit_once('%').map(|(_, inner)| inner);
    let bang = local.split_once('!').map(|(inner, _)| inner);
    let names_domain = |inner: &str| inner.contains('.') && Domain::parse(inner).is_ok();
    match percent.into_iter().chain(bang).any(names_domain) {
        true => Err(doubt::RELAYED),
        false => Ok(()),
    }
}

/// Letters that stay what they are whatever a reader does with them.
fn is_plain_unicode(text: &str) -> bool {
    let deceives = |letter: char| is_hidden(letter) || (letter.is_whitespace() && letter != ' ');
    !text.contains(deceives) && is_nfkc_quick(text.chars()) == IsNormalized::Yes
}
