//! What people say of mail that the box still has, for history.
//!
//! In: a mail as it is kept, and what was said of it. Out: standings of its sender that moved.
//! Who vouched for the mail is taken from the field Authentication-Results that this box wrote
//! among the mail's orders when it came, never from the message; who the author is and, behind
//! an own relay, where it came from are read from the message again. What is missing there,
//! because authentication was off for example, vouches for nobody.

use bytes::Bytes;

use super::history::History;
use super::origin::Arrival;
use super::{Analysis, Authenticated, Dmarc, DmarcPolicy, Feedback, Passage, Speaker};
use crate::config;
use crate::mail::{Content, Domain, Envelope, Facts, Judgement, MailId, Order, ReversePath};
use crate::message::{Anatomy, AuthenticationResults, Authorship, Head, Limits, Oddities};

/// Longer headers are not read to their end; nobody is known by such a mail.
const HEADER_OCTETS: usize = 1 << 20;

/// What somebody said of a mail.
#[derive(Debug, Clone, Copy)]
pub struct Statement<'a> {
    /// Which mail.
    pub mail_id: MailId,
    /// How it came.
    pub facts: &'a Facts,
    /// Its sender and those recipients whose copies were spoken of.
    pub envelope: &'a Envelope,
    /// What was found.
    pub judgement: &'a Judgement,
    /// The message.
    pub content: &'a Content,
    /// Who says so.
    pub speaker: Speaker,
    /// What was said.
    pub feedback: Feedback,
}

impl Analysis {
    /// Moves the history of a mail's sender. Blocks on the disk when the content lies there.
    pub fn hear(&self, statement: &Statement<'_>, now_s: u64) {
        if let Some(history) = self.history() {
            hear(history, &self.settings, statement, now_s);
        }
    }
}

fn hear(
    history: &History,
    settings: &config::Authentication,
    statement: &Statement<'_>,
    now_s: u64,
) {
    let Some(octets) = header(statement.content) else { return };
    let Statement { mail_id, facts, envelope, judgement, .. } = *statement;
    let arrival = Arrival::of(settings, &octets, facts);
    let (head, _) = Head::split(&octets, &mut Oddities::default());
    let author = Anatomy::of(head.octets(), Limits::default()).author();
    let authenticated = recorded(judgement, &envelope.reverse_path, &author);
    let passage = Passage { facts: arrival.facts(facts), envelope };
    let said = (statement.speaker, statement.feedback);
    history.record_feedback((mail_id, passage), &author, &authenticated, said, now_s);
}

/// The header section with the line that ends it; none when it is too long to be read whole.
fn header(content: &Content) -> Option<Bytes> {
    let length = usize::try_from(content.len()).unwrap_or(usize::MAX).min(HEADER_OCTETS);
    let mut octets = vec![0; length];
    let read = match content.read_at(0, &mut octets) {
        Ok(read) => read,
        Err(error) => {
            tracing::warn!(%error, "what was said of a mail is not remembered: it cannot be read");
            return None;
        }
    };
    octets.truncate(read);
    let is_whole = read as u64 == content.len();
    let end = memchr::memmem::find(&octets, b"\r\n\r\n").map(|at| at + 4);
    match end {
        Some(end) => octets.truncate(end),
        None if is_whole => {}
        None => return None,
    }
    Some(octets.into())
}

/// Who vouched for a mail, by the results that this box wrote when the mail came.
fn recorded(
    judgement: &Judgement,
    reverse_path: &ReversePath,
    author: &Authorship,
) -> Authenticated {
    let author_domain = match author {
        Authorship::One(mailbox) => mailbox.address.domain().cloned(),
        Authorship::Absent | Authorship::Several(_) | Authorship::Unclear(_) => None,
    };
    let mut authenticated = Authenticated { author_domain, ..Authenticated::default() };
    let Some(field) = own_results(judgement) else { return authenticated };
    for result in &field.results {
        let property = |name: &str| {
            let named = result.properties.iter().find(|(known, _)| known == name);
            named.map(|(_, value)| value.as_str())
        };
        let is_pass = result.result == "pass";
        let vouches = match (result.method.as_str(), reverse_path) {
            ("dkim", _) => property("header.d").and_then(|name| Domain::parse(name).ok()),
            // The HELO name vouches only where there is no reverse-path.
            ("spf", ReversePath::Null) => {
                property("smtp.helo").and_then(|name| Domain::parse(name).ok())
            }
            ("spf", ReversePath::Mailbox(address)) => {
                property("smtp.mailfrom").and_then(|_| address.domain().cloned())
            }
            _ => None,
        };
        let vouches = vouches.filter(|domain| is_pass && !authenticated.vouching.contains(domain));
        authenticated.vouching.extend(vouches);
        let of_author = property("header.from").zip(authenticated.author_domain.as_ref());
        if result.method == "dmarc" && of_author.is_some_and(|(name, own)| name == own.as_str()) {
            authenticated.dmarc = dmarc_of(&result.result, property("policy.dmarc"));
            let is_excused = |name: &str| name == "DMARC_EXCUSED";
            if judgement.findings.iter().any(|finding| is_excused(&finding.name)) {
                authenticated.dmarc = Dmarc::Pass;
            }
        }
    }
    authenticated
}

/// The field that goes with the order to remove what others wrote under the same name.
fn own_results(judgement: &Judgement) -> Option<AuthenticationResults> {
    let own = judgement.orders.iter().find_map(|order| match order {
        Order::RemoveResults(authserv_id) => Some(authserv_id.to_lowercase()),
        _ => None,
    })?;
    judgement.orders.iter().find_map(|order| match order {
        Order::AddHeader { name, value } if name == "Authentication-Results" => {
            let field = AuthenticationResults::parse(value.as_bytes())?;
            (field.authserv_id == own).then_some(field)
        }
        _ => None,
    })
}

fn dmarc_of(result: &str, policy: Option<&str>) -> Dmarc {
    match (result, policy) {
        ("pass", _) => Dmarc::Pass,
        ("fail", Some("reject")) => Dmarc::Fail(DmarcPolicy::Reject),
        ("fail", Some("quarantine")) => Dmarc::Fail(DmarcPolicy::Quarantine),
        ("fail", _) => Dmarc::Fail(DmarcPolicy::None),
        ("temperror", _) => Dmarc::Temporary,
        ("permerror", _) => Dmarc::Permanent,
        _ => Dmarc::None,
    }
}

#[cfg(test)]
mod tests;
