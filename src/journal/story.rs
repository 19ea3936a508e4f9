//! What became of one mail, from its first event to its last.
//!
//! In: its events in order. Out: [`Story`], for JSON by serde and for people by
//! [`Story::in_plain_words`]. Texts of strangers stay as they are in JSON (which escapes
//! them) and are escaped for people.

use std::fmt::Write;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::acts::Act;
use super::event::{Event, FindingNote};
use crate::mail::{MailId, TlsFacts};
use crate::telemetry::escape::shown;

const SHOWN_OCTETS: usize = 400;

/// The story of one mail.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Story {
    /// Its name.
    #[serde(serialize_with = "as_text", deserialize_with = "from_text")]
    pub mail_id: MailId,
    /// Empty when null, or when its beginning is not in the journal any more.
    pub reverse_path: String,
    /// Whom it is for.
    pub forward_paths: Vec<String>,
    /// Decoded.
    pub subject: String,
    /// Without angle brackets.
    pub message_id: String,
    /// What happened, and when in milliseconds since 1970.
    #[serde(serialize_with = "steps_out", deserialize_with = "steps_in")]
    pub events: Vec<(u64, Event)>,
}

impl Story {
    pub(super) fn new(mail_id: MailId, events: Vec<(u64, Event)>) -> Option<Story> {
        if events.is_empty() {
            return None;
        }
        let mut story = Story {
            mail_id,
            reverse_path: String::new(),
            forward_paths: Vec::new(),
            subject: String::new(),
            message_id: String::new(),
            events: Vec::new(),
        };
        for (_, event) in &events {
            story.learn(event);
        }
        story.events = events;
        Some(story)
    }

    fn learn(&mut self, event: &Event) {
        match event {
            Event::Received { reverse_path, forward_paths, .. } => {
                self.reverse_path.clone_from(reverse_path);
                self.forward_paths.clone_from(forward_paths);
            }
            Event::Originated { reverse_path, forward_paths, subject, .. } => {
                self.reverse_path.clone_from(reverse_path);
                self.forward_paths.clone_from(forward_paths);
                self.subject.clone_from(subject);
            }
            Event::Continued { reverse_path, forward_paths, subject, message_id, .. } => {
                self.reverse_path.clone_from(reverse_path);
                self.forward_paths.clone_from(forward_paths);
                self.subject.clone_from(subject);
                self.message_id.clone_from(message_id);
            }
            Event::TurnedAway { reverse_path, forward_paths, .. } => {
                // One recipient may be turned away and the mail come in for the others.
                if self.reverse_path.is_empty() {
                    self.reverse_path.clone_from(reverse_path);
                }
                for path in forward_paths {
                    if !self.forward_paths.contains(path) {
                        self.forward_paths.push(path.clone());
                    }
                }
            }
            Event::Judged { subject, message_id, .. } => {
                self.subject.clone_from(subject);
                self.message_id.clone_from(message_id);
            }
            _ => {}
        }
    }

    /// Whether anything is known of who it was from and for.
    pub(super) fn has_envelope(&self) -> bool {
        self.events.iter().any(|(_, event)| event.envelope().is_some())
    }

    /// Several lines for a person: who to whom, what, and each event with its time in the
    /// box's time zone. Ends with a line feed.
    pub fn in_plain_words(&self) -> String {
        let mut out = String::new();
        // Writing into a string cannot fail.
        let all = |is_one: fn(&Event) -> bool| self.events.iter().all(|(_, event)| is_one(event));
        let is_visit = all(|event| matches!(event, Event::VisitRefused { .. }));
        let is_act = all(|event| matches!(event, Event::Administered(_)));
        let _ = match (is_visit, is_act) {
            (true, _) => {
                writeln!(out, "{}  a session, or what in it came to no mail", self.mail_id)
            }
            (_, true) => writeln!(out, "{}  an act of an administrator", self.mail_id),
            _ => writeln!(
                out,
                "{}  from <{}> to {}",
                self.mail_id,
                safe(&self.reverse_path),
                listed(&self.forward_paths)
            ),
        };
        if !self.subject.is_empty() {
            let _ = writeln!(out, "    subject: {}", safe(&self.subject));
        }
        if !self.message_id.is_empty() {
            let _ = writeln!(out, "    Message-ID: <{}>", safe(&self.message_id));
        }
        for (at_ms, event) in &self.events {
            let _ = writeln!(out, "    {}  {}", local_time(*at_ms), words(event));
        }
        out
    }
}

impl Event {
    /// What happened, on one line for a person; of a judgement without its findings.
    pub fn in_plain_words(&self) -> String {
        let words = words(self);
        words.split('\n').next().unwrap_or_default().trim_end_matches(':').to_owned()
    }
}

fn safe(text: &str) -> String {
    shown(text, SHOWN_OCTETS)
}

fn listed(paths: &[String]) -> String {
    let first = paths.iter().take(10).map(|path| format!("<{}>", safe(path)));
    let mut list = first.collect::<Vec<_>>().join(", ");
    if paths.len() > 10 {
        let _ = write!(list, " and {} more", paths.len() - 10);
    }
    if list.is_empty() { "nobody known".into() } else { list }
}

fn timestamp(at_ms: u64) -> Timestamp {
    let at_ms = i64::try_from(at_ms).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(at_ms).unwrap_or_default()
}

fn local_time(at_ms: u64) -> String {
    let zoned = timestamp(at_ms).to_zoned(TimeZone::system());
    zoned.strftime("%Y-%m-%d %H:%M:%S%:z").to_string()
}

fn words(event: &Event) -> String {
    match event {
        Event::Received { role, client, helo, size_octets, tls, account, .. } => {
            let account = account.as_ref().map(|name| format!(", logged in as {}", safe(name)));
            format!(
                "received ({role}) from {client} [{}], {size_octets} octets, {}{}",
                // An address literal brings brackets of its own (RFC 5321, section 4.1.3).
                safe(helo).trim_matches(['[', ']']),
                secrecy(tls.as_ref()),
                account.unwrap_or_default()
            )
        }
        Event::Judged { verdict, score, findings, dispositions, .. } => {
            let what = format!("judged {verdict} with score {score:.1}: {}", safe(dispositions));
            findings.iter().fold(what, |sum, note| sum + &finding_words(note))
        }
        Event::Refused { reply, stage } => {
            format!("refused at {}; the sender was told: {}", safe(stage), safe(reply))
        }
        Event::Committed => "safe on disk; the sender was told that it is accepted".into(),
        Event::Delivered { recipient, hop, reply, tls } => format!(
            "delivered to <{}> by {} ({}), which said: {}",
            safe(recipient),
            safe(hop),
            secrecy(tls.as_ref()),
            safe(reply)
        ),
        Event::Deferred { recipient, reply, next_attempt_ms } => format!(
            "not delivered to <{}> yet: {}; next attempt at {}",
            safe(recipient),
            safe(reply),
            local_time(*next_attempt_ms)
        ),
        Event::Failed { recipient, reply } => {
            format!("cannot be delivered to <{}>: {}", safe(recipient), safe(reply))
        }
        Event::Reported { report } => format!("the sender was sent a report, {report}"),
        Event::Quarantined { area, recipients } => {
            format!("quarantined in {} for {}", safe(area), listed(recipients))
        }
        Event::OriginalKept { area, recipients } => {
            let (area, recipients) = (safe(area), listed(recipients));
            format!("the original is kept in {area}; changed copies go out for {recipients}")
        }
        Event::Released { by } => format!("released by {}", safe(by)),
        Event::Held { by } => format!("held by {}", safe(by)),
        Event::Retried { by } => format!("another attempt was asked for by {}", safe(by)),
        Event::Removed { by } => format!("removed by {}", safe(by)),
        Event::Discarded => "dropped, as policy has it".into(),
        Event::Expired => "given up: it was kept for as long as it may be".into(),
        Event::Recovered => "found in the spool after a restart".into(),
        Event::TurnedAway { client, forward_paths, reply, stage, .. } => format!(
            "turned away at {} (client {client}, for {}): {}",
            safe(stage),
            listed(forward_paths),
            safe(reply)
        ),
        Event::VisitRefused { client, reply, stage } => {
            format!("refused at {} (client {client}): {}", safe(stage), safe(reply))
        }
        Event::FoundLater { path, what, .. } => {
            let path = if path.is_empty() { "the whole message" } else { path.as_str() };
            format!("delivered before it was known: {}: {}", safe(path), safe(what))
        }
        event => words_of_orders(event),
    }
}

/// What was ordered beside delivery.
fn words_of_orders(event: &Event) -> String {
    match event {
        Event::Archived { class } => format!("archived as it came, class {}", safe(class)),
        Event::Redirected { recipients, forward_paths, becomes } => format!(
            "redirected from {} to {} as {becomes}",
            listed(recipients),
            listed(forward_paths)
        ),
        Event::Copied { forward_paths, becomes } => {
            format!("copied to {} as {becomes}", listed(forward_paths))
        }
        Event::Notified { forward_path, notice } => {
            format!("<{}> was sent a notice, {notice}", safe(forward_path))
        }
        Event::Withheld { order, forward_path, why } => {
            format!("no {} for <{}>: {}", safe(order), safe(forward_path), safe(why))
        }
        Event::ApprovalAsked { entry, approver, rule, expires_ms, question } => format!(
            "<{}> is asked to approve it by {} (rule {}, entry {entry}, mail {question})",
            safe(approver),
            local_time(*expires_ms),
            safe(rule)
        ),
        Event::ApprovalDecided { entry, by, decision } => {
            format!("approval of entry {entry}: {} by {}", safe(decision), safe(by))
        }
        Event::RateLimited { limit, counted, consequence } => format!(
            "more than limit {} lets through for {}: {}",
            safe(limit),
            safe(counted),
            safe(consequence)
        ),
        Event::Inspected(inspection) => format!(
            "kept for rules: {} content rules, {} files, markings: {}",
            inspection.content.len(),
            inspection.files.len(),
            match inspection.markings.is_empty() {
                true => "none".to_owned(),
                false => safe(&inspection.markings.join(", ")),
            }
        ),
        Event::Administered(note) => act_words(&note.act),
        Event::GoesOn { forward_paths, becomes } => {
            format!("goes on to {} as mail {becomes}", listed(forward_paths))
        }
        Event::Continued { about, .. } => {
            format!("let out of quarantine, where it was kept as mail {about}")
        }
        Event::Originated { about, size_octets, .. } => match about {
            Some(about) => format!("written by this box about {about}, {size_octets} octets"),
            None => format!("written by this box, {size_octets} octets"),
        },
        other => other.name().to_owned(),
    }
}

fn act_words(act: &Act) -> String {
    let mut words = format!("{} by {}", safe(&act.what), safe(&act.who));
    // Writing into a string cannot fail.
    let _ = match act.client {
        Some(client) if !act.via.is_empty() => write!(words, " ({}, {client})", safe(&act.via)),
        Some(client) => write!(words, " ({client})"),
        None if !act.via.is_empty() => write!(words, " ({})", safe(&act.via)),
        None => Ok(()),
    };
    if !act.object.is_empty() {
        let _ = write!(words, ": {}", safe(&act.object));
    }
    for (name, text) in [("before", &act.before), ("after", &act.after)] {
        if let Some(text) = text {
            let _ = write!(words, "; {name}: {}", safe(text));
        }
    }
    for (name, text) in [("reason", &act.reason), ("not done", &act.refusal)] {
        if !text.is_empty() {
            let _ = write!(words, "; {name}: {}", safe(text));
        }
    }
    words
}

fn secrecy(tls: Option<&TlsFacts>) -> String {
    tls.map_or("in clear".into(), |tls| safe(&format!("{} {}", tls.version, tls.cipher)))
}

fn finding_words(note: &FindingNote) -> String {
    let indent = " ".repeat(10);
    format!("\n{indent}{:+.1} {}: {}", note.score, safe(&note.name), safe(&note.detail))
}

pub(super) fn as_text<S: Serializer>(mail_id: &MailId, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(mail_id)
}

pub(super) fn from_text<'de, D: Deserializer<'de>>(text: D) -> Result<MailId, D::Error> {
    String::deserialize(text)?.parse().map_err(serde::de::Error::custom)
}

pub(super) fn maybe_as_text<S: Serializer>(
    mail_id: &Option<MailId>,
    out: S,
) -> Result<S::Ok, S::Error> {
    mail_id.map(|mail_id| mail_id.to_string()).serialize(out)
}

pub(super) fn maybe_from_text<'de, D: Deserializer<'de>>(
    text: D,
) -> Result<Option<MailId>, D::Error> {
    let text = Option::<String>::deserialize(text)?;
    text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
}

/// `{"at_ms":…, "at":"2026-…Z", "event":"delivered", "recipient":…}`.
fn steps_out<S: Serializer>(events: &[(u64, Event)], out: S) -> Result<S::Ok, S::Error> {
    let steps: Result<Vec<Value>, serde_json::Error> = events.iter().map(step_out).collect();
    steps.map_err(serde::ser::Error::custom)?.serialize(out)
}

fn step_out((at_ms, event): &(u64, Event)) -> Result<Value, serde_json::Error> {
    let mut step = Map::new();
    step.insert("at_ms".into(), (*at_ms).into());
    step.insert("at".into(), format!("{:.3}", timestamp(*at_ms)).into());
    step.insert("event".into(), event.name().into());
    // A variant with fields is `{"name": {fields}}`, one without is `"name"`.
    if let Value::Object(variant) = serde_json::to_value(event)? {
        let fields = variant.into_iter().filter_map(|(_, fields)| match fields {
            Value::Object(fields) => Some(fields),
            _ => None,
        });
        step.extend(fields.flatten());
    }
    // MailIds are numbers to serde's derive; people and other programs read the text.
    for (key, id) in named_ids(event) {
        if let (Some(value), Some(id)) = (step.get_mut(key), id) {
            *value = id.to_string().into();
        }
    }
    Ok(Value::Object(step))
}

/// Fields that name mails.
const IDS: [&str; 6] = ["report", "about", "becomes", "notice", "entry", "question"];

fn named_ids(event: &Event) -> [(&'static str, Option<MailId>); 2] {
    let one = |key, id: MailId| [(key, Some(id)), (key, None)];
    match event {
        Event::Reported { report } => one("report", *report),
        Event::Originated { about, .. } => [("about", *about), ("about", None)],
        Event::Redirected { becomes, .. }
        | Event::Copied { becomes, .. }
        | Event::GoesOn { becomes, .. } => one("becomes", *becomes),
        Event::Continued { about, .. } => one("about", *about),
        Event::Notified { notice, .. } => one("notice", *notice),
        Event::ApprovalAsked { entry, question, .. } => {
            [("entry", Some(*entry)), ("question", Some(*question))]
        }
        Event::ApprovalDecided { entry, .. } => one("entry", *entry),
        _ => [("", None), ("", None)],
    }
}

fn steps_in<'de, D: Deserializer<'de>>(steps: D) -> Result<Vec<(u64, Event)>, D::Error> {
    let steps = Vec::<Map<String, Value>>::deserialize(steps)?;
    let steps: Result<_, String> = steps.into_iter().map(step_in).collect();
    steps.map_err(serde::de::Error::custom)
}

fn step_in(mut step: Map<String, Value>) -> Result<(u64, Event), String> {
    let at_ms = step.remove("at_ms").and_then(|at| at.as_u64()).ok_or("no at_ms")?;
    step.remove("at");
    let Some(Value::String(name)) = step.remove("event") else { return Err("no event".into()) };
    for key in IDS {
        if let Some(Value::String(text)) = step.get(key) {
            let id: MailId = text.parse().map_err(|error| format!("{error}"))?;
            let octets = serde_json::to_value(id).map_err(|error| error.to_string())?;
            step.insert(key.into(), octets);
        }
    }
    let variant = match step.is_empty() {
        true => Value::String(name),
        false => Value::Object(Map::from_iter([(name, Value::Object(step))])),
    };
    let event = serde_json::from_value(variant).map_err(|error| error.to_string())?;
    Ok((at_ms, event))
}
