//! What the first steps of a box try out, for programs: a next hop, DNS, the virus scanner, a
//! message through the whole box; and how the steps stand.
//!
//! The same is done and journalled as on the pages of the set-up, with the same limits of time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::tracking::{StoryRow, row};
use super::{about, operation};
use crate::admin::site::setup::antivirus::{self, Tested};
use crate::admin::site::setup::dns::{self, How, Topic};
use crate::admin::site::setup::domains;
use crate::admin::site::setup::steps::{self, Step};
use crate::admin::site::setup::talk::{Talk, Who};
use crate::admin::site::setup::trial::{self, Load};
use crate::admin::site::{Call, Refusal, Route};

/// Letters of a next hop or a recipient.
const LETTERS: usize = 1_000;

pub(in crate::admin::site) const ROUTES: &[Route] = &[
    operation!(
        GET "/api/setup", Right(Settings), steps => StepList,
        about("setup", "The first steps of a box, and how each stands", &[])
    ),
    operation!(
        POST "/api/checks/next-hop", Right(Settings), next_hop(HopOrder) => TalkRow,
        about("checkNextHop", "Whether a next hop would take mail, word for word; nothing is sent", &[])
    ),
    operation!(
        GET "/api/checks/dns", Right(Settings), of_dns => DnsChecked,
        about("checkDns", "Whether DNS answers and leads mail of the protected domains to this box", &[])
    ),
    operation!(
        POST "/api/checks/antivirus", Right(Settings), of_antivirus => Tested,
        about("checkAntivirus", "Whether the virus scanners answer and know the harmless test file", &[])
    ),
    operation!(
        POST "/api/checks/message", Right(Settings), message(MessageOrder) => MessageSent,
        about("checkMessage", "Sends a test message through the whole box, and tells what became of it", &[])
    ),
];

/// The first steps.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct StepList {
    /// In their usual order; any other will do.
    steps: Vec<Step>,
}

/// A next hop to be tried.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct HopOrder {
    /// As in the configuration: `smtp://10.0.0.5:25`.
    hop: String,
    /// For whom it is asked to take mail.
    recipient: Option<String>,
}

/// What was said, and what it came to.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct TalkRow {
    /// Mail would be taken, or was, as far as was asked.
    is_good: bool,
    /// In one sentence.
    sum: String,
    /// Word for word.
    lines: Vec<SaidRow>,
}

/// One line.
#[derive(Debug, Serialize, JsonSchema)]
struct SaidRow {
    /// Who says it.
    who: Who,
    /// What.
    line: String,
}

impl From<Talk> for TalkRow {
    fn from(talk: Talk) -> TalkRow {
        let lines = talk.lines.into_iter().map(|(who, line)| SaidRow { who, line });
        TalkRow { is_good: talk.is_good, sum: talk.sum, lines: lines.collect() }
    }
}

/// What DNS says.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct DnsChecked {
    /// Every question was answered in time.
    is_complete: bool,
    /// This box first, then the protected domains.
    topics: Vec<Topic>,
}

/// A message to be sent.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MessageOrder {
    /// At a protected domain; the mail is really delivered.
    recipient: String,
    /// With the harmless test file of virus scanners: it must not arrive.
    #[serde(default)]
    with_test_file: bool,
}

/// A message that was sent.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct MessageSent {
    /// To look for it later.
    message_id: String,
    /// What the box's own listener said.
    talk: TalkRow,
    /// What became of it within some seconds; absent when the journal knows nothing of it yet.
    story: Option<StoryRow>,
}

/// A text that is not too long, without blanks around it.
fn short<'t>(name: &str, text: &'t str) -> Result<&'t str, Refusal> {
    match text.chars().count() {
        0..=LETTERS => Ok(text.trim()),
        _ => Err(Refusal::Bad(format!("{name}: {LETTERS} characters at most"))),
    }
}

async fn steps(call: Call) -> Result<StepList, Refusal> {
    Ok(StepList { steps: steps::all(&call).await? })
}

async fn next_hop(call: Call, order: HopOrder) -> Result<TalkRow, Refusal> {
    let recipient = short("recipient", order.recipient.as_deref().unwrap_or_default())?;
    Ok(domains::tried(&call, short("hop", &order.hop)?, recipient).await?.into())
}

async fn of_dns(call: Call) -> Result<DnsChecked, Refusal> {
    let topics = dns::checked(&call).await;
    let mut lines = topics.iter().flat_map(|topic| &topic.findings);
    Ok(DnsChecked { is_complete: lines.all(|line| line.how != How::Silent), topics })
}

async fn of_antivirus(call: Call) -> Result<Tested, Refusal> {
    antivirus::tested(&call).await
}

async fn message(call: Call, order: MessageOrder) -> Result<MessageSent, Refusal> {
    let load = match order.with_test_file {
        true => Load::TestFile,
        false => Load::Words,
    };
    let sent = trial::sent(&call, short("recipient", &order.recipient)?, load).await?;
    Ok(MessageSent {
        message_id: sent.message_id,
        talk: sent.talk.into(),
        story: sent.story.as_ref().map(row).transpose()?,
    })
}
