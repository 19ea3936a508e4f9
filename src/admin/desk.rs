//! What the operator can see and do, in terms of the rooms that do it.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use jiff::Timestamp;
use warp::http::StatusCode;

use super::accounts::{self, AccountError};
use super::antivirus::Watchful;
use super::api::{
    AccountOrder, AccountRow, Acted, Detail, FindingRow, QueueRow, SenderOrder, SenderRow,
    SignedFeed, Status,
};
use super::directory::Acquainted;
use super::ruling::Ruling;
use super::senders::{self, SenderError};
use crate::action::approval::{ApprovalError, Approvals};
use crate::analysis::Statement;
use crate::analysis::bulk::{Bulk, SiteKey};
use crate::analysis::learning::Teacher;
use crate::analysis::shadow::Shadow;
use crate::archive::{Archive, ArchiveError};
use crate::delivery::aggregate::Reporter;
use crate::journal::{Event, Found, Journal, JournalError, TrackQuery};
use crate::mail::{Budget, Content, Facts, Judgement, MailId};
use crate::quarantine::{Quarantine, QuarantineError};
use crate::spool::{Act, QueueEntry, QueueFilter, QueueState, Spool, SpoolError};
use crate::store::{Store, StoreError};
use crate::telemetry::metrics;

/// Who the journal says has acted: the socket is open to one user only.
pub const OPERATOR: &str = "operator";
/// For the log to catch up before a list.
const CATCH_UP: Duration = Duration::from_secs(1);
/// How much of a header section is shown.
const HEADER_OCTETS: usize = 64 << 10;

/// Remembers of senders what people say of their mail.
pub trait Hearing: fmt::Debug + Send + Sync {
    /// May block on the disk.
    fn hear(&self, statement: &Statement<'_>);
}

/// Everything that the operator reaches.
#[derive(Debug, Clone)]
pub struct Desk {
    /// Who acts, as the journal names them.
    pub by: Arc<str>,
    /// Where all state lies.
    pub data_dir: PathBuf,
    /// Mail that waits.
    pub spool: Arc<Spool>,
    /// Mail that is kept back.
    pub quarantine: Arc<Quarantine>,
    /// Mail that is kept for good reasons.
    pub archive: Arc<Archive>,
    /// What waits for somebody's approval.
    pub approvals: Arc<Approvals>,
    /// What happened.
    pub journal: Arc<Journal>,
    /// Accounts.
    pub store: Arc<Store>,
    /// Teaches the classifier.
    pub teacher: Arc<Teacher>,
    /// Remembers what is said of senders.
    pub hearing: Arc<dyn Hearing>,
    /// What is tried on live mail, unseen.
    pub shadow: Arc<Shadow>,
    /// DMARC reports on their way out.
    pub reporter: Arc<Reporter>,
    /// Digests of what was seen before.
    pub bulk: Option<Arc<Bulk>>,
    /// Knows how the virus scanners are.
    pub watchful: Arc<dyn Watchful>,
    /// Knows who there is.
    pub acquainted: Arc<dyn Acquainted>,
    /// Knows the rules in force and what looks into mail.
    pub ruling: Arc<dyn Ruling>,
    /// Taken by whoever goes through all mail: one at a time.
    pub searching: Arc<tokio::sync::Mutex<()>>,
    /// Mail in reception.
    pub budget: Arc<Budget>,
    /// When the box was started.
    pub started: Instant,
}

/// Why the operator does not get what was asked for.
#[derive(Debug, thiserror::Error)]
pub enum DeskError {
    /// The words make no sense.
    #[error("{0}")]
    Misspoken(String),
    /// There is no such thing.
    #[error("{0}")]
    Unknown(String),
    /// It cannot be done to this mail now.
    #[error("{0}")]
    Unfit(String),
    /// The spool fails.
    #[error(transparent)]
    Spool(#[from] SpoolError),
    /// The quarantine fails.
    #[error(transparent)]
    Quarantine(#[from] QuarantineError),
    /// The archive fails.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// A decision cannot be carried out.
    #[error(transparent)]
    Approval(ApprovalError),
    /// The journal fails.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Content cannot be read.
    #[error("content cannot be read: {0}")]
    Content(#[from] std::io::Error),
    /// A task broke off; telemetry says more.
    #[error("the request broke off")]
    Broken,
}

impl DeskError {
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            DeskError::Misspoken(_) | DeskError::Journal(JournalError::Query { .. }) => {
                StatusCode::BAD_REQUEST
            }
            DeskError::Unknown(_) => StatusCode::NOT_FOUND,
            DeskError::Unfit(_) => StatusCode::CONFLICT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// A MailId out of a path or query.
pub(super) fn parse_id(text: &str) -> Result<MailId, DeskError> {
    text.parse().map_err(|error| DeskError::Misspoken(format!("{error}")))
}

impl Desk {
    /// The same desk, at which somebody else acts.
    pub fn on_behalf_of(&self, by: &str) -> Desk {
        Desk { by: by.into(), ..self.clone() }
    }

    /// What was reported here, signed for other sites; good for so many days.
    pub(crate) fn signed_feed(&self, days: u32) -> Result<SignedFeed, DeskError> {
        let Some(bulk) = &self.bulk else {
            return Err(DeskError::Unfit("this box keeps no digests".into()));
        };
        let key = SiteKey::of_site(bulk.data_dir());
        let key = key.map_err(|error| DeskError::Unfit(error.to_string()))?;
        let lasts = Duration::from_secs(u64::from(days) * 86_400);
        Ok(SignedFeed { text: bulk.export(&key, SystemTime::now(), lasts) })
    }

    /// Waits until what happened to mail just before can be read from the log, but not long:
    /// a disk that takes nothing must not keep the operator from looking.
    pub(crate) async fn catch_up(&self) {
        match tokio::time::timeout(CATCH_UP, self.spool.flush()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the spool lags behind what is shown"),
            Err(_) => tracing::warn!("the spool lags behind what is shown"),
        }
    }

    /// Queued mail, oldest first.
    pub(crate) fn queue(
        &self,
        state: Option<&str>,
        limit: usize,
    ) -> Result<Vec<QueueRow>, DeskError> {
        let unknown = || DeskError::Misspoken("state is active, deferred or hold".into());
        let states: &[Option<QueueState>] = match state {
            None => &[None],
            Some("active") => &[Some(QueueState::Active)],
            Some("deferred") => &[Some(QueueState::Deferred)],
            Some("hold") => &[Some(QueueState::Hold), Some(QueueState::Unscanned)],
            Some(_) => return Err(unknown()),
        };
        let mut rows = Vec::new();
        for state in states {
            let filter = QueueFilter { state: *state, ..QueueFilter::default() };
            let entries = self.spool.list(&filter, limit.saturating_sub(rows.len()));
            rows.extend(entries.iter().map(queue_row));
        }
        Ok(rows)
    }

    /// One queued mail, whole.
    pub(crate) fn queued(&self, id: &str) -> Result<Detail<QueueRow>, DeskError> {
        let mail_id = parse_id(id)?;
        let filter = QueueFilter { mail_id: Some(mail_id), ..QueueFilter::default() };
        let entry = self.spool.list(&filter, 1).pop();
        let mail = self.spool.load(mail_id)?;
        let (Some(entry), Some(mail)) = (entry, mail) else { return Err(not_queued(id)) };
        detail(queue_row(&entry), mail.stage().judgement(), &mail.facts, &mail.content)
    }

    /// Retries, holds, releases or removes.
    pub(crate) async fn act_on_queue(&self, id: &str, act: &str) -> Result<Acted, DeskError> {
        let mail_id = parse_id(id)?;
        let by = || self.by.to_string();
        let (done, told, event) = match act {
            "retry" => {
                (self.spool.retry_now(mail_id).await?, "retried", Event::Retried { by: by() })
            }
            "hold" => (self.spool.hold(mail_id).await?, "held", Event::Held { by: by() }),
            "release" => {
                let released = match self.spool.release(mail_id).await? {
                    Act::Unfit => self.release_held(mail_id).await?,
                    released => released,
                };
                (released, "released", Event::Released { by: by() })
            }
            "remove" => (
                self.spool.remove(mail_id, &self.by).await?,
                "removed",
                Event::Removed { by: by() },
            ),
            _ => return Err(DeskError::Unknown(format!("no such act: {act}"))),
        };
        match done {
            Act::Done => self.journal.record(mail_id, event),
            Act::Unknown => return Err(not_queued(id)),
            Act::InDelivery => {
                return Err(DeskError::Unfit(format!("{id} is being delivered just now")));
            }
            Act::Unfit => {
                return Err(DeskError::Unfit(format!("{id} is not in a state to be {told}")));
            }
        }
        Ok(Acted { mail_id: mail_id.to_string(), done: told.into(), lesson: None })
    }

    /// Stories, newest first, and whether these are all.
    pub(crate) fn track(&self, query: &TrackQuery) -> Result<Found, DeskError> {
        Ok(self.journal.search(query)?)
    }

    /// The box at a glance.
    pub(crate) fn status(&self) -> Status {
        let counts = self.spool.counts();
        Status {
            version: env!("CARGO_PKG_VERSION").into(),
            uptime_s: self.started.elapsed().as_secs(),
            active: counts.active,
            deferred: counts.deferred,
            hold: counts.hold + counts.unscanned,
            reception_octets: self.budget.used_octets(),
            full: self.spool.is_full(),
        }
    }

    /// Prometheus' text format.
    pub(crate) fn metrics(&self) -> String {
        metrics::registry().render()
    }

    /// Makes or changes an account. Blocks.
    pub(crate) fn put_account(&self, order: &AccountOrder) -> Result<AccountRow, DeskError> {
        accounts::put(self.store.accounts(), order).map_err(|error| match error {
            AccountError::Address(text) => DeskError::Misspoken(text),
            AccountError::Store(error) => store_error(error),
        })
    }

    /// Removes an account. Blocks.
    pub(crate) fn remove_account(&self, name: &str) -> Result<AccountRow, DeskError> {
        self.store.accounts().remove(name).map_err(store_error)?;
        Ok(AccountRow { name: name.into(), addresses: Vec::new() })
    }

    /// Trusts, blocks or forgets a sender. Blocks.
    pub(crate) fn put_sender(&self, order: &SenderOrder) -> Result<SenderRow, DeskError> {
        let applied = senders::apply(self.store.lists(), order, &self.by);
        applied.map_err(|error| match error {
            SenderError::Misspoken(text) => DeskError::Misspoken(text),
            SenderError::Store(error) => store_error(error),
        })
    }

    /// Senders that were listed at run time. Blocks.
    pub(crate) fn senders(&self) -> Result<Vec<SenderRow>, DeskError> {
        Ok(senders::list(self.store.lists())?)
    }

    /// Every account. Blocks.
    pub(crate) fn accounts(&self) -> Result<Vec<AccountRow>, DeskError> {
        Ok(accounts::list(self.store.accounts())?)
    }
}

impl From<ApprovalError> for DeskError {
    fn from(error: ApprovalError) -> DeskError {
        match error {
            ApprovalError::NotWaiting(_) => DeskError::Unknown(error.to_string()),
            ApprovalError::Quarantine(QuarantineError::Busy) => DeskError::Unfit(error.to_string()),
            error => DeskError::Approval(error),
        }
    }
}

fn store_error(error: StoreError) -> DeskError {
    match error {
        StoreError::Unknown(_) | StoreError::NotListed(_) => DeskError::Unknown(error.to_string()),
        StoreError::TooMany(_) => DeskError::Unfit(error.to_string()),
        StoreError::BadName(_) | StoreError::BadPassword(_) => {
            DeskError::Misspoken(error.to_string())
        }
        _ => DeskError::Store(error),
    }
}

pub(super) fn not_queued(id: &str) -> DeskError {
    DeskError::Unknown(format!("no mail {id} in the queue"))
}

pub(super) fn queue_row(entry: &QueueEntry) -> QueueRow {
    let waiting =
        entry.pending.iter().filter_map(|at| entry.envelope.recipients.get(usize::from(*at)));
    let state = match entry.state {
        QueueState::Active => "active",
        QueueState::Deferred => "deferred",
        QueueState::Hold | QueueState::Unscanned => "hold",
    };
    let reason = match entry.state {
        QueueState::Unscanned => match &entry.held_for {
            Some(what) => format!("outbreak hold: {what}"),
            None => "waits for the virus scanner".to_owned(),
        },
        _ => entry.last_reason.clone(),
    };
    QueueRow {
        mail_id: entry.mail_id.to_string(),
        reverse_path: entry.envelope.reverse_path.to_string(),
        forward_paths: waiting.map(|one| one.forward_path.to_string()).collect(),
        subject: entry.summary.subject.clone(),
        message_id: entry.summary.message_id.clone(),
        state: state.into(),
        queued_since: rfc3339(entry.received_ms),
        next_attempt: (state != "hold").then(|| rfc3339(entry.next_attempt_ms)),
        attempts: entry.attempts,
        reason,
        verdict: entry.verdict.to_string(),
        size_octets: entry.content_octets,
    }
}

/// RFC 3339 with seconds, in UTC.
pub(super) fn rfc3339(at_ms: u64) -> String {
    let at_s = i64::try_from(at_ms / 1000).unwrap_or(i64::MAX);
    Timestamp::from_second(at_s).unwrap_or_default().to_string()
}

pub(super) fn detail<Row>(
    row: Row,
    judgement: &Judgement,
    facts: &Facts,
    content: &Content,
) -> Result<Detail<Row>, DeskError> {
    Ok(Detail {
        row,
        findings: judgement.findings.iter().map(FindingRow::from).collect(),
        client: facts.client.to_string(),
        helo: facts.helo.clone(),
        header: header(content)?,
    })
}

/// The header section, or as much of it as is shown.
fn header(content: &Content) -> std::io::Result<String> {
    let mut head =
        vec![0; HEADER_OCTETS.min(usize::try_from(content.len()).unwrap_or(HEADER_OCTETS))];
    let read = content.read_at(0, &mut head)?;
    head.truncate(read);
    let end = memchr::memmem::find(&head, b"\r\n\r\n").unwrap_or(head.len());
    head.truncate(end);
    Ok(String::from_utf8_lossy(&head).replace("\r\n", "\n"))
}
