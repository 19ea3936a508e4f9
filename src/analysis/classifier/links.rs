//! Links and layout as features.
//!
//! In: a [`Sample`] and its [`Markup`]. Out: tokens in a [`Bag`]. Hosts count by name, by label
//! and by form, because names change and forms stay.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::markup::{Markup, Seen};
use super::sample::Sample;
use super::tokens::{Bag, head, shape};

/// What stands behind the last `@`.
pub(super) fn domain(address: &str) -> &str {
    address.rsplit('@').next().unwrap_or("")
}

/// A guess at the domain that was registered: two labels, three below short second levels of
/// countries, in small letters. Only forms are compared with it, nothing is decided by it.
pub(super) fn site(host: &str) -> Cow<'_, str> {
    let host = host.trim_end_matches('.');
    let mut dots = host.rmatch_indices('.').map(|(at, _)| at);
    let (last, second, third) = (dots.next(), dots.next(), dots.next());
    let start = match (last, second) {
        (Some(last), Some(second)) if host.len() - last == 3 && last - second <= 4 => {
            third.map_or(0, |dot| dot + 1)
        }
        (_, Some(second)) => second + 1,
        _ => 0,
    };
    let site = host.get(start..).unwrap_or(host);
    match site.bytes().any(|octet| octet.is_ascii_uppercase()) {
        true => Cow::Owned(site.to_ascii_lowercase()),
        false => Cow::Borrowed(site),
    }
}

/// An absolute link's pieces (RFC 3986 section 3).
struct Pieces<'a> {
    user: &'a str,
    host: String,
    port: &'a str,
    path: &'a str,
}

fn pieces(target: &str) -> Option<Pieces<'_>> {
    let (_, rest) = target.trim().split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end)?;
    let (user, host) = authority.rsplit_once('@').unwrap_or(("", authority));
    let (host, port) = host.split_once(':').unwrap_or((host, ""));
    Some(Pieces { user, host: head(host, 260).to_ascii_lowercase(), port, path })
}

/// Features of the links.
pub(super) fn links(sample: &Sample<'_>, markup: &Markup, bag: &mut Bag) {
    let author_site = site(domain(&sample.author.1));
    let mut hosts = BTreeSet::new();
    let (mut anchors, mut elements) = (0, 0);
    for link in &markup.links {
        let kind = match &link.seen {
            Seen::Anchor(_) => {
                anchors += 1;
                "a"
            }
            Seen::Element(name) => {
                elements += 1;
                name
            }
            Seen::Text => "text",
        };
        let target = head(link.target.trim(), 1000);
        match target.split_once(':') {
            Some((scheme, _)) => bag.pair(kind, &head(scheme, 12).to_ascii_lowercase()),
            None => bag.pair(kind, "relative"),
        }
        let Some(pieces) = pieces(target) else { continue };
        host_features(kind, &pieces, bag);
        path_features(pieces.path, bag);
        let near = site(&pieces.host) == author_site;
        bag.triple("site-of", kind, if near { "author" } else { "other" });
        bag.pair("site-of", if near { "author" } else { "other" });
        if let Seen::Anchor(shown) = &link.seen {
            shown_features(shown, &pieces.host, bag);
        }
        hosts.insert(pieces.host);
    }
    bag.size("anchors", anchors);
    bag.size("elements", elements);
    bag.size("links", markup.links.len());
    bag.number("hosts", hosts.len().min(10));
}

fn host_features(kind: &str, pieces: &Pieces<'_>, bag: &mut Bag) {
    let host = pieces.host.as_str();
    if !pieces.user.is_empty() {
        bag.fact("user-in-link");
    }
    if !pieces.port.is_empty() {
        bag.pair("port", head(pieces.port, 6));
    }
    if host.contains('%') {
        bag.fact("host-escaped");
    }
    let literal = host.bytes().all(|octet| octet.is_ascii_digit() || octet == b'.');
    bag.triple("host-is", kind, if literal { "address" } else { "name" });
    bag.pair("tld", host.rsplit('.').next().unwrap_or(""));
    bag.number("labels", host.split('.').count());
    bag.pair("host-form", &shape(host, 24));
    bag.pair("site", &site(host));
    bag.size("host", host.len());
    for label in host.split('.').take(8) {
        bag.pair("label", label);
        for word in label.split('-').take(6) {
            bag.pair("label-word", word);
        }
    }
}

fn path_features(path: &str, bag: &mut Bag) {
    bag.pair("path-form", &shape(path, 16));
    bag.size("path", path.len());
    bag.number("parameters", path.matches(['&', '=']).count().min(8));
    bag.number("slashes", path.matches('/').count().min(8));
    for (sign, fact) in [('%', "path-escaped"), ('@', "address-in-path")] {
        if path.contains(sign) {
            bag.fact(fact);
        }
    }
    bag.words("path-word", path, 12);
    let file = path.split(['?', '#']).next().and_then(|path| path.rsplit('/').next());
    if let Some((_, extension)) = file.and_then(|file| file.rsplit_once('.')) {
        bag.pair("file", &head(extension, 6).to_ascii_lowercase());
    }
}

/// What an anchor shows, against where it leads.
fn shown_features(shown: &str, host: &str, bag: &mut Bag) {
    match pieces(shown) {
        Some(seen) => {
            bag.pair("shown", if site(&seen.host) == site(host) { "same" } else { "other" });
        }
        None if shown.is_empty() => bag.fact("shown-nothing"),
        None => bag.words("shown-word", shown, 8),
    }
}

/// Features of tags and their layout.
pub(super) fn layout(sample: &Sample<'_>, markup: &Markup, bag: &mut Bag) {
    if sample.html.is_empty() {
        bag.fact("no-html");
        return;
    }
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut before = "";
    for tag in &markup.tags {
        let mut words = tag.split(' ');
        let name = words.next().unwrap_or("");
        *counts.entry(name).or_default() += 1;
        bag.fact(tag);
        bag.fact(name);
        bag.pair(before, name);
        before = name;
        for word in words.take(30) {
            let key = word.split('=').next().unwrap_or("");
            bag.triple("attribute", name, word);
            bag.pair("attribute", key);
            bag.pair("set", word);
            if key == "style" {
                let style = tag.split_once("style=").map_or("", |(_, style)| style);
                for rule in style.split(';').take(20) {
                    bag.pair("style", rule.trim());
                }
                break;
            }
        }
    }
    for (name, count) in counts {
        bag.size(name, count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites() {
        let cases = [
            ("www.example.com", "example.com"),
            ("a.b.example.co.uk", "example.co.uk"),
            ("example.org", "example.org"),
            ("LOCALHOST", "localhost"),
            ("co.uk", "co.uk"),
            ("", ""),
            ("x.y.z.", "y.z"),
        ];
        for (host, expected) in cases {
            assert_eq!(site(host), expected, "{host}");
        }
    }

    #[test]
    fn pieces_of_links() {
        let pieces = pieces("http://bank.example@10.0.0.1:8080/login?x=1").unwrap();
        assert_eq!(
            (pieces.user, pieces.host.as_str(), pieces.port, pieces.path),
            ("bank.example", "10.0.0.1", "8080", "/login?x=1")
        );
        assert!(super::pieces("mailto:a@b").is_none());
    }
}
