//! `orders = [ … ]`: text → orders.
//!
//! An order is a word (`"archive"`) or a table of one key (`{ reject = "text" }`). A rule has
//! one final order at most: two of them would contradict each other.

use toml::de::DeValue;

use super::atom::FileTest;
use super::order::{Despite, FinalKind, FinalOrder, Notified, Order};
use super::text::{Read, Source, Value};
use super::when;
use crate::mail::{Address, AnnotationPlace, Expiry, RateKey};

/// Orders of one rule.
const ORDERS: usize = 32;
/// Octets of a text that goes into mail.
const TEXT_OCTETS: usize = 64 << 10;
/// Recipients of copies and notices.
const ADDRESSEES: usize = 100;
/// A year.
const HOURS: u64 = 8_784;
/// Without these a message cannot be read or is none (RFC 5322 section 3.6; RFC 2045).
const NEEDED: &[&str] = &[
    "From",
    "Date",
    "Message-ID",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "Received",
];
/// A second one would make the message ambiguous (RFC 5322 section 3.6).
const ONCE: &[&str] = &[
    "Sender",
    "Reply-To",
    "To",
    "Cc",
    "Bcc",
    "In-Reply-To",
    "References",
    "Subject",
    "Return-Path",
    "Content-Disposition",
    "Content-ID",
    "DKIM-Signature",
];

/// Reads the orders of a rule of this name.
pub(super) fn orders<'t>(
    source: &Source<'t>,
    value: &Value<'t>,
    rule: &str,
) -> Read<(Option<FinalOrder>, Vec<Order>)> {
    let at = value.span().start;
    let list = match value.get_ref().as_array() {
        Some(list) => list.iter().collect(),
        None => vec![value],
    };
    if list.len() > ORDERS {
        return Err(source.wrong(at, format!("more than {ORDERS} orders")));
    }
    let (mut last, mut orders): (Option<FinalOrder>, Vec<Order>) = (None, Vec::new());
    for value in list {
        let at = value.span().start;
        let (word, argument, at_word) = match value.get_ref() {
            DeValue::String(word) => (&**word, None, at),
            DeValue::Table(table) if table.len() == 1 => match table.iter().next() {
                Some((key, argument)) => (&**key.get_ref(), Some(argument), key.span().start),
                None => ("", None, at),
            },
            _ => return Err(source.wrong(at, "an order is a word, or a table of one key")),
        };
        let reading = Reading { source, at: at_word, word, argument, rule };
        match FinalKind::WORDS.iter().find(|(known, _)| *known == word) {
            Some((_, kind)) => {
                let order = reading.last(*kind)?;
                if let Some(other) = &last {
                    let what = format!(
                        "`{word}` contradicts `{}`: a rule has one final order",
                        other.kind()
                    );
                    return Err(source.wrong(at_word, what));
                }
                last = Some(order);
            }
            None => {
                let order = reading.accumulating()?;
                if !orders.contains(&order) {
                    orders.push(order);
                }
            }
        }
    }
    match last.is_none() && orders.is_empty() {
        true => Err(source.wrong(at, "the rule orders nothing")),
        false => Ok((last, orders)),
    }
}

/// One order.
struct Reading<'s, 'v, 't> {
    source: &'s Source<'t>,
    at: usize,
    word: &'v str,
    argument: Option<&'v Value<'t>>,
    rule: &'s str,
}

impl<'v, 't> Reading<'_, 'v, 't> {
    fn wrong<T>(&self, what: &str) -> Read<T> {
        Err(self.source.wrong(self.at, format!("`{}` {what}", self.word)))
    }

    fn bare<T>(&self, order: T) -> Read<T> {
        match self.argument {
            None => Ok(order),
            Some(_) => self.wrong("takes nothing"),
        }
    }

    fn needed(&self, what: &str) -> Read<&'v Value<'t>> {
        match self.argument {
            Some(value) => Ok(value),
            None => self.wrong(&format!("needs {what}: `{{ {} = … }}`", self.word)),
        }
    }

    /// One line, given alone.
    fn line(&self, what: &str) -> Read<String> {
        let value = self.needed(what)?;
        self.source.line(value, &format!("`{}`", self.word)).map(str::to_owned)
    }

    /// One line, which may be left away.
    fn line_or(&self, default: &str) -> Read<String> {
        match self.argument {
            Some(_) => self.line("a text"),
            None => Ok(default.to_owned()),
        }
    }

    /// The text of a reply, which is ASCII whoever reads it (RFC 5321 section 4.2).
    fn reply_or(&self, default: &str) -> Read<String> {
        let text = self.line_or(default)?;
        match text.is_ascii() {
            true => Ok(text),
            false => self.wrong("takes ASCII letters only: a reply of SMTP can have no others"),
        }
    }

    /// A name that folders and labels can be made of.
    fn name_or(&self, default: &str) -> Read<String> {
        let name = self.line_or(default)?;
        let fits = |letter: char| letter.is_alphanumeric() || "-_.".contains(letter);
        match name.len() <= 64 && name.chars().all(fits) && !name.starts_with('.') {
            true => Ok(name),
            false => self.wrong("takes a name of letters, digits, `-`, `_` and `.`"),
        }
    }

    fn text(&self, value: &Value<'t>, what: &str) -> Read<String> {
        let text = self.source.text(value, what)?;
        let is_odd = |letter: char| letter.is_control() && !"\n\r\t".contains(letter);
        let at = value.span().start;
        match text {
            _ if text.trim().is_empty() => {
                Err(self.source.wrong(at, format!("{what} must not be empty")))
            }
            _ if text.len() > TEXT_OCTETS || text.contains(is_odd) => {
                let what = format!("{what} is longer than {TEXT_OCTETS} octets, or has controls");
                Err(self.source.wrong(at, what))
            }
            _ => Ok(text.to_owned()),
        }
    }

    fn address(&self, value: &Value<'t>) -> Read<Address> {
        let text = self.source.line(value, "a mailbox")?;
        text.parse().map_err(|why| {
            self.source.wrong(value.span().start, format!("{text:?} is no mailbox: {why}"))
        })
    }

    fn list(&self, value: &'v Value<'t>) -> Read<Vec<&'v Value<'t>>> {
        let list = self.source.list(value, &format!("`{}`", self.word))?;
        match list.len() <= ADDRESSEES {
            true => Ok(list),
            false => self.wrong(&format!("names more than {ADDRESSEES} mailboxes")),
        }
    }

    /// Mailboxes, alone, in a list or under `to`.
    fn addresses(&self) -> Read<Vec<Address>> {
        let mut value = self.needed("mailboxes")?;
        if value.get_ref().is_table() {
            let table = self.source.table(value, &format!("`{}`", self.word), &["to"])?;
            value = match table.value("to") {
                Some(value) => value,
                None => return self.wrong("needs `to`"),
            };
        }
        self.list(value)?.into_iter().map(|value| self.address(value)).collect()
    }

    fn last(&self, kind: FinalKind) -> Read<FinalOrder> {
        Ok(match kind {
            FinalKind::Deliver => FinalOrder::Deliver { despite: self.despite()? },
            FinalKind::Reject => {
                FinalOrder::Reject { text: self.reply_or("message refused by policy")? }
            }
            FinalKind::Discard => self.bare(FinalOrder::Discard)?,
            FinalKind::Quarantine => FinalOrder::Quarantine { area: self.name_or("policy")? },
            FinalKind::Defer => {
                FinalOrder::Defer { text: self.reply_or("message deferred by policy")? }
            }
            FinalKind::Hold => self.hold()?,
            FinalKind::Redirect => FinalOrder::Redirect { to: self.addresses()? },
            FinalKind::Secure => self.bare(FinalOrder::Secure)?,
        })
    }

    fn despite(&self) -> Read<Vec<Despite>> {
        let Some(value) = self.argument else { return Ok(Vec::new()) };
        let table = self.source.table(value, "`deliver`", &["despite"])?;
        let Some(value) = table.value("despite") else { return Ok(Vec::new()) };
        let read = |value: &&Value<'t>| match value.get_ref().as_str() {
            Some("dmarc") => Ok(Despite::Dmarc),
            _ => when::class(self.source, value).map(Despite::Class),
        };
        self.list(value)?.iter().map(read).collect()
    }

    fn hold(&self) -> Read<FinalOrder> {
        let value = self.needed("an approver")?;
        let (mut expires_hours, mut on_expiry) = (72, Expiry::Refuse);
        if value.get_ref().is_str() {
            let approver = self.address(value)?;
            return Ok(FinalOrder::Hold { approver, expires_hours, on_expiry });
        }
        let known = ["approver", "expires_hours", "on_expiry"];
        let table = self.source.table(value, "`hold`", &known)?;
        if let Some(value) = table.value("expires_hours") {
            let hours = self.source.integer(value, "`expires_hours`", HOURS)?;
            expires_hours = u32::try_from(hours).unwrap_or(u32::MAX);
            if expires_hours == 0 {
                let what = "`expires_hours` must be at least 1";
                return Err(self.source.wrong(value.span().start, what));
            }
        }
        if let Some(value) = table.value("on_expiry") {
            let words = [("refuse", Expiry::Refuse), ("release", Expiry::Release)];
            on_expiry = self.source.word(value, "end of an approval", &words)?;
        }
        match table.value("approver") {
            Some(value) => {
                Ok(FinalOrder::Hold { approver: self.address(value)?, expires_hours, on_expiry })
            }
            None => self.wrong("needs an `approver`"),
        }
    }

    fn accumulating(&self) -> Read<Order> {
        Ok(match self.word {
            "tag_subject" => Order::TagSubject(self.line("a text")?),
            "add_header" => self.add_header()?,
            "remove_header" => {
                let value = self.needed("the name of a field")?;
                let name = when::field_name(self.source, value)?;
                self.spare(name, NEEDED, "every message needs")?;
                Order::RemoveHeader(name.to_owned())
            }
            "strip_attachments" => Order::StripAttachments(match self.argument {
                Some(value) => when::file_test(self.source, value)?,
                None => FileTest::any(),
            }),
            "annotate" => self.annotate()?,
            "copy" => Order::Copy { to: self.addresses()? },
            "notify" => self.notify()?,
            "archive" => Order::Archive { class: self.archive_class()? },
            "route_via" => self.route_via()?,
            "rate_limit" => self.rate_limit()?,
            word => {
                let last = FinalKind::WORDS.iter().map(|(word, _)| *word);
                let known: Vec<&str> = last.chain(Order::WORDS).collect();
                return Err(self.source.unknown(self.at, "order", word, &known));
            }
        })
    }

    fn archive_class(&self) -> Read<String> {
        match self.argument.filter(|value| value.get_ref().is_table()) {
            Some(value) => {
                let table = self.source.table(value, "`archive`", &["class"])?;
                let argument = table.value("class");
                Reading { argument, ..*self }.name_or("default")
            }
            None => self.name_or("default"),
        }
    }

    fn add_header(&self) -> Read<Order> {
        let value = self.needed("`name` and `value`")?;
        let table = self.source.table(value, "`add_header`", &["name", "value"])?;
        let (Some(name), Some(value)) = (table.value("name"), table.value("value")) else {
            return self.wrong("needs `name` and `value`");
        };
        let name = when::field_name(self.source, name)?.to_owned();
        self.spare(&name, NEEDED, "may stand only once in a message")?;
        self.spare(&name, ONCE, "may stand only once in a message")?;
        let value = self.source.line(value, "`value`")?.to_owned();
        Ok(Order::AddHeader { name, value })
    }

    /// Refuses a field that the order would break the message with.
    fn spare(&self, name: &str, fields: &[&str], why: &str) -> Read<()> {
        match fields.iter().any(|field| field.eq_ignore_ascii_case(name)) {
            true => self.wrong(&format!("cannot be given for {name}, which {why}")),
            false => Ok(()),
        }
    }

    /// One next hop, or several in the order in which they are tried.
    fn route_via(&self) -> Read<Order> {
        let mut hops = Vec::new();
        for value in self.list(self.needed("a next hop")?)? {
            let hop = self.source.line(value, "`route_via`")?;
            if let Err(why) = hop.parse::<crate::config::NextHop>() {
                return Err(self.source.wrong(value.span().start, format!("`route_via`: {why}")));
            }
            hops.push(hop);
        }
        match hops.is_empty() {
            true => self.wrong("needs a next hop"),
            false => Ok(Order::RouteVia(hops.join(" "))),
        }
    }

    fn annotate(&self) -> Read<Order> {
        let value = self.needed("a `text`")?;
        let key = self.rule.to_owned();
        if value.get_ref().is_str() {
            let text = self.text(value, "`annotate`")?;
            return Ok(Order::Annotate { text, html: None, place: AnnotationPlace::Below, key });
        }
        let known = ["text", "html", "place", "key"];
        let table = self.source.table(value, "`annotate`", &known)?;
        let Some(text) = table.value("text") else { return self.wrong("needs a `text`") };
        let html = table.value("html").map(|value| self.text(value, "`html`"));
        let words = [("above", AnnotationPlace::Above), ("below", AnnotationPlace::Below)];
        let place = table.value("place").map(|value| self.source.word(value, "place", &words));
        let given = table.value("key").map(|value| self.source.line(value, "`key`"));
        Ok(Order::Annotate {
            text: self.text(text, "`text`")?,
            html: html.transpose()?,
            place: place.transpose()?.unwrap_or_default(),
            key: given.transpose()?.map_or(key, str::to_owned),
        })
    }

    fn notify(&self) -> Read<Order> {
        let value = self.needed("`to`, `subject` and `text`")?;
        let table = self.source.table(value, "`notify`", &["to", "subject", "text"])?;
        let Some(to) = table.value("to") else { return self.wrong("needs `to`") };
        let read = |value: &&Value<'t>| match value.get_ref().as_str() {
            Some("sender") => Ok(Notified::Sender),
            Some("recipient") => Ok(Notified::Recipient),
            Some("administrator" | "postmaster") => Ok(Notified::Administrator),
            Some(text) if !text.contains('@') => {
                let known = ["sender", "recipient", "administrator", "postmaster"];
                Err(self.source.unknown(value.span().start, "addressee", text, &known))
            }
            _ => self.address(value).map(Notified::Address),
        };
        let to = self.list(to)?.iter().map(read).collect::<Read<Vec<Notified>>>()?;
        let subject = table.value("subject").map(|value| self.source.line(value, "`subject`"));
        let text = table.value("text").map(|value| self.text(value, "`text`"));
        let subject = subject.transpose()?.unwrap_or("A rule applied to a message: {subject}");
        let text = text
            .transpose()?
            .unwrap_or_else(|| format!("The rule {:?} applied to a message.\n", self.rule));
        Ok(Order::Notify { to, subject: subject.to_owned(), text })
    }

    fn rate_limit(&self) -> Read<Order> {
        let value = self.needed("a `count`")?;
        let known = ["name", "count", "per_s", "by"];
        let table = self.source.table(value, "`rate_limit`", &known)?;
        let number = |key: &str| match table.value(key) {
            Some(value) => {
                let number = self.source.integer(value, &format!("`{key}`"), 100_000_000)?;
                match u32::try_from(number) {
                    Ok(number) if number > 0 => Ok(Some(number)),
                    _ => {
                        let what = format!("`{key}` must be at least 1");
                        Err(self.source.wrong(value.span().start, what))
                    }
                }
            }
            None => Ok(None),
        };
        let Some(count) = number("count")? else { return self.wrong("needs a `count`") };
        let words = [
            ("sender", RateKey::Sender),
            ("sender_domain", RateKey::SenderDomain),
            ("recipient", RateKey::Recipient),
            ("account", RateKey::Account),
            ("client", RateKey::Client),
        ];
        let by = table.value("by").map(|value| self.source.word(value, "key of counts", &words));
        let name = table.value("name").map(|value| self.source.line(value, "`name`"));
        Ok(Order::RateLimit {
            name: name.transpose()?.unwrap_or(self.rule).to_owned(),
            count,
            per_s: number("per_s")?.unwrap_or(3_600),
            by: by.transpose()?.unwrap_or_default(),
        })
    }
}
