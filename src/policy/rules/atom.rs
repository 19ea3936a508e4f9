//! Conditions: atoms, each of which asks one thing, and how they are put together.
//!
//! A list in a rule becomes an [`Node::Any`] of atoms with one value each, so that equal
//! questions of many rules are one atom, asked once a mail, and so that the checker can reason
//! about them.

use std::collections::HashMap;
use std::fmt;

use ipnet::IpNet;
use jiff::Zoned;
use jiff::tz::TimeZone;

use super::circumstances::{
    AuthenticationResult, Direction, FileFact, Mechanism, TlsState, TlsVersion,
};
use super::pattern::{AddressPattern, Glob, TextTest};
use super::scope::Scope;
use crate::config::FileState;
use crate::mail::{Class, ContentHit, Family, Role, Severity};

/// The number of an atom in its [`Atoms`].
pub type AtomId = u32;

/// One question.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // Each is named like the key of rules that it stands for.
pub enum Atom {
    Direction(Direction),
    Role(Role),
    ReversePath(AddressPattern),
    ForwardPath(AddressPattern),
    SenderGroup(Box<str>),
    RecipientGroup(Box<str>),
    Author(AddressPattern),
    /// Some field of this name (in small letters) passes.
    Header(Box<str>, TextTest),
    Subject(TextTest),
    Network(IpNet),
    Account(Glob),
    Authentication(Mechanism, AuthenticationResult),
    Finding(Glob),
    Class(Class),
    ScoreAtLeast(Points),
    Content(ContentTest),
    Attachment(FileTest),
    SizeAtLeast(u64),
    Time(TimeWindow),
    Tls(TlsTest),
    /// In small letters.
    Marking(Glob),
    /// Those whom a rule is for.
    Scope(Scope),
}

/// A score that is a number.
#[derive(Debug, Clone, Copy)]
pub struct Points(pub f32);

impl PartialEq for Points {
    fn eq(&self, other: &Points) -> bool {
        self.0.total_cmp(&other.0).is_eq()
    }
}

impl Eq for Points {}

impl std::hash::Hash for Points {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.to_bits().hash(state);
    }
}

/// What is asked of a hit of a content rule; one hit must pass as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ContentTest {
    /// Of this rule.
    pub rule: Option<Box<str>>,
    /// Of this class.
    pub class: Option<Class>,
    /// At least so severe.
    pub severity: Severity,
    /// At least so many.
    pub count: u32,
}

impl ContentTest {
    /// Whether a hit passes.
    pub fn holds(&self, hit: &ContentHit) -> bool {
        self.rule.as_ref().is_none_or(|rule| hit.rule == **rule)
            && self.class.is_none_or(|class| hit.class == class)
            && hit.severity >= self.severity
            && hit.count >= self.count
    }
}

/// What is asked of files; empty lists ask nothing.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct FileTest {
    /// One of these types.
    pub types: Vec<Box<str>>,
    /// One of these families.
    pub families: Vec<FamilyNumber>,
    /// One of these extensions.
    pub extensions: Vec<Box<str>>,
    /// One of these names.
    pub names: Vec<Glob>,
    /// Each of these states is there, or is not.
    pub states: Vec<(State, bool)>,
    /// Of more octets than this.
    pub larger: Option<u64>,
    /// So many files at least pass.
    pub count: u32,
}

/// [`Family`], by its number among all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FamilyNumber(pub u8);
/// [`FileState`], by its number among all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct State(pub u8);

/// Every family and its word.
pub const FAMILIES: [(&str, Family); 17] = [
    ("executable", Family::Executable),
    ("script", Family::Script),
    ("shortcut", Family::Shortcut),
    ("archive", Family::Archive),
    ("disk-image", Family::DiskImage),
    ("document", Family::Document),
    ("spreadsheet", Family::Spreadsheet),
    ("presentation", Family::Presentation),
    ("office", Family::Office),
    ("text", Family::Text),
    ("message", Family::Message),
    ("image", Family::Image),
    ("audio", Family::Audio),
    ("video", Family::Video),
    ("cryptographic", Family::Cryptographic),
    ("data", Family::Data),
    ("unknown", Family::Unknown),
];

/// Every state and its word.
pub const STATES: [(&str, FileState); 6] = [
    ("encrypted", FileState::Encrypted),
    ("unscannable", FileState::Unscannable),
    ("macro", FileState::Macro),
    ("double-extension", FileState::DoubleExtension),
    ("type-hidden", FileState::TypeHidden),
    ("inside", FileState::Inside),
];

impl FamilyNumber {
    /// The family.
    pub fn family(self) -> Family {
        FAMILIES.get(usize::from(self.0)).map_or(Family::Unknown, |(_, family)| *family)
    }
}

impl State {
    /// The state.
    pub fn state(self) -> FileState {
        STATES.get(usize::from(self.0)).map_or(FileState::Inside, |(_, state)| *state)
    }
}

impl FileTest {
    /// A test that every file passes.
    pub fn any() -> FileTest {
        FileTest {
            types: Vec::new(),
            families: Vec::new(),
            extensions: Vec::new(),
            names: Vec::new(),
            states: Vec::new(),
            larger: None,
            count: 1,
        }
    }

    /// Whether one file passes; `count` is for whoever counts.
    pub fn holds(&self, file: &FileFact<'_>) -> bool {
        (self.types.is_empty() || self.types.iter().any(|one| file.types.contains(&&**one)))
            && (self.families.is_empty()
                || self.families.iter().any(|one| one.family() == file.family))
            && (self.extensions.is_empty()
                || self
                    .extensions
                    .iter()
                    .any(|one| file.extensions.iter().any(|own| **one == *own)))
            && (self.names.is_empty()
                || self.names.iter().any(|one| file.names.iter().any(|own| one.matches(own))))
            && self.states.iter().all(|(state, is)| file.states.contains(&state.state()) == *is)
            && self.larger.is_none_or(|limit| file.octets > limit)
    }
}

/// Hours of some days of the week.
#[derive(Debug, Clone)]
pub struct TimeWindow {
    /// One bit a day, Monday the lowest.
    pub days: u8,
    /// Minutes after midnight at which it begins.
    pub start_min: u16,
    /// Minutes after midnight at which it ends; before its begin: on the next day.
    pub end_min: u16,
    /// Absent: the zone in which the time is given.
    pub zone: Option<(Box<str>, TimeZone)>,
}

impl TimeWindow {
    fn zone_name(&self) -> Option<&str> {
        self.zone.as_ref().map(|(name, _)| &**name)
    }

    /// Whether a moment lies in it. A window over midnight belongs to the day on which it
    /// begins.
    pub fn holds(&self, time: &Zoned) -> bool {
        let here = self.zone.as_ref().map(|(_, zone)| time.with_time_zone(zone.clone()));
        let here = here.as_ref().unwrap_or(time);
        let day = u32::from(here.weekday().to_monday_zero_offset().unsigned_abs());
        let minute =
            u16::from(here.hour().unsigned_abs()) * 60 + u16::from(here.minute().unsigned_abs());
        let is_on = |day: u32| self.days & (1u8 << (day % 7)) != 0;
        match self.start_min < self.end_min {
            true => is_on(day) && (self.start_min..self.end_min).contains(&minute),
            false => {
                (is_on(day) && minute >= self.start_min)
                    || (is_on(day + 6) && minute < self.end_min)
            }
        }
    }
}

impl PartialEq for TimeWindow {
    fn eq(&self, other: &TimeWindow) -> bool {
        (self.days, self.start_min, self.end_min, self.zone_name())
            == (other.days, other.start_min, other.end_min, other.zone_name())
    }
}

impl Eq for TimeWindow {}

impl std::hash::Hash for TimeWindow {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (self.days, self.start_min, self.end_min, self.zone_name()).hash(state);
    }
}

/// What is asked of the session that brought the mail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TlsTest {
    /// Encrypted or not, by this version.
    Version(TlsVersion),
    /// Encrypted.
    Any,
    /// Encrypted, and the client showed a good certificate.
    Verified,
}

impl TlsTest {
    /// Every one with its word.
    pub const WORDS: [(&str, TlsTest); 5] = [
        ("none", TlsTest::Version(TlsVersion::None)),
        ("any", TlsTest::Any),
        ("1.2", TlsTest::Version(TlsVersion::V12)),
        ("1.3", TlsTest::Version(TlsVersion::V13)),
        ("verified", TlsTest::Verified),
    ];

    /// Whether a session passes.
    pub fn holds(self, tls: TlsState) -> bool {
        match self {
            TlsTest::Version(version) => tls.version == version,
            TlsTest::Any => tls.version != TlsVersion::None,
            TlsTest::Verified => tls.version != TlsVersion::None && tls.verified,
        }
    }
}

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Node {
    /// One question.
    Atom(AtomId),
    /// It does not hold.
    Not(Box<Node>),
    /// All hold; of none: always.
    All(Box<[Node]>),
    /// Some hold; of none: never.
    Any(Box<[Node]>),
}

impl Node {
    /// Always holds.
    pub fn always() -> Node {
        Node::All(Box::default())
    }

    /// Never holds.
    pub fn never() -> Node {
        Node::Any(Box::default())
    }

    /// All of these.
    pub fn all(mut nodes: Vec<Node>) -> Node {
        nodes.retain(|node| *node != Node::always());
        match nodes.len() {
            1 => nodes.remove(0),
            _ => Node::All(nodes.into()),
        }
    }

    /// Some of these.
    pub fn any(mut nodes: Vec<Node>) -> Node {
        match nodes.len() {
            1 => nodes.remove(0),
            _ => Node::Any(nodes.into()),
        }
    }

    /// Not this.
    pub fn negated(self) -> Node {
        match self {
            Node::Not(inner) => *inner,
            node => Node::Not(Box::new(node)),
        }
    }
}

/// All atoms of a set of rules, each once.
#[derive(Debug, Clone, Default)]
pub struct Atoms {
    list: Vec<Atom>,
    numbers: HashMap<Atom, AtomId>,
}

impl Atoms {
    /// The number of an atom, a new one when it is not known yet.
    pub fn number(&mut self, atom: Atom) -> AtomId {
        if let Some(number) = self.numbers.get(&atom) {
            return *number;
        }
        let number = AtomId::try_from(self.list.len()).unwrap_or(AtomId::MAX);
        self.list.push(atom.clone());
        self.numbers.insert(atom, number);
        number
    }

    /// The atom of a number.
    pub fn atom(&self, number: AtomId) -> Option<&Atom> {
        self.list.get(number as usize)
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// All, with their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (AtomId, &Atom)> {
        (0..).zip(&self.list)
    }
}

impl fmt::Display for TextTest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TextTest::Present => out.write_str("is there"),
            TextTest::Contains(text) => write!(out, "contains {text:?}"),
            TextTest::Is(text) => write!(out, "is {text:?}"),
            TextTest::Matches(glob) => write!(out, "matches {:?}", glob.as_str()),
        }
    }
}

impl fmt::Display for Atom {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Atom::Direction(direction) => write!(out, "direction is {direction}"),
            Atom::Role(role) => write!(out, "role is {role}"),
            Atom::ReversePath(pattern) => write!(out, "reverse_path is {pattern}"),
            Atom::ForwardPath(pattern) => write!(out, "forward_path is {pattern}"),
            Atom::SenderGroup(name) => write!(out, "sender_group is {name}"),
            Atom::RecipientGroup(name) => write!(out, "recipient_group is {name}"),
            Atom::Author(pattern) => write!(out, "author is {pattern}"),
            Atom::Header(name, test) => write!(out, "header {name} {test}"),
            Atom::Subject(test) => write!(out, "subject {test}"),
            Atom::Network(network) => write!(out, "network is {network}"),
            Atom::Account(glob) => write!(out, "account is {}", glob.as_str()),
            Atom::Authentication(mechanism, result) => {
                write!(out, "authentication.{} is {}", mechanism.word(), result.word())
            }
            Atom::Finding(glob) => write!(out, "finding is {}", glob.as_str()),
            Atom::Class(class) => write!(out, "class is {class}"),
            Atom::ScoreAtLeast(points) => write!(out, "score is at least {}", points.0),
            Atom::Content(test) => write!(out, "content {test}"),
            Atom::Attachment(test) => write!(out, "attachment {test}"),
            Atom::SizeAtLeast(octets) => write!(out, "size is at least {octets} octets"),
            Atom::Time(window) => write!(out, "time {window}"),
            Atom::Tls(test) => {
                let word = TlsTest::WORDS.iter().find(|(_, one)| one == test);
                write!(out, "tls is {}", word.map_or("other", |(word, _)| word))
            }
            Atom::Marking(glob) => write!(out, "marking is {}", glob.as_str()),
            Atom::Scope(scope) => write!(out, "scope {scope}"),
        }
    }
}

impl fmt::Display for ContentTest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.rule {
            Some(rule) => write!(out, "of rule {rule}")?,
            None => out.write_str("of any rule")?,
        }
        if let Some(class) = self.class {
            write!(out, ", class {class}")?;
        }
        if self.severity > Severity::Low {
            write!(out, ", at least {}", self.severity)?;
        }
        match self.count {
            0 | 1 => Ok(()),
            count => write!(out, ", at least {count} times"),
        }
    }
}

impl fmt::Display for FileTest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = Vec::new();
        let families = self.families.iter().filter_map(|one| FAMILIES.get(usize::from(one.0)));
        let families: Vec<&str> = families.map(|(word, _)| *word).collect();
        let mut list = |key: &str, list: Vec<&str>| {
            if !list.is_empty() {
                words.push(format!("{key} {}", list.join("|")));
            }
        };
        list("type", self.types.iter().map(|one| &**one).collect());
        list("family", families);
        list("extension", self.extensions.iter().map(|one| &**one).collect());
        list("name", self.names.iter().map(Glob::as_str).collect());
        for (state, is) in &self.states {
            let word = STATES.get(usize::from(state.0)).map_or("", |(word, _)| word);
            words.push(if *is { word.to_owned() } else { format!("not {word}") });
        }
        if let Some(octets) = self.larger {
            words.push(format!("larger than {octets} octets"));
        }
        if self.count > 1 {
            words.push(format!("at least {} files", self.count));
        }
        match words.is_empty() {
            true => out.write_str("of any kind"),
            false => out.write_str(&words.join(", ")),
        }
    }
}

/// Days of the week, Monday first.
pub const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

impl fmt::Display for TimeWindow {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let days = DAYS.iter().zip(0..).filter(|(_, bit)| self.days & (1u8 << bit) != 0);
        let days: Vec<&str> = days.map(|(day, _)| *day).collect();
        write!(
            out,
            "on {} from {:02}:{:02} until {:02}:{:02}",
            days.join(","),
            self.start_min / 60,
            self.start_min % 60,
            self.end_min / 60,
            self.end_min % 60
        )?;
        match self.zone_name() {
            Some(zone) => write!(out, " in {zone}"),
            None => Ok(()),
        }
    }
}
