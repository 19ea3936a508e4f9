//! Claims asked of the rules: one search for each way in which a claim can be broken.
//!
//! In: a [`Claim`]. Out: an [`Answer`]. Each search looks for one thing: that a certain rule
//! decides, that no rule decides, that nothing is ordered beside, that a copy goes outside. What a
//! mail shows that is not it only leaves out rules without which that thing cannot be; to look
//! for two things at once would leave out mails that are one of them.

use std::fmt;

use super::claim::{Claim, Leaving};
use super::house::House;
use super::situation::Situation;
use super::{Checker, Found, Shown, without_scopes};
use crate::mail::Address;
use crate::policy::rules::atom::Node;
use crate::policy::rules::{
    Circumstances, FinalKind, FinalOrder, Notified, Order, Outcome, Rule, RuleBook,
};

/// Whether a claim is true.
#[derive(Debug, Clone)]
pub enum Answer<'b> {
    /// For every mail.
    Holds,
    /// Not for this one.
    CounterExample {
        /// The mail.
        situation: Box<Situation>,
        /// The rule that breaks the claim; none: no rule has a final order.
        rule: Option<&'b Rule>,
        /// What it orders.
        order: String,
    },
    /// The limit was met first.
    NotDecided,
}

/// What breaks a claim.
type Broken<'b> = (Option<&'b Rule>, String);

/// Places that mail is taken to, told apart.
pub(super) struct Places<'h> {
    house: Option<&'h House>,
}

impl Places<'_> {
    /// Whether somebody is none of the house's; without a house everybody may be.
    fn is_outside(&self, address: &Address) -> bool {
        self.house.is_none_or(|house| !house.is_own(address))
    }

    /// The first of these who is outside.
    fn outside<'a>(&self, to: &'a [Address]) -> Option<&'a Address> {
        to.iter().find(|address| self.is_outside(address))
    }

    fn notified<'a>(
        &'a self,
        to: &'a [Notified],
        recipient: Option<&'a Address>,
    ) -> Option<&'a Address> {
        let address = |who: &'a Notified| match who {
            Notified::Address(address) => Some(address),
            Notified::Administrator => self.house?.postmaster(),
            Notified::Recipient => recipient,
            // Who wrote it knows what is in it.
            Notified::Sender => None,
        };
        to.iter().filter_map(address).find(|address| self.is_outside(address))
    }

    /// Whom an order takes something of the mail to, outside.
    fn beside<'a>(
        &'a self,
        order: &'a Order,
        recipient: Option<&'a Address>,
    ) -> Option<&'a Address> {
        match order {
            Order::Copy { to } => self.outside(to),
            Order::Notify { to, subject, text } => {
                let tells = |template: &str| TELLING.iter().any(|place| template.contains(place));
                let tells = tells(subject) || tells(text);
                self.notified(to, recipient).filter(|_| tells)
            }
            _ => None,
        }
    }
}

/// Places of templates that stand for something of the mail's content.
const TELLING: [&str; 2] = ["{subject}", "{reason}"];

impl<'b> Checker<'b> {
    /// Whether a claim is true.
    pub fn answer(&mut self, claim: &Claim) -> Answer<'b> {
        let when = claim.when_in(&mut self.atoms);
        let when = without_scopes(&when, &mut self.atoms);
        self.bind();
        let mut asking = Inquiry { checker: self, is_undecided: false };
        let broken = asking
            .forbidden(claim, &when)
            .or_else(|| asking.undecided(claim, &when))
            .or_else(|| asking.not_given(claim, &when))
            .or_else(|| claim.leaving().and_then(|leaving| asking.elsewhere(leaving, &when)));
        match broken {
            Some(((rule, order), situation)) => Answer::CounterExample { situation, rule, order },
            None if asking.is_undecided => Answer::NotDecided,
            None => Answer::Holds,
        }
    }
}

/// The searches of one claim.
struct Inquiry<'c, 'b> {
    checker: &'c mut Checker<'b>,
    is_undecided: bool,
}

/// A mail that breaks the claim, and how.
type Example<'b> = Option<(Broken<'b>, Box<Situation>)>;

impl<'b> Inquiry<'_, 'b> {
    fn book(&self) -> &'b RuleBook {
        self.checker.book
    }

    /// One search: what breaks the claim, and else the rule without which it may be found.
    fn search(
        &mut self,
        start: &[(usize, bool)],
        when: &Node,
        look: impl Fn(&Outcome<'b>, &Circumstances<'_>) -> Result<Broken<'b>, &'b Rule>,
    ) -> Example<'b> {
        let book = self.book();
        let places = std::mem::take(&mut self.checker.places);
        let mut broken = None;
        let found = self.checker.find(start, Some(when), |situation| {
            situation.with(|circumstances| {
                match look(&book.evaluate(circumstances), circumstances) {
                    Ok(how) => {
                        broken = Some(how);
                        Shown::It
                    }
                    Err(rule) => match places.get(&*rule.name) {
                        Some(place) => Shown::Unless(*place),
                        None => Shown::Unless(usize::MAX),
                    },
                }
            })
        });
        self.checker.places = places;
        match found {
            Found::Yes(situation) => broken.map(|how| (how, situation)),
            Found::No => None,
            Found::Undecided => {
                self.is_undecided = true;
                None
            }
        }
    }

    /// That a rule decides which orders what must not be.
    fn forbidden(&mut self, claim: &Claim, when: &Node) -> Example<'b> {
        let book = self.book();
        let bad = |order: &FinalOrder| claim.forbids(order.kind());
        let mut deciding = (0..)
            .zip(&book.standing)
            .filter(|(_, one)| one.rule.final_order.as_ref().is_some_and(bad));
        deciding.find_map(|(number, standing)| {
            self.search(&[(number, true)], when, |outcome, _| match outcome.final_order {
                Some((rule, order)) if bad(order) => Ok((Some(rule), order.kind().to_string())),
                Some((rule, _)) => Err(rule),
                None => Err(&standing.rule),
            })
        })
    }

    /// That no rule decides, where that must not be.
    fn undecided(&mut self, claim: &Claim, when: &Node) -> Example<'b> {
        if !claim.forbids(FinalKind::Deliver) {
            return None;
        }
        self.search(&[], when, |outcome, _| match outcome.final_order {
            None => Ok((None, FinalKind::Deliver.to_string())),
            Some((rule, _)) => Err(rule),
        })
    }

    /// That what must be ordered beside is not.
    fn not_given(&mut self, claim: &Claim, when: &Node) -> Example<'b> {
        let with = claim.with()?;
        self.search(&[], when, |outcome, _| {
            match outcome.orders.iter().find(|(_, order)| order.word() == with) {
                Some((rule, _)) => Err(rule),
                None => Ok(match outcome.final_order {
                    Some((rule, order)) => (Some(rule), format!("{} without {with}", order.kind())),
                    None => (None, format!("{} without {with}", FinalKind::Deliver)),
                }),
            }
        })
    }

    /// That something of a mail goes outside beside its recipients, or in their place.
    fn elsewhere(&mut self, leaving: &Leaving, outbound: &Node) -> Example<'b> {
        let anywhere = leaving.when_in(&mut self.checker.atoms);
        let anywhere = without_scopes(&anywhere, &mut self.checker.atoms);
        let book = self.book();
        let house = self.checker.house.clone();
        let places = Places { house: house.as_ref() };
        for (number, standing) in book.standing.iter().enumerate() {
            let rule = &standing.rule;
            let redirects = |order: &FinalOrder| match order {
                FinalOrder::Redirect { to } => places.outside(to).cloned(),
                _ => None,
            };
            if !leaving.allows("redirect")
                && rule.final_order.as_ref().and_then(redirects).is_some()
            {
                let found = self.search(&[(number, true)], &anywhere, |outcome, _| {
                    let Some((rule, order)) = outcome.final_order else { return Err(rule) };
                    let to = redirects(order).ok_or(rule)?;
                    Ok((Some(rule), format!("redirect to {to}")))
                });
                if found.is_some() {
                    return found;
                }
            }
            for order in rule.orders.iter().filter(|order| !leaving.allows(order.word())) {
                // Recipients are outside only where the mail goes out.
                let goes = places.beside(order, None).map(|_| &anywhere);
                let tells =
                    matches!(order, Order::Notify { to, .. } if to.contains(&Notified::Recipient));
                let Some(when) = goes.or(tells.then_some(outbound)) else { continue };
                let found = self.beside(number, order, when, &places);
                if found.is_some() {
                    return found;
                }
            }
        }
        None
    }

    /// That an order of a rule is carried out: always but where the mail is put off.
    fn beside(
        &mut self,
        number: usize,
        order: &'b Order,
        when: &Node,
        places: &Places<'_>,
    ) -> Example<'b> {
        let book = self.book();
        let standing = book.standing.get(number)?;
        let puts_off = |order: &FinalOrder| order.kind() == FinalKind::Defer;
        let look = |outcome: &Outcome<'b>, circumstances: &Circumstances<'_>| {
            if let Some((rule, _)) = outcome.final_order.filter(|(_, order)| puts_off(order)) {
                return Err(rule);
            }
            let to = places.beside(order, Some(circumstances.parties.forward_path));
            let to = to.ok_or(&standing.rule)?;
            Ok((Some(&standing.rule), format!("{} to {to}", order.word())))
        };
        let first = self.search(&[(number, true)], when, look);
        if first.is_some() || !book.rules().filter_map(|it| it.final_order.as_ref()).any(puts_off) {
            return first;
        }
        // What puts off may apply behind a rule that decides first.
        let others = (0..).zip(&book.standing).filter(|(_, other)| {
            other.rule.final_order.as_ref().is_some_and(|order| !puts_off(order))
        });
        others
            .map(|(decider, _)| decider)
            .find_map(|decider| self.search(&[(number, true), (decider, true)], when, look))
    }
}

impl fmt::Display for Answer<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Answer::Holds => out.write_str("yes"),
            Answer::NotDecided => out.write_str("not decided within the limit of work"),
            Answer::CounterExample { situation, rule, order } => {
                match rule {
                    Some(rule) => {
                        writeln!(out, "no: {order} by the rule {:?} ({})", rule.name, rule.place)?;
                    }
                    None => writeln!(out, "no: no rule has a final order")?,
                }
                for line in situation.to_string().lines() {
                    writeln!(out, "  {line}")?;
                }
                Ok(())
            }
        }
    }
}
