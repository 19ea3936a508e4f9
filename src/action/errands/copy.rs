//! Copies for others: beside the recipients, or instead of them.
//!
//! A copy goes out as its recipient's would, with the same edits. One that others have beside
//! the recipients has a null reverse-path: nobody outside learns of it by a report; when it
//! cannot be delivered the postmaster is told. One that goes instead keeps the reverse-path,
//! since the sender is owed the report.

use super::super::secret::Secret;
use super::heading::{Heading, TRAIL};
use super::{Errands, derived_id};
use crate::journal::Event;
use crate::mail::{
    About, Address, Disposition, Envelope, Judgement, MailId, Notify, Order, OriginalRecipient,
    Recipient, ReversePath, Verdict,
};
use crate::spool::{Origin, OwnMail};

const COPY: &str = "copy";
const REDIRECT: &str = "redirect";
const CAME_BACK: &str = "it went there before and came back";

/// Copies of recipients with the same orders, which go elsewhere.
struct Way {
    orders: Vec<Order>,
    /// Who has them.
    to: Vec<Address>,
    /// Who would have them if the message had not come back from there.
    back: Vec<Address>,
    /// Whose copies they are.
    gone: Vec<u16>,
    /// Those among whom the copy goes to who are recipients themselves.
    stay: Vec<u16>,
}

impl Errands {
    pub(super) async fn copy(
        &self,
        about: About<'_>,
        heading: &Heading,
        recipients: &[u16],
        to: &[Address],
    ) -> Result<(), String> {
        if about.judgement.verdict == Verdict::Malicious {
            let to: Vec<String> = to.iter().map(Address::to_string).collect();
            self.withheld(about.id, COPY, to.join(", "), "it carries malware");
            return Ok(());
        }
        let (back, fresh): (Vec<Address>, Vec<Address>) = each_once(to.iter())
            .into_iter()
            .partition(|address| heading.went(&self.secret, COPY, address));
        for address in &back {
            self.withheld(about.id, COPY, address.to_string(), CAME_BACK);
        }
        let Some(first) = recipients.first().filter(|_| !fresh.is_empty()) else { return Ok(()) };
        let orders = carried(&about.judgement.orders_of(*first));
        // NOTIFY=NEVER (RFC 3461 section 4.1): no server is to tell the sender.
        let never = Some(Notify { success: false, failure: false, delay: false });
        let recipient =
            |address: &Address| Recipient { notify: never, ..Recipient::plain(address.clone()) };
        let envelope = Envelope {
            reverse_path: ReversePath::Null,
            recipients: fresh.iter().map(recipient).collect(),
            envelope_id: None,
            dsn_return: None,
            ..wide_enough(about.envelope, &fresh)
        };
        let origin = Origin::Copied { of: about.id };
        let becomes = self.pass_on(about, heading, (COPY, origin), envelope, orders).await?;
        let forward_paths = fresh.iter().map(Address::to_string).collect();
        self.chronicle.note(about.id, Event::Copied { forward_paths, becomes });
        Ok(())
    }

    /// Commits the copies that go to others instead of their recipients.
    pub(super) async fn redirect(&self, about: About<'_>, heading: &Heading) -> Result<(), String> {
        for way in self.ways(about, heading) {
            for address in &way.back {
                self.withheld(about.id, REDIRECT, address.to_string(), CAME_BACK);
            }
            if way.to.is_empty() {
                if !way.gone.is_empty() {
                    // Those who are to have it are recipients themselves.
                    let (recipients, forward_paths) =
                        (about.names(&way.gone), about.names(&way.stay));
                    let event = Event::Redirected { recipients, forward_paths, becomes: about.id };
                    self.chronicle.note(about.id, event);
                }
                continue;
            }
            let envelope = Envelope {
                recipients: redirected(about.envelope, &way.gone, &way.to),
                ..wide_enough(about.envelope, &way.to)
            };
            let with = (REDIRECT, Origin::Redirected { of: about.id });
            let becomes = self.pass_on(about, heading, with, envelope, way.orders).await?;
            let event = Event::Redirected {
                recipients: about.names(if way.gone.is_empty() { &way.stay } else { &way.gone }),
                forward_paths: way.to.iter().map(Address::to_string).collect(),
                becomes,
            };
            self.chronicle.note(about.id, event);
        }
        Ok(())
    }

    /// Whose copies went elsewhere when the errands were run, and as which mail.
    pub async fn redirected(&self, about: About<'_>) -> Result<Vec<(MailId, Vec<u16>)>, String> {
        if !about.orders().iter().any(|(order, _)| matches!(order, Order::Redirect { .. })) {
            return Ok(Vec::new());
        }
        let heading = Heading::of(about.content).await?;
        let ended = self.ways(about, &heading).into_iter().map(|way| match way.to.is_empty() {
            true => (about.id, way.gone),
            false => (name(about, REDIRECT, &way.to, &way.orders), way.gone),
        });
        Ok(ended.collect())
    }

    /// Where copies go that are to be delivered elsewhere. The same for the same mail, however
    /// often it is asked.
    fn ways(&self, about: About<'_>, heading: &Heading) -> Vec<Way> {
        let mut sorted: Vec<(Vec<Order>, Vec<u16>)> = Vec::new();
        for (at, disposition) in (0u16..).zip(&about.judgement.dispositions) {
            if *disposition != Disposition::Deliver {
                continue;
            }
            let orders = about.judgement.orders_of(at);
            if !orders.iter().any(|order| matches!(order, Order::Redirect { .. })) {
                continue;
            }
            match sorted.iter_mut().find(|(same, _)| *same == orders) {
                Some((_, recipients)) => recipients.push(at),
                None => sorted.push((orders, vec![at])),
            }
        }
        sorted.into_iter().map(|(orders, who)| self.way(about, heading, &orders, who)).collect()
    }

    fn way(&self, about: About<'_>, heading: &Heading, orders: &[Order], who: Vec<u16>) -> Way {
        let to = orders.iter().find_map(|order| match order {
            Order::Redirect { to } => Some(to.as_slice()),
            _ => None,
        });
        let to = to.unwrap_or_default();
        let key_of = |at: u16| {
            let named = about.envelope.recipients.get(usize::from(at));
            named.map(|named| named.forward_path.key()).unwrap_or_default()
        };
        // Who is among those that it goes to has a copy already.
        let is_target = |at: &u16| to.iter().any(|address| address.key() == key_of(*at));
        let (stay, gone): (Vec<u16>, Vec<u16>) = who.into_iter().partition(is_target);
        let served: Vec<String> = stay.iter().map(|at| key_of(*at)).collect();
        let others = to.iter().filter(|address| !served.contains(&address.key()));
        let (back, to): (Vec<Address>, Vec<Address>) = each_once(others)
            .into_iter()
            .partition(|address| heading.went(&self.secret, REDIRECT, address));
        let orders = carried(orders);
        match to.is_empty() && served.is_empty() {
            // Nobody would have it: its recipients do.
            true => Way { orders, to, back, stay: gone, gone: Vec::new() },
            false => Way { orders, to, back, gone, stay },
        }
    }

    async fn pass_on(
        &self,
        about: About<'_>,
        heading: &Heading,
        (purpose, origin): (&str, Origin),
        envelope: Envelope,
        mut orders: Vec<Order>,
    ) -> Result<MailId, String> {
        let to: Vec<Address> =
            envelope.recipients.iter().map(|it| it.forward_path.clone()).collect();
        let id = name(about, purpose, &to, &orders);
        orders.extend(to.iter().map(|address| trail(&self.secret, heading, purpose, address)));
        let own = OwnMail {
            id: Some(id),
            content: about.content.clone(),
            facts: about.facts.clone(),
            judgement: Judgement {
                dispositions: vec![Disposition::Deliver; envelope.recipients.len()],
                orders,
                ..about.judgement.clone()
            },
            envelope,
            origin,
        };
        self.commit(own, about.id).await
    }
}

/// What the mail is called that such copies become.
fn name(about: About<'_>, purpose: &str, to: &[Address], orders: &[Order]) -> MailId {
    let keys: Vec<String> = to.iter().map(Address::key).collect();
    let what = postcard::to_allocvec(orders).unwrap_or_default();
    derived_id(about.id, purpose, &[keys.join("\n").as_bytes(), &what])
}

fn each_once<'a>(addresses: impl Iterator<Item = &'a Address>) -> Vec<Address> {
    let mut once: Vec<Address> = Vec::new();
    for address in addresses {
        if !once.iter().any(|there| there.key() == address.key()) {
            once.push(address.clone());
        }
    }
    once
}

fn trail(secret: &Secret, heading: &Heading, purpose: &str, to: &Address) -> Order {
    Order::AddHeader { name: TRAIL.into(), value: heading.mark(secret, purpose, to) }
}

/// Of a recipient's orders those that shape what goes out.
pub(in crate::action) fn carried(orders: &[Order]) -> Vec<Order> {
    let shapes = |order: &&Order| match order {
        Order::TagSubject(_) | Order::AddHeader { .. } | Order::RemoveHeader(_) => true,
        Order::RemoveResults(_) | Order::Replace { .. } | Order::Annotate { .. } => true,
        Order::KeepOriginal { .. } | Order::For { .. } | Order::Redirect { .. } => false,
        Order::Copy { .. } | Order::Notify { .. } | Order::RouteVia(_) => false,
        Order::Archive { .. } | Order::RateLimit { .. } => false,
    };
    orders.iter().filter(shapes).cloned().collect()
}

/// The envelope with what the new addresses need (RFC 6531 section 3.2).
fn wide_enough(envelope: &Envelope, to: &[Address]) -> Envelope {
    let smtputf8 = envelope.smtputf8 || to.iter().any(Address::needs_smtputf8);
    Envelope { smtputf8, ..envelope.clone() }
}

/// What the sender asked to be told of the one goes with the mail (RFC 3461 section 5.2.7).
fn redirected(envelope: &Envelope, gone: &[u16], to: &[Address]) -> Vec<Recipient> {
    let only = match gone {
        [one] => envelope.recipients.get(usize::from(*one)),
        _ => None,
    };
    let recipient = |address: &Address| Recipient {
        forward_path: address.clone(),
        notify: only.and_then(|only| only.notify),
        original: only.and_then(|only| {
            let first = || OriginalRecipient {
                address_type: "rfc822".into(),
                address: only.forward_path.to_string(),
            };
            let plain = only.forward_path.to_string().is_ascii();
            only.original.clone().or_else(|| only.notify.filter(|_| plain).map(|_| first()))
        }),
    };
    to.iter().map(recipient).collect()
}
