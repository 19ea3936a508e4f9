//! Lists of hosts that links are judged by: `rules/lists/*.txt`, compiled in.
//!
//! In: a host in lower-case ASCII. Out: whether it is of a kind. A line names a host; what lies
//! below it counts too. `*.host` is only what lies below, `host.*` the name under com, net, org
//! and the suffixes of countries, `!` before a line marks storage. Lines of another form are
//! left away; a test says that there are none.

use std::collections::HashMap;
use std::sync::LazyLock;

use super::Target;
use crate::net::registrable;

/// Public shorteners.
static SHORTENERS: LazyLock<Hosts> =
    LazyLock::new(|| Hosts::read(include_str!("../../../rules/lists/shorteners.txt")));
/// Free hosting and forms.
static FREE_HOSTS: LazyLock<Hosts> =
    LazyLock::new(|| Hosts::read(include_str!("../../../rules/lists/free_hosts.txt")));
/// Mailing services that count clicks.
static CLICK_TRACKERS: LazyLock<Hosts> =
    LazyLock::new(|| Hosts::read(include_str!("../../../rules/lists/click_trackers.txt")));
/// Free mailboxes.
static FREE_MAIL: LazyLock<Hosts> =
    LazyLock::new(|| Hosts::read(include_str!("../../../rules/lists/free_mail.txt")));
/// Pictures of anybody.
static PICTURE_HOSTS: LazyLock<Hosts> =
    LazyLock::new(|| Hosts::read(include_str!("../../../rules/lists/picture_hosts.txt")));
/// Suffixes of throw-away names.
static CHEAP_SUFFIXES: LazyLock<Hosts> =
    LazyLock::new(|| Hosts::read(include_str!("../../../rules/lists/cheap_suffixes.txt")));
/// Pages that send on.
static REDIRECTORS: LazyLock<Vec<Redirector>> =
    LazyLock::new(|| redirectors(include_str!("../../../rules/lists/redirectors.txt")));

/// What a line says of a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    only_below: bool,
    storage: bool,
}

/// Hosts of a kind.
#[derive(Debug, Default)]
struct Hosts {
    names: HashMap<&'static str, Entry>,
    /// Of `name.*`.
    stems: HashMap<&'static str, Entry>,
}

impl Hosts {
    fn read(text: &'static str) -> Hosts {
        let mut hosts = Hosts::default();
        for line in lines(text) {
            let storage = line.starts_with('!');
            let line = line.trim_start_matches('!');
            let only_below = line.starts_with("*.");
            let line = line.trim_start_matches("*.");
            let entry = Entry { only_below, storage };
            let (map, name) = match line.strip_suffix(".*") {
                Some(stem) => (&mut hosts.stems, stem),
                None => (&mut hosts.names, line),
            };
            // A line for what lies below takes nothing from one for the host itself.
            let known = map.entry(name).or_insert(entry);
            known.only_below &= only_below;
        }
        hosts
    }

    fn entry(&self, host: &str) -> Option<Entry> {
        let mut rest = host;
        loop {
            if let Some(entry) = self.names.get(rest)
                && (!entry.only_below || rest.len() < host.len())
            {
                return Some(*entry);
            }
            match rest.split_once('.') {
                Some((_, below)) => rest = below,
                None => break,
            }
        }
        if self.stems.is_empty() {
            return None;
        }
        let label = registrable::registered_label(host)?;
        self.stems.get(label).filter(|_| has_plain_suffix(host)).copied()
    }
}

/// Lines that say something.
fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// Whether a host lies under com, net, org or the suffix of a country: where the owner of a
/// great name has it, as against suffixes that sell any name to anybody.
pub fn has_plain_suffix(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    // Countries that gave names away.
    let sold = ["tk", "ml", "ga", "cf", "gq", "pw", "su", "cc", "ws", "to"];
    let country = last.len() == 2 && !sold.contains(&last);
    let suffix = registrable::suffix(host).unwrap_or_default();
    // A private suffix is somebody else's.
    let short = suffix.split('.').next().is_some_and(|label| label.len() <= 3);
    (country || matches!(last, "com" | "net" | "org")) && short
}

/// Whether a host gives out short links to anywhere.
pub fn is_shortener(host: &str) -> bool {
    SHORTENERS.entry(host).is_some()
}

/// Where anybody may put up pages, and, in storage for files, whether the target is a page.
pub fn free_host(target: &Target) -> Option<FreeHost> {
    let entry = FREE_HOSTS.entry(target.name()?)?;
    if !entry.storage {
        return Some(FreeHost::Site);
    }
    let path = target.path().trim_end_matches('/').to_ascii_lowercase();
    let file = path.rsplit('/').next().unwrap_or_default();
    let is_page = [".html", ".htm", ".shtml", ".php", ".svg"].iter().any(|end| file.ends_with(end));
    (is_page || !file.contains('.')).then_some(FreeHost::Storage)
}

/// What is to be had for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FreeHost {
    /// A site, a form, a tunnel, a name.
    Site,
    /// A page in a storage for files.
    Storage,
}

/// Whether a host counts clicks for senders of newsletters.
pub fn is_click_tracker(host: &str) -> bool {
    CLICK_TRACKERS.entry(host).is_some()
}

/// Whether anybody leaves pictures on a host.
pub fn is_picture_host(host: &str) -> bool {
    PICTURE_HOSTS.entry(host).is_some()
}

/// Whether anybody gets a mailbox in a domain.
pub fn is_free_mail(domain: &str) -> bool {
    FREE_MAIL.entry(domain).is_some()
}

/// Whether a host lies under a suffix of throw-away names.
pub fn has_cheap_suffix(host: &str) -> bool {
    let last = host.rsplit('.').next().unwrap_or_default();
    CHEAP_SUFFIXES.entry(last).is_some()
}

/// A page that sends on.
#[derive(Debug)]
struct Redirector {
    host: &'static str,
    stem: bool,
    path: &'static str,
}

fn redirectors(text: &'static str) -> Vec<Redirector> {
    lines(text)
        .filter_map(|line| {
            let at = line.find('/')?;
            let (host, path) = line.split_at_checked(at)?;
            let stem = host.strip_suffix(".*");
            Some(Redirector { host: stem.unwrap_or(host), stem: stem.is_some(), path })
        })
        .collect()
}

/// Whether a target is a page of a well-known host that sends readers on.
pub fn is_redirector(target: &Target) -> bool {
    let Some(host) = target.name() else { return false };
    let path = target.path();
    REDIRECTORS.iter().any(|page| {
        let at_host = match page.stem {
            true => {
                registrable::registered_label(host) == Some(page.host) && has_plain_suffix(host)
            }
            false => host
                .strip_suffix(page.host)
                .is_some_and(|before| before.is_empty() || before.ends_with('.')),
        };
        at_host && path.starts_with(page.path)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_a_kind() {
        for host in ["bit.ly", "www.bit.ly", "tinyurl.com"] {
            assert!(is_shortener(host), "{host}");
        }
        for host in ["rabbit.ly", "ly", "example.org"] {
            assert!(!is_shortener(host), "{host}");
        }
        let free = |target: &str| free_host(&Target::parse(target));
        assert_eq!(free("https://jane.weebly.com/"), Some(FreeHost::Site));
        assert_eq!(free("https://www.weebly.com.example/"), None);
        assert_eq!(free("https://weebly.com/"), None);
        assert_eq!(free("https://b.s3.amazonaws.com/x/index.html"), Some(FreeHost::Storage));
        assert_eq!(free("https://b.s3.amazonaws.com/logo.png"), None);
        for (domain, expected) in [
            ("gmail.com", true),
            ("yahoo.co.uk", true),
            ("yahoo.de", true),
            ("yahoo.xyz", false),
            ("yahoo.github.io", false),
            ("yahoogroups.com", false),
        ] {
            assert_eq!(is_free_mail(domain), expected, "{domain}");
        }
        for (target, expected) in [
            ("https://www.google.co.uk/url?q=http://x.test", true),
            ("https://google.com/amp/s/x.test", true),
            ("https://www.google.com/maps", false),
            ("https://notgoogle.com/url?q=http://x.test", false),
            ("https://l.facebook.com/l.php?u=x", true),
        ] {
            assert_eq!(is_redirector(&Target::parse(target)), expected, "{target}");
        }
        assert!(has_cheap_suffix("a.xyz") && !has_cheap_suffix("xyz.com"));
    }

    #[test]
    fn lists_are_in_form() {
        let hosts = [
            include_str!("../../../rules/lists/shorteners.txt"),
            include_str!("../../../rules/lists/free_hosts.txt"),
            include_str!("../../../rules/lists/click_trackers.txt"),
            include_str!("../../../rules/lists/free_mail.txt"),
            include_str!("../../../rules/lists/cheap_suffixes.txt"),
            include_str!("../../../rules/lists/picture_hosts.txt"),
        ];
        for line in hosts.into_iter().flat_map(lines) {
            let name = line.trim_start_matches('!').trim_start_matches("*.");
            let name = name.strip_suffix(".*").unwrap_or(name);
            let allowed = |octet: u8| {
                octet.is_ascii_lowercase() || octet.is_ascii_digit() || b".-".contains(&octet)
            };
            assert!(!name.is_empty() && name.bytes().all(allowed), "{line}");
        }
        assert!(
            lines(include_str!("../../../rules/lists/redirectors.txt")).all(|l| l.contains('/'))
        );
    }
}
