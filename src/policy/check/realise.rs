//! Atoms that shall hold or not → one mail for which they are so, or those that contradict.
//!
//! In: literals. Out: a [`Situation`], or a [`Conflict`]. Atoms about the same fact (the
//! recipient, the score, a header field, …) are looked at together, those about different facts
//! are independent of each other: any combination of groups, findings, score and mailboxes is
//! taken to be possible. Which facts are asked with texts is for [`texts`](super::texts), with
//! numbers and small sets for this file. A conflict is proven where every possible value was
//! tried; elsewhere nothing follows from it.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{Span, Zoned};

use super::files;
use super::search::Literal;
use super::situation::Situation;
use super::texts;
use crate::mail::{Class, ContentHit, Role};
use crate::policy::rules::atom::{Atom, Atoms, ContentTest, TimeWindow, TlsTest};
use crate::policy::rules::{AuthenticationResult, Direction, Mechanism, TlsState, TlsVersion};

/// Literals that do not go together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Conflict {
    pub(super) literals: Vec<Literal>,
    /// Whether there is no such mail at all, or none was found.
    pub(super) is_proven: bool,
}

/// Whether a fact can be as it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Settled {
    Done,
    Impossible,
    Unknown,
}

/// An atom that shall hold, or not.
pub(super) type Asked<'a> = (&'a Atom, bool);

/// A fact of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fact {
    Passage,
    Sender,
    Recipient,
    SenderGroups,
    RecipientGroups,
    Authors,
    Field(Box<str>),
    Subject,
    Client,
    Account,
    Authentication(Mechanism),
    Findings,
    Score,
    Content,
    Files,
    Size,
    Time,
    Tls,
    Markings,
}

fn fact(atom: &Atom) -> Fact {
    match atom {
        Atom::Direction(_) | Atom::Role(_) | Atom::Scope(_) => Fact::Passage,
        Atom::ReversePath(_) => Fact::Sender,
        Atom::ForwardPath(_) => Fact::Recipient,
        Atom::SenderGroup(_) => Fact::SenderGroups,
        Atom::RecipientGroup(_) => Fact::RecipientGroups,
        Atom::Author(_) => Fact::Authors,
        // What is asked of a field and of what is read from it belongs together.
        Atom::Header(name, _) if **name == *"subject" => Fact::Subject,
        Atom::Header(name, _) if **name == *"from" => Fact::Authors,
        Atom::Header(name, _) => Fact::Field(name.clone()),
        Atom::Subject(_) => Fact::Subject,
        Atom::Network(_) => Fact::Client,
        Atom::Account(_) => Fact::Account,
        Atom::Authentication(mechanism, _) => Fact::Authentication(*mechanism),
        Atom::Finding(_) | Atom::Class(_) => Fact::Findings,
        Atom::ScoreAtLeast(_) => Fact::Score,
        Atom::Content(_) => Fact::Content,
        Atom::Attachment(_) => Fact::Files,
        Atom::SizeAtLeast(_) => Fact::Size,
        Atom::Time(_) => Fact::Time,
        Atom::Tls(_) => Fact::Tls,
        Atom::Marking(_) => Fact::Markings,
    }
}

/// Makes up a mail for which the literals are true.
pub(super) fn realise(
    literals: &[Literal],
    atoms: &Atoms,
    plain: &Situation,
) -> Result<Situation, Conflict> {
    let mut by_fact: BTreeMap<Fact, Vec<(Literal, &Atom)>> = BTreeMap::new();
    for literal in literals {
        if let Some(atom) = atoms.atom(literal.0) {
            by_fact.entry(fact(atom)).or_default().push((*literal, atom));
        }
    }
    let mut situation = plain.clone();
    for (fact, asked) in by_fact {
        let all: Vec<Asked<'_>> = asked.iter().map(|((_, holds), atom)| (*atom, *holds)).collect();
        match settle(&fact, &all, &mut situation) {
            Settled::Done => {}
            settled => return Err(conflict(&fact, asked, settled, plain)),
        }
    }
    Ok(situation)
}

/// Leaves away what a conflict does not need.
fn conflict(
    fact: &Fact,
    mut asked: Vec<(Literal, &Atom)>,
    settled: Settled,
    plain: &Situation,
) -> Conflict {
    let is_proven = settled == Settled::Impossible;
    let mut at = asked.len();
    while let Some(before) = at.checked_sub(1).filter(|_| is_proven) {
        at = before;
        let fewer = asked.iter().enumerate().filter(|(number, _)| *number != at);
        let fewer: Vec<Asked<'_>> = fewer.map(|(_, ((_, holds), atom))| (*atom, *holds)).collect();
        if settle(fact, &fewer, &mut plain.clone()) == Settled::Impossible {
            asked.remove(at);
        }
    }
    Conflict { literals: asked.into_iter().map(|(literal, _)| literal).collect(), is_proven }
}

fn settle(fact: &Fact, asked: &[Asked<'_>], situation: &mut Situation) -> Settled {
    match fact {
        Fact::Passage => passage(asked, situation),
        Fact::Sender => texts::sender(asked, situation),
        Fact::Recipient => texts::recipient(asked, situation),
        Fact::SenderGroups => {
            situation.sender_groups = group_names(asked);
            Settled::Done
        }
        Fact::RecipientGroups => {
            situation.recipient_groups = group_names(asked);
            Settled::Done
        }
        Fact::Authors => texts::authors(asked, situation),
        Fact::Field(name) => texts::field(name, asked, situation),
        Fact::Subject => texts::subject(asked, situation),
        Fact::Client => client(asked, situation),
        Fact::Account => texts::account(asked, situation),
        Fact::Authentication(mechanism) => authentication(*mechanism, asked, situation),
        Fact::Findings => texts::findings(asked, situation),
        Fact::Score => score(asked, situation),
        Fact::Content => content(asked, situation),
        Fact::Files => files::files(asked, situation),
        Fact::Size => size(asked, situation),
        Fact::Time => time(asked, situation),
        Fact::Tls => tls(asked, situation),
        Fact::Markings => texts::markings(asked, situation),
    }
}

/// The first candidate for which everything is as asked; all possible values are among them.
fn first<T>(
    candidates: impl IntoIterator<Item = T>,
    asked: &[Asked<'_>],
    holds: impl Fn(&T, &Atom) -> bool,
    put: impl FnOnce(T),
) -> Settled {
    let fits = |one: &T| asked.iter().all(|(atom, wanted)| holds(one, atom) == *wanted);
    match candidates.into_iter().find(fits) {
        Some(one) => {
            put(one);
            Settled::Done
        }
        None => Settled::Impossible,
    }
}

fn passage(asked: &[Asked<'_>], situation: &mut Situation) -> Settled {
    let all = [
        (Direction::Inbound, Role::Inbound),
        (Direction::Outbound, Role::Submission),
        (Direction::Outbound, Role::Outbound),
        (Direction::Internal, Role::Submission),
        (Direction::Internal, Role::Outbound),
    ];
    let holds = |one: &(Direction, Role), atom: &Atom| match atom {
        Atom::Direction(direction) => one.0 == *direction,
        Atom::Role(role) => one.1 == *role,
        _ => false,
    };
    first(all, asked, holds, |one| (situation.direction, situation.role) = one)
}

fn group_names(asked: &[Asked<'_>]) -> Vec<String> {
    let name = |(atom, holds): &Asked<'_>| match atom {
        Atom::SenderGroup(name) | Atom::RecipientGroup(name) if *holds => Some(name.to_string()),
        _ => None,
    };
    asked.iter().filter_map(name).collect()
}

/// Every boundary between networks has an address behind it.
fn client(asked: &[Asked<'_>], situation: &mut Situation) -> Settled {
    let mut candidates = vec![situation.client];
    for (atom, _) in asked {
        let Atom::Network(network) = atom else { continue };
        candidates.push(Some(network.network()));
        candidates.push(match network.broadcast() {
            IpAddr::V4(last) => {
                last.to_bits().checked_add(1).map(|it| IpAddr::V4(Ipv4Addr::from_bits(it)))
            }
            IpAddr::V6(last) => {
                last.to_bits().checked_add(1).map(|it| IpAddr::V6(Ipv6Addr::from_bits(it)))
            }
        });
    }
    candidates.push(Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)));
    candidates.push(Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)));
    candidates.push(None);
    let holds = |one: &Option<IpAddr>, atom: &Atom| match (one, atom) {
        (Some(one), Atom::Network(network)) => network.contains(&one.to_canonical()),
        _ => false,
    };
    first(candidates, asked, holds, |one| situation.client = one)
}

fn authentication(mechanism: Mechanism, asked: &[Asked<'_>], situation: &mut Situation) -> Settled {
    let holds = |one: &AuthenticationResult, atom: &Atom| matches!(atom, Atom::Authentication(_, result) if result == one);
    let put = |one| situation.authentication.set(mechanism, one);
    first(AuthenticationResult::ALL, asked, holds, put)
}

/// Between two thresholds every score is alike.
fn score(asked: &[Asked<'_>], situation: &mut Situation) -> Settled {
    let thresholds = asked.iter().filter_map(|(atom, _)| match atom {
        Atom::ScoreAtLeast(points) => Some(points.0),
        _ => None,
    });
    let thresholds: Vec<f32> = thresholds.collect();
    let lowest = thresholds.iter().copied().fold(0.0, f32::min) - 1.0;
    let candidates = [0.0].into_iter().chain(thresholds).chain([lowest]);
    let holds =
        |one: &f32, atom: &Atom| matches!(atom, Atom::ScoreAtLeast(points) if *one >= points.0);
    first(candidates, asked, holds, |one| situation.score = one)
}

fn size(asked: &[Asked<'_>], situation: &mut Situation) -> Settled {
    let thresholds = asked.iter().filter_map(|(atom, _)| match atom {
        Atom::SizeAtLeast(octets) => Some(*octets),
        _ => None,
    });
    let candidates: Vec<u64> =
        [situation.octets].into_iter().chain(thresholds).chain([0]).collect();
    let holds = |one: &u64, atom: &Atom| matches!(atom, Atom::SizeAtLeast(least) if one >= least);
    first(candidates, asked, holds, |one| situation.octets = one)
}

fn tls(asked: &[Asked<'_>], situation: &mut Situation) -> Settled {
    let state = |version, verified| TlsState { version, verified };
    let candidates = [
        state(TlsVersion::None, false),
        state(TlsVersion::V13, false),
        state(TlsVersion::V12, false),
        state(TlsVersion::Other, false),
        state(TlsVersion::V13, true),
        state(TlsVersion::V12, true),
        state(TlsVersion::Other, true),
    ];
    let holds = |one: &TlsState, atom: &Atom| match atom {
        Atom::Tls(test) => TlsTest::holds(*test, *one),
        _ => false,
    };
    first(candidates, asked, holds, |one| situation.tls = one)
}

/// A week in winter and one in summer, at every moment at which a window opens or closes.
/// Where windows are given in several zones, their distance changes between these weeks, too.
fn time(asked: &[Asked<'_>], situation: &mut Situation) -> Settled {
    if asked.iter().all(|(_, wanted)| !wanted) {
        situation.time = None;
        return Settled::Done;
    }
    let windows: Vec<&TimeWindow> = asked
        .iter()
        .filter_map(|(atom, _)| match atom {
            Atom::Time(window) => Some(window),
            _ => None,
        })
        .collect();
    let mut candidates: Vec<Option<Zoned>> = vec![None];
    for window in &windows {
        let zone = window.zone.as_ref().map_or(TimeZone::UTC, |(_, zone)| zone.clone());
        for monday in [date(2024, 1, 1), date(2024, 7, 1)] {
            for minute in [0, window.start_min, window.end_min] {
                for day in 0..7i64 {
                    let span = Span::new().days(day).minutes(i64::from(minute));
                    let moment = monday.at(0, 0, 0, 0).checked_add(span).ok();
                    let moment = moment.and_then(|at| at.to_zoned(zone.clone()).ok());
                    let in_utc = moment.map(|moment| moment.with_time_zone(TimeZone::UTC));
                    candidates.push(in_utc);
                }
            }
        }
    }
    let name = |window: &&TimeWindow| window.zone.as_ref().map(|(name, _)| name.clone());
    let first_zone = windows.first().map(name);
    let is_one_zone = windows.iter().all(|window| Some(name(window)) == first_zone);
    let holds = |one: &Option<Zoned>, atom: &Atom| match (one, atom) {
        (Some(one), Atom::Time(window)) => window.holds(one),
        _ => false,
    };
    match first(candidates, asked, holds, |one| situation.time = one) {
        Settled::Impossible if !is_one_zone => Settled::Unknown,
        settled => settled,
    }
}

/// One hit for each test that shall pass, as weak as it may be, and of a class with which it
/// passes no other.
fn content(asked: &[Asked<'_>], situation: &mut Situation) -> Settled {
    let tests = asked.iter().filter_map(|(atom, wanted)| match atom {
        Atom::Content(test) => Some((test, *wanted)),
        _ => None,
    });
    let tests: Vec<(&ContentTest, bool)> = tests.collect();
    let names: Vec<&str> = tests.iter().filter_map(|(test, _)| test.rule.as_deref()).collect();
    let stranger = (0..).map(|n| format!("RULE_{n}")).find(|name| !names.contains(&&**name));
    situation.content.clear();
    for (test, _) in tests.iter().filter(|(_, wanted)| *wanted) {
        let rule = test.rule.as_deref().map(str::to_owned).or_else(|| stranger.clone());
        let classes: Vec<Class> = test.class.map_or(Class::ALL.to_vec(), |class| vec![class]);
        let hit = classes.into_iter().map(|class| ContentHit {
            rule: rule.clone().unwrap_or_default(),
            class,
            severity: test.severity,
            count: test.count.max(1),
        });
        let mut fitting =
            hit.filter(|hit| !tests.iter().any(|(it, wanted)| !wanted && it.holds(hit)));
        match fitting.next() {
            Some(hit) => situation.content.push(hit),
            None => return Settled::Impossible,
        }
    }
    Settled::Done
}
