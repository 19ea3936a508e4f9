//! The executor over a queue in memory and scripted servers.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::sync::watch;

use super::errands::Errands;
use super::secret::Secret;
use super::tickets::Tickets;
use super::windows::Windows;
use super::*;
use crate::archive::Filed;
use crate::config::Config;
use crate::delivery::outcome::Warned;
use crate::delivery::report::Written;
use crate::delivery::testing::{self, Decreed, Server};
use crate::delivery::{Delivery, Origin};
use crate::journal::{Event, Journal, TrackQuery};
use crate::mail::{
    About, Content, Disposition, EnhancedCode, Judgement, Mail, MailId, Notify, Order, Reply,
    ReversePath, Summary, Verdict,
};
use crate::net::resolver::mock::MockResolver;
use crate::quarantine::Quarantine;
use crate::spool::{Attempt, Outcome, OwnMail, Spool, Spooled};

struct Queued {
    mail: Mail<Decreed>,
    origin: Origin,
    judgement: Arc<Judgement>,
    pending: Vec<u16>,
    history: History,
    due: SystemTime,
    why: String,
}

/// Queue, quarantine, rescanner and journal in one.
#[derive(Default)]
struct World {
    mails: Mutex<HashMap<MailId, Queued>>,
    leased: Mutex<HashSet<MailId>>,
    ends: Mutex<Vec<(MailId, u16, Outcome)>>,
    kept: Mutex<Vec<(MailId, Vec<u16>, String)>>,
    reports: Mutex<Vec<(MailId, Written)>>,
    events: Mutex<Vec<(MailId, Event)>>,
    disk_full: AtomicBool,
    scanner_up: AtomicBool,
}

impl World {
    fn put(&self, mail: Mail<Decreed>, origin: Origin, dispositions: Vec<Disposition>) -> MailId {
        let id = mail.id;
        let judgement = Arc::new(Judgement {
            verdict: Verdict::Clean,
            score: 0.0,
            findings: Vec::new(),
            summary: Summary::default(),
            dispositions,
            orders: vec![Order::AddHeader { name: "X-Seen".into(), value: "yes".into() }],
        });
        let pending = (0..mail.envelope.recipients.len() as u16).collect();
        let queued = Queued {
            mail,
            origin,
            judgement,
            pending,
            history: History {
                queued: SystemTime::now(),
                attempts: 0,
                warned: Warned::No,
                errands: Done::No,
            },
            due: SystemTime::now(),
            why: String::new(),
        };
        self.mails.lock().unwrap().insert(id, queued);
        id
    }

    fn put_new(&self, recipients: &[&str], dispositions: Vec<Disposition>) -> Mail<Decreed> {
        let mut mail = testing::mail(recipients, "Subject: s\r\n\r\nbody\r\n");
        Arc::make_mut(&mut mail.facts).received_ms = now_ms();
        self.put(mail.clone(), Origin::Session, dispositions);
        mail
    }

    fn ends(&self, id: MailId) -> Vec<(u16, Outcome)> {
        let ends = self.ends.lock().unwrap();
        let mut ends: Vec<(u16, Outcome)> = ends
            .iter()
            .filter(|(of, _, _)| *of == id)
            .map(|(_, recipient, end)| (*recipient, end.clone()))
            .collect();
        ends.sort_by_key(|(recipient, _)| *recipient);
        ends
    }

    fn events(&self, id: MailId) -> Vec<&'static str> {
        let events = self.events.lock().unwrap();
        events.iter().filter(|(of, _)| *of == id).map(|(_, event)| event.name()).collect()
    }
}

fn now_ms() -> u64 {
    crate::delivery::outcome::ms_since_1970(SystemTime::now())
}

impl Queue for World {
    type Stage = Decreed;

    async fn due(&self) -> Mail<Decreed> {
        loop {
            {
                let mails = self.mails.lock().unwrap();
                let mut leased = self.leased.lock().unwrap();
                let now = SystemTime::now();
                let due = mails.values().find(|queued| {
                    queued.due <= now
                        && !queued.pending.is_empty()
                        && !leased.contains(&queued.mail.id)
                });
                if let Some(due) = due {
                    leased.insert(due.mail.id);
                    return due.mail.clone();
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn judgement(&self, mail: &Mail<Decreed>) -> Arc<Judgement> {
        Arc::clone(&self.mails.lock().unwrap()[&mail.id].judgement)
    }

    fn origin(&self, mail: &Mail<Decreed>) -> Origin {
        self.mails.lock().unwrap()[&mail.id].origin
    }

    fn history(&self, mail: &Mail<Decreed>) -> History {
        self.mails.lock().unwrap()[&mail.id].history
    }

    fn pending(&self, id: MailId) -> Vec<u16> {
        self.mails.lock().unwrap()[&id].pending.clone()
    }

    fn record(&self, id: MailId, recipient: u16, end: Outcome) {
        let mut mails = self.mails.lock().unwrap();
        mails.get_mut(&id).unwrap().pending.retain(|pending| *pending != recipient);
        self.ends.lock().unwrap().push((id, recipient, end));
    }

    fn postpone(&self, id: MailId, postponement: Postponement) {
        let mut mails = self.mails.lock().unwrap();
        let queued = mails.get_mut(&id).unwrap();
        queued.due = postponement.next_attempt;
        queued.why = postponement.why;
        queued.history.attempts += u32::from(postponement.attempt == Attempt::Counts);
        self.leased.lock().unwrap().remove(&id);
    }

    fn mark_warned(&self, id: MailId) {
        let mut mails = self.mails.lock().unwrap();
        mails.get_mut(&id).unwrap().history.warned = Warned::Yes;
    }

    fn mark_errands_done(&self, id: MailId) {
        let mut mails = self.mails.lock().unwrap();
        mails.get_mut(&id).unwrap().history.errands = Done::Yes;
    }

    fn unscanned(&self, limit: usize) -> Vec<MailId> {
        let mails = self.mails.lock().unwrap();
        let unscanned =
            |queued: &&Queued| queued.judgement.dispositions.contains(&Disposition::HoldUnscanned);
        mails.values().filter(unscanned).map(|queued| queued.mail.id).take(limit).collect()
    }

    async fn load(self: &Arc<Self>, id: MailId) -> Option<Mail<Decreed>> {
        self.mails.lock().unwrap().get(&id).map(|queued| queued.mail.clone())
    }

    async fn commit_report(&self, report: Written, about: MailId) -> Result<MailId, String> {
        if self.disk_full.load(Ordering::SeqCst) {
            return Err("disk full".into());
        }
        self.reports.lock().unwrap().push((about, report.clone()));
        let mut mail = testing::mail_with(report.envelope, "");
        mail.content = Content::from_bytes(report.text);
        Arc::make_mut(&mut mail.facts).received_ms = now_ms();
        Ok(self.put(mail, Origin::Box, vec![Disposition::Deliver]))
    }
}

impl Keep<Decreed> for World {
    async fn keep(&self, mail: &Mail<Decreed>, who: &[u16], area: &str) -> Result<Kept, String> {
        if self.disk_full.load(Ordering::SeqCst) {
            return Err("disk full".into());
        }
        self.kept.lock().unwrap().push((mail.id, who.to_vec(), area.to_owned()));
        Ok(Kept { entry: mail.id, asks_until_s: None })
    }
}

/// These mails have no errands.
impl Outbox for World {
    fn commit(&self, _own: OwnMail) -> Soon<'_, Result<MailId, String>> {
        Box::pin(async { Err("nothing was to be committed".into()) })
    }
}

impl Shelf for World {
    fn shelve<'a>(&'a self, _about: About<'a>, _class: &'a str) -> Soon<'a, Result<Filed, String>> {
        Box::pin(async { Err("nothing was to be archived".into()) })
    }
}

impl Rescan<Decreed> for World {
    async fn rescan(&self, mail: Mail<Decreed>) -> Rescanned {
        if !self.scanner_up.load(Ordering::SeqCst) {
            let why = "scanner down".to_owned();
            return Rescanned::NotYet { why, again_in: Duration::from_millis(10) };
        }
        let mut mails = self.mails.lock().unwrap();
        let queued = mails.get_mut(&mail.id).unwrap();
        Arc::make_mut(&mut queued.judgement).dispositions = vec![Disposition::Deliver];
        Rescanned::Judged
    }
}

impl Chronicle for World {
    fn note(&self, id: MailId, event: Event) {
        self.events.lock().unwrap().push((id, event));
    }
}

fn config(server: &Server, settings: &str) -> Config {
    let hop = format!("smtp://{}", server.address);
    let domain = |name: &str| format!("[[domain]]\nname = {name:?}\nnext_hop = [{hop:?}]\n");
    let text = format!(
        "[system]\nhostname = \"own.test\"\ndata_dir = \"d\"\npostmaster = \"pm@own.test\"\n\
         {}{}{}[delivery]\n{settings}\n",
        domain("x.test"),
        domain("from.test"),
        domain("own.test")
    );
    Config::parse(&text, Path::new("t"), Path::new("/t")).unwrap()
}

type Tested = Executor<World, World, World, World>;

fn executor(server: &Server, settings: &str) -> (Arc<World>, Arc<Tested>) {
    let config = config(server, settings);
    let world = Arc::new(World::default());
    let delivery = Delivery::new(&config, Arc::new(MockResolver::default()));
    let all = || Arc::clone(&world);
    let settings = Settings::new(&config);
    let errands = errands(&config, all(), all(), all());
    (all(), Executor::new(all(), all(), all(), all(), errands, delivery, settings))
}

fn errands(
    config: &Config,
    outbox: Arc<dyn Outbox>,
    shelf: Arc<dyn Shelf>,
    chronicle: Arc<dyn Chronicle>,
) -> Arc<Errands> {
    let (secret, windows) = (Arc::new(Secret::of(b"key")), Arc::new(Windows::default()));
    Errands::new(config, outbox, shelf, chronicle, secret, windows, Tickets::temporary())
}

fn refusing() -> impl Fn(usize, &str) -> Option<String> {
    |_, line| match line {
        "RCPT TO:<bad@x.test>" => Some("550 5.1.1 who?".into()),
        "RCPT TO:<slow@x.test>" => Some("450 4.2.1 later".into()),
        _ => None,
    }
}

#[tokio::test]
async fn every_recipient_goes_the_way_that_policy_ordered() {
    let server = Server::start(refusing()).await;
    let (world, executor) = executor(&server, "");
    let reply = Reply::new(550, EnhancedCode(5, 7, 1), "no");
    let mail = world.put_new(
        &["a@x.test", "b@x.test", "c@x.test", "d@x.test", "e@x.test"],
        vec![
            Disposition::Deliver,
            Disposition::Quarantine { area: "spam".into() },
            Disposition::Reject { reply },
            Disposition::Discard,
            Disposition::Deliver,
        ],
    );
    let disposed = executor.execute(mail.clone()).await.expect("nothing is left to do");
    assert_eq!(disposed.id, mail.id);
    let hop = server.address.to_string();
    let delivered = Outcome::Delivered { hop, reply: "250 2.0.0 queued".into() };
    assert_eq!(
        world.ends(mail.id),
        [
            (0, delivered.clone()),
            (1, Outcome::Quarantined { area: "spam".into() }),
            (2, Outcome::Quarantined { area: "refused".into() }),
            (3, Outcome::Discarded),
            (4, delivered),
        ]
    );
    let taken = server.kept.lock().unwrap().clone();
    assert_eq!((taken.len(), taken[0].forward_paths.len()), (1, 2));
    assert!(taken[0].text.starts_with("Received: from client.test"), "{}", taken[0].text);
    assert!(taken[0].text.contains("\r\nX-Seen: yes\r\n"), "{}", taken[0].text);
    assert!(world.reports.lock().unwrap().is_empty());
    let events = ["discarded", "quarantined", "quarantined", "delivered", "delivered"];
    assert_eq!(world.events(mail.id), events);
}

#[tokio::test]
async fn a_failure_is_reported_once_and_before_it_is_recorded() {
    let server = Server::start(refusing()).await;
    let (world, executor) = executor(&server, "");
    let mail = world.put_new(&["bad@x.test", "a@x.test"], vec![Disposition::Deliver; 2]);
    world.disk_full.store(true, Ordering::SeqCst);
    assert!(executor.execute(mail.clone()).await.is_none());
    assert_eq!(world.pending(mail.id), [0]);
    assert_eq!(world.mails.lock().unwrap()[&mail.id].why, "disk full");
    world.disk_full.store(false, Ordering::SeqCst);
    assert!(executor.execute(mail.clone()).await.is_some());
    assert_eq!(
        world.ends(mail.id)[0],
        (0, Outcome::Failed { reply: format!("{}: 550 5.1.1 who?", server.address) })
    );
    let reports = world.reports.lock().unwrap().clone();
    assert_eq!((reports.len(), reports[0].0), (1, mail.id));
    assert_eq!(reports[0].1.envelope.recipients[0].forward_path.to_string(), "sender@from.test");
    // Each recipient had one copy although the mail was tried twice.
    assert_eq!(server.kept.lock().unwrap().len(), 1);
    assert_eq!(world.events(mail.id), ["delivered", "reported", "failed"]);
}

#[tokio::test]
async fn success_is_reported_when_it_was_asked_for() {
    let server = Server::start(refusing()).await;
    let (world, executor) = executor(&server, "");
    let mut mail = testing::mail(&["a@x.test"], "Subject: s\r\n\r\n");
    let notify = Some(Notify { success: true, failure: false, delay: false });
    Arc::make_mut(&mut mail.envelope).recipients[0].notify = notify;
    world.put(mail.clone(), Origin::Session, vec![Disposition::Deliver]);
    assert!(executor.execute(mail.clone()).await.is_some());
    assert_eq!(world.events(mail.id), ["reported", "delivered"]);
    let text = world.reports.lock().unwrap()[0].1.text.clone();
    let text = String::from_utf8(text).unwrap();
    assert!(text.contains("\r\nAction: relayed\r\n"), "{text}");
}

#[tokio::test]
async fn unscanned_mail_is_never_delivered() {
    let server = Server::start(refusing()).await;
    let (world, executor) = executor(&server, "");
    let mail = world.put_new(&["a@x.test"], vec![Disposition::HoldUnscanned]);
    assert!(executor.execute(mail.clone()).await.is_none());
    assert_eq!(server.connections.load(Ordering::SeqCst), 0);
    assert_eq!(world.mails.lock().unwrap()[&mail.id].why, "it is not scanned yet");
    world.mails.lock().unwrap().get_mut(&mail.id).unwrap().due = SystemTime::now();
    let scanner = Arc::clone(&world);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        scanner.scanner_up.store(true, Ordering::SeqCst);
    });
    let id = mail.id;
    run_until(executor, || {
        let mut mails = world.mails.lock().unwrap();
        let queued = mails.get_mut(&id).unwrap();
        // The queue makes a mail due when it is judged.
        queued.due = queued.due.min(SystemTime::now());
        queued.pending.is_empty()
    })
    .await;
    assert_eq!(server.kept.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_copy_that_cannot_be_kept_stays_queued() {
    let server = Server::start(refusing()).await;
    let (world, executor) = executor(&server, "");
    let area = Disposition::Quarantine { area: "spam".into() };
    let mail = world.put_new(&["a@x.test", "b@x.test"], vec![area, Disposition::Deliver]);
    world.disk_full.store(true, Ordering::SeqCst);
    assert!(executor.execute(mail.clone()).await.is_none());
    assert_eq!(world.pending(mail.id), [0]);
    world.disk_full.store(false, Ordering::SeqCst);
    assert!(executor.execute(mail.clone()).await.is_some());
    assert_eq!(world.kept.lock().unwrap().len(), 1);
}

/// Runs until the condition holds, then stops.
async fn run_until(executor: Arc<Tested>, holds: impl Fn() -> bool) {
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(executor.run(stopped, Duration::from_secs(5)));
    let waited = tokio::time::timeout(Duration::from_secs(15), async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    waited.await.expect("it holds in time");
    stop.send(true).unwrap();
    running.await.unwrap();
}

#[tokio::test]
async fn deferred_mail_is_tried_again_and_its_sender_warned_once() {
    let tries = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = Arc::clone(&tries);
    let server = Server::start(move |_, line| match line {
        "RCPT TO:<slow@x.test>" if counted.fetch_add(1, Ordering::SeqCst) < 3 => {
            Some("450 4.2.1 later".into())
        }
        _ => None,
    })
    .await;
    let settings = "retry_first_s = 1\nretry_max_s = 1\nwarn_after_s = 0\n";
    let (world, executor) = executor(&server, settings);
    let mail = world.put_new(&["slow@x.test", "a@x.test"], vec![Disposition::Deliver; 2]);
    let done = || world.pending(mail.id).is_empty() && server.kept.lock().unwrap().len() == 3;
    run_until(executor, done).await;
    let kept = server.kept.lock().unwrap().clone();
    let mut paths: Vec<String> = kept.iter().flat_map(|kept| kept.forward_paths.clone()).collect();
    paths.sort();
    assert_eq!(paths, ["a@x.test", "sender@from.test", "slow@x.test"]);
    let history = world.history(&mail);
    assert_eq!((history.attempts, history.warned), (3, Warned::Yes));
    let deferred = world.events(mail.id).iter().filter(|name| **name == "deferred").count();
    assert_eq!(deferred, 3);
}

#[tokio::test]
async fn a_report_that_fails_goes_to_the_postmaster_and_no_further() {
    let server = Server::start(|_, line| line.starts_with("RCPT").then(|| "550 no".into())).await;
    let (world, executor) = executor(&server, "");
    let mail = world.put_new(&["a@x.test"], vec![Disposition::Deliver]);
    let all_ended = || world.mails.lock().unwrap().values().all(|queued| queued.pending.is_empty());
    run_until(executor, all_ended).await;
    let readers: Vec<String> = world
        .reports
        .lock()
        .unwrap()
        .iter()
        .map(|(_, report)| report.envelope.recipients[0].forward_path.to_string())
        .collect();
    assert_eq!(readers, ["sender@from.test", "pm@own.test"]);
    for (_, report) in world.reports.lock().unwrap().iter() {
        assert_eq!(report.envelope.reverse_path, ReversePath::Null);
    }
    assert_eq!(world.ends(mail.id).len(), 1);
}

#[tokio::test]
async fn a_drain_ends_what_runs_and_leaves_the_rest_queued() {
    let server = Server::start(|_, line| (line == "<text>").then(|| "~250 late".into())).await;
    let (world, executor) = executor(&server, "connections_per_destination = 1");
    let mails: Vec<Mail<Decreed>> =
        (0..5).map(|_| world.put_new(&["a@x.test"], vec![Disposition::Deliver])).collect();
    let begun = || server.connections.load(Ordering::SeqCst) == 1;
    run_until(executor, begun).await;
    let ended = mails.iter().filter(|mail| world.pending(mail.id).is_empty()).count();
    let taken = server.kept.lock().unwrap().len();
    assert_eq!(ended, taken);
    assert!(taken <= 1, "{taken}");
    assert!(world.leased.lock().unwrap().len() <= taken);
    for queued in world.mails.lock().unwrap().values() {
        assert_eq!(queued.history.attempts, 0);
    }
}

/// Never asked: nothing here is unscanned.
struct NoScanner;

impl Rescan<Spooled> for NoScanner {
    async fn rescan(&self, _mail: Mail<Spooled>) -> Rescanned {
        Rescanned::NotYet { why: "no scanner".into(), again_in: Duration::from_secs(60) }
    }
}

#[tokio::test]
async fn it_runs_on_the_real_spool_quarantine_and_journal() {
    let server = Server::start(refusing()).await;
    let dir = tempfile::tempdir().unwrap();
    let config = config(&server, "");
    let spool_settings = crate::config::SpoolSettings {
        reserve_octets: 1 << 20,
        ..crate::config::SpoolSettings::default()
    };
    let (spool, _) = Spool::open(&spool_settings, dir.path()).unwrap();
    let (quarantine, _) = Quarantine::open(&config.quarantine, dir.path()).unwrap();
    let journal = Journal::open(&config.journal, dir.path()).unwrap();
    let delivery = Delivery::new(&config, Arc::new(MockResolver::default()));
    let executor = Executor::new(
        Arc::clone(&spool),
        Arc::clone(&quarantine),
        Arc::new(NoScanner),
        Arc::clone(&journal),
        errands(&config, spool.clone(), Arc::new(World::default()), journal.clone()),
        delivery,
        Settings::new(&config),
    );
    let mut ids = Vec::new();
    for number in 0..30 {
        let third = if number % 10 == 0 { "bad@x.test" } else { "c@x.test" };
        let envelope = testing::envelope(&["a@x.test", "b@x.test", third]);
        let content =
            Content::from_bytes(format!("Subject: {number}\r\n\r\nbody\r\n").into_bytes());
        let mut own = OwnMail::new(envelope, content, Summary::default(), None);
        own.origin = crate::spool::Origin::Received;
        own.judgement.dispositions[1] = Disposition::Quarantine { area: "spam".into() };
        ids.push(spool.commit_own(own).await.unwrap().id);
    }
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(Arc::clone(&executor).run(stopped, Duration::from_secs(5)));
    let emptied = tokio::time::timeout(Duration::from_secs(20), async {
        while spool.counts().total() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    emptied.await.expect("all mail comes to its end");
    stop.send(true).unwrap();
    running.await.unwrap();
    let kept = server.kept.lock().unwrap().clone();
    let copies: usize = kept.iter().map(|kept| kept.forward_paths.len()).sum();
    // 30 to a, 27 to c, and 3 reports to the sender.
    assert_eq!((copies, quarantine.count()), (60, 30));
    let query = TrackQuery { mail_id: Some(ids[0]), limit: 1, ..TrackQuery::default() };
    let told = Arc::clone(&journal);
    let stories = tokio::task::spawn_blocking(move || told.track(&query)).await.unwrap().unwrap();
    let mut names: Vec<&str> = stories[0].events.iter().map(|(_, event)| event.name()).collect();
    names.sort_unstable();
    assert_eq!(names, ["delivered", "failed", "quarantined", "reported"]);
}
