//! What speaks against a message's links.
//!
//! In: [`Links`], the author, and the names that are watched over. Out: sightings, each name
//! once with the first place where it was seen and how many more there are. What was rewritten
//! by another mail filter is judged as what it was.

use std::collections::{BTreeMap, BTreeSet};

use super::lists::{self, FreeHost};
use super::{Host, Link, Links, Place, Scheme, Target, letters, redirect, written};
use crate::analysis::Sighting;
use crate::analysis::impersonation::{How, Site, Whose};
use crate::mail::Finding;
use crate::message::{Anatomy, Authorship};
use crate::net::registrable;

/// More links than this are seldom in a letter.
const MANY_LINKS: usize = 150;
/// Distinct hosts that are looked at one by one.
const MOST_HOSTS: usize = 80;
/// So many addresses of others in one link are no accident.
const MANY_WAYS_ON: usize = 3;
/// The author's own name is shown and somebody else's is led to: honest when the author is who
/// he says.
const TRACKED: &str = "LINK_TEXT_TRACKED";
const NONE_OF_AUTHOR: &str = "LINKS_NONE_OF_AUTHOR";
/// Marks of mail that can be unsubscribed.
const BULK: [&str; 2] = ["BULK_ONE_CLICK", "BULK_UNSUBSCRIBE"];
/// What a detail shows of a target.
const SHOWN_CHARS: usize = 100;
/// Ports that sites are served from, beside those of the schemes.
const USUAL_PORTS: [u16; 7] = [80, 443, 21, 8080, 8443, 8000, 8888];

/// Looks at the links of a message.
pub fn look(site: &Site, anatomy: &Anatomy, author: &Authorship, links: &Links) -> Vec<Sighting> {
    let mailboxes = match author {
        Authorship::One(mailbox) => vec![mailbox.clone()],
        Authorship::Several(mailboxes) => mailboxes.iter().take(16).cloned().collect(),
        Authorship::Unclear(_) => anatomy.mailboxes("from").into_iter().take(16).collect(),
        Authorship::Absent => Vec::new(),
    };
    let author_domains = mailboxes
        .iter()
        .filter_map(|mailbox| mailbox.address.domain())
        .map(|domain| domain.as_str().to_owned())
        .collect();
    let recipients = ["to", "cc", "delivered-to", "x-original-to"]
        .into_iter()
        .flat_map(|field| anatomy.mailboxes(field))
        .take(8)
        .map(|mailbox| mailbox.address.key())
        .filter(|key| key.len() > 6)
        .collect();
    let mut judge =
        Judge { site, author_domains, recipients, sights: BTreeMap::new(), hosts: BTreeSet::new() };
    for link in &links.all {
        judge.link(link);
    }
    judge.forms(links);
    judge.whole(links);
    judge.finish()
}

/// What was seen under one name.
struct Sight {
    strength: f32,
    detail: String,
    times: u32,
}

struct Judge<'s> {
    site: &'s Site,
    author_domains: Vec<String>,
    /// As [`crate::mail::Address::key`] gives them.
    recipients: Vec<String>,
    sights: BTreeMap<&'static str, Sight>,
    /// Hosts that were looked at.
    hosts: BTreeSet<String>,
}

impl Judge<'_> {
    /// The strongest sight of a name counts, the first of these is told.
    fn note(&mut self, name: &'static str, strength: f32, link: &Link, detail: &str) {
        // Somebody may pass on what was sent to him.
        let strength = if link.nested { strength / 2.0 } else { strength };
        self.note_detail(name, strength, detail);
    }

    fn note_detail(&mut self, name: &'static str, strength: f32, detail: &str) {
        let shown = || detail.chars().take(2 * SHOWN_CHARS).collect::<String>();
        match self.sights.get_mut(name) {
            Some(sight) => {
                sight.times += 1;
                if strength > sight.strength {
                    sight.strength = strength;
                    sight.detail = shown();
                }
            }
            None => {
                self.sights.insert(name, Sight { strength, detail: shown(), times: 1 });
            }
        }
    }

    fn finish(self) -> Vec<Sighting> {
        let sighting = |(name, sight): (&'static str, Sight)| {
            let detail = match sight.times {
                1 => sight.detail,
                times => format!("{} (and {} more)", sight.detail, times - 1),
            };
            Sighting::strong(name, sight.strength, detail)
        };
        self.sights.into_iter().map(sighting).collect()
    }

    fn link(&mut self, link: &Link) {
        self.scheme(link);
        if !link.place.is_followed() {
            match link.place {
                Place::Base => self.base(link),
                _ => self.picture(link),
            }
            return;
        }
        if !link.parsed.scheme.is_web() {
            return;
        }
        if link.host.is_none() {
            // A forgotten placeholder of a mailing program, most often.
            if matches!(link.place, Place::Anchor | Place::Form) {
                self.note("LINK_BROKEN", 1.0, link, &shown(&link.target));
            }
            return;
        }
        let Some(target) = redirect::final_target(&link.parsed) else { return };
        self.written_form(link, &target);
        self.shown_text(link, &target);
        self.onward(link, &target);
        self.recipient(link, &target);
        match &target.host {
            Some(Host::Address(address)) => {
                let is_inner = match address {
                    std::net::IpAddr::V4(v4) => v4.is_private() || v4.is_loopback(),
                    std::net::IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
                };
                let strength = if is_inner { 0.1 } else { 1.0 };
                self.note("LINK_ADDRESS", strength, link, &shown(&link.target));
            }
            Some(Host::Name(name)) => self.name(link, name, &target),
            None => {}
        }
    }

    /// What is no address in the web.
    fn scheme(&mut self, link: &Link) {
        let picture = link.place == Place::Resource;
        match link.parsed.scheme {
            Scheme::Script if !is_idle_script(&link.parsed.rest) => {
                self.note("LINK_SCRIPT", 1.0, link, &shown(&link.target));
            }
            Scheme::Data if !picture => {
                let rest = link.parsed.rest.trim_start().to_ascii_lowercase();
                let is_image = rest.starts_with("image/") && !rest.starts_with("image/svg");
                if !is_image {
                    self.note("LINK_DATA", 1.0, link, &shown(&link.target));
                }
            }
            Scheme::File => self.note("LINK_FILE", 1.0, link, &shown(&link.target)),
            _ => {}
        }
        if link.place == Place::Refresh {
            self.note("LINK_REFRESH", 1.0, link, &shown(&link.target));
        }
        if link.place == Place::SpelledOut {
            self.note("LINK_SPELLED_OUT", 1.0, link, &shown(&link.visible));
        }
    }

    /// How the target is written.
    fn written_form(&mut self, link: &Link, target: &Target) {
        let disguises = target.disguises;
        if disguises.address_form {
            self.note("LINK_ADDRESS_DISGUISED", 1.0, link, &shown(&link.target));
        }
        if disguises.escaped_host || disguises.mapped_host {
            self.note("LINK_HOST_DISGUISED", 1.0, link, &shown(&link.target));
        } else if disguises.slashes && link.place == Place::Anchor {
            self.note("LINK_HOST_DISGUISED", 0.3, link, &shown(&link.target));
        }
        if !target.user.is_empty() {
            // `user:password@` for a file server is old; a name with a dot deceives.
            let user = target.user.split(':').next().unwrap_or_default();
            let strength = match (target.scheme, user.contains('.')) {
                (_, true) => 1.0,
                (Scheme::Ftp, false) => 0.2,
                (_, false) => 0.7,
            };
            self.note("LINK_USERINFO", strength, link, &shown(&link.target));
        }
        if let Some(port) = target.port.filter(|port| !USUAL_PORTS.contains(port)) {
            let text = matches!(link.place, Place::Text | Place::BareText);
            let strength = if text { 0.4 } else { 1.0 };
            self.note("LINK_PORT", strength, link, &format!("{port} in {}", shown(&link.target)));
        }
    }

    /// What is shown against where it leads.
    fn shown_text(&mut self, link: &Link, target: &Target) {
        if link.place != Place::Anchor {
            return;
        }
        if link.hidden {
            self.note("LINK_HIDDEN", 1.0, link, &shown(&link.target));
        }
        let Some(shown_host) = written::shown_host(&link.visible) else { return };
        let detail = || {
            let host = target.host.as_ref().map(Host::to_string).unwrap_or_default();
            format!("shows {shown_host}, leads to {host}")
        };
        let Some(name) = target.name() else {
            self.note("LINK_TEXT_DIFFERS", 1.0, link, &detail());
            return;
        };
        if registrable::is_same_organisation(&shown_host, name)
            || self.site.are_of_one_owner(&shown_host, name)
        {
            return;
        }
        let watched =
            self.site.is_own(&shown_host) || !self.site.brands().owners(&shown_host).is_empty();
        let same_label =
            registrable::registered_label(&shown_host) == registrable::registered_label(name);
        let leads_on = redirect::inner(target).iter().any(|inner| {
            inner.name().is_some_and(|on| registrable::is_same_organisation(on, &shown_host))
        });
        let authors_own = self.is_authors(name);
        let shows_author = self.is_authors(&shown_host);
        let strength = match () {
            () if same_label => 0.2,
            () if leads_on => 0.1,
            () if lists::is_click_tracker(name) || lists::is_shortener(name) => {
                if watched {
                    0.4
                } else {
                    0.1
                }
            }
            // The author shows his own name, and somebody counts the clicks for him.
            () if shows_author && !watched => {
                self.note(TRACKED, 1.0, link, &detail());
                return;
            }
            () if authors_own => {
                if watched {
                    0.8
                } else {
                    0.2
                }
            }
            () => 1.0,
        };
        self.note("LINK_TEXT_DIFFERS", strength, link, &detail());
    }

    fn is_authors(&self, host: &str) -> bool {
        self.author_domains.iter().any(|domain| registrable::is_same_organisation(domain, host))
    }

    /// Links in the link.
    fn onward(&mut self, link: &Link, target: &Target) {
        self.ways_on(link, target);
        let (depth, innermost) = redirect::depth(target);
        let known = lists::is_redirector(target);
        let leads_away = innermost.as_ref().and_then(Target::name).is_some_and(|on| {
            target.name().is_some_and(|name| {
                !registrable::is_same_organisation(on, name)
                    && !self.site.are_of_one_owner(on, name)
            })
        });
        let innermost_host = innermost.and_then(|target| target.host);
        let by = || match &innermost_host {
            Some(host) => format!("{} to {host}", shown(&link.target)),
            None => shown(&link.target),
        };
        if known {
            let strength = if leads_away { 1.0 } else { 0.5 };
            self.note("LINK_OPEN_REDIRECT", strength, link, &by());
        } else if leads_away && link.place != Place::Text {
            let strength = if depth >= 2 { 1.0 } else { 0.4 };
            self.note("LINK_IN_LINK", strength, link, &by());
        }
    }

    /// Several addresses of others in one link: one of them is meant to be followed, by
    /// whatever name the site takes it.
    fn ways_on(&mut self, link: &Link, target: &Target) {
        let inner = redirect::inner(target);
        let away = inner.iter().filter(|on| match (&on.host, target.name()) {
            (Some(Host::Name(on)), Some(name)) => {
                !registrable::is_same_organisation(on, name)
                    && !self.site.are_of_one_owner(on, name)
            }
            (on, _) => on.is_some(),
        });
        let count = away.count();
        if count >= MANY_WAYS_ON {
            let detail = format!("{count} addresses in {}", shown(&link.target));
            self.note("LINK_REDIRECTS_MANY", 1.0, link, &detail);
        }
    }

    /// The recipient's own address in the target.
    fn recipient(&mut self, link: &Link, target: &Target) {
        if link.place != Place::Anchor && link.place != Place::File && link.place != Place::Refresh
        {
            return;
        }
        let has = |text: &str| {
            let text = super::target::unescaped(text).to_lowercase();
            self.recipients.iter().any(|recipient| text.contains(recipient.as_str()))
        };
        let fragment = target.fragment();
        let in_fragment = !fragment.is_empty() && has(fragment);
        let in_rest = !in_fragment && target.rest.len() > 6 && has(&target.rest);
        if in_fragment {
            self.note("LINK_RECIPIENT_FRAGMENT", 1.0, link, &shown(&link.target));
        } else if in_rest && !is_unsubscribe(link) {
            self.note("LINK_RECIPIENT", 1.0, link, &shown(&link.target));
        }
    }

    /// The name of the host.
    fn name(&mut self, link: &Link, name: &str, target: &Target) {
        if lists::is_shortener(name) && target.path().len() > 1 {
            self.note("LINK_SHORTENER", 1.0, link, &shown(&link.target));
        }
        match lists::free_host(target).filter(|_| !self.is_authors(name)) {
            Some(FreeHost::Site) => self.note("LINK_FREE_HOST", 1.0, link, name),
            Some(FreeHost::Storage) => {
                self.note("LINK_STORAGE_PAGE", 1.0, link, &shown(&link.target));
            }
            None => {}
        }
        if self.hosts.len() >= MOST_HOSTS || !self.hosts.insert(name.to_owned()) {
            return;
        }
        if lists::has_cheap_suffix(name) {
            self.note("LINK_CHEAP_SUFFIX", 1.0, link, name);
        }
        let label = registrable::registered_label(name).unwrap_or_default();
        // What a provider names for its customers looks so by right.
        if letters::looks_random(label) && !registrable::has_private_suffix(name) {
            self.note("LINK_HOST_RANDOM", 1.0, link, name);
        }
        if letters::is_numbered(name) {
            self.note("LINK_HOST_NUMBERED", 1.0, link, name);
        }
        let likeness = self.site.likeness(name);
        if let Some(likeness) = &likeness {
            let finding = match (likeness.how, likeness.whose) {
                (How::Subdomain | How::Label, _) => "LINK_BRAND_SUBDOMAIN",
                (_, Whose::Own) => "LINK_OWN_LOOKALIKE",
                (_, Whose::Brand(_)) => "LINK_BRAND_LOOKALIKE",
            };
            let detail = format!("{name}: {} {}", likeness.of, likeness.how.words());
            self.note(finding, likeness.strength, link, &detail);
        }
        match letters::scripts_of(name) {
            letters::Scripts::Mixed => self.note("LINK_HOMOGRAPH", 1.0, link, name),
            letters::Scripts::LooksLatin => self.note("LINK_HOMOGRAPH", 0.7, link, name),
            letters::Scripts::Foreign => self.note("LINK_PUNYCODE", 1.0, link, name),
            letters::Scripts::Plain => {}
        }
    }

    fn picture(&mut self, link: &Link) {
        if let Some(name) = link.parsed.name().filter(|name| lists::is_picture_host(name)) {
            self.note("LINK_PICTURE_HOST", 1.0, link, name);
        }
    }

    fn base(&mut self, link: &Link) {
        let Some(name) = link.parsed.name() else { return };
        if !self.is_authors(name) {
            self.note("LINK_BASE", 1.0, link, name);
        }
    }

    fn forms(&mut self, links: &Links) {
        for form in &links.forms {
            let target = Target::parse(&form.action);
            let host = target.host.as_ref().map(Host::to_string);
            let place = if form.attached { "in an attachment" } else { "in the message" };
            let action = match &host {
                Some(host) => format!("{place}, sent to {host}"),
                None => format!("{place}, sent by a script or to nowhere"),
            };
            if form.password {
                self.note_detail("LINK_FORM_PASSWORD", 1.0, &action);
            } else if form.fields > 0 {
                let own = target.name().is_some_and(|name| self.is_authors(name));
                self.note_detail("LINK_FORM", if own { 0.5 } else { 1.0 }, &action);
            }
        }
    }

    /// What the links are together.
    fn whole(&mut self, links: &Links) {
        let anchors: Vec<&Link> = links
            .all
            .iter()
            .filter(|link| link.place == Place::Anchor && !link.nested && !link.attached)
            .filter(|link| link.parsed.scheme.is_web() && link.host.is_some())
            .collect();
        let count = links.followed().count() + links.left_out;
        if count > MANY_LINKS {
            self.note_detail("LINKS_MANY", 1.0, &format!("{count} of them"));
        }
        let Some(first) = anchors.first() else { return };
        let targets: BTreeSet<&str> = anchors.iter().map(|link| link.target.as_str()).collect();
        let texts: BTreeSet<&str> = anchors.iter().map(|link| link.visible.as_str()).collect();
        if anchors.len() >= 3 && targets.len() == 1 && texts.len() >= 2 {
            let detail = format!("{} to {}", anchors.len(), shown(&first.target));
            self.note_detail("LINKS_ALL_ONE", 1.0, &detail);
        }
        if anchors.iter().all(|link| is_unsubscribe(link)) {
            self.note_detail("LINKS_ONLY_UNSUBSCRIBE", 1.0, &shown(&first.target));
        }
        if links.has_html && !self.author_domains.is_empty() {
            let mut names = links.all.iter().filter(|link| !link.nested).filter_map(|link| {
                redirect::final_target(&link.parsed)
                    .and_then(|target| target.name().map(str::to_owned))
            });
            let free = self.author_domains.iter().any(|domain| lists::is_free_mail(domain));
            let near = names.any(|name| {
                self.is_authors(&name)
                    || lists::is_click_tracker(&name)
                    || self.author_domains.iter().any(|d| self.site.are_of_one_owner(d, &name))
            });
            if !near && !free {
                let author = self.author_domains.first().cloned().unwrap_or_default();
                let host = first.host.as_ref().map(Host::to_string).unwrap_or_default();
                self.note_detail(NONE_OF_AUTHOR, 1.0, &format!("from {author}, to {host}"));
            }
        }
    }
}

/// What speaks less against links when somebody answers for the author: a sender of
/// newsletters counts clicks for him. Takes what was found, and whether it is bulk mail that
/// says so.
pub fn ease(findings: &mut [Finding]) {
    const EASED: f32 = 0.2;
    let is_bulk = findings.iter().any(|one| BULK.iter().any(|name| one.name == *name));
    for finding in findings.iter_mut() {
        let is_eased = finding.name == TRACKED || (is_bulk && finding.name == NONE_OF_AUTHOR);
        if is_eased && finding.score > 0.0 {
            finding.score *= EASED;
            finding.detail.push_str(" (somebody answers for the author)");
        }
    }
}

/// `javascript:void(0)` and the like lead nowhere.
fn is_idle_script(rest: &str) -> bool {
    let rest = rest.trim().trim_end_matches(';').to_ascii_lowercase();
    matches!(rest.as_str(), "" | "void(0)" | "void 0" | "//" | "return false" | "print()")
        || rest.starts_with("window.print")
        || rest.starts_with("history.")
}

/// Whether a link says that it ends a subscription.
fn is_unsubscribe(link: &Link) -> bool {
    let visible = crate::analysis::impersonation::fold(&link.visible);
    let target = link.target.to_ascii_lowercase();
    [
        "unsubscribe",
        "opt out",
        "opt-out",
        "optout",
        "remove",
        "abbestellen",
        "abmelden",
        "austragen",
        "desabonner",
        "desinscri",
        "se desinscrire",
        "cancelar",
        "darse de baja",
        "descadastr",
        "cancellati",
        "disiscri",
        "uitschrijven",
        "afmelden",
        "preferences",
    ]
    .iter()
    .any(|word| visible.contains(word))
        || ["unsub", "optout", "opt-out", "opt_out"].iter().any(|word| target.contains(word))
}

/// The beginning of a target.
fn shown(target: &str) -> String {
    target.trim().chars().take(SHOWN_CHARS).collect()
}
