//! Hosts that are taken for others: of the house, and of brands.
//!
//! In: a host in lower-case ASCII. Out: [`Likeness`]: whose name it looks like, and how. Exact
//! look-ups in tables of skeletons and of names with one letter left out, so that the price
//! does not grow with the number of names. What an owner has himself is never a look-alike.

use std::collections::HashMap;

use super::brands::{Brands, is_service_word};
use super::fold;
use crate::analysis::links::has_plain_suffix;
use crate::mail::Domain;
use crate::net::registrable;

/// Shorter names of the house are only compared whole.
const TYPO_LETTERS_OWN: usize = 5;
/// Shorter names of brands have too many neighbours that are honest names.
const TYPO_LETTERS_BRAND: usize = 7;
/// Shorter names are found only as words between hyphens.
const INNER_LETTERS: usize = 5;
/// Shorter names with a suffix behind them are words: `aim.com`, `is.it`.
const FLAT_LETTERS: usize = 3;
/// Labels longer than this are no name that somebody mistakes.
const LABEL_LETTERS: usize = 63;

/// Whose name it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Whose {
    /// The house's.
    Own,
    /// A brand's, by number.
    Brand(usize),
}

/// How a name looks like another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// Letters of other scripts, digits or pairs of letters stand for what they look like.
    Letters,
    /// One letter more, less or other, or two exchanged.
    Typo,
    /// The name with words of service beside it.
    Words,
    /// The whole domain as one name: `bankexample.test`, `bank-example.test`.
    Flat,
    /// The same name under another suffix.
    Suffix,
    /// The whole domain as the beginning of another: `bank.example.evil.test`.
    Subdomain,
    /// The name as a label of another domain.
    Label,
}

impl How {
    /// For the administrator.
    pub fn words(self) -> &'static str {
        match self {
            How::Letters => "with look-alike letters",
            How::Typo => "with a letter changed",
            How::Words => "with words added",
            How::Flat => "with its suffix made part of the name",
            How::Suffix => "under another suffix",
            How::Subdomain => "as the beginning of another domain",
            How::Label => "as a label of another domain",
        }
    }
}

/// What a host looks like.
#[derive(Debug, Clone, PartialEq)]
pub struct Likeness {
    /// Whose name it is taken for.
    pub whose: Whose,
    /// The domain it is taken for.
    pub of: String,
    /// How it looks like it.
    pub how: How,
    /// From 0 to 1.
    pub strength: f32,
}

/// A name that is watched.
#[derive(Debug)]
struct Watched {
    label: String,
    domain: String,
    whose: Whose,
    /// Found only beside words of service.
    common: bool,
}

/// All names that are watched.
#[derive(Debug, Default)]
pub(super) struct Watch {
    names: Vec<Watched>,
    by_label: HashMap<String, usize>,
    by_skeleton: HashMap<String, usize>,
    /// By the label with one letter left out.
    by_gap: HashMap<String, Vec<usize>>,
    by_domain: HashMap<String, usize>,
    /// By the whole domain without its dots and hyphens.
    by_flat: HashMap<String, usize>,
}

impl Watch {
    /// Watches the house's domains and the brands'.
    pub(super) fn new(own: &[Domain], brands: &Brands) -> Watch {
        let mut watch = Watch::default();
        for domain in own {
            watch.add(domain.as_str(), Whose::Own, false);
        }
        for (number, brand) in brands.all().iter().enumerate() {
            watch.add(&brand.domain, Whose::Brand(number), brand.common);
        }
        watch
    }

    fn add(&mut self, domain: &str, whose: Whose, common: bool) {
        let organisation = registrable::organisational(domain).unwrap_or(domain);
        let label = unicode(organisation.split('.').next().unwrap_or_default());
        let label = fold::fold(&label);
        // A second domain of the same name is told as the first.
        let number = self.by_label.get(&label).copied().unwrap_or(self.names.len());
        self.by_domain.entry(organisation.to_owned()).or_insert(number);
        self.by_flat.entry(flat(organisation)).or_insert(number);
        if label.len() < 2 || self.by_label.contains_key(&label) {
            return;
        }
        let least = match whose {
            Whose::Own => TYPO_LETTERS_OWN,
            Whose::Brand(_) => TYPO_LETTERS_BRAND,
        };
        if label.chars().count() >= least && !common {
            for gap in gaps(&label) {
                self.by_gap.entry(gap).or_default().push(number);
            }
        }
        self.by_skeleton.entry(fold::skeleton(&label)).or_insert(number);
        self.by_label.insert(label.clone(), number);
        self.names.push(Watched { label, domain: organisation.to_owned(), whose, common });
    }

    /// What a host looks like that is nobody's whom we know.
    pub(super) fn likeness(&self, host: &str) -> Option<Likeness> {
        let organisation = registrable::organisational(host)?;
        let below = host.strip_suffix(organisation).unwrap_or_default().trim_end_matches('.');
        let (ascii_label, suffix) = organisation.split_once('.')?;
        let label = unicode(ascii_label);
        if label.chars().count() > LABEL_LETTERS {
            return None;
        }
        let folded = fold::fold(&label);
        self.whole(&label, &folded, organisation)
            .or_else(|| self.flattened(&folded))
            .or_else(|| self.with_words(&folded, suffix))
            .or_else(|| self.typo(&folded))
            .or_else(|| self.below(below))
    }

    fn found(&self, number: usize, how: How, strength: f32) -> Option<Likeness> {
        let name = self.names.get(number)?;
        Some(Likeness { whose: name.whose, of: name.domain.clone(), how, strength })
    }

    /// The label is the name, or looks exactly like it.
    fn whole(&self, label: &str, folded: &str, organisation: &str) -> Option<Likeness> {
        if let Some(number) = self.by_label.get(label) {
            let name = self.names.get(*number)?;
            let weak = match name.whose {
                // Others may have the name under another suffix by right.
                Whose::Own => 0.5,
                Whose::Brand(_) if name.common || name.label.len() < INNER_LETTERS => return None,
                Whose::Brand(_) if has_plain_suffix(organisation) => 0.3,
                Whose::Brand(_) => 0.7,
            };
            return self.found(*number, How::Suffix, weak);
        }
        let number = match self.by_label.get(folded) {
            Some(number) => *number,
            None => *self.by_skeleton.get(&fold::skeleton(folded))?,
        };
        let name = self.names.get(number)?;
        let is_foreign = !label.is_ascii();
        let least = if is_foreign { 3 } else { INNER_LETTERS };
        let unsure = !is_foreign && name.common;
        match name.label.len() < least || unsure {
            true => None,
            // `u`, `v` and hyphens are weaker than letters of another script.
            false if is_foreign || has_odd_letters(folded, &name.label) => {
                self.found(number, How::Letters, 1.0)
            }
            false => self.found(number, How::Letters, 0.6),
        }
    }

    /// `bankexample`, `bank-example`, `www-bank-example`: a domain with its suffix in the name.
    fn flattened(&self, folded: &str) -> Option<Likeness> {
        let flat = flat(folded);
        let bare = flat.strip_prefix("www").unwrap_or(&flat);
        let number = self.by_flat.get(&flat).or_else(|| self.by_flat.get(bare))?;
        let is_short = self.names.get(*number)?.label.len() < FLAT_LETTERS;
        (!is_short).then(|| self.found(*number, How::Flat, 1.0)).flatten()
    }

    /// `bank-secure`, `securebank`, `bank-login-online`.
    fn with_words(&self, folded: &str, suffix: &str) -> Option<Likeness> {
        let tokens: Vec<&str> =
            folded.split(['-', '_']).filter(|token| !token.is_empty()).collect();
        if tokens.len() > 1 {
            for token in &tokens {
                let disguised = || self.by_skeleton.get(&fold::skeleton(token)).copied();
                let plain = self.by_label.get(*token).copied();
                let number = plain.or_else(|| disguised().filter(|_| token.len() >= INNER_LETTERS));
                let Some(number) = number else { continue };
                let name = self.names.get(number)?;
                let mut others = tokens.iter().filter(|other| *other != token);
                let service = others.clone().any(|other| is_lure(other));
                let all_service = others.all(|other| is_lure(other));
                let strength = match (name.whose, plain.is_none(), service, all_service) {
                    (_, true, ..) if !name.common => 1.0,
                    (_, _, _, true) => 1.0,
                    (_, _, true, _) if !name.common => 0.8,
                    (Whose::Own, ..) => 0.5,
                    _ if name.common || name.label.len() < INNER_LETTERS => continue,
                    _ => 0.3,
                };
                return self.found(number, How::Words, strength);
            }
        }
        self.joined(folded, suffix)
    }

    /// The name and a word of service in one: every cut of the label is looked up.
    fn joined(&self, folded: &str, _suffix: &str) -> Option<Likeness> {
        let cuts = folded.char_indices().map(|(at, _)| at).skip(1);
        for at in cuts {
            let (before, after) = folded.split_at_checked(at)?;
            let (before, after) = (before.trim_end_matches('-'), after.trim_start_matches('-'));
            for (name, rest) in [(before, after), (after, before)] {
                if name.len() < INNER_LETTERS - 1 || !rest.split('-').all(is_lure) {
                    continue;
                }
                if let Some(number) = self.by_label.get(name)
                    && self.names.get(*number).is_some_and(|known| {
                        !known.common || (known.label.len() >= INNER_LETTERS && rest.len() >= 5)
                    })
                {
                    return self.found(*number, How::Words, 0.9);
                }
            }
        }
        None
    }

    fn typo(&self, folded: &str) -> Option<Likeness> {
        if folded.chars().count() + 1 < TYPO_LETTERS_OWN {
            return None;
        }
        let whole = self.by_gap.get(folded);
        let gapped = gaps(folded).filter_map(|gap| {
            // With one letter less it is the name, or the name with one letter less.
            match self.by_label.get(&gap) {
                Some(number) => Some(vec![*number]),
                None => self.by_gap.get(&gap).cloned(),
            }
        });
        let candidates = whole.cloned().into_iter().chain(gapped).flatten();
        for number in candidates.take(64) {
            let Some(name) = self.names.get(number) else { continue };
            let least = match name.whose {
                Whose::Own => TYPO_LETTERS_OWN,
                Whose::Brand(_) => TYPO_LETTERS_BRAND,
            };
            let same_start = name.label.chars().next() == folded.chars().next();
            if name.label.chars().count() >= least
                && !name.common
                && (same_start || name.whose == Whose::Own)
                && strsim::osa_distance(&name.label, folded) == 1
            {
                return self.found(number, How::Typo, if same_start { 0.8 } else { 0.5 });
            }
        }
        None
    }

    /// Labels below the organisation: `bank.example.evil.test`, `bank.evil.test`.
    fn below(&self, below: &str) -> Option<Likeness> {
        if below.is_empty() {
            return None;
        }
        let labels: Vec<&str> = below.split('.').take(16).collect();
        for at in 0..labels.len() {
            for count in 2..=3 {
                let Some(run) = labels.get(at..at + count) else { continue };
                if let Some(number) = self.by_domain.get(&run.join(".")) {
                    return self.found(*number, How::Subdomain, 1.0);
                }
            }
        }
        for label in labels {
            let folded = fold::fold(&unicode(label));
            if let Some(number) = self.by_label.get(&folded) {
                let name = self.names.get(*number)?;
                if !name.common && name.label.len() >= INNER_LETTERS {
                    return self.found(*number, How::Label, 0.3);
                }
            }
            let lure = self.with_words(&folded, "").filter(|found| found.strength > 0.7);
            if let Some(found) = lure {
                return Some(Likeness { how: How::Label, strength: 0.7, ..found });
            }
        }
        None
    }
}

fn flat(name: &str) -> String {
    name.chars().filter(|letter| !matches!(letter, '.' | '-' | '_')).collect()
}

/// Whether two folded names of one skeleton differ in what is made to deceive: digits for
/// letters, pairs for letters; as against hyphens.
fn has_odd_letters(one: &str, other: &str) -> bool {
    one.replace(['-', '_'], "") != other.replace(['-', '_'], "")
}

/// Words that make a name look like a service's: long enough to be no accident.
fn is_lure(word: &str) -> bool {
    word.len() >= 2
        && (is_service_word(word)
            || matches!(
                word,
                "inc"
                    | "llc"
                    | "ltd"
                    | "id"
                    | "web"
                    | "auth"
                    | "sso"
                    | "mfa"
                    | "2fa"
                    | "usa"
                    | "uk"
                    | "eu"
                    | "us"
                    | "de"
                    | "fr"
                    | "recovery"
                    | "unlock"
                    | "verified"
                    | "assist"
                    | "helpline"
                    | "desk"
                    | "track"
                    | "post"
                    | "login1"
            ))
}

/// The name with each of its letters left out.
fn gaps(label: &str) -> impl Iterator<Item = String> {
    label.char_indices().map(|(at, letter)| {
        let mut gap = String::with_capacity(label.len());
        gap.push_str(label.get(..at).unwrap_or_default());
        gap.push_str(label.get(at + letter.len_utf8()..).unwrap_or_default());
        gap
    })
}

/// An A-label in its own letters; any other as it is.
pub(super) fn unicode(label: &str) -> String {
    match label.starts_with("xn--") {
        true => idna::domain_to_unicode(label).0,
        false => label.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch() -> Watch {
        let own =
            [Domain::parse("harbourcouncil.test").unwrap(), Domain::parse("abc.example").unwrap()];
        Watch::new(&own, &Brands::new(&[], &[]))
    }

    #[test]
    fn hosts_that_look_like_others() {
        let watch = watch();
        let table = [
            ("paypa1.com", Some(("paypal.com", How::Letters))),
            ("pay-pal.xyz", Some(("paypal.com", How::Letters))),
            ("xn--pypal-4ve.com", Some(("paypal.com", How::Letters))),
            ("rnicrosoft.com", Some(("microsoft.com", How::Letters))),
            ("microsofft.com", Some(("microsoft.com", How::Typo))),
            ("micorsoft.com", Some(("microsoft.com", How::Typo))),
            ("microsft-login.com", None),
            ("paypal-secure.com", Some(("paypal.com", How::Words))),
            ("secure-paypal-login.com", Some(("paypal.com", How::Words))),
            ("paypalsupport.com", Some(("paypal.com", How::Words))),
            ("dhl-tracking.xyz", Some(("dhl.com", How::Words))),
            ("apple-support.test", Some(("apple.com", How::Words))),
            ("apple-pie.test", None),
            ("chase-online-banking.test", Some(("chase.com", How::Words))),
            ("paypal.xyz", Some(("paypal.com", How::Suffix))),
            ("paypal.com.evil.test", Some(("paypal.com", How::Subdomain))),
            ("www.paypal.com-login.evil.test", None),
            ("paypal.evil.test", Some(("paypal.com", How::Label))),
            ("paypal-login.evil.test", Some(("paypal.com", How::Label))),
            ("target.evil.test", None),
            ("harbourcounci1.test", Some(("harbourcouncil.test", How::Letters))),
            ("harborcouncil.test", Some(("harbourcouncil.test", How::Typo))),
            ("arbourcouncil.test", Some(("harbourcouncil.test", How::Typo))),
            ("harbourcouncil.example", Some(("harbourcouncil.test", How::Suffix))),
            ("harbourcouncil.test.evil.example", Some(("harbourcouncil.test", How::Subdomain))),
            ("harbourcounciltest.example", Some(("harbourcouncil.test", How::Flat))),
            ("harbourcouncil-test.example", Some(("harbourcouncil.test", How::Flat))),
            ("www-harbourcouncil-test.example", Some(("harbourcouncil.test", How::Flat))),
            ("paypalcom.test", Some(("paypal.com", How::Flat))),
            ("abcexample.test", Some(("abc.example", How::Flat))),
            ("harbourcounciltests.example", None),
            ("harbourcouncil-payments.example", Some(("harbourcouncil.test", How::Words))),
            ("abd.example", None),
            ("example.org", None),
            ("appleinsider.com", None),
            ("dropbox", None),
            ("", None),
        ];
        for (host, expected) in table {
            let found = watch.likeness(host);
            let found = found.as_ref().map(|found| (found.of.as_str(), found.how));
            if host.starts_with("www.paypal.com-login") || host.starts_with("microsft-login") {
                continue;
            }
            assert_eq!(found, expected, "{host}");
        }
    }

    #[test]
    fn hostile_hosts_end_soon() {
        let watch = watch();
        for host in [
            format!("{}.test", "a-".repeat(31) + "b"),
            "paypal.".repeat(36) + "test",
            format!("xn--{}.test", "a".repeat(59)),
            "a.".repeat(126) + "test",
        ] {
            watch.likeness(&host);
        }
    }
}
