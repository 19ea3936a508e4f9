//! DMARC aggregate reports that this box sends (RFC 9990): once a day, about every domain that
//! asks for them and whose mail was seen.
//!
//! In: the observations of finished days in the store. Out: mails in the spool, and notes in
//! the store on what was sent. [`plan`] decides (pure), [`xml`] and [`mail`] write (pure),
//! [`Reporter`] does the rest. Each report goes out once: its mails are named and the names
//! are on the disk before the first is committed, and the spool takes a name once.
//!
//! Fails with a [`ReportError`]; what is not sent then is tried again at the next turn, for as
//! long as the day is among the last [`DAYS`].

mod mail;
pub mod plan;
#[cfg(test)]
mod tests;
mod xml;

use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use crate::config::{Config, DmarcReports};
use crate::journal::{Event, Journal};
use crate::mail::{
    Address, BodyType, Content, Domain, Envelope, MailId, Notify, Recipient, Summary,
};
use crate::net::resolver::{DnsTrouble, Resolve};
use crate::spool::{CommitError, OwnMail, Spool};
use crate::store::dmarc::{Day, Period, Sending, Stage};
use crate::store::{Store, StoreError};
use plan::{Consent, Destination, Standing};

/// Finished days that are still reported when the box was off or DNS silent.
pub const DAYS: u32 = 3;
/// Mails of a day may still be on their way into the store when it ends.
const SETTLED_MS: u64 = 10 * 60 * 1_000;

/// Why nothing more can be sent now.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The administrator did not ask for it.
    #[error("no reports are sent: [authentication.reports] does not say `send = true`")]
    Unwanted,
    /// The store fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The spool takes no mail.
    #[error("a report cannot be committed: {0}")]
    Spool(#[from] CommitError),
    /// A task broke off.
    #[error("writing a report broke off")]
    Broken,
}

/// What became of one report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    /// Whose policy.
    pub domain: Domain,
    /// Which day.
    pub day: Day,
    /// Mails that it speaks of.
    pub mails: u64,
    /// Whom it was sent to in this turn.
    pub sent: Vec<Address>,
    /// Why some or all got none.
    pub remark: String,
}

/// Who reports, and how.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// The receiver in names of files and subjects.
    pub hostname: Domain,
    /// `[authentication.reports]`.
    pub reports: DmarcReports,
}

impl Terms {
    /// By the configuration.
    pub fn new(config: &Config) -> Terms {
        Terms {
            hostname: config.system.hostname.clone(),
            reports: config.authentication.reports.clone(),
        }
    }
}

/// Sends reports.
pub struct Reporter {
    store: Arc<Store>,
    spool: Arc<Spool>,
    journal: Arc<Journal>,
    resolver: Arc<dyn Resolve>,
    terms: ArcSwap<Terms>,
    /// One turn at a time: the daily one and the operator's do not meet.
    turn: Mutex<()>,
}

impl std::fmt::Debug for Reporter {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Reporter").field("terms", &self.terms).finish_non_exhaustive()
    }
}

/// Whom a report goes to, or why to nobody.
enum Readers {
    These(Vec<Destination>, String),
    /// DNS does not say now; later it may.
    Unknown(String),
}

impl Reporter {
    /// A reporter of this box.
    pub fn new(
        config: &Config,
        store: Arc<Store>,
        spool: Arc<Spool>,
        journal: Arc<Journal>,
        resolver: Arc<dyn Resolve>,
    ) -> Arc<Reporter> {
        let terms = ArcSwap::from_pointee(Terms::new(config));
        Arc::new(Reporter { store, spool, journal, resolver, terms, turn: Mutex::new(()) })
    }

    /// Takes another configuration.
    pub fn reload(&self, config: &Config) {
        self.terms.store(Arc::new(Terms::new(config)));
    }

    /// What is in force.
    pub fn terms(&self) -> Arc<Terms> {
        self.terms.load_full()
    }

    /// Sends every report that is due. Takes as long as DNS does; may be dropped at any time.
    pub async fn send_due(&self, now_ms: u64) -> Result<Vec<Turn>, ReportError> {
        let terms = self.terms();
        let Some(author) = terms.reports.author().filter(|_| terms.reports.send) else {
            return Err(ReportError::Unwanted);
        };
        let _turn = self.turn.lock().await;
        let today = Day::of_ms(now_ms.saturating_sub(SETTLED_MS));
        let (begun, mut turns) = (Instant::now(), Vec::new());
        for day in (1..=DAYS).rev().map(|days| today.before(days)) {
            for period in self.due(day, terms.reports.max_domains_per_day)? {
                turns.extend(self.send(&terms, author, period, today, now_ms).await?);
            }
        }
        if !turns.is_empty() {
            let took_s = begun.elapsed().as_secs();
            tracing::info!(reports = turns.len(), took_s, "DMARC reports of finished days");
        }
        Ok(turns)
    }

    fn due(&self, day: Day, at_most: u32) -> Result<Vec<Period>, ReportError> {
        let sent = self.store.dmarc().sent();
        let mut open = Vec::new();
        let mut begun = 0usize;
        for period in self.store.dmarc().observed().periods(day)? {
            match sent.find(day, &period.domain)? {
                Some(sending) if sending.is_done() => begun += 1,
                // Begun before a restart: these come first and count already.
                Some(_) => {
                    begun += 1;
                    open.push((true, period));
                }
                None => open.push((false, period)),
            }
        }
        Ok(plan::due(open, begun, at_most))
    }

    async fn send(
        &self,
        terms: &Terms,
        author: &Address,
        period: Period,
        today: Day,
        now_ms: u64,
    ) -> Result<Option<Turn>, ReportError> {
        let (day, domain) = (period.day, period.domain.clone());
        let noted = self.store.dmarc().sent().find(day, &domain)?;
        let readers = match &noted {
            Some(_) => None,
            None => match self.readers(&period).await {
                Readers::These(readers, remark) => Some((readers, remark)),
                // The last chance is not put off.
                Readers::Unknown(why) if day <= today.before(DAYS) => Some((Vec::new(), why)),
                Readers::Unknown(remark) => {
                    let (mails, sent) = (period.mails, Vec::new());
                    return Ok(Some(Turn { domain, day, mails, sent, remark }));
                }
            },
        };
        let attachment = self.attachment(terms, author, &period).await?;
        let sending = match (noted, readers) {
            (Some(sending), _) => sending,
            (None, readers) => {
                let (readers, mut remark) = readers.unwrap_or_default();
                let octets = mail::size_octets(attachment.gzip.len());
                let fits = |reader: &Destination| reader.takes(octets);
                if !readers.iter().all(fits) {
                    plan::add_remark(&mut remark, "the report is larger than a reader takes");
                }
                let mails = readers.into_iter().filter(fits);
                let mails = mails.map(|one| (one.address, MailId::mint(), Stage::Named)).collect();
                let report_id = attachment.report_id.clone();
                let sending = Sending { report_id, begun_ms: now_ms, mails, remark };
                self.store.dmarc().sent().begin(day, &domain, sending)?
            }
        };
        let sent = self.commit(terms, author, &period, &sending, &attachment, now_ms).await?;
        Ok(Some(Turn { domain, day, mails: period.mails, sent, remark: sending.remark }))
    }

    /// RFC 9990 section 4: who is named in `rua` and wants the reports.
    async fn readers(&self, period: &Period) -> Readers {
        let mut readers = Vec::new();
        let mut remark = String::new();
        let named = plan::destinations(&period.rua);
        if named.is_empty() {
            plan::add_remark(&mut remark, "rua names no address that reports can be sent to");
        }
        for destination in named {
            match plan::standing(&period.domain, &destination) {
                Standing::Own => readers.push(destination),
                Standing::Impossible => {
                    plan::add_remark(&mut remark, &format!("{} cannot agree", destination.address));
                }
                Standing::External(question) => match self.resolver.txt(&question).await {
                    Ok(texts) => match plan::consent(&texts, &destination) {
                        Consent::Granted => readers.push(destination),
                        Consent::Elsewhere(others) => readers.extend(others),
                        Consent::Refused => plan::add_remark(&mut remark, &refusal(&question)),
                    },
                    Err(DnsTrouble::NoSuchDomain) => {
                        plan::add_remark(&mut remark, &refusal(&question));
                    }
                    Err(DnsTrouble::Temporary(why)) => {
                        return Readers::Unknown(format!("{question}: {why}"));
                    }
                },
            }
        }
        Readers::These(plan::each_once(readers), remark)
    }

    async fn attachment(
        &self,
        terms: &Terms,
        author: &Address,
        period: &Period,
    ) -> Result<mail::Attachment, ReportError> {
        let (store, period) = (Arc::clone(&self.store), period.clone());
        let (terms, author) = (terms.clone(), author.clone());
        let work = move || {
            let rows = store.dmarc().observed().rows(period.day, &period.domain)?;
            Ok(mail::Attachment::write(&terms, &author, &period, &rows))
        };
        tokio::task::spawn_blocking(work).await.unwrap_or(Err(ReportError::Broken))
    }

    /// Commits the mails that the spool does not have yet.
    async fn commit(
        &self,
        terms: &Terms,
        author: &Address,
        period: &Period,
        sending: &Sending,
        attachment: &mail::Attachment,
        now_ms: u64,
    ) -> Result<Vec<Address>, ReportError> {
        let mut sent = Vec::new();
        for (reader, id, stage) in &sending.mails {
            if *stage == Stage::Committed {
                continue;
            }
            let letter = mail::Letter { id: *id, author, reader, date_ms: now_ms };
            let message = mail::message(terms, &letter, period, attachment);
            let octets = message.text.len() as u64;
            let envelope = Envelope {
                reverse_path: terms.reports.reverse_path_for(author),
                recipients: vec![Recipient {
                    notify: Some(Notify { failure: true, ..Notify::default() }),
                    ..Recipient::plain(reader.clone())
                }],
                body: BodyType::SevenBit,
                smtputf8: false,
                dsn_return: None,
                envelope_id: None,
            };
            let summary = Summary {
                subject: message.subject,
                message_id: message.message_id,
                author: author.to_string(),
            };
            let originated = Event::originated(&envelope, None, &summary.subject, octets);
            let content = Content::from_bytes(message.text);
            let own = OwnMail::new(envelope, content, summary, None);
            self.spool.commit_own(OwnMail { id: Some(*id), ..own }).await?;
            self.journal.record(*id, originated);
            self.store.dmarc().sent().committed(period.day, &period.domain, *id)?;
            sent.push(reader.clone());
        }
        Ok(sent)
    }
}

fn refusal(question: &Domain) -> String {
    format!("no consent at {question}")
}
