//! The domain that somebody registered: what one organisation answers for.
//!
//! In: a host name in lower-case ASCII, as [`crate::mail::Domain`] has it. Out: the name one
//! label below its public suffix (publicsuffix.org, compiled in by the crate psl). Suffixes
//! whose owner sells or gives away what lies below (`github.io`) separate their customers
//! from each other, and are an organisation themselves. DMARC does not use this: RFC 9989
//! walks the tree of DNS instead. Nothing fails: what is no name has no organisation.

use psl::{Psl, Type};

/// The organisational domain of a host; `None` for a public suffix, a single label, an
/// address or what is no name.
pub fn organisational(domain: &str) -> Option<&str> {
    let name = domain.trim_end_matches('.');
    if name.is_empty() || name.starts_with('.') || name.contains("..") || is_address(name) {
        return None;
    }
    // The list is in A-labels and U-labels; an upper-case letter would match nothing.
    if name.bytes().any(|octet| octet.is_ascii_uppercase()) {
        return None;
    }
    match psl::domain_str(name) {
        Some(found) => Some(found),
        // The owner of a private suffix: `github.io` itself.
        None => owner_of_suffix(name),
    }
}

/// Whether two hosts belong to one organisation; a name is always of its own.
pub fn is_same_organisation(one: &str, other: &str) -> bool {
    let (one, other) = (one.trim_end_matches('.'), other.trim_end_matches('.'));
    one == other || organisational(one).is_some_and(|found| organisational(other) == Some(found))
}

/// What stands before the public suffix: `example` of `example.co.uk`.
pub fn registered_label(domain: &str) -> Option<&str> {
    organisational(domain)?.split('.').next()
}

/// The public suffix of a name, such as `co.uk`; for an owner of a private suffix the suffix
/// below which it was registered itself.
pub fn suffix(domain: &str) -> Option<&str> {
    let organisation = organisational(domain)?;
    organisation.split_once('.').map(|(_, rest)| rest)
}

/// Whether a name lies below a suffix that is no registry's, such as `github.io`.
pub fn has_private_suffix(domain: &str) -> bool {
    psl::suffix(domain.as_bytes()).is_some_and(|suffix| suffix.typ() == Some(Type::Private))
}

fn owner_of_suffix(name: &str) -> Option<&str> {
    let suffix = psl::suffix(name.as_bytes())?;
    if suffix.typ() != Some(Type::Private) || suffix.as_bytes().len() != name.len() {
        return None;
    }
    // The public suffix of what is left of the first label is a registry's.
    let mut rest = name;
    while let Some((_, below)) = rest.split_once('.') {
        let info = psl::List.find(below.rsplit('.').map(str::as_bytes));
        if info.typ != Some(Type::Private) && info.len == below.len() {
            return Some(rest);
        }
        rest = below;
    }
    None
}

/// An IPv4 address is digits and dots to this list; its last label decides.
fn is_address(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or_default();
    name.contains(':') || last.bytes().all(|octet| octet.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn organisations() {
        let table = [
            ("www.example.com", Some("example.com")),
            ("example.com", Some("example.com")),
            ("example.com.", Some("example.com")),
            ("a.b.example.co.uk", Some("example.co.uk")),
            ("co.uk", None),
            ("uk", None),
            ("com", None),
            ("localhost", None),
            ("", None),
            (".", None),
            (".example.com", None),
            ("a..example.com", None),
            ("192.0.2.7", None),
            ("2001:db8::1", None),
            ("jane.github.io", Some("jane.github.io")),
            ("x.jane.github.io", Some("jane.github.io")),
            ("github.io", Some("github.io")),
            ("blogspot.com", Some("blogspot.com")),
            ("www.ck", Some("www.ck")),
            ("bank.test", Some("bank.test")),
            ("www.bank.test", Some("bank.test")),
            ("mail.xn--e1afmkfd.xn--p1ai", Some("xn--e1afmkfd.xn--p1ai")),
            ("a.b.gov.uk", Some("b.gov.uk")),
            ("gov.uk", None),
            ("EXAMPLE.com", None),
        ];
        for (host, expected) in table {
            assert_eq!(organisational(host), expected, "{host}");
        }
    }

    #[test]
    fn one_organisation_or_two() {
        assert!(is_same_organisation("www.example.org", "mail.example.org."));
        assert!(is_same_organisation("co.uk", "co.uk"));
        assert!(!is_same_organisation("a.co.uk", "b.co.uk"));
        assert!(!is_same_organisation("jane.github.io", "joe.github.io"));
        assert!(!is_same_organisation("uk", "com"));
        assert_eq!(registered_label("www.example.co.uk"), Some("example"));
        assert_eq!(suffix("www.example.co.uk"), Some("co.uk"));
    }
}
