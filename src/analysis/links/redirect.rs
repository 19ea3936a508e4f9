//! Links in links: what a target says of where it leads on.
//!
//! In: a [`Target`]. Out: the addresses that stand in its path, query and fragment, plainly,
//! percent-encoded or in base64; and what a link led to before a mail filter rewrote it.
//! Bounded in number and depth.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::Target;
use super::target::unescaped;

/// Addresses read of one target.
const MOST_INNER: usize = 4;
/// Links in links in links.
const DEPTH: usize = 4;
/// Parameters looked into.
const PARAMETERS: usize = 32;

/// Filters that rewrite the links of the mail that they let through.
const REWRITERS: [&str; 12] = [
    "safelinks.protection.outlook.com",
    "urldefense.proofpoint.com",
    "urldefense.com",
    "urldefense.us",
    "mimecast.com",
    "mimecastprotect.com",
    "cudasvc.com",
    "secure-web.cisco.com",
    "clicktime.symantec.com",
    "protection.sophos.com",
    "url.emailprotection.link",
    "trendmicro.com",
];

/// Whether a host is a filter's, which sends on to what the link was.
pub fn is_rewriter(host: &str) -> bool {
    REWRITERS.iter().any(|known| {
        host.strip_suffix(known).is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

/// What a link led to before a filter rewrote it; itself when none did; `None` when a filter
/// hid it.
pub fn final_target(target: &Target) -> Option<Target> {
    let mut target = target.clone();
    for _ in 0..DEPTH {
        let Some(host) = target.name().filter(|host| is_rewriter(host)) else {
            return Some(target);
        };
        let inner = match host {
            "urldefense.proofpoint.com" => proofpoint_v2(&target),
            "urldefense.com" | "urldefense.us" => proofpoint_v3(&target),
            _ => inner(&target).into_iter().next(),
        };
        target = inner?;
    }
    None
}

/// Version 2 writes `-` for `%` and `_` for `/`.
fn proofpoint_v2(target: &Target) -> Option<Target> {
    let value = target.query().split('&').find_map(|pair| pair.strip_prefix("u="))?;
    let text = value.replace('-', "%").replace('_', "/");
    Some(Target::parse(&unescaped(&text)))
}

/// Version 3: `/v3/__URL__;…`, with `*` for what stands behind in base64.
fn proofpoint_v3(target: &Target) -> Option<Target> {
    let (_, from_link) = target.rest.split_once("/__")?;
    let (link, _) = from_link.rsplit_once("__;").or_else(|| from_link.rsplit_once("__"))?;
    Some(Target::parse(link))
}

/// The addresses that stand in a target, but not in those in turn.
pub fn inner(target: &Target) -> Vec<Target> {
    let mut found = Vec::new();
    let query = target.query();
    let parameters = query.split(['&', ';']).take(PARAMETERS);
    let values = parameters.map(|pair| pair.split_once('=').map_or(pair, |(_, value)| value));
    let others = [target.path(), target.fragment()];
    for (at, value) in values.chain(others).enumerate() {
        if found.len() >= MOST_INNER {
            break;
        }
        // A path is taken for an address only when it holds one with its scheme.
        let is_value = at < query.split(['&', ';']).take(PARAMETERS).count();
        found.extend(address_in(value, is_value));
    }
    found
}

/// How many links stand in one another, the outermost not counted, and the innermost.
pub fn depth(target: &Target) -> (usize, Option<Target>) {
    let mut innermost = None;
    let mut outer = target.clone();
    for depth in 0..DEPTH {
        let Some(next) = inner(&outer).into_iter().next() else { return (depth, innermost) };
        outer = next.clone();
        innermost = Some(next);
    }
    (DEPTH, innermost)
}

fn address_in(value: &str, is_value: bool) -> Option<Target> {
    let mut text = value.to_owned();
    // Encoded once, twice or not at all.
    for _ in 0..3 {
        if let Some(at) = scheme_at(&text) {
            let target = Target::parse(text.get(at..)?);
            return target.host.is_some().then_some(target);
        }
        if is_value && text.starts_with("//") {
            let target = Target::parse(&text);
            return target.name().is_some_and(|name| name.contains('.')).then_some(target);
        }
        match unescaped(&text) {
            std::borrow::Cow::Borrowed(_) => break,
            std::borrow::Cow::Owned(decoded) => text = decoded,
        }
    }
    // "http" in base64.
    let encoded = text.trim_end_matches('=');
    let encoded = encoded.get(encoded.find("aHR0c")?..)?;
    let alphabet = |octet: &u8| octet.is_ascii_alphanumeric() || b"+/-_".contains(octet);
    let len = encoded.bytes().take_while(|octet| alphabet(octet)).count();
    let encoded = encoded.get(..len - usize::from(len % 4 == 1))?;
    let octets = URL_SAFE_NO_PAD
        .decode(encoded)
        .or_else(|_| STANDARD_NO_PAD.decode(encoded))
        .or_else(|_| URL_SAFE_NO_PAD.decode(encoded.get(..len / 4 * 4).unwrap_or_default()))
        .ok()?;
    let target = Target::parse(&String::from_utf8_lossy(&octets));
    target.host.is_some().then_some(target)
}

/// Where `http://` or `https://` begins, whatever its case; some write one slash.
fn scheme_at(text: &str) -> Option<usize> {
    memchr::memchr_iter(b':', text.as_bytes()).find_map(|colon| {
        if text.as_bytes().get(colon + 1) != Some(&b'/') {
            return None;
        }
        let before = text.get(..colon)?;
        ["https", "http"].into_iter().find_map(|scheme| {
            let start = before.len().checked_sub(scheme.len())?;
            before.get(start..)?.eq_ignore_ascii_case(scheme).then_some(start)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(target: &str) -> Vec<String> {
        inner(&Target::parse(target))
            .iter()
            .map(|target| target.host.clone().unwrap().to_string())
            .collect()
    }

    #[test]
    fn addresses_in_targets() {
        let table: &[(&str, &[&str])] = &[
            ("https://a.test/?u=http://b.test/", &["b.test"]),
            ("https://a.test/?u=https%3A%2F%2Fb.test%2F&v=1", &["b.test"]),
            ("https://a.test/?u=https%253A%252F%252Fb.test", &["b.test"]),
            ("https://a.test/?u=//b.test/x", &["b.test"]),
            ("https://a.test/r/http://b.test/", &["b.test"]),
            ("https://a.test/x//y.z/", &[]),
            ("https://a.test/#http://b.test", &["b.test"]),
            ("https://a.test/?u=aHR0cHM6Ly9iLnRlc3Q", &["b.test"]),
            ("https://a.test/?u=aHR0cHM6Ly9iLnRlc3Q%3D", &["b.test"]),
            ("https://a.test/?u=aHR0cA", &[]),
            ("https://a.test/?x=1&y=2#z", &[]),
            ("https://a.test/?a=http://b.test&c=http://d.test", &["b.test", "d.test"]),
        ];
        for (target, expected) in table {
            assert_eq!(hosts(target), *expected, "{target}");
        }
        let nested = "https://a.test/?u=https%3A%2F%2Fb.test%2F%3Fu%3Dhttp%253A%252F%252Fc.test";
        let (depth, innermost) = depth(&Target::parse(nested));
        assert_eq!((depth, innermost.unwrap().name()), (2, Some("c.test")));
    }

    #[test]
    fn rewritten_links_are_what_they_were() {
        let table = [
            (
                "https://eur01.safelinks.protection.outlook.com/?url=https%3A%2F%2Fa.test%2Fx&data=1",
                Some("a.test"),
            ),
            (
                "https://urldefense.proofpoint.com/v2/url?u=https-3A__a.test_x-3Fy&d=DwM",
                Some("a.test"),
            ),
            ("https://urldefense.com/v3/__https://a.test/x__;!!abc", Some("a.test")),
            ("https://protect-eu.mimecast.com/s/abc", None),
            ("https://linkprotect.cudasvc.com/url?a=https%3a%2f%2fa.test&c=E", Some("a.test")),
            ("https://a.test/", Some("a.test")),
        ];
        for (link, expected) in table {
            let target = final_target(&Target::parse(link));
            assert_eq!(target.as_ref().and_then(Target::name), expected, "{link}");
        }
    }

    #[test]
    fn hostile_targets_end_soon() {
        for target in [
            format!("http://a.test/?{}", "u=http://b.test/?".repeat(300)),
            format!("http://a.test/?{}", "&u=%25%32%35".repeat(400)),
            format!("http://a.test/?u={}", "aHR0c".repeat(800)),
            format!("http://a.test/{}", "//x.y".repeat(800)),
        ] {
            let target = Target::parse(&target);
            assert!(inner(&target).len() <= MOST_INNER && depth(&target).0 <= DEPTH);
        }
    }
}
