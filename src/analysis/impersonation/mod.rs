//! Who pretends to be somebody else: the house, its people, a brand, an acquaintance.
//!
//! In: the message's author and texts, its links, who vouches for it, whether the sender is new
//! here, and what was found so far. Out: sightings. What needs authentication is left away when
//! nothing is known of it, as for a message in a file; the rest rests on the content alone: a
//! claim in one place is held against the domains in the others. Pure; price does not depend on
//! the size of the message.

mod brands;
mod claims;
mod fold;
mod lookalike;
mod people;
mod pressure;
mod reply;
#[cfg(test)]
mod tests;

pub use brands::{Brand, Brands, Claim};
pub use fold::{fold, skeleton, words};
pub use lookalike::{How, Likeness, Whose};

use super::links::{Links, is_free_mail};
use super::{Authenticated, Dmarc, Sighting};
use crate::config::{Config, Impersonation};
use crate::mail::{Domain, Finding, Order};
use crate::message::{Anatomy, Authorship, Mailbox};
use crate::net::registrable;
use people::Known;
use pressure::Pressure;

/// The names that are watched over: the house's, its people's, the brands'.
#[derive(Debug)]
pub struct Site {
    brands: Brands,
    own: Vec<Domain>,
    trusted: Vec<Domain>,
    people: Vec<Known>,
    watch: lookalike::Watch,
}

impl Site {
    /// The names of a configuration.
    pub fn new(config: &Config) -> Site {
        let own = config.domain.iter().map(|domain| domain.name.clone());
        Site::of(own.collect(), &config.impersonation)
    }

    /// The names that are shipped.
    pub fn shipped() -> Site {
        Site::of(Vec::new(), &Impersonation::default())
    }

    fn of(mut own: Vec<Domain>, settings: &Impersonation) -> Site {
        own.extend(settings.domains.iter().cloned());
        let brands = Brands::new(&settings.brands, &settings.without_brands);
        let watch = lookalike::Watch::new(&own, &brands);
        Site {
            watch,
            brands,
            own,
            trusted: settings.trusted.clone(),
            people: settings.people.iter().map(Known::new).collect(),
        }
    }

    /// The brands.
    pub fn brands(&self) -> &Brands {
        &self.brands
    }

    /// Whether a host is the house's.
    pub fn is_own(&self, host: &str) -> bool {
        is_within(host, &self.own)
    }

    /// Whose name a host looks like without being theirs.
    pub fn likeness(&self, host: &str) -> Option<Likeness> {
        let honest = self.is_own(host)
            || is_within(host, &self.trusted)
            || !self.brands.owners(host).is_empty();
        if honest { None } else { self.watch.likeness(host) }
    }

    /// Whether two hosts belong to the house or to one brand.
    pub fn are_of_one_owner(&self, one: &str, other: &str) -> bool {
        if self.is_own(one) && self.is_own(other) {
            return true;
        }
        let owners = self.brands.owners(one);
        !owners.is_empty() && self.brands.owners(other).iter().any(|owner| owners.contains(owner))
    }

    /// For the administrator.
    pub fn name_of(&self, whose: Whose) -> &str {
        match whose {
            Whose::Own => "this organisation",
            Whose::Brand(number) => {
                self.brands.brand(number).map_or("", |brand| brand.name.as_str())
            }
        }
    }
}

/// How sure it is that a person is impersonated when the address is theirs and not
/// authenticated; when only the local part is their name; and when a service that vouches for
/// itself says that they write through it.
const FORGED_ADDRESS: f32 = 0.75;
const IN_ADDRESS: f32 = 0.5;
const SERVICE: f32 = 0.25;

/// Whether a host is one of the domains or lies below.
fn is_within(host: &str, domains: &[Domain]) -> bool {
    domains.iter().any(|domain| {
        host.strip_suffix(domain.as_str())
            .is_some_and(|before| before.is_empty() || before.ends_with('.'))
    })
}

/// What the checks of this stage look at, read once.
struct Scene<'s> {
    site: &'s Site,
    anatomy: &'s Anatomy,
    /// Every mailbox that some reader may see as the author's.
    authors: Vec<Mailbox>,
    links: &'s Links,
    authenticated: Option<&'s Authenticated>,
    subject: String,
    pressure: Pressure,
}

impl Scene<'_> {
    /// The domains of all who may be the author.
    fn author_domains(&self) -> impl Iterator<Item = &str> {
        self.authors.iter().filter_map(|author| author.address.domain()).map(Domain::as_str)
    }

    /// Whether the author writes from the domain of a brand, as far as a mailbox there says
    /// something of the brand.
    fn is_author_of(&self, brand: usize) -> bool {
        self.author_domains()
            .any(|domain| !is_free_mail(domain) && self.site.brands.owns(brand, domain))
    }

    /// Authentication was looked at, and somebody answers for the author or his organisation.
    fn is_vouched(&self) -> bool {
        let Some(authenticated) = self.authenticated else { return false };
        let of_organisation = authenticated.author_domain.as_ref().is_some_and(|author| {
            let vouching = authenticated.vouching.iter();
            vouching
                .map(Domain::as_str)
                .any(|domain| registrable::is_same_organisation(domain, author.as_str()))
        });
        of_organisation || authenticated.speaks_for_author()
    }

    /// Authentication was looked at and nobody answers for the author. Silence of DNS accuses
    /// nobody.
    fn is_unvouched(&self) -> bool {
        let answered =
            self.authenticated.is_some_and(|authenticated| authenticated.dmarc != Dmarc::Temporary);
        answered && !self.is_vouched()
    }

    /// The author's domain says who may write in its name, and this is none of them.
    fn is_disowned(&self) -> bool {
        self.authenticated.is_some_and(|found| matches!(found.dmarc, Dmarc::Fail(_)))
    }
}

/// Looks for pretence. `authenticated` is absent for content without a passage.
pub fn look(
    site: &Site,
    anatomy: &Anatomy,
    author: &Authorship,
    links: &Links,
    authenticated: Option<&Authenticated>,
    is_new_sender: Option<bool>,
    so_far: &[Finding],
) -> Vec<Sighting> {
    let authors = match author {
        Authorship::One(mailbox) => vec![mailbox.clone()],
        Authorship::Several(mailboxes) => mailboxes.iter().take(16).cloned().collect(),
        // What some reader may see counts against the sender.
        Authorship::Unclear(_) => anatomy.mailboxes("from").into_iter().take(16).collect(),
        Authorship::Absent => Vec::new(),
    };
    let subject = anatomy.summary().subject;
    let pressure = Pressure::of(&subject, &links.shown);
    let scene = Scene { site, anatomy, authors, links, authenticated, subject, pressure };
    let mut sightings = claims::look(&scene);
    sightings.extend(look_at_house(&scene));
    sightings.extend(reply::look(&scene));
    sightings.extend(look_at_pressure(&scene, is_new_sender, so_far, &sightings));
    sightings
}

/// The house's own domain and people.
fn look_at_house(scene: &Scene<'_>) -> Vec<Sighting> {
    let mut sightings = Vec::new();
    let site = scene.site;
    for author in &scene.authors {
        let domain = author.address.domain().map(Domain::as_str).unwrap_or_default();
        if site.is_own(domain) {
            if scene.is_unvouched() {
                sightings.push(Sighting::new("OWN_DOMAIN_UNAUTHENTICATED", domain));
            }
        } else if let Some(own) = own_domain_in(site, &author.display_name) {
            let detail = format!("\"{own}\" in the name of {}", author.address);
            sightings.push(Sighting::new("OWN_DOMAIN_IN_NAME", detail));
        }
        sightings.extend(borrowed_name(scene, author, domain));
    }
    sightings.truncate(8);
    sightings
}

/// The house's person whose name an author bears without being that person.
fn borrowed_name(scene: &Scene<'_>, author: &Mailbox, domain: &str) -> Option<Sighting> {
    let site = scene.site;
    let known = site.people.iter().find(|person| person.writes_from(&author.address));
    if let Some(person) = known {
        // Their own address, which anybody can write: its domain says who may, and nobody who
        // may has. A domain that says nothing accuses nobody.
        let detail =
            format!("nobody vouches for {}, an address of {}", author.address, person.name);
        return scene
            .is_disowned()
            .then(|| Sighting::strong("PERSON_IMPERSONATED", FORGED_ADDRESS, detail));
    }
    if site.is_own(domain) && !scene.is_unvouched() {
        return None;
    }
    // A service that names whom it writes for, and that is who it says.
    let is_of_service = scene.is_vouched()
        && !is_free_mail(domain)
        && speaks_for_others(site, &author.display_name, domain);
    let strength = |person: &Known| {
        let named = person.is_named(&author.display_name);
        let named = named.map(|strength| if is_of_service { SERVICE * strength } else { strength });
        let shows_address =
            author.display_name.trim().is_empty() || author.display_name.contains('@');
        named.or_else(|| {
            let addressed = shows_address && person.is_addressed(&author.address);
            addressed.then_some(IN_ADDRESS)
        })
    };
    site.people.iter().find_map(|person| {
        let strength = strength(person)?;
        let detail = format!("{} writes from {}", person.name, author.address);
        Some(Sighting::strong("PERSON_IMPERSONATED", strength, detail))
    })
}

/// "Jane Doe via Service", from a domain of that service.
fn speaks_for_others(site: &Site, display_name: &str, domain: &str) -> bool {
    let words = words(display_name);
    let Some(via) = words.iter().position(|word| word == "via") else { return false };
    let service = words.get(via + 1..).unwrap_or_default();
    let label = registrable::registered_label(domain).unwrap_or_default();
    let is_named = !service.is_empty() && service.concat() == fold(label);
    let brand = site.brands().claim(&service.join(" "));
    is_named || brand.is_some_and(|claim| site.brands().owns(claim.brand, domain))
}

/// A domain of the house that stands in a display name.
fn own_domain_in<'s>(site: &'s Site, display_name: &str) -> Option<&'s str> {
    let folded = fold(display_name);
    let at_end = |octet: Option<&u8>| {
        octet.is_none_or(|octet| !octet.is_ascii_alphanumeric() && !b"-.".contains(octet))
    };
    site.own.iter().map(Domain::as_str).find(|domain| {
        memchr::memmem::find_iter(folded.as_bytes(), domain.as_bytes()).any(|at| {
            let after = folded.as_bytes().get(at + domain.len());
            let before = at.checked_sub(1).and_then(|at| folded.as_bytes().get(at));
            at_end(after)
                && before.is_none_or(|octet| !octet.is_ascii_alphanumeric() && *octet != b'-')
        })
    })
}

/// Requests for money, and what makes them worse.
fn look_at_pressure(
    scene: &Scene<'_>,
    is_new_sender: Option<bool>,
    so_far: &[Finding],
    seen: &[Sighting],
) -> Vec<Sighting> {
    let mut sightings = Vec::new();
    let pressure = scene.pressure;
    let said = |name: &str| so_far.iter().any(|finding| finding.name == name);
    let bank_change = pressure.bank_change || said("SCAM_BANK_DETAIL_CHANGE");
    let gift_cards = pressure.gift_cards || said("SCAM_GIFT_CARDS_BUY");
    let presence = pressure.presence || said("SCAM_BEC_AVAILABLE") || said("SCAM_BEC_SEND_CELL");
    let named = [
        (bank_change, "BANK_CHANGE_REQUEST"),
        (gift_cards, "GIFT_CARD_REQUEST"),
        (pressure.payment, "PAYMENT_REQUEST"),
    ];
    // A long letter in many parts speaks of money without asking for it.
    let asked: Vec<&'static str> =
        named.into_iter().filter(|(there, _)| *there).map(|(_, name)| name).collect();
    // What the rules say of English text is not told twice.
    if pressure.bank_change_to_pay && !said("SCAM_BANK_DETAIL_CHANGE") {
        sightings.push(Sighting::new("BANK_CHANGE_PAYMENT", hurry(pressure)));
    }
    let is_for_money = pressure.is_for_money() || bank_change || gift_cards;
    let hurried = hurry(pressure);
    sightings.extend(asked.into_iter().map(|name| Sighting::new(name, hurried)));
    if is_new_sender == Some(true) {
        sightings.push(Sighting::new("FIRST_TIME_SENDER", ""));
        if is_for_money || presence {
            let strength = if bank_change || gift_cards { 1.0 } else { 0.5 };
            sightings.push(Sighting::strong("FIRST_TIME_SENDER_MONEY", strength, hurried));
        }
    }
    let pretender = ["PERSON_IMPERSONATED", "OWN_DOMAIN_IN_NAME", "REPLY_TO_FREE_MAIL"]
        .into_iter()
        .find(|name| seen.iter().any(|sighting| sighting.name == *name));
    if let Some(pretender) = pretender
        && (is_for_money || presence || (pressure.hurry && pressure.secrecy))
    {
        sightings.push(Sighting::new("PRETENDER_ASKS", format!("beside {pretender}")));
    }
    sightings
}

/// How a request is urged, for the administrator.
fn hurry(pressure: Pressure) -> &'static str {
    match (pressure.hurry, pressure.secrecy) {
        (true, true) => "at once and in secret",
        (true, false) => "at once",
        (false, true) => "in secret",
        (false, false) => "",
    }
}

/// What recipients are told of a sender who never wrote before.
///
/// The body is never edited on this box, so it is a header field for mail readers and rules
/// behind it, and a word before the Subject when the configuration names one.
pub fn banner(settings: &Impersonation, is_new_sender: Option<bool>) -> Vec<Order> {
    let mut orders = Vec::new();
    // Nobody else may speak for the box.
    let is_used = settings.first_time_banner.is_some();
    if is_used {
        orders.push(Order::RemoveHeader("X-Postern-Banner".into()));
    }
    if is_new_sender != Some(true) {
        return orders;
    }
    if let Some(text) = &settings.first_time_banner {
        orders.push(Order::AddHeader { name: "X-Postern-Banner".into(), value: text.clone() });
    }
    if let Some(tag) = &settings.first_time_tag {
        orders.push(Order::TagSubject(tag.clone()));
    }
    orders
}
