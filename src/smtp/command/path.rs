//! Paths of `MAIL` and `RCPT`, RFC 5321 section 4.1.2.
//!
//! A source route (`<@a,@b:user@host>`) is read, checked and forgotten: RFC 5321 appendix C
//! asks servers to ignore it, so it never decides where a mail goes.

use crate::mail::{Address, AddressError, Domain, ForwardPath, ReversePath};

type What = &'static str;

/// What follows `keyword` (read without regard to case), spaces skipped.
pub(super) fn keyword<'t>(text: &'t str, keyword: &str) -> Option<&'t str> {
    let found = text.get(..keyword.len())?;
    let rest = text.get(keyword.len()..)?;
    found.eq_ignore_ascii_case(keyword).then(|| rest.trim_start_matches(' '))
}

/// Splits `<inner> rest`. An angle bracket within quotes does not end the path.
pub(super) fn bracketed(text: &str) -> Result<(&str, &str), What> {
    let inner = text.strip_prefix('<').ok_or("angle brackets are missing")?;
    let mut quoted = false;
    let mut escaped = false;
    let ends = |(_, octet): &(usize, u8)| {
        match octet {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'>' if !quoted => return true,
            _ => {}
        }
        false
    };
    let end = inner.bytes().enumerate().find(ends).map(|(at, _)| at);
    let (path, rest) = inner.split_at(end.ok_or("the closing angle bracket is missing")?);
    let rest = rest.strip_prefix('>').unwrap_or_default();
    match rest.is_empty() || rest.starts_with(' ') {
        true => Ok((path, rest)),
        false => Err("a space is expected after the closing angle bracket"),
    }
}

pub(super) fn reverse_path(inner: &str) -> Result<ReversePath, What> {
    match inner.is_empty() {
        true => Ok(ReversePath::Null),
        false => mailbox(inner).map(ReversePath::Mailbox),
    }
}

pub(super) fn forward_path(inner: &str) -> Result<ForwardPath, What> {
    // RFC 5321 section 4.1.1.3: the one address without a domain.
    match inner.eq_ignore_ascii_case("postmaster") {
        true => Ok(ForwardPath::Postmaster),
        false => mailbox(inner).map(ForwardPath::Mailbox),
    }
}

fn mailbox(inner: &str) -> Result<Address, What> {
    let text = match inner.starts_with('@') {
        true => {
            let (route, text) = inner.split_once(':').ok_or("bad source route")?;
            let is_hop = |hop: &str| {
                hop.strip_prefix('@').is_some_and(|domain| Domain::parse(domain).is_ok())
            };
            match route.split(',').all(is_hop) {
                true => text,
                false => return Err("bad source route"),
            }
        }
        false => inner,
    };
    text.parse().map_err(|error| match error {
        AddressError::NoDomain => "no domain in address",
        AddressError::LocalPart => "bad local part in address",
        AddressError::Domain => "bad domain in address",
        AddressError::Literal => "bad address literal",
    })
}
