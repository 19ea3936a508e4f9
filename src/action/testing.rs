//! Spool, quarantine, archive and journal in one directory, with the executor over them: a box
//! without listeners, whose power can be cut after any durable step.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::approval::Approvals;
use super::errands::Errands;
use super::secret::Secret;
use super::tickets::Tickets;
use super::windows::Windows;
use super::*;
use crate::archive::{Archive, Filed};
use crate::config::Config;
use crate::delivery::Delivery;
use crate::delivery::testing::Server;
use crate::journal::{Journal, TrackQuery};
use crate::mail::{
    About, Content, Disposition, Envelope, Finding, Mail, MailId, Order, Role, Summary, Verdict,
};
use crate::net::resolver::mock::MockResolver;
use crate::quarantine::Quarantine;
use crate::spool::{Origin, OwnMail, Spool, Spooled};
use crate::store::Store;

/// The rooms of a box, with a fuse that blows after so many durable steps.
pub(super) struct Rooms {
    pub(super) config: Config,
    pub(super) spool: Arc<Spool>,
    pub(super) quarantine: Arc<Quarantine>,
    pub(super) archive: Arc<Archive>,
    pub(super) journal: Arc<Journal>,
    pub(super) approvals: Arc<Approvals>,
    pub(super) steps: Arc<AtomicUsize>,
    executor: Arc<Executor<Spool, Fused<Quarantine>, NoScanner, Journal>>,
}

/// Fails when its fuse has blown, before it does anything.
pub(super) struct Fused<T> {
    room: Arc<T>,
    steps: Arc<AtomicUsize>,
}

impl<T> Fused<T> {
    fn step(&self) -> Result<(), String> {
        let taken = self
            .steps
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, |steps| steps.checked_sub(1));
        taken.map(drop).map_err(|_| "the power is cut".to_owned())
    }
}

impl Outbox for Fused<Spool> {
    fn commit(&self, own: OwnMail) -> Soon<'_, Result<MailId, String>> {
        Box::pin(async move {
            self.step()?;
            Outbox::commit(&*self.room, own).await
        })
    }
}

impl Shelf for Fused<Archive> {
    fn shelve<'a>(&'a self, about: About<'a>, class: &'a str) -> Soon<'a, Result<Filed, String>> {
        Box::pin(async move {
            self.step()?;
            self.room.shelve(about, class).await
        })
    }
}

impl Keep<Spooled> for Fused<Quarantine> {
    async fn keep(&self, mail: &Mail<Spooled>, who: &[u16], area: &str) -> Result<Kept, String> {
        self.step()?;
        self.room.keep(mail, who, area).await
    }
}

/// Never asked: nothing here is unscanned.
pub(super) struct NoScanner;

impl Rescan<Spooled> for NoScanner {
    async fn rescan(&self, _mail: Mail<Spooled>) -> Rescanned {
        Rescanned::NotYet { why: "no scanner".into(), again_in: Duration::from_secs(60) }
    }
}

pub(super) fn config(server: &Server, more: &str) -> Config {
    let hop = format!("smtp://{}", server.address);
    let domain = |name: &str| format!("[[domain]]\nname = {name:?}\nnext_hop = [{hop:?}]\n");
    let text = format!(
        "[system]\nhostname = \"own.test\"\ndata_dir = \"d\"\npostmaster = \"pm@own.test\"\n\
         {}{}{}{more}",
        domain("x.test"),
        domain("from.test"),
        domain("own.test")
    );
    Config::parse(&text, Path::new("t"), Path::new("/t")).unwrap()
}

impl Rooms {
    pub(super) fn open(dir: &Path, config: Config, steps: usize) -> Rooms {
        let settings = crate::config::SpoolSettings {
            reserve_octets: 1 << 20,
            ..crate::config::SpoolSettings::default()
        };
        let (spool, _) = Spool::open(&settings, dir).unwrap();
        let (quarantine, _) = Quarantine::open(&config.quarantine, dir).unwrap();
        let (archive, _) = Archive::open(&config.archive, dir).unwrap();
        let journal = Journal::open(&config.journal, dir).unwrap();
        let secret = Arc::new(Secret::open(dir).unwrap());
        let tickets = Tickets::open(&Store::open(dir).unwrap()).unwrap();
        let steps = Arc::new(AtomicUsize::new(steps));
        let errands = Errands::new(
            &config,
            Arc::new(Fused { room: Arc::clone(&spool), steps: Arc::clone(&steps) }),
            Arc::new(Fused { room: Arc::clone(&archive), steps: Arc::clone(&steps) }),
            Arc::clone(&journal) as Arc<dyn Chronicle>,
            Arc::clone(&secret),
            Arc::new(Windows::default()),
            tickets.clone(),
        );
        let keep = Fused { room: Arc::clone(&quarantine), steps: Arc::clone(&steps) };
        let executor = Executor::new(
            Arc::clone(&spool),
            Arc::new(keep),
            Arc::new(NoScanner),
            Arc::clone(&journal),
            Arc::clone(&errands),
            Delivery::new(&config, Arc::new(MockResolver::default())),
            Settings::new(&config),
        );
        let approvals = Approvals::new(
            Arc::clone(&quarantine),
            Arc::clone(&spool),
            Arc::clone(&journal),
            errands,
            secret,
            tickets,
        );
        Rooms { config, spool, quarantine, archive, journal, approvals, steps, executor }
    }

    /// As after a power cut: what is on the disk and nothing else.
    pub(super) fn reopen(self, dir: &Path) -> Rooms {
        let config = self.config.clone();
        self.close();
        Rooms::open(dir, config, usize::MAX)
    }

    pub(super) fn close(self) {
        self.spool.close();
        self.quarantine.close();
        self.archive.close();
        self.journal.close();
    }

    /// Commits a mail as if it had come in by a session.
    pub(super) async fn put(&self, mail: Arrived) -> MailId {
        let content = Content::from_bytes(mail.text.clone().into_bytes());
        let summary = Summary {
            subject: mail.subject.clone(),
            message_id: "m1@from.test".into(),
            author: String::new(),
        };
        let mut own = OwnMail::new(mail.envelope, content, summary, None);
        own.origin = Origin::Received;
        own.facts.role = mail.role;
        own.judgement.verdict = mail.verdict;
        own.judgement.findings = mail.findings;
        own.judgement.dispositions = mail.dispositions;
        own.judgement.orders = mail.orders;
        self.spool.commit_own(own).await.unwrap().id
    }

    /// Runs the executor over what is due; each mail once.
    pub(super) async fn run_once(&self) {
        while let Ok(mail) =
            tokio::time::timeout(Duration::from_millis(150), self.spool.due()).await
        {
            self.executor.execute(mail).await;
        }
    }

    /// Runs until the spool is empty.
    pub(super) async fn run(&self) {
        for _ in 0..100 {
            for entry in self.spool.list(&Default::default(), 99) {
                let _ = self.spool.retry_now(entry.mail_id).await;
            }
            self.run_once().await;
            if self.spool.counts().total() == 0 {
                return;
            }
        }
        panic!("mail is left: {:?}", self.spool.list(&Default::default(), 9));
    }

    /// Names of what happened to a mail, in order.
    pub(super) async fn story(&self, id: MailId) -> Vec<&'static str> {
        let query = TrackQuery { mail_id: Some(id), limit: 1, ..TrackQuery::default() };
        let journal = Arc::clone(&self.journal);
        let told = tokio::task::spawn_blocking(move || journal.track(&query)).await.unwrap();
        let told = told.unwrap();
        let events = told.first().map(|story| story.events.as_slice()).unwrap_or_default();
        events.iter().map(|(_, event)| event.name()).collect()
    }
}

/// A mail as a session and policy would have made it.
#[derive(Clone)]
pub(super) struct Arrived {
    pub(super) envelope: Envelope,
    pub(super) text: String,
    pub(super) subject: String,
    pub(super) role: Role,
    pub(super) verdict: Verdict,
    pub(super) findings: Vec<Finding>,
    pub(super) dispositions: Vec<Disposition>,
    pub(super) orders: Vec<Order>,
}

impl Arrived {
    pub(super) fn new(recipients: &[&str], orders: Vec<Order>) -> Arrived {
        Arrived {
            envelope: crate::delivery::testing::envelope(recipients),
            text: "Message-ID: <m1@from.test>\r\nSubject: plan\r\n\r\nbody\r\n".into(),
            subject: "plan".into(),
            role: Role::Outbound,
            verdict: Verdict::Clean,
            findings: Vec::new(),
            dispositions: vec![Disposition::Deliver; recipients.len()],
            orders,
        }
    }
}

pub(super) fn address(text: &str) -> crate::mail::Address {
    text.parse().unwrap()
}
