//! What is kept back: seen, previewed, and acted on, mail by mail or many at once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::many::{self, ManyActed, Which};
use super::{ID, Kind, LIMIT, Parameter, about, id_of, limit, operation, text};
use crate::admin::api::{Acted, Detail, QuarantineRow, time_of};
use crate::admin::people::{Right, Scope};
use crate::admin::site::noted::note;
use crate::admin::site::quarantine::acts::{self, Order};
use crate::admin::site::quarantine::preview;
use crate::admin::site::{Call, Refusal, Route, quarantine, seen};
use crate::journal::Act;
use crate::mail::{MailId, Verdict};
use crate::message::contents::Item;
use crate::quarantine::{Held, HeldEntry, HeldFilter};
use crate::web::{Answer, Pairs, answer};

/// A hundred years.
const MOST_DAYS: u64 = 36_500;

const WORDS: Kind = Kind::Text(1_000);
const DAYS: Kind = Kind::Whole { least: 0, most: MOST_DAYS };
const QUESTION: &[Parameter] = &[
    Parameter::new("area", Kind::Text(64), "only this area"),
    Parameter::new("verdict", Kind::OneOf(VERDICTS), "what it was judged to be"),
    Parameter::new("any", WORDS, "any part of the reverse-path or of a forward-path"),
    Parameter::new("sender", WORDS, "any part of the reverse-path"),
    Parameter::new("recipient", WORDS, "any part of a forward-path"),
    Parameter::new("text", WORDS, "any part of the subject"),
    Parameter::new("score", Kind::Decimal, "at least so many points"),
    Parameter::new("younger", DAYS, "kept for fewer days"),
    Parameter::new("older", DAYS, "kept for more days"),
    Parameter::new("after", Kind::Text(60), "only earlier ones: next of the page before"),
    LIMIT,
];
const VERDICTS: &[&str] = &["clean", "spam", "malicious", "ambiguous", "unscannable", "policy"];
const ACT: Parameter =
    Parameter::new("act", Kind::OneOf(&["release", "delete", "spam", "ham"]), "what is to be done");
const LEARN: Parameter = Parameter::new(
    "learn",
    Kind::OneOf(&["spam", "ham", "nothing"]),
    "what the classifier learns; without it, what was kept as spam and is released is ham",
);

pub(in crate::admin::site) const ROUTES: &[Route] = &[
    operation!(
        GET "/api/quarantine", Right(SeeMail), list => QuarantineList,
        about("quarantine", "Mail that is kept back, the newest first", QUESTION)
    ),
    operation!(
        POST "/api/quarantine/act", Right(Quarantine), act_on_many(KeptOrder) => ManyActed,
        about("actOnManyQuarantined", "One act on many mails that are kept back; each is answered by itself", &[])
    ),
    operation!(
        GET "/api/quarantine/{id}/preview", Right(SeeContent), previewed => Preview,
        about("previewQuarantined", "The text without anything that acts or loads, and what the files are", &[ID])
    ),
    operation!(
        GET "/api/quarantine/{id}", Right(SeeMail), entry => Detail<KeptRow>,
        about("quarantined", "One mail that is kept back; its header needs see-content", &[ID])
    ),
    operation!(
        GET "/api/quarantine/{id}/source", Right(SeeContent), source => raw "message/rfc822",
        about("quarantinedSource", "The message as it came", &[ID])
    ),
    operation!(
        POST "/api/quarantine/{id}/release-some", Right(Quarantine), release_some(Part) => Acted,
        about("releaseSome", "Releases the copies of some recipients; the others stay", &[ID])
    ),
    operation!(
        POST "/api/quarantine/{id}/{act}", Right(Quarantine), act => Acted,
        about("actOnQuarantine", "Releases, deletes, or teaches the classifier what it is", &[ID, ACT, LEARN])
    ),
];

/// Some of the recipients.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Part {
    /// Their forward-paths, as the entry has them.
    #[schemars(length(min = 1))]
    to: Vec<String>,
}

/// What can be done to many mails.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum KeptAct {
    /// Their recipients get them.
    Release,
    /// They are gone.
    Delete,
    /// Of what waits for an approval: the approver's no.
    Refuse,
    /// The classifier learns them as spam.
    Spam,
    /// The classifier learns them as none.
    Ham,
}

impl KeptAct {
    fn word(self) -> &'static str {
        match self {
            KeptAct::Release => "release",
            KeptAct::Delete => "delete",
            KeptAct::Refuse => "refuse",
            KeptAct::Spam => "spam",
            KeptAct::Ham => "ham",
        }
    }
}

/// What the classifier learns of a release or deletion.
#[derive(Debug, Clone, Copy, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum Learned {
    /// They are spam.
    Spam,
    /// They are none.
    Ham,
    /// It learns nothing.
    Nothing,
}

/// Which mails of the quarantine; without any criterion all of them.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct KeptCriteria {
    /// In this area.
    area: Option<String>,
    /// What they were judged to be.
    verdict: Option<Verdict>,
    /// Any part of the reverse-path or of a forward-path.
    any: Option<String>,
    /// Any part of the reverse-path.
    sender: Option<String>,
    /// Any part of a forward-path.
    recipient: Option<String>,
    /// Any part of the subject.
    text: Option<String>,
    /// At least so many points.
    score: Option<f32>,
    /// Kept for fewer days.
    #[schemars(range(max = 36500))]
    younger: Option<u32>,
    /// Kept for more days.
    #[schemars(range(max = 36500))]
    older: Option<u32>,
}

/// One act on many mails: those of `ids`, or all that fit `filter`.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct KeptOrder {
    /// What is to be done.
    act: KeptAct,
    /// These entries, 500 at most.
    #[schemars(length(min = 1, max = 500))]
    ids: Option<Vec<String>>,
    /// All that fit, 2,000 in one go.
    filter: Option<KeptCriteria>,
    /// What the classifier learns of a release or deletion; without it, what was kept as spam
    /// and is released is ham.
    learn: Option<Learned>,
    /// Nothing is done: those that are meant are answered.
    #[serde(default)]
    is_trial: bool,
}

/// Mail that is kept back.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct QuarantineList {
    /// The newest first.
    mails: Vec<KeptRow>,
    /// The search took too long and was cut short: go on with `next`.
    is_cut: bool,
    /// What to ask for as `after` to go on.
    next: Option<String>,
}

/// One entry.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct KeptRow {
    /// What it is.
    #[serde(flatten)]
    row: QuarantineRow,
    /// The mail that it was in; usually of the same name.
    of_mail: String,
    /// RFC 3339: when it is deleted by itself.
    expires: String,
}

impl KeptRow {
    fn of(scope: &Scope, entry: &HeldEntry) -> KeptRow {
        KeptRow {
            row: quarantine::told(scope, entry),
            of_mail: entry.mail_id.to_string(),
            expires: time_of(entry.expires_ms),
        }
    }
}

/// The text of a kept mail, and its files.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Preview {
    /// The text.
    #[serde(flatten)]
    shown: preview::Shown,
    /// Its files, those in archives among them.
    files: Vec<FileRow>,
}

/// A file of a mail.
#[derive(Debug, Serialize, JsonSchema)]
struct FileRow {
    /// The names from the outermost file to this one, joined by `/`.
    path: String,
    /// What it is by its content.
    nature: String,
    /// What it claims to be.
    declared: Option<String>,
    /// Its size.
    octets: u64,
    /// Why it could not be read; absent when it could.
    closed: Option<String>,
}

impl From<Item> for FileRow {
    fn from(item: Item) -> FileRow {
        FileRow {
            path: item.path,
            nature: item.nature.words().to_owned(),
            declared: item.declared,
            octets: item.octets,
            closed: item.closed.map(|why| format!("{why:?}").to_lowercase()),
        }
    }
}

async fn list(call: Call) -> Result<QuarantineList, Refusal> {
    let page = quarantine::page_of(&call, &call.ask.query, limit(&call)).await?;
    let told = page.entries.iter().map(|entry| KeptRow::of(&call.caller.scope, entry));
    Ok(QuarantineList {
        mails: told.collect(),
        is_cut: page.is_cut,
        next: page.next.map(|(at_s, id)| format!("{at_s}-{id}")),
    })
}

async fn previewed(call: Call) -> Result<Preview, Refusal> {
    let (shown, files) = preview::previewed(&call).await?;
    Ok(Preview { shown, files: files.into_iter().map(FileRow::from).collect() })
}

async fn act_on_many(call: Call, order: KeptOrder) -> Result<ManyActed, Refusal> {
    let filter = order.filter.as_ref().map(KeptCriteria::pairs).transpose()?;
    let which = Which { ids: order.ids, filter, is_trial: order.is_trial };
    let learn = order.learn.map(|learned| match learned {
        Learned::Spam => "spam".to_owned(),
        Learned::Ham => "ham".to_owned(),
        Learned::Nothing => "nothing".to_owned(),
    });
    let order = Order { what: order.act.word().into(), to: Vec::new(), learn };
    let (call, order) = (&call, &order);
    let fitting = |filter| async move { quarantine::fitting(call, &filter).await };
    let on_one = |id: String| async move { acts::on_one(call, &id, order).await };
    many::act(which, fitting, on_one).await
}

impl KeptCriteria {
    /// As the page's filter has it.
    fn pairs(&self) -> Result<Pairs, Refusal> {
        let days = |name: &str, days: Option<u32>| match days {
            Some(days) if u64::from(days) > MOST_DAYS => {
                Err(Refusal::Bad(format!("filter.{name}: at most {MOST_DAYS}")))
            }
            days => Ok(days.map(|days| days.to_string())),
        };
        let (younger, older) = (days("younger", self.younger)?, days("older", self.older)?);
        let score = self.score.map(|score| score.to_string());
        let verdict = self.verdict.map(|verdict| verdict.to_string());
        many::filter(&[
            ("area", self.area.as_deref()),
            ("verdict", verdict.as_deref()),
            ("any", self.any.as_deref()),
            ("sender", self.sender.as_deref()),
            ("recipient", self.recipient.as_deref()),
            ("text", self.text.as_deref()),
            ("score", score.as_deref()),
            ("younger", younger.as_deref()),
            ("older", older.as_deref()),
        ])
    }
}

/// The entry, when it is there for this caller. Blocks.
pub(super) fn held_of(call: &Call, entry: MailId) -> Result<Held, Refusal> {
    let held = call.site.desk.quarantine.load(entry);
    let held = held.map_err(|error| Refusal::Broken(error.to_string()))?;
    held.filter(|held| call.caller.scope.sees(&held.envelope)).ok_or(Refusal::NotFound)
}

async fn entry(call: Call) -> Result<Detail<KeptRow>, Refusal> {
    let (id, may_read) = (id_of(&call)?, call.may(Right::SeeContent));
    let (desk, work) = (call.desk(), call.clone());
    let detail = call.blocking(move || {
        let mail_id = held_of(&work, id)?.mail_id;
        let filter = HeldFilter { mail_id: Some(mail_id), ..HeldFilter::default() };
        let listed = desk.quarantine.list(&filter, usize::MAX).into_iter();
        let entry = listed.into_iter().find(|entry| entry.id == id).ok_or(Refusal::NotFound)?;
        let row = KeptRow::of(&work.caller.scope, &entry);
        let Detail { mut findings, client, helo, header, .. } = desk.quarantined(work.part(0))?;
        seen::veil(&work.caller.scope, &entry.envelope, &mut findings);
        Ok(Detail { row, findings, client, helo, header })
    });
    let detail = detail.await?;
    Ok(match may_read {
        true => detail,
        false => Detail { header: String::new(), ..detail },
    })
}

async fn source(call: Call) -> Result<Answer, Refusal> {
    let (id, work) = (id_of(&call)?, call.clone());
    let read = call.blocking(move || {
        let held = held_of(&work, id)?;
        let octets = held.content.read_all();
        Ok((held.mail_id, octets.map_err(|error| Refusal::Broken(error.to_string()))?))
    });
    let (mail_id, octets) = read.await?;
    note(&call, Some(mail_id), Act { what: "quarantine.source".into(), ..Act::default() });
    Ok(answer::attachment("message/rfc822", &format!("{id}.eml"), octets))
}

async fn act(call: Call) -> Result<Acted, Refusal> {
    let (what, learn) = (call.part(1).to_owned(), text(&call, "learn"));
    done(&call, Order { what, learn, to: Vec::new() }).await
}

async fn release_some(call: Call, part: Part) -> Result<Acted, Refusal> {
    done(&call, Order { what: "release-some".into(), to: part.to, learn: None }).await
}

/// Does as the page does.
async fn done(call: &Call, order: Order) -> Result<Acted, Refusal> {
    let id = id_of(call)?;
    let lesson = acts::on_one(call, call.part(0), &order).await?;
    let done = match order.what.as_str() {
        "delete" => "deleted",
        "spam" | "ham" => "learned",
        _ => "released",
    };
    Ok(Acted { mail_id: id.to_string(), done: done.into(), lesson })
}
