//! `when = { … }`: text → condition.
//!
//! Keys of one table must all hold; of a list, one entry must. `all`, `any` and `not` put
//! tables together, to a limited depth.

use ipnet::IpNet;

use super::atom::{
    Atom, Atoms, ContentTest, DAYS, FAMILIES, FamilyNumber, FileTest, Node, Points, STATES, State,
    TimeWindow, TlsTest,
};
use super::circumstances::{AuthenticationResult, Direction, Mechanism};
use super::file::Groups;
use super::pattern::{AddressPattern, Glob, TextTest};
use super::text::{Read, Source, Table, Value};
use crate::mail::{Class, Role, Severity};

/// Tables within tables.
const DEPTH: usize = 16;

/// The keys of a condition.
pub const KEYS: [&str; 26] = [
    "direction",
    "role",
    "reverse_path",
    "forward_path",
    "sender_domain",
    "recipient_domain",
    "sender_group",
    "recipient_group",
    "author",
    "header",
    "subject",
    "network",
    "account",
    "authentication",
    "finding",
    "class",
    "score",
    "content",
    "attachment",
    "size",
    "time",
    "tls",
    "marking",
    "all",
    "any",
    "not",
];

/// Reads conditions of one text.
pub(crate) struct Conditions<'s, 't> {
    pub(crate) source: &'s Source<'t>,
    pub(crate) groups: &'s Groups,
    pub(crate) atoms: &'s mut Atoms,
}

impl<'t> Conditions<'_, 't> {
    /// Reads a table of conditions.
    pub(crate) fn read(&mut self, value: &Value<'t>) -> Read<Node> {
        self.at_depth(value, 0)
    }

    fn at_depth(&mut self, value: &Value<'t>, depth: usize) -> Read<Node> {
        if depth > DEPTH {
            let what = format!("conditions lie more than {DEPTH} deep");
            return Err(self.source.wrong(value.span().start, what));
        }
        let table = self.source.table(value, "`when`", &KEYS)?;
        let mut nodes = Vec::new();
        for (key, value) in table.keys() {
            nodes.push(match key {
                "all" => Node::all(self.parts(key, value, depth)?),
                "any" => Node::any(self.parts(key, value, depth)?),
                "not" => match value.get_ref().is_array() {
                    // As everywhere, a list holds when an entry does.
                    true => Node::any(self.parts(key, value, depth)?).negated(),
                    false => self.at_depth(value, depth + 1)?.negated(),
                },
                key => self.condition(key, value)?,
            });
        }
        Ok(Node::all(nodes))
    }

    fn parts(&mut self, key: &str, value: &Value<'t>, depth: usize) -> Read<Vec<Node>> {
        let tables = self.source.list(value, &format!("`{key}`"))?;
        tables.into_iter().map(|table| self.at_depth(table, depth + 1)).collect()
    }

    fn atom(&mut self, atom: Atom) -> Node {
        Node::Atom(self.atoms.number(atom))
    }

    /// One atom for each entry of a list.
    fn each(
        &mut self,
        key: &str,
        value: &Value<'t>,
        read: impl Fn(&Source<'t>, &Value<'t>) -> Read<Atom>,
    ) -> Read<Node> {
        let list = self.source.list(value, &format!("`{key}`"))?;
        let mut nodes = Vec::with_capacity(list.len());
        for value in list {
            let atom = read(self.source, value)?;
            nodes.push(self.atom(atom));
        }
        Ok(Node::any(nodes))
    }

    fn condition(&mut self, key: &str, value: &Value<'t>) -> Read<Node> {
        match key {
            "direction" => self.each(key, value, |source, value| {
                let words = Direction::ALL.map(|direction| (direction.word(), direction));
                source.word(value, "direction", &words).map(Atom::Direction)
            }),
            "role" => self.each(key, value, |source, value| {
                source.word(value, "role", &ROLES).map(Atom::Role)
            }),
            "reverse_path" => self.each(key, value, |source, value| {
                pattern(source, value, AddressPattern::parse).map(Atom::ReversePath)
            }),
            "forward_path" => self.each(key, value, |source, value| {
                pattern(source, value, AddressPattern::parse).map(Atom::ForwardPath)
            }),
            "sender_domain" => self.each(key, value, |source, value| {
                pattern(source, value, AddressPattern::parse_domain).map(Atom::ReversePath)
            }),
            "recipient_domain" => self.each(key, value, |source, value| {
                pattern(source, value, AddressPattern::parse_domain).map(Atom::ForwardPath)
            }),
            "author" => self.each(key, value, |source, value| {
                pattern(source, value, AddressPattern::parse).map(Atom::Author)
            }),
            "sender_group" | "recipient_group" => self.group(key, value),
            "header" => self.header(value),
            "subject" => self.subject(value),
            "authentication" => self.authentication(value),
            "score" => self.score(value),
            "size" => self.size(value),
            "content" => self.content(value),
            "attachment" => self
                .each(key, value, |source, value| file_test(source, value).map(Atom::Attachment)),
            "time" => self.each(key, value, |source, value| window(source, value).map(Atom::Time)),
            _ => self.each(key, value, |source, value| word(source, key, value)),
        }
    }

    fn group(&mut self, key: &str, value: &Value<'t>) -> Read<Node> {
        let groups = self.groups;
        self.each(key, value, |source, value| {
            let text = source.line(value, key)?;
            let name = text.strip_prefix("group:").unwrap_or(text);
            if !groups.has(name) {
                let known: Vec<&str> = groups.names().collect();
                return Err(source.unknown(value.span().start, "group", name, &known));
            }
            Ok(match key {
                "sender_group" => Atom::SenderGroup(name.into()),
                _ => Atom::RecipientGroup(name.into()),
            })
        })
    }

    fn header(&mut self, value: &Value<'t>) -> Read<Node> {
        let mut nodes = Vec::new();
        for value in self.source.list(value, "`header`")? {
            let known = ["name", "contains", "is", "matches", "absent"];
            let table = self.source.table(value, "`header`", &known)?;
            let Some(name) = table.value("name") else {
                return Err(self.source.wrong(table.at, "`header` needs the `name` of a field"));
            };
            let name: Box<str> = field_name(self.source, name)?.to_lowercase().into();
            let mut tests = self.text_tests(table)?;
            let absent = match table.value("absent") {
                Some(value) => self.source.boolean(value, "`absent`")?,
                None => false,
            };
            if absent && !tests.is_empty() {
                let what = "a field that is `absent` contains nothing";
                return Err(self.source.wrong(table.at, what));
            }
            if tests.is_empty() {
                tests.push(vec![TextTest::Present]);
            }
            let mut all = Vec::new();
            for test in tests {
                let any = test.into_iter();
                let any = any.map(|one| self.atom(Atom::Header(name.clone(), one))).collect();
                all.push(Node::any(any));
            }
            let node = Node::all(all);
            nodes.push(if absent { node.negated() } else { node });
        }
        Ok(Node::any(nodes))
    }

    /// `contains`, `is` and `matches` of a table: all must hold, of each list one entry.
    fn text_tests(&self, table: Table<'_, 't>) -> Read<Vec<Vec<TextTest>>> {
        let mut tests = Vec::new();
        for (key, value) in table.keys() {
            let make: fn(String) -> TextTest = match key {
                "contains" => |text| TextTest::Contains(text.into()),
                "is" => |text| TextTest::Is(text.trim().into()),
                "matches" => |text| TextTest::Matches(Glob::new(text)),
                _ => continue,
            };
            let mut any = Vec::new();
            for value in self.source.list(value, &format!("`{key}`"))? {
                any.push(make(self.source.line(value, &format!("`{key}`"))?.to_lowercase()));
            }
            tests.push(any);
        }
        Ok(tests)
    }

    /// A text is looked for in the subject; one with stars must match it as a whole.
    fn subject(&mut self, value: &Value<'t>) -> Read<Node> {
        let mut nodes = Vec::new();
        for value in self.source.list(value, "`subject`")? {
            if let Some(table) = value.get_ref().as_table() {
                self.source.known_keys(table, "`subject`", &["contains", "is", "matches"])?;
                let table = Table { table, at: value.span().start };
                let tests = self.text_tests(table)?;
                if tests.is_empty() {
                    return Err(self.source.wrong(table.at, "`subject` asks nothing"));
                }
                let mut all = Vec::new();
                for test in tests {
                    let any = test.into_iter().map(|one| self.atom(Atom::Subject(one))).collect();
                    all.push(Node::any(any));
                }
                nodes.push(Node::all(all));
                continue;
            }
            let text = self.source.line(value, "`subject`")?.to_lowercase();
            let test = match text.contains('*') {
                true => TextTest::Matches(Glob::new(text)),
                false => TextTest::Contains(text.into()),
            };
            nodes.push(self.atom(Atom::Subject(test)));
        }
        Ok(Node::any(nodes))
    }

    fn authentication(&mut self, value: &Value<'t>) -> Read<Node> {
        let known = Mechanism::ALL.map(Mechanism::word);
        let table = self.source.table(value, "`authentication`", &known)?;
        let mut all = Vec::new();
        for mechanism in Mechanism::ALL {
            let Some(value) = table.value(mechanism.word()) else { continue };
            all.push(self.each(mechanism.word(), value, |source, value| {
                let words = AuthenticationResult::ALL.map(|result| (result.word(), result));
                let result = source.word(value, "result", &words)?;
                Ok(Atom::Authentication(mechanism, result))
            })?);
        }
        match all.is_empty() {
            true => Err(self.source.wrong(table.at, "`authentication` asks nothing")),
            false => Ok(Node::all(all)),
        }
    }

    fn score(&mut self, value: &Value<'t>) -> Read<Node> {
        let source = self.source;
        let read = |value: &Value<'t>, key: &str| source.number(value, key);
        let (least, below, at) = self.range(value, "score", read)?;
        if least.zip(below).is_some_and(|(least, below)| least >= below) {
            return Err(source.wrong(at, "no score is at least `at_least` and below `below`"));
        }
        let least = least.map(|points| self.atom(Atom::ScoreAtLeast(Points(points))));
        let below = below.map(|points| self.atom(Atom::ScoreAtLeast(Points(points))).negated());
        Ok(Node::all(least.into_iter().chain(below).collect()))
    }

    fn size(&mut self, value: &Value<'t>) -> Read<Node> {
        let source = self.source;
        let read = |value: &Value<'t>, key: &str| source.octets(value, key);
        let (least, below, at) = self.range(value, "size", read)?;
        if least.unwrap_or(0) >= below.unwrap_or(u64::MAX) {
            return Err(source.wrong(at, "no size is at least `at_least` and below `below`"));
        }
        let least = least.map(|octets| self.atom(Atom::SizeAtLeast(octets)));
        let below = below.map(|octets| self.atom(Atom::SizeAtLeast(octets)).negated());
        Ok(Node::all(least.into_iter().chain(below).collect()))
    }

    fn range<T>(
        &self,
        value: &Value<'t>,
        key: &str,
        read: impl Fn(&Value<'t>, &str) -> Read<T>,
    ) -> Read<(Option<T>, Option<T>, usize)> {
        let table = self.source.table(value, &format!("`{key}`"), &["at_least", "below"])?;
        let of = |key: &str| table.value(key).map(|value| read(value, &format!("`{key}`")));
        let (least, below) = (of("at_least").transpose()?, of("below").transpose()?);
        match least.is_none() && below.is_none() {
            true => Err(self.source.wrong(table.at, format!("`{key}` asks nothing"))),
            false => Ok((least, below, table.at)),
        }
    }

    /// One hit must pass as a whole: each combination of entries is an atom.
    fn content(&mut self, value: &Value<'t>) -> Read<Node> {
        let source = self.source;
        let mut nodes = Vec::new();
        for value in source.list(value, "`content`")? {
            if value.get_ref().is_str() {
                let rule = Some(source.line(value, "`content`")?.into());
                let test = ContentTest { rule, class: None, severity: Severity::Low, count: 1 };
                nodes.push(self.atom(Atom::Content(test)));
                continue;
            }
            let known = ["rule", "class", "severity", "count"];
            let table = source.table(value, "`content`", &known)?;
            let mut rules: Vec<Option<Box<str>>> = Vec::new();
            if let Some(value) = table.value("rule") {
                for value in source.list(value, "`rule`")? {
                    rules.push(Some(source.line(value, "`rule`")?.into()));
                }
            }
            let mut classes = Vec::new();
            if let Some(value) = table.value("class") {
                for value in source.list(value, "`class`")? {
                    classes.push(Some(class(source, value)?));
                }
            }
            let severity = table.value("severity");
            let severity = severity.map(|value| source.word(value, "severity", &SEVERITIES));
            let severity = severity.transpose()?.unwrap_or_default();
            let count = table.value("count").map(|value| positive(source, value, "`count`"));
            let count = count.transpose()?.unwrap_or(1);
            let or_any = |is_empty: bool| is_empty.then_some(None);
            rules.extend(or_any(rules.is_empty()));
            let any_class = classes.is_empty().then_some(None);
            classes.extend(any_class);
            for rule in rules {
                for class in &classes {
                    let (rule, class) = (rule.clone(), *class);
                    let test = ContentTest { rule, class, severity, count };
                    nodes.push(self.atom(Atom::Content(test)));
                }
            }
        }
        Ok(Node::any(nodes))
    }
}

const ROLES: [(&str, Role); 3] =
    [("inbound", Role::Inbound), ("outbound", Role::Outbound), ("submission", Role::Submission)];

const SEVERITIES: [(&str, Severity); 4] = [
    ("low", Severity::Low),
    ("medium", Severity::Medium),
    ("high", Severity::High),
    ("critical", Severity::Critical),
];

/// The class that a text names.
pub(crate) fn class<'t>(source: &Source<'t>, value: &Value<'t>) -> Read<Class> {
    let names = Class::ALL.map(|class| class.to_string());
    let text = source.text(value, "class")?;
    let found = Class::ALL.into_iter().zip(&names).find(|(_, name)| *name == text);
    found.map(|(class, _)| class).ok_or_else(|| {
        let known: Vec<&str> = names.iter().map(String::as_str).collect();
        source.unknown(value.span().start, "class", text, &known)
    })
}

fn word<'t>(source: &Source<'t>, key: &str, value: &Value<'t>) -> Read<Atom> {
    let at = value.span().start;
    match key {
        "class" => class(source, value).map(Atom::Class),
        "tls" => source.word(value, "TLS state", &TlsTest::WORDS).map(Atom::Tls),
        "network" => {
            let text = source.line(value, key)?;
            let network = text.parse::<IpNet>().ok();
            let alone = || text.parse::<std::net::IpAddr>().ok().map(IpNet::from);
            let network = network.or_else(alone).map(|network| network.trunc());
            let what = format!("{text:?} is no network: `192.0.2.0/24`, `2001:db8::/32`");
            network.map(Atom::Network).ok_or_else(|| source.wrong(at, what))
        }
        "account" => Ok(Atom::Account(Glob::new(source.line(value, key)?.to_lowercase()))),
        "marking" => Ok(Atom::Marking(Glob::new(source.line(value, key)?.to_lowercase()))),
        "finding" => {
            let text = source.line(value, key)?;
            let fits = |letter: char| {
                letter.is_ascii_uppercase() || letter.is_ascii_digit() || "_*-.".contains(letter)
            };
            match text.chars().all(fits) {
                true => Ok(Atom::Finding(Glob::new(text))),
                false => {
                    Err(source.wrong(at, "findings have names in capitals: `MACRO_AUTO_OPEN`"))
                }
            }
        }
        _ => Err(source.unknown(at, "condition", key, &KEYS)),
    }
}

fn pattern<'t>(
    source: &Source<'t>,
    value: &Value<'t>,
    parse: impl Fn(&str) -> Result<AddressPattern, String>,
) -> Read<AddressPattern> {
    let text = source.line(value, "a pattern of mailboxes")?;
    parse(text).map_err(|why| source.wrong(value.span().start, why))
}

fn positive<'t>(source: &Source<'t>, value: &Value<'t>, what: &str) -> Read<u32> {
    let number = source.integer(value, what, 1_000_000)?;
    match u32::try_from(number) {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(source.wrong(value.span().start, format!("{what} must be at least 1"))),
    }
}

/// RFC 5322 section 3.6.8.
pub(crate) fn field_name<'v>(source: &Source<'_>, value: &'v Value<'_>) -> Read<&'v str> {
    let text = value.get_ref().as_str().unwrap_or_default();
    let fits = |octet: u8| (b'!'..=b'~').contains(&octet) && octet != b':';
    match !text.is_empty() && text.len() <= 70 && text.bytes().all(fits) {
        true => Ok(text),
        false => Err(source.wrong(value.span().start, "not the name of a header field")),
    }
}

/// What is asked of files.
pub(crate) fn file_test<'t>(source: &Source<'t>, value: &Value<'t>) -> Read<FileTest> {
    let known =
        ["type", "family", "extension", "name", "encrypted", "macro", "state", "larger", "count"];
    let table = source.table(value, "`attachment`", &known)?;
    let mut test = FileTest::any();
    for (key, value) in table.keys() {
        let what = format!("`{key}`");
        match key {
            "encrypted" => test.states.push((State(0), source.boolean(value, &what)?)),
            "macro" => test.states.push((State(2), source.boolean(value, &what)?)),
            "larger" => test.larger = Some(source.octets(value, &what)?),
            "count" => test.count = positive(source, value, &what)?,
            _ => {
                for value in source.list(value, &what)? {
                    file_word(source, key, value, &mut test)?;
                }
            }
        }
    }
    for (state, is) in &test.states {
        if test.states.iter().any(|(other, other_is)| other == state && other_is != is) {
            return Err(source.wrong(table.at, "`attachment` contradicts itself"));
        }
    }
    Ok(test)
}

fn file_word<'t>(
    source: &Source<'t>,
    key: &str,
    value: &Value<'t>,
    test: &mut FileTest,
) -> Read<()> {
    let numbered = |words: &[(&'static str, u8)], what: &str| source.word(value, what, words);
    match key {
        "family" => {
            let words: Vec<(&str, u8)> = FAMILIES.iter().map(|(word, _)| *word).zip(0..).collect();
            test.families.push(FamilyNumber(numbered(&words, "family")?));
        }
        "state" => {
            let words: Vec<(&str, u8)> = STATES.iter().map(|(word, _)| *word).zip(0..).collect();
            test.states.push((State(numbered(&words, "state")?), true));
        }
        "name" => {
            let text = source.line(value, "`name`")?.to_lowercase();
            test.names.push(Glob::new(text));
        }
        _ => {
            let text = source.line(value, &format!("`{key}`"))?.to_lowercase();
            let text = text.trim_start_matches('.');
            if text.contains(['.', '*', '/']) {
                let what = format!("`{key}` is one extension without a dot, such as `docm`");
                return Err(source.wrong(value.span().start, what));
            }
            let list = if key == "type" { &mut test.types } else { &mut test.extensions };
            list.push(text.into());
        }
    }
    Ok(())
}

fn window<'t>(source: &Source<'t>, value: &Value<'t>) -> Read<TimeWindow> {
    let table = source.table(value, "`time`", &["days", "from", "until", "zone"])?;
    let mut window = TimeWindow { days: 0, start_min: 0, end_min: 24 * 60, zone: None };
    for (key, value) in table.keys() {
        match key {
            "days" => {
                for value in source.list(value, "`days`")? {
                    window.days |= days(source, value)?;
                }
            }
            "from" => window.start_min = minute(source, value)?,
            "until" => window.end_min = minute(source, value)?,
            _ => {
                let name = source.line(value, "`zone`")?;
                let zone = jiff::tz::TimeZone::get(name).map_err(|_| {
                    let what = format!("unknown zone {name:?}, expected one like `Europe/London`");
                    source.wrong(value.span().start, what)
                })?;
                window.zone = Some((name.into(), zone));
            }
        }
    }
    if table.value("days").is_none() {
        window.days = 0b111_1111;
    }
    match window.start_min == window.end_min {
        true => Err(source.wrong(table.at, "`from` and `until` are the same: that never holds")),
        false => Ok(window),
    }
}

fn days<'t>(source: &Source<'t>, value: &Value<'t>) -> Read<u8> {
    let mut words: Vec<(&str, u8)> =
        DAYS.iter().zip(0..).map(|(day, at)| (*day, 1 << at)).collect();
    words.extend([("weekdays", 0b001_1111u8), ("weekend", 0b110_0000)]);
    words.extend([
        ("monday", 1u8),
        ("tuesday", 2),
        ("wednesday", 4),
        ("thursday", 8),
        ("friday", 16),
        ("saturday", 32),
        ("sunday", 64),
    ]);
    source.word(value, "day", &words)
}

fn minute<'t>(source: &Source<'t>, value: &Value<'t>) -> Read<u16> {
    let text = value.get_ref().as_str().unwrap_or_default();
    let two = |text: &str, most: u16| {
        let digits = text.len() == 2 && text.bytes().all(|octet| octet.is_ascii_digit());
        text.parse::<u16>().ok().filter(|number| digits && *number <= most)
    };
    let read = text.split_once(':').and_then(|(hour, minute)| {
        Some(two(hour, 24)? * 60 + two(minute, 59)?).filter(|minutes| *minutes <= 24 * 60)
    });
    read.ok_or_else(|| source.wrong(value.span().start, "a time of day is written like \"08:30\""))
}
