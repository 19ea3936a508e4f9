//! The site's rules over one mail: what they order for each recipient, in the terms in which
//! judgements are written.
//!
//! In: a [`Case`], what analysis found, and the [`PolicySet`]. Out: [`Ruling`]: an outcome a
//! recipient; from it dispositions, orders and findings. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::asked::Asked;
use super::attachments::{Fate, Files};
use super::rules::{
    AuthenticationResult, Despite, FinalOrder, Notified, Order as Ordered, Outcome, Rule,
};
use super::{Case, PolicySet};
use crate::analysis::Look;
use crate::config::AttachmentOrder;
use crate::mail::{Address, Class, Disposition, EnhancedCode, Finding, MailId, Order, Reply, Role};

/// Rules that are told of, a message.
const TOLD: usize = 20;

/// What rules order for each recipient.
#[derive(Debug, Default)]
pub(super) struct Ruling<'p> {
    outcomes: Vec<Outcome<'p>>,
    /// May the reverse-path be told of anything?
    sender_is_known: bool,
    /// What became of the files that rules take out, by the place of the order.
    stripped: BTreeMap<Place, Fate>,
}

/// The number of a rule, and which of its orders.
type Place = (usize, usize);

/// The orders of an outcome with their places: rules in their order, and within one its orders
/// in theirs.
fn placed<'o, 'p>(
    outcome: &'o Outcome<'p>,
) -> impl Iterator<Item = (Place, &'p Rule, &'p Ordered)> + use<'o, 'p> {
    let mut last = (usize::MAX, 0);
    outcome.orders.iter().map(move |(rule, order)| {
        last = (rule.number, if last.0 == rule.number { last.1 + 1 } else { 0 });
        (last, *rule, *order)
    })
}

impl<'p> Ruling<'p> {
    /// Asks the rules for every recipient.
    pub(super) fn of(
        case: &Case<'_>,
        look: &Look,
        files: &Files<'_>,
        policy: &'p PolicySet,
    ) -> Ruling<'p> {
        if policy.rules.is_empty() {
            return Ruling::default();
        }
        let asked = Asked::of(case, look, files, policy);
        let mut outcomes = Vec::with_capacity(case.envelope.recipients.len());
        for (at, recipient) in case.envelope.recipients.iter().enumerate() {
            let forward_path = &recipient.forward_path;
            let groups = policy.memberships.of(Some(forward_path), case.groups.recipients.get(at));
            let circumstances = asked.circumstances(forward_path, &groups, policy);
            outcomes.push(policy.rules.evaluate(&circumstances));
        }
        let is_own = case.facts.role != Role::Inbound;
        let passes = |result| result == AuthenticationResult::Pass;
        let sender_is_known =
            is_own || passes(asked.authentication.spf) || passes(asked.authentication.dmarc);
        let stripped = stripped(&outcomes, case, look, files, policy);
        Ruling { outcomes, sender_is_known, stripped }
    }

    /// The numbers of the parts that the rules take out of a recipient's copy.
    pub(super) fn removed(&self, at: usize) -> BTreeSet<usize> {
        let outcome = self.outcomes.get(at).filter(|_| !self.stripped.is_empty());
        let fates = outcome.into_iter().flat_map(placed);
        let fates = fates.filter_map(|(place, ..)| self.stripped.get(&place));
        fates.flat_map(|fate| fate.removed.iter().copied()).collect()
    }

    /// The final order for a recipient, and the rule that it is from.
    pub(super) fn final_order(&self, at: usize) -> Option<(&'p Rule, &'p FinalOrder)> {
        self.outcomes.get(at)?.final_order
    }

    /// What a rule lets go out in spite of, if one delivers this recipient's copy.
    pub(super) fn despite(&self, at: usize) -> Option<&'p [Despite]> {
        match self.final_order(at) {
            Some((_, FinalOrder::Deliver { despite })) => Some(despite),
            _ => None,
        }
    }

    /// All that is ordered beside, for whom, and what becomes of copies from which files could
    /// not be taken out.
    pub(super) fn accompany(
        &self,
        case: &Case<'_>,
        policy: &PolicySet,
        dispositions: &mut [Disposition],
    ) -> Vec<Order> {
        let mut gathered: BTreeMap<Place, Vec<(Order, Vec<u16>)>> = BTreeMap::new();
        let parties = case.envelope.recipients.iter().zip(&self.outcomes).zip(dispositions);
        for (at, ((recipient, outcome), disposition)) in (0u16..).zip(parties) {
            let resolving = Resolving {
                sender: case.envelope.reverse_path.address().filter(|_| self.sender_is_known),
                recipient: &recipient.forward_path,
                postmaster: policy.postmaster.as_ref(),
            };
            for (place, _, order) in placed(outcome) {
                let mut add = |order: Order| {
                    let same = gathered.entry(place).or_default();
                    match same.iter_mut().find(|(other, _)| *other == order) {
                        Some((_, recipients)) => recipients.push(at),
                        None => same.push((order, vec![at])),
                    }
                };
                if !matches!(order, Ordered::StripAttachments(_)) {
                    resolving.order(order).into_iter().for_each(&mut add);
                    continue;
                }
                let Some(fate) = self.stripped.get(&place) else { continue };
                fate.orders.iter().cloned().for_each(&mut add);
                if fate.order >= Some(AttachmentOrder::Quarantine) {
                    // It cannot be taken out, so it does not go out.
                    let area = policy.files.area().to_owned();
                    tighten(disposition, Disposition::Quarantine { area });
                }
            }
            if let Some((rule, FinalOrder::Redirect { to })) = outcome.final_order {
                let same = gathered.entry((rule.number, usize::MAX)).or_default();
                let order = Order::Redirect { to: to.clone() };
                match same.first_mut() {
                    Some((_, recipients)) => recipients.push(at),
                    None => same.push((order, vec![at])),
                }
            }
        }
        together(gathered.into_values().flatten(), case.envelope.recipients.len())
    }

    /// Which rules acted, for the administrator.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let all = self.outcomes.len();
        let mut acted: BTreeMap<usize, (&Rule, BTreeSet<&str>, BTreeSet<usize>)> = BTreeMap::new();
        for (at, outcome) in self.outcomes.iter().enumerate() {
            let last = outcome.final_order.map(|(rule, order)| (rule, order.kind().word()));
            let beside = outcome.orders.iter().map(|(rule, order)| (*rule, order.word()));
            for (rule, word) in last.into_iter().chain(beside) {
                let of_rule = acted.entry(rule.number);
                let (_, words, whose) =
                    of_rule.or_insert_with(|| (rule, BTreeSet::new(), BTreeSet::new()));
                words.insert(word);
                whose.insert(at);
            }
        }
        let more = acted.len().saturating_sub(TOLD);
        let told = acted.into_values().take(TOLD).map(|(rule, words, whose)| {
            let words: Vec<&str> = words.into_iter().collect();
            let share = match whose.len() < all {
                true => format!(" (for {} of {all} recipients)", whose.len()),
                false => String::new(),
            };
            let detail = format!("the rule {:?}: {}{share}", rule.name, words.join(", "));
            Finding::new("POLICY_RULE", Class::Notice, 0.0, detail)
        });
        let mut findings: Vec<Finding> = told.collect();
        if let Some(last) = findings.last_mut().filter(|_| more > 0) {
            last.detail.push_str(&format!(" (and {more} rules more)"));
        }
        findings
    }
}

/// Takes out the files that the rules say, once for all copies that want the same.
fn stripped(
    outcomes: &[Outcome<'_>],
    case: &Case<'_>,
    look: &Look,
    files: &Files<'_>,
    policy: &PolicySet,
) -> BTreeMap<Place, Fate> {
    let mut stripped = BTreeMap::new();
    for (place, rule, order) in outcomes.iter().flat_map(placed) {
        let Ordered::StripAttachments(test) = order else { continue };
        stripped.entry(place).or_insert_with(|| {
            let passing = files.facts.iter().zip(&files.items);
            let passing = passing.filter(|(file, _)| test.holds(file));
            let items: Vec<usize> = passing.map(|(_, item)| *item).collect();
            match items.len() >= test.count as usize {
                true => policy.files.strip(&rule.name, &items, &look.enclosures, case.id),
                false => Fate::default(),
            }
        });
    }
    stripped
}

/// What becomes of a copy by a rule; none where the copy goes out.
pub(super) fn disposition_of(rule: &Rule, order: &FinalOrder, id: MailId) -> Option<Disposition> {
    Some(match order {
        FinalOrder::Deliver { .. } | FinalOrder::Redirect { .. } => return None,
        FinalOrder::Reject { text } => {
            let reply = Reply::new(550, EnhancedCode(5, 7, 1), refusal(text, id));
            Disposition::Reject { reply }
        }
        FinalOrder::Discard => Disposition::Discard,
        FinalOrder::Quarantine { area } => Disposition::Quarantine { area: area.clone() },
        FinalOrder::Defer { text } => {
            let reply = Reply::new(451, EnhancedCode(4, 7, 1), refusal(text, id));
            Disposition::Defer { reply }
        }
        FinalOrder::Hold { approver, expires_hours, on_expiry } => Disposition::Approval {
            approver: approver.clone(),
            expires_hours: *expires_hours,
            on_expiry: *on_expiry,
            rule: rule.name.clone(),
        },
        FinalOrder::Secure => {
            // RFC 5248's registry: encryption needed.
            let text = "this message may only leave by secure delivery, which this site does not \
                        have yet";
            Disposition::Reject {
                reply: Reply::new(550, EnhancedCode(5, 7, 10), refusal(text, id)),
            }
        }
    })
}

/// Puts a stricter disposition in the place of a milder one; of equals the later.
pub(super) fn tighten(disposition: &mut Disposition, other: Disposition) {
    let is_malware =
        matches!(disposition, Disposition::Quarantine { area } if area == super::MALWARE_AREA);
    let (own, new) = (strictness(disposition), strictness(&other));
    if new > own || (new == own && !is_malware) {
        *disposition = other;
    }
}

/// How far a disposition is from letting the mail out.
pub(super) fn strictness(disposition: &Disposition) -> u8 {
    match disposition {
        Disposition::Deliver => 0,
        Disposition::Approval { .. } => 1,
        Disposition::Quarantine { .. } => 2,
        Disposition::Defer { .. } => 3,
        Disposition::HoldUnscanned => 4,
        Disposition::Discard => 5,
        Disposition::Reject { .. } => 6,
    }
}

/// What the peer reads; ASCII, since replies are.
fn refusal(text: &str, id: MailId) -> String {
    let plain = |letter: char| match letter.is_ascii_graphic() || letter == ' ' {
        true => letter,
        false => '?',
    };
    let text: String = text.chars().take(400).map(plain).collect();
    format!("{text}; reference {id}")
}

/// One order for all whom it is for, each once.
fn together(orders: impl Iterator<Item = (Order, Vec<u16>)>, recipients: usize) -> Vec<Order> {
    let mut merged: Vec<(Order, BTreeSet<u16>)> = Vec::new();
    for (order, whose) in orders {
        match merged.iter_mut().find(|(other, _)| *other == order) {
            Some((_, all)) => all.extend(whose),
            None => merged.push((order, whose.into_iter().collect())),
        }
    }
    let each = merged.into_iter().map(|(order, whose)| for_whom(order, whose, recipients));
    each.collect()
}

/// An order for some of so many recipients.
pub(super) fn for_whom(
    order: Order,
    whose: impl IntoIterator<Item = u16>,
    recipients: usize,
) -> Order {
    let whose: Vec<u16> = whose.into_iter().collect();
    match whose.len() == recipients {
        true => order,
        false => Order::For { recipients: whose, order: Box::new(order) },
    }
}

/// Whom the words of an order stand for.
struct Resolving<'a> {
    sender: Option<&'a Address>,
    recipient: &'a Address,
    postmaster: Option<&'a Address>,
}

impl Resolving<'_> {
    /// An order as it is carried out; none where nobody is left to be told.
    fn order(&self, order: &Ordered) -> Option<Order> {
        Some(match order {
            Ordered::TagSubject(text) => Order::TagSubject(text.clone()),
            Ordered::AddHeader { name, value } => {
                Order::AddHeader { name: name.clone(), value: value.clone() }
            }
            Ordered::RemoveHeader(name) => Order::RemoveHeader(name.clone()),
            Ordered::Annotate { text, html, place, key } => Order::Annotate {
                text: text.clone(),
                html: html.clone(),
                place: *place,
                key: key.clone(),
            },
            Ordered::Copy { to } => Order::Copy { to: to.clone() },
            Ordered::Notify { to, subject, text } => {
                let mut addressees: Vec<Address> = Vec::new();
                for who in to.iter().filter_map(|who| self.addressee(who)) {
                    if !addressees.contains(who) {
                        addressees.push(who.clone());
                    }
                }
                if addressees.is_empty() {
                    return None;
                }
                Order::Notify { to: addressees, subject: subject.clone(), text: text.clone() }
            }
            Ordered::Archive { class } => Order::Archive { class: class.clone() },
            Ordered::RouteVia(hop) => Order::RouteVia(hop.clone()),
            Ordered::RateLimit { name, count, per_s, by } => {
                Order::RateLimit { name: name.clone(), count: *count, per_s: *per_s, by: *by }
            }
            Ordered::StripAttachments(_) => return None,
        })
    }

    /// A forged reverse-path is told nothing, and neither is a null one.
    fn addressee<'a>(&'a self, who: &'a Notified) -> Option<&'a Address> {
        match who {
            Notified::Sender => self.sender,
            Notified::Recipient => Some(self.recipient),
            Notified::Administrator => self.postmaster,
            Notified::Address(address) => Some(address),
        }
    }
}
