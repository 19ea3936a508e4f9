//! Claims to be a brand, held against the domains that the message really comes from and leads
//! to.
//!
//! In: a [`Scene`]. Out: sightings. A claim stands in the display name, in the subject, or in
//! the text: as its sign-off, as whose copyright it is, or as the text for a logo. It is true
//! when the author writes from the brand's domain; forgery of that is authentication's part.

use super::{Scene, Sighting, Whose};
use crate::analysis::links::{Place, is_click_tracker, is_free_mail, is_rewriter};
use crate::mail::Domain;
use crate::net::registrable;

/// What is looked for in front of a name at the end of a letter.
const TEXT_WINDOW_OCTETS: usize = 120;

/// Looks for claims to be a brand, and for domains that look like one.
pub(super) fn look(scene: &Scene<'_>) -> Vec<Sighting> {
    let mut sightings = Vec::new();
    sightings.extend(look_at_names(scene));
    // One claim is told once.
    if sightings.is_empty() {
        sightings.extend(look_at_subject(scene));
        sightings.extend(look_at_text(scene));
    }
    sightings.extend(look_at_domains(scene));
    sightings
}

/// The display name of the author: the first claim decides.
fn look_at_names(scene: &Scene<'_>) -> Vec<Sighting> {
    let brands = scene.site.brands();
    if scene.authors.is_empty() {
        return look_at_bare_name(scene).into_iter().collect();
    }
    for author in &scene.authors {
        let domain = author.address.domain().map(Domain::as_str).unwrap_or_default();
        if scene.site.is_own(domain) && !scene.is_unvouched() {
            continue;
        }
        let Some(claim) = brands.claim(&author.display_name) else { continue };
        let Some(brand) = brands.brand(claim.brand).filter(|brand| !brand.software) else {
            continue;
        };
        if !brands.owns(claim.brand, domain) || is_free_mail(domain) {
            let detail = format!("\"{}\" <{}>", author.display_name.trim(), author.address);
            return vec![Sighting::strong("BRAND_DISPLAY_NAME", claim.strength, detail)];
        }
        // The domain is the brand's; who vouches for it may lead elsewhere.
        if scene.is_vouched() {
            continue;
        }
        let mut sightings = Vec::new();
        if scene.is_unvouched() {
            let detail = format!("{} from {domain}", brand.name);
            sightings.push(Sighting::new("BRAND_UNAUTHENTICATED", detail));
        }
        if let Some(elsewhere) = leads_elsewhere(scene, claim.brand) {
            let detail = format!("from {domain}, links to {elsewhere}");
            sightings.push(Sighting::new("BRAND_LINKS_ELSEWHERE", detail));
        }
        return sightings;
    }
    Vec::new()
}

/// A name without an address: `"Example" <>`.
fn look_at_bare_name(scene: &Scene<'_>) -> Option<Sighting> {
    let brands = scene.site.brands();
    let shown = scene.anatomy.summary().author;
    let name = shown.split('<').next().unwrap_or_default();
    let claim = brands.claim(name)?;
    brands.brand(claim.brand).filter(|brand| !brand.software)?;
    let detail = format!("{} without an address", name.trim());
    Some(Sighting::strong("BRAND_DISPLAY_NAME", claim.strength, detail))
}

/// The subject of what is no answer.
fn look_at_subject(scene: &Scene<'_>) -> Option<Sighting> {
    let is_answer = scene.anatomy.head().is_some_and(|head| {
        head.first("in-reply-to").is_some() || head.first("references").is_some()
    });
    let claim = scene.site.brands().named_to_customer(&scene.subject)?;
    let brand = scene.site.brands().brand(claim.brand)?;
    if brand.software || scene.is_author_of(claim.brand) || (is_answer && !claim.disguised) {
        return None;
    }
    let elsewhere = leads_elsewhere(scene, claim.brand)?;
    let detail = format!("{} in the subject, a link to {elsewhere}", brand.name);
    Some(Sighting::strong("BRAND_IN_SUBJECT", claim.strength, detail))
}

/// Where links go, when there are some and none goes to the brand.
fn leads_elsewhere(scene: &Scene<'_>, brand: usize) -> Option<String> {
    let brands = scene.site.brands();
    let mut elsewhere = None;
    for link in scene.links.followed().filter(|link| !link.nested) {
        if !link.parsed.scheme.is_web() || link.place == Place::BareText {
            continue;
        }
        match link.parsed.name() {
            Some(name) if brands.owns(brand, name) => return None,
            // Whoever counts the clicks knows where they go.
            Some(name) if is_click_tracker(name) || is_rewriter(name) => return None,
            _ => {
                if let Some(host) = &link.host {
                    elsewhere.get_or_insert_with(|| host.to_string());
                }
            }
        }
    }
    elsewhere
}

/// The text: whose copyright it is, who signs it, whose logo it shows.
fn look_at_text(scene: &Scene<'_>) -> Option<Sighting> {
    let brands = scene.site.brands();
    let (claim, how) = copyright(scene)
        .map(|claim| (claim, "its copyright"))
        .or_else(|| logo(scene).map(|claim| (claim, "its logo")))?;
    let brand = brands.brand(claim.brand)?;
    if brand.software || brand.social || claim.strength < 1.0 || scene.is_author_of(claim.brand) {
        return None;
    }
    let elsewhere = leads_elsewhere(scene, claim.brand)?;
    let detail = format!("{} by {how}, a link to {elsewhere}", brand.name);
    let strength = if how == "its logo" { 0.6 } else { 1.0 };
    Some(Sighting::strong("BRAND_IN_TEXT", strength, detail))
}

/// "© 2024 Example, Inc. All rights reserved", "Copyright Example".
fn copyright(scene: &Scene<'_>) -> Option<super::Claim> {
    let text = &scene.links.shown;
    for sign in ["\u{a9}", "Copyright", "copyright", "COPYRIGHT", "(c) 20", "(C) 20"] {
        for at in memchr::memmem::find_iter(text.as_bytes(), sign).take(4) {
            let end = text.floor_char_boundary((at + TEXT_WINDOW_OCTETS).min(text.len()));
            let after = text.get(at + sign.len()..end).unwrap_or_default();
            let line = after.trim_start_matches(|letter: char| {
                letter.is_ascii_digit()
                    || letter.is_whitespace()
                    || ",.-\u{2013}\u{a9}".contains(letter)
            });
            let owner = line.split(['.', '\n', '|', ',', ';']).next().unwrap_or_default();
            if let Some(claim) = scene.site.brands().claim(owner) {
                return Some(claim);
            }
        }
    }
    None
}

/// A linked image whose text is the brand's name alone.
fn logo(scene: &Scene<'_>) -> Option<super::Claim> {
    let pictured = scene.links.all.iter().filter(|link| link.pictured && !link.nested).take(4);
    for link in pictured {
        let text = link.visible.trim();
        if text.is_empty() || text.len() > 40 || !link.parsed.scheme.is_web() {
            continue;
        }
        let bare = text.trim_end_matches(" logo").trim_end_matches(" Logo");
        if let Some(claim) = scene.site.brands().claim(bare).filter(|claim| claim.strength >= 1.0) {
            return Some(claim);
        }
    }
    None
}

/// Domains of the author and of answers that look like others.
fn look_at_domains(scene: &Scene<'_>) -> Vec<Sighting> {
    let mut sightings = Vec::new();
    let answers = scene.anatomy.mailboxes("reply-to");
    let mailboxes = scene.authors.iter().map(|author| ("author", author));
    let mailboxes = mailboxes.chain(answers.iter().take(4).map(|answer| ("answers to", answer)));
    let mut seen: Vec<String> = Vec::new();
    for (role, mailbox) in mailboxes {
        let Some(domain) = mailbox.address.domain().map(Domain::as_str) else { continue };
        if seen.iter().any(|known| known == domain) || is_free_mail(domain) {
            continue;
        }
        seen.push(domain.to_owned());
        if let Some(likeness) = scene.site.likeness(domain) {
            let name = match likeness.whose {
                Whose::Own => "OWN_DOMAIN_LOOKALIKE",
                Whose::Brand(_) => "BRAND_DOMAIN_LOOKALIKE",
            };
            let detail = format!("{role} {domain}: {} {}", likeness.of, likeness.how.words());
            sightings.push(Sighting::strong(name, likeness.strength, detail));
        }
        let label = registrable::registered_label(domain).unwrap_or_default();
        if role == "author" && crate::analysis::links::looks_random(label) {
            sightings.push(Sighting::new("AUTHOR_DOMAIN_RANDOM", domain));
        }
    }
    sightings
}
