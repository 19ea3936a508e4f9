//! Names that attackers borrow, and who owns them: `rules/lists/brands.toml` and the site's.
//!
//! In: texts and hosts. Out: which brands a text names ([`Brands::named`]), whether it gives
//! itself out as one ([`Brands::claim`]), and who owns a host ([`Brands::owners`]). Look-ups
//! are by word, so their price does not grow with the list.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use serde::Deserialize;

use super::fold;
use crate::analysis::links::has_plain_suffix;
use crate::config::BrandText;
use crate::net::registrable;

const SHIPPED: &str = include_str!("../../../rules/lists/brands.toml");
/// The longest claim in words.
const CLAIM_WORDS: usize = 6;
/// Words of a text that are looked into.
const TEXT_WORDS: usize = 60;
/// Shorter names are too easily met by chance when letters are exchanged.
const DISGUISED_LETTERS: usize = 5;

/// The file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShippedBrands {
    brand: Vec<BrandText>,
}

/// One name and its owner.
#[derive(Debug, Clone)]
pub struct Brand {
    /// As people know it.
    pub name: String,
    /// The name is a word or a name of people, too.
    pub common: bool,
    /// Its users' own servers send under its name.
    pub software: bool,
    /// People follow links of its name to it from everywhere, as from the foot of a letter.
    pub social: bool,
    /// The domain that look-alikes are compared with.
    pub domain: String,
}

/// How a text names a brand.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Claim {
    /// Number of the brand.
    pub brand: usize,
    /// From 0 to 1: how surely the text gives itself out as the brand.
    pub strength: f32,
    /// Letters were exchanged for such as look like them.
    pub disguised: bool,
}

/// All brands.
#[derive(Debug, Default)]
pub struct Brands {
    all: Vec<Brand>,
    by_claim: HashMap<String, usize>,
    by_skeleton: HashMap<String, usize>,
    owners: HashMap<String, Vec<usize>>,
    /// Of `name.*`.
    stems: HashMap<String, Vec<usize>>,
}

impl Brands {
    /// The shipped brands without those named, and more.
    pub fn new(more: &[BrandText], without: &[String]) -> Brands {
        let shipped: ShippedBrands = toml::from_str(SHIPPED).unwrap_or_else(|error| {
            debug_assert!(false, "{error}");
            tracing::error!(%error, "the shipped list of brands cannot be read");
            ShippedBrands::default()
        });
        let mut brands = Brands::default();
        let is_wanted =
            |brand: &&BrandText| !without.iter().any(|name| name.eq_ignore_ascii_case(&brand.name));
        for text in more.iter().chain(shipped.brand.iter().filter(is_wanted)) {
            brands.add(text);
        }
        brands
    }

    fn add(&mut self, text: &BrandText) {
        let number = self.all.len();
        let mut domain = None;
        for written in &text.domains {
            let written = written.to_ascii_lowercase();
            let (map, name) = match written.strip_suffix(".*") {
                Some(stem) => {
                    domain.get_or_insert_with(|| format!("{stem}.com"));
                    (&mut self.stems, stem.to_owned())
                }
                None => {
                    domain.get_or_insert_with(|| written.clone());
                    (&mut self.owners, written)
                }
            };
            map.entry(name).or_default().push(number);
        }
        let names = std::iter::once(&text.name).chain(&text.claims);
        for (at, name) in names.enumerate() {
            let words = fold::words(name);
            let claim = words.join(" ");
            // A name of several words is no word of everyday use; one beside it may be.
            let skeleton = fold::skeleton(&words.concat());
            if claim.is_empty() {
                continue;
            }
            if (at > 0 || !text.common) && skeleton.len() >= DISGUISED_LETTERS {
                self.by_skeleton.entry(skeleton).or_insert(number);
            }
            self.by_claim.entry(claim).or_insert(number);
        }
        self.all.push(Brand {
            name: text.name.clone(),
            common: text.common,
            software: text.kind == "software",
            social: matches!(text.kind.as_str(), "social" | "media"),
            domain: domain.unwrap_or_default(),
        });
    }

    /// All of them.
    pub fn all(&self) -> &[Brand] {
        &self.all
    }

    /// One of them.
    pub fn brand(&self, number: usize) -> Option<&Brand> {
        self.all.get(number)
    }

    /// The brands whose a host is.
    pub fn owners(&self, host: &str) -> Vec<usize> {
        let mut owners = Vec::new();
        let mut rest = host;
        loop {
            owners.extend(self.owners.get(rest).into_iter().flatten());
            match rest.split_once('.') {
                Some((_, below)) => rest = below,
                None => break,
            }
        }
        if let Some(label) = registrable::registered_label(host)
            && let Some(of_stem) = self.stems.get(label)
            && has_plain_suffix(host)
        {
            owners.extend(of_stem);
        }
        owners
    }

    /// Whether a host is this brand's.
    pub fn owns(&self, brand: usize, host: &str) -> bool {
        self.owners(host).contains(&brand)
    }

    /// Brands that a text names, with how many of its words, the first of them first.
    fn named(&self, words: &[String]) -> Vec<(usize, usize, bool, bool)> {
        let mut named = Vec::new();
        let mut at = 0;
        while at < words.len() {
            let longest = CLAIM_WORDS.min(words.len() - at);
            let found = (1..=longest).rev().find_map(|count| {
                let words = words.get(at..at + count)?;
                let number = *self.by_claim.get(&words.join(" "))?;
                Some((number, count, false))
            });
            let found = found.or_else(|| {
                let word = words.get(at)?;
                let disguised = word.len() >= DISGUISED_LETTERS && !word.is_empty();
                let number = disguised.then(|| self.by_skeleton.get(&fold::skeleton(word)))??;
                // The skeleton of the name itself written as one word is no disguise.
                Some((*number, 1, !self.is_joined(*number, word)))
            });
            match found {
                Some((number, count, disguised)) => {
                    let plain = count == 1
                        && self.all.get(number).is_some_and(|brand| {
                            words.get(at).is_some_and(|word| *word == fold::fold(&brand.name))
                        });
                    named.push((number, count, disguised, plain));
                    at += count;
                }
                None => at += 1,
            }
        }
        named
    }

    fn is_joined(&self, number: usize, word: &str) -> bool {
        self.all.get(number).is_some_and(|brand| fold::words(&brand.name).concat() == word)
    }

    /// Whether a text, such as a display name, gives itself out as a brand: it is the name
    /// alone or beside words of service; other words beside it make it less sure.
    pub fn claim(&self, text: &str) -> Option<Claim> {
        // "Jane Doe (Example)" says for whom she works.
        let text = text.split_once('(').map_or(text, |(before, _)| match before.trim() {
            "" => text,
            name => name,
        });
        let mut words = fold::words(text);
        words.truncate(TEXT_WORDS);
        let named = self.named(&words);
        let (number, _, disguised, plain) = *named.first()?;
        let brand = self.all.get(number)?;
        let of_brand: usize =
            named.iter().filter(|(other, ..)| *other == number).map(|(_, count, ..)| count).sum();
        let service = words.iter().filter(|word| is_service_word(word)).count();
        let fillers = words.iter().filter(|word| FILLERS.contains(&word.as_str())).count();
        let others = words.len().saturating_sub(of_brand + service + fillers);
        // Two brands in one name compare or announce, and are neither.
        let rivals = named
            .iter()
            .any(|(other, ..)| *other != number && !self.are_of_one_owner(*other, number));
        let strength = match (brand.common && plain, service, others) {
            (_, _, 0) if rivals => 0.3,
            (false, _, 0) => 1.0,
            (true, 0, 0) => 0.5,
            (true, _, 0) => 1.0,
            (true, _, _) => return None,
            (false, 0, _) => 0.4,
            (false, _, 1..=2) => 0.7,
            (false, _, _) => 0.4,
        };
        let strength = if disguised { 1.0 } else { strength };
        Some(Claim { brand: number, strength, disguised })
    }

    /// Whether a text speaks to a customer of a brand: "your … account was suspended". News of
    /// a brand do not.
    pub fn named_to_customer(&self, text: &str) -> Option<Claim> {
        let mut words = fold::words(text);
        words.truncate(TEXT_WORDS);
        let (number, _, disguised, plain) = *self.named(&words).first()?;
        let has = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
        let (affair, you) = (has(&AFFAIRS), has(&YOURS));
        let common = plain && self.all.get(number)?.common;
        let strength = match (common, affair, you) {
            _ if disguised => 1.0,
            (_, true, true) => 1.0,
            (false, true, false) if words.len() <= 8 => 0.6,
            _ => return None,
        };
        Some(Claim { brand: number, strength, disguised })
    }

    fn are_of_one_owner(&self, one: usize, other: usize) -> bool {
        let domain = self.all.get(one).map(|brand| brand.domain.as_str()).unwrap_or_default();
        self.owners(domain).contains(&other) || {
            let domain = self.all.get(other).map(|brand| brand.domain.as_str());
            self.owners(domain.unwrap_or_default()).contains(&one)
        }
    }
}

/// Words by which a service speaks of itself and of what it does for its customers, folded,
/// in the languages of most mail.
static SERVICE_WORDS: LazyLock<HashSet<&'static str>> = LazyLock::new(|| {
    include_str!("../../../rules/lists/service_words.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .flat_map(str::split_whitespace)
        .collect()
});

/// Words that say nothing of themselves.
const FILLERS: [&str; 48] = [
    "your", "the", "a", "of", "for", "and", "to", "in", "is", "has", "been", "was", "will", "be",
    "it", "no", "re", "ihr", "ihre", "dein", "deine", "das", "der", "die", "und", "bei", "von",
    "votre", "vos", "mon", "le", "la", "les", "de", "du", "des", "et", "tu", "su", "el", "los",
    "sua", "seu", "il", "tuo", "di", "uw", "van",
];

/// What a service writes to its customers about, folded.
#[rustfmt::skip]
const AFFAIRS: [&str; 62] = [
    "account", "accounts", "password", "suspended", "suspension", "verify", "verification",
    "login", "signin", "payment", "invoice", "parcel", "package", "delivery", "refund",
    "subscription", "membership", "billing", "wallet", "statement", "mailbox", "voicemail",
    "card", "shipment", "expired", "locked", "limited", "konto", "kontos", "zahlung", "rechnung",
    "paket", "sendung", "lieferung", "passwort", "gesperrt", "compte", "paiement", "facture",
    "colis", "livraison", "remboursement", "abonnement", "cuenta", "pago", "factura", "paquete",
    "entrega", "conta", "pagamento", "fatura", "encomenda", "pontos", "cartao", "pacco",
    "consegna", "fattura", "rekening", "betaling", "factuur", "pakket", "bezorging",
];

/// "Your", folded.
const YOURS: [&str; 23] = [
    "you", "your", "ihr", "ihre", "ihrem", "ihrer", "ihren", "dein", "deine", "votre", "vos", "tu",
    "su", "sua", "seu", "seus", "suas", "tuo", "tua", "il", "uw", "je", "jouw",
];

/// Whether a folded word is one of them.
pub fn is_service_word(word: &str) -> bool {
    SERVICE_WORDS.contains(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn brands() -> Brands {
        Brands::new(&[], &[])
    }

    fn claimed(brands: &Brands, text: &str) -> Option<(String, f32)> {
        let claim = brands.claim(text)?;
        Some((brands.brand(claim.brand)?.name.clone(), claim.strength))
    }

    #[test]
    fn the_shipped_list_is_whole() {
        let shipped: ShippedBrands = toml::from_str(SHIPPED).unwrap();
        assert!(shipped.brand.len() >= 150);
        for brand in &shipped.brand {
            assert!(!brand.domains.is_empty() && !brand.kind.is_empty(), "{}", brand.name);
            for domain in &brand.domains {
                let host = domain.replace(".*", ".com");
                assert_eq!(host.to_ascii_lowercase(), host, "{domain}");
                let is_suffix = registrable::organisational(&host).is_none();
                assert!(!is_suffix || host.starts_with("gov.") || host.contains('.'), "{domain}");
            }
        }
    }

    #[test]
    fn names_that_claim() {
        let brands = brands();
        let table = [
            ("PayPal", Some(("PayPal", 1.0))),
            ("PayPal Service", Some(("PayPal", 1.0))),
            ("service@paypal.com", Some(("PayPal", 1.0))),
            ("Microsoft account team", Some(("Microsoft", 1.0))),
            ("Bank of America Alerts", Some(("Bank of America", 1.0))),
            ("PayPaI", Some(("PayPal", 1.0))),
            ("РауРаl Support", Some(("PayPal", 1.0))),
            ("MetaMask", Some(("MetaMask", 1.0))),
            ("Apple Support", Some(("Apple", 1.0))),
            ("Apple", Some(("Apple", 0.5))),
            ("iCloud", Some(("Apple", 1.0))),
            ("Apple Pie Bakery", None),
            ("Jane Chase", None),
            ("Jane Doe (Google)", None),
            ("Jane Doe", None),
            ("Google vs Microsoft", Some(("Google", 0.3))),
            ("", None),
        ];
        for (text, expected) in table {
            let found = claimed(&brands, text);
            let found = found.as_ref().map(|(name, strength)| (name.as_str(), *strength));
            match expected {
                // Other words beside the name: how sure does not matter here.
                Some((name, 0.3)) => assert_eq!(found.map(|found| found.0), Some(name), "{text}"),
                _ => assert_eq!(found, expected, "{text}"),
            }
        }
    }

    #[test]
    fn owners_of_hosts() {
        let brands = brands();
        let owned = |host: &str, name: &str| {
            brands.owners(host).iter().any(|at| brands.all.get(*at).unwrap().name == name)
        };
        assert!(owned("www.paypal.com", "PayPal"));
        assert!(owned("paypal.co.uk", "PayPal"));
        assert!(!owned("paypal.xyz", "PayPal"));
        assert!(!owned("paypal.tk", "PayPal"));
        assert!(!owned("paypal.com.evil.test", "PayPal"));
        assert!(owned("tax.service.gov.uk", "HMRC"));
        assert!(owned("facebookmail.com", "Instagram"));
    }

    #[test]
    fn subjects_that_name() {
        let brands = brands();
        let named = |text: &str| brands.named_to_customer(text).is_some();
        assert!(named("Your PayPal account was suspended"));
        assert!(named("Votre compte Netflix: paiement"));
        assert!(named("Netflix payment declined"));
        assert!(!named("I like PayPal"));
        assert!(!named("Chase the fox"));
        assert!(!named("Microsoft opens its new security centre for business customers in Dublin"));
    }
}
