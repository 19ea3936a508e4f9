//! Answers that go elsewhere than the author writes from.
//!
//! In: a [`Scene`]. Out: sightings. Lists, shops and ticket systems do it honestly, so another
//! organisation alone says little; a free mailbox that answers for an organisation says more.

use super::{Scene, Sighting};
use crate::analysis::links::is_free_mail;
use crate::mail::Domain;
use crate::message::Mailbox;
use crate::net::registrable;

/// Looks at Reply-To beside the author.
pub(super) fn look(scene: &Scene<'_>) -> Vec<Sighting> {
    let answers = scene.anatomy.mailboxes("reply-to");
    let (Some(author), Some(answer)) = (scene.authors.first(), answers.first()) else {
        return Vec::new();
    };
    let (Some(from_domain), Some(answer_domain)) =
        (author.address.domain().map(Domain::as_str), answer.address.domain().map(Domain::as_str))
    else {
        return Vec::new();
    };
    // Copies to the author's own address are the honest form of an answer to all.
    let includes_author = answers.iter().any(|answer| answer.address.key() == author.address.key());
    let one_owner = registrable::is_same_organisation(from_domain, answer_domain)
        || scene.site.are_of_one_owner(from_domain, answer_domain);
    if includes_author || is_list(scene) {
        return Vec::new();
    }
    let detail = format!("from {}, answers to {}", author.address, answer.address);
    let free = (is_free_mail(from_domain), is_free_mail(answer_domain));
    match (one_owner, free) {
        // Another mailbox at the same free service, or at another one.
        (_, (true, true)) => vec![Sighting::strong("REPLY_TO_FREE_MAIL", 0.8, detail)],
        (true, _) => Vec::new(),
        (false, (false, true)) => {
            let strength = if is_form(scene, answer) { FROM_FORM } else { 1.0 };
            vec![Sighting::strong("REPLY_TO_FREE_MAIL", strength, detail)]
        }
        (false, _) => vec![Sighting::new("REPLY_TO_ELSEWHERE", detail)],
    }
}

/// How much it says in what visitors write into the form of a web site.
const FROM_FORM: f32 = 0.25;

/// A web site passes on what a visitor wrote: a script says that it sends it, the address for
/// answers is one of the fields of the form, and money is not asked for.
fn is_form(scene: &Scene<'_>, answer: &Mailbox) -> bool {
    const SCRIPTS: [&str; 3] = ["x-php-originating-script", "x-php-script", "x-mailer"];
    let by_script = scene.anatomy.head().is_some_and(|head| {
        SCRIPTS.into_iter().any(|field| {
            let text = head.text(field).unwrap_or_default().to_ascii_lowercase();
            text.contains("php") || text.contains("wordpress") || text.contains("drupal")
        })
    });
    let key = answer.address.key();
    // `E-mail: ann@example.org`, a field and its value.
    let is_field = scene.links.shown.lines().take(FORM_LINES).any(|line| {
        let line = line.to_lowercase();
        line.split_once(':').is_some_and(|(name, value)| {
            name.trim().len() <= FIELD_OCTETS
                && name.contains("mail")
                && value.trim().trim_matches(['<', '>']) == key
        })
    });
    let asks = scene.pressure.is_for_money() || scene.pressure.presence || scene.pressure.secrecy;
    by_script && is_field && !asks
}

/// Lines of a form that are looked at, and the longest name of a field.
const FORM_LINES: usize = 60;
const FIELD_OCTETS: usize = 24;

/// Lists set Reply-To to themselves or to the author.
fn is_list(scene: &Scene<'_>) -> bool {
    scene.anatomy.head().is_some_and(|head| {
        ["list-post", "list-id", "mailing-list", "x-mailing-list"]
            .into_iter()
            .any(|name| head.first(name).is_some())
    })
}
