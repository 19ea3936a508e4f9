//! Opens every room in the order in which mail flows backwards.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use arc_swap::ArcSwap;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::App;
use super::aftercare::Keeper;
use super::dmarc::Clerk;
use super::door::Door;
use super::gate::Gate;
use super::learning::Learning;
use super::listeners::{Listeners, OurHouse};
use super::pipeline::{Inspections, Judging, Line};
use super::place::DataDir;
use super::reception::{Chronicle, KnownAccounts, proxied};
use super::warden::Warden;
use super::web::{self, Wheel};
use super::{ballast, outflow, recovery};
use crate::action::approval::Approvals;
use crate::action::errands::Errands;
use crate::action::secret::Secret;
use crate::action::tickets::Tickets;
use crate::action::windows::Windows;
use crate::admin::{self, Acquainted, Desk, Hearing, Ruling, Watchful};
use crate::analysis::bulk::Bulk;
use crate::analysis::{Analysis, Surroundings};
use crate::archive::Archive;
use crate::cli::{Trouble, remarks};
use crate::config::Config;
use crate::delivery::Delivery;
use crate::delivery::aggregate::Reporter;
use crate::delivery::callout::Callout;
use crate::directory::Directories;
use crate::journal::Journal;
use crate::mail::Budget;
use crate::net::resolver::{DnsResolver, Resolve};
use crate::net::tls::ServerTls;
use crate::policy::rules::Groups;
use crate::quarantine::Quarantine;
use crate::session::{Doorman, House};
use crate::spool::{Recovery, Spool};
use crate::store::Store;
use crate::store::vault::Vault;

/// By how much the journal may have been behind the spool when the box was killed. It is
/// seconds; minutes cost little.
const JOURNAL_LAG: Duration = Duration::from_secs(300);

/// The rooms that keep things.
struct Rooms {
    store: Arc<Store>,
    journal: Arc<Journal>,
    spool: Arc<Spool>,
    quarantine: Arc<Quarantine>,
    archive: Arc<Archive>,
    secret: Arc<Secret>,
    tickets: Tickets,
    bulk: Arc<Bulk>,
    vault: Option<Arc<Vault>>,
}

impl App {
    /// A box whose listeners are open.
    pub(super) async fn start(
        config: Config,
        file: &Path,
        data_dir: DataDir,
    ) -> Result<App, Trouble> {
        for remark in remarks(&config) {
            tracing::warn!("{remark}");
        }
        let (stop, stopped) = watch::channel(false);
        let rooms = blocking({
            let config = config.clone();
            move || open_rooms(&config)
        })
        .await?;
        resume_releases(&rooms).await?;
        let learning = Learning::start(&config, &rooms.bulk).await?;
        let surroundings = Surroundings {
            resolver: Some(resolver(&config)?),
            store: Some(Arc::clone(&rooms.store)),
            likeness: Some(Arc::clone(&learning.likeness)),
            bulk: Some(Arc::clone(&rooms.bulk)),
        };
        let resolver: Option<Arc<dyn Resolve>> = surroundings.resolver.clone().map(|one| one as _);
        let resolver = resolver.context("no resolver")?;
        let reporter = reporter(&config, &rooms, &resolver);
        let clerk = Arc::new(Clerk::new(Arc::clone(&rooms.store), Arc::clone(&reporter)));
        let judging = judging(&config, &surroundings)
            .await
            .map_err(|error| Trouble::Rules(format!("{error:#}")))?;
        let people = directories(&config, &resolver, None)
            .map_err(|error| Trouble::Refused(format!("{error:#}")))?;
        people.watch(&stopped);
        let windows = Arc::new(Windows::default());
        let errands = errands(&config, &rooms, &windows);
        let line = Arc::new(Line {
            judging: ArcSwap::from_pointee(judging),
            directories: ArcSwap::new(people),
            spool: Arc::clone(&rooms.spool),
            journal: Arc::clone(&rooms.journal),
            learning: learning.clone(),
            dmarc: Arc::clone(&clerk),
            keeper: Keeper::new(Arc::clone(&rooms.store), rooms.vault.clone()),
            errands,
            windows,
        });
        let warden = Warden::new(&config, &line, &rooms.store, rooms.vault.clone());
        let tls = ServerTls::load(&config.tls, &config.system.hostname, &config.system.data_dir);
        let tls = Arc::new(tls.map_err(|error| Trouble::Tls(error.to_string()))?);
        let door = Door::new(&config);
        let budget = Budget::new(config.limits.budget_octets);
        let delivery = Delivery::new(&config, Arc::clone(&resolver));
        let house = house(&line, &rooms, &door, &tls, &budget);
        let mut listeners = Listeners::new(Arc::new(house));
        // Ports that cannot be had are found out before any mail moves.
        let bound = listeners.bind(&config).map_err(|error| Trouble::Refused(error.to_string()))?;
        let watching = (Arc::clone(&warden), Arc::clone(&reporter));
        let desk = desk(&config, &rooms, &line, &learning, watching, budget);
        let desk = Arc::new(desk);
        let (wheel, ordered) = Wheel::new(&config, file);
        let site = web::open(&config, &desk, &wheel, (&rooms.store, &tls), &stopped).await?;
        let mut background = background(&config, &desk, &rooms, clerk, &stopped).await?;
        background.extend(site);
        background.push(tokio::spawn(Arc::clone(&rooms.bulk).watch(stopped.clone())));
        background.push(tokio::spawn(Arc::clone(&warden).run(stopped.clone())));
        watch_lists(&line.judging.load().analysis, &stopped);
        let executor = outflow::executor(&config, &line, &rooms.quarantine, delivery);
        let executing = outflow::start(&config, &executor, stopped);
        listeners.apply(&config, bound);
        let file = file.to_owned();
        let Rooms { journal, spool, quarantine, archive, .. } = rooms;
        Ok(App {
            config,
            file,
            listeners,
            line,
            surroundings,
            door,
            tls,
            journal,
            spool,
            quarantine,
            archive,
            stop,
            executor,
            reporter,
            warden,
            wheel,
            ordered,
            executing,
            background,
            learning,
            _data_dir: data_dir,
        })
    }
}

/// Everything that the operator reaches.
fn desk(
    config: &Config,
    rooms: &Rooms,
    line: &Arc<Line>,
    learning: &Learning,
    (warden, reporter): (Arc<Warden>, Arc<Reporter>),
    budget: Arc<Budget>,
) -> Desk {
    Desk {
        by: admin::OPERATOR.into(),
        data_dir: config.system.data_dir.clone(),
        spool: Arc::clone(&rooms.spool),
        quarantine: Arc::clone(&rooms.quarantine),
        archive: Arc::clone(&rooms.archive),
        approvals: approvals(rooms, Arc::clone(&line.errands)),
        journal: Arc::clone(&rooms.journal),
        store: Arc::clone(&rooms.store),
        teacher: Arc::clone(&learning.teacher),
        hearing: Arc::clone(line) as Arc<dyn Hearing>,
        shadow: Arc::clone(&learning.shadow),
        reporter,
        bulk: Some(Arc::clone(&rooms.bulk)),
        watchful: warden as Arc<dyn Watchful>,
        acquainted: Arc::clone(line) as Arc<dyn Acquainted>,
        ruling: Arc::clone(line) as Arc<dyn Ruling>,
        searching: Arc::default(),
        budget,
        started: Instant::now(),
    }
}

fn errands(config: &Config, rooms: &Rooms, windows: &Arc<Windows>) -> Arc<Errands> {
    Errands::new(
        config,
        Arc::clone(&rooms.spool) as _,
        Arc::clone(&rooms.archive) as _,
        Arc::clone(&rooms.journal) as _,
        Arc::clone(&rooms.secret),
        Arc::clone(windows),
        rooms.tickets.clone(),
    )
}

fn approvals(rooms: &Rooms, errands: Arc<Errands>) -> Arc<Approvals> {
    Approvals::new(
        Arc::clone(&rooms.quarantine),
        Arc::clone(&rooms.spool),
        Arc::clone(&rooms.journal),
        errands,
        Arc::clone(&rooms.secret),
        rooms.tickets.clone(),
    )
}

/// Ends what a power cut interrupted between quarantine and spool.
async fn resume_releases(rooms: &Rooms) -> Result<(), Trouble> {
    let resumed = rooms.quarantine.resume(&rooms.spool).await;
    for (held, becomes) in resumed.map_err(|error| Trouble::Software(error.into()))? {
        tracing::info!(%held, %becomes, "a release was completed after a restart");
    }
    Ok(())
}

/// What reads or writes whole files, away from the runtime's threads.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
) -> anyhow::Result<T> {
    tokio::task::spawn_blocking(work).await.context("a task broke off")?
}

/// Analysis and policy of a configuration; compiling the rules may take seconds.
pub(super) async fn judging(
    config: &Config,
    surroundings: &Surroundings,
) -> anyhow::Result<Judging> {
    let (for_analysis, surroundings) = (config.clone(), surroundings.clone());
    let analysis = blocking(move || Ok(Analysis::new(&for_analysis, surroundings)?)).await?;
    let for_policy = config.clone();
    let policy = blocking(move || super::policy::policy(&for_policy)).await?;
    let rate_limited = config.orders.rate_limited;
    let inspections = match config.journal.inspections {
        true => Inspections::Kept,
        false => Inspections::Forgotten,
    };
    let groups = Groups::configured(&config.group);
    Ok(Judging { analysis, policy, rate_limited, inspections, groups })
}

/// Directories and next hops that know recipients; what is known already goes with them.
pub(super) fn directories(
    config: &Config,
    resolver: &Arc<dyn Resolve>,
    before: Option<&Directories>,
) -> anyhow::Result<Arc<Directories>> {
    let next_hops = Arc::new(Callout::new(config, Arc::clone(resolver)));
    Ok(Arc::new(Directories::new(config, next_hops, before)?))
}

fn open_rooms(config: &Config) -> anyhow::Result<Rooms> {
    let data_dir = &config.system.data_dir;
    let store = Arc::new(ballast::open_store(data_dir).with_context(|| {
        let store = data_dir.join("store");
        format!(
            "accounts in {} cannot be opened; without that folder the box starts with none",
            store.display()
        )
    })?);
    store.accounts().prepare()?;
    let journal = Journal::open(&config.journal, data_dir)?;
    journal.set_home(&home(config));
    let (spool, recovery) = Spool::open(&config.spool, data_dir)?;
    report(&recovery, &spool);
    let (quarantine, replayed) = Quarantine::open(&config.quarantine, data_dir)?;
    tracing::info!(
        mails = quarantine.count(),
        records = replayed.records,
        "the quarantine is open"
    );
    let (archive, replayed) = Archive::open(&config.archive, data_dir)?;
    tracing::info!(mails = archive.count(), records = replayed.records, "the archive is open");
    let secret = Secret::open(data_dir);
    let secret = Arc::new(secret.context("the key of marks, orders.key")?);
    let tickets = Tickets::open(&store)?;
    let bulk = Bulk::new(config, Some(Arc::clone(&store)))?;
    let vault = vault(data_dir);
    Ok(Rooms { store, journal, spool, quarantine, archive, secret, tickets, bulk, vault })
}

/// Whose mail is counted by itself.
pub(super) fn home(config: &Config) -> Vec<String> {
    config.domain.iter().map(|own| own.name.to_string()).collect()
}

/// Files that were delivered; without the folder they are not kept.
fn vault(data_dir: &Path) -> Option<Arc<Vault>> {
    let opened = Vault::open(data_dir);
    let opened = opened.inspect_err(|error| tracing::warn!(%error, "delivered files are not kept"));
    opened.ok().map(Arc::new)
}

/// Checks the DNS lists of an analysis in the background as long as it is in force.
pub(super) fn watch_lists(analysis: &Analysis, stopped: &watch::Receiver<bool>) {
    if let Some(reputation) = analysis.reputation() {
        tokio::spawn(Arc::clone(reputation).watch(stopped.clone()));
    }
}

fn report(recovery: &Recovery, spool: &Spool) {
    let counts = spool.counts();
    tracing::info!(
        mails = counts.total(),
        segments = recovery.replay.segments,
        records = recovery.replay.records,
        took_ms = recovery.replay.took.as_millis() as u64,
        "the spool is open"
    );
}

/// A box without name servers still serves next hops that are given by address.
fn resolver(config: &Config) -> Result<Arc<DnsResolver>, Trouble> {
    Ok(Arc::new(DnsResolver::following(&config.dns).context("no resolver")?))
}

fn house(
    line: &Arc<Line>,
    rooms: &Rooms,
    door: &Arc<Door>,
    tls: &Arc<ServerTls>,
    budget: &Arc<Budget>,
) -> OurHouse {
    let certificate = Arc::clone(tls);
    House {
        pipeline: Arc::clone(line),
        accounts: Arc::new(KnownAccounts {
            stored: rooms.store.accounts().clone(),
            line: Arc::clone(line),
        }),
        doorman: Arc::clone(door) as Arc<dyn Doorman>,
        gatekeeper: Arc::new(Gate(Arc::clone(line))),
        tls: Arc::new(move || Some(certificate.acceptor())),
        proxy: Arc::new(proxied),
        witness: Arc::new(Chronicle::new(Arc::clone(&rooms.journal))),
        budget: Arc::clone(budget),
    }
}

fn reporter(config: &Config, rooms: &Rooms, resolver: &Arc<dyn Resolve>) -> Arc<Reporter> {
    Reporter::new(
        config,
        Arc::clone(&rooms.store),
        Arc::clone(&rooms.spool),
        Arc::clone(&rooms.journal),
        Arc::clone(resolver),
    )
}

/// The control socket, approvals, what expires, and DMARC reports.
async fn background(
    config: &Config,
    desk: &Arc<Desk>,
    rooms: &Rooms,
    clerk: Arc<Clerk>,
    stopped: &watch::Receiver<bool>,
) -> Result<Vec<JoinHandle<()>>, Trouble> {
    let approvals = Arc::clone(&desk.approvals).run(stopped.clone());
    let socket = admin::socket_path(&config.system.data_dir);
    let control = admin::serve(&socket, Arc::clone(desk), stopped.clone())
        .await
        .map_err(|error| Trouble::Refused(error.to_string()))?;
    // Told apart from start-up: a box with a long queue opens its listeners meanwhile.
    let (spool, journal) = (Arc::clone(&rooms.spool), Arc::clone(&rooms.journal));
    let recovered = spool.latest(JOURNAL_LAG);
    tokio::task::spawn_blocking(move || recovery::complete(&journal, &spool, &recovered));
    Ok(vec![
        tokio::spawn(control),
        tokio::spawn(approvals),
        tokio::spawn(outflow::expire(
            Arc::clone(&rooms.quarantine),
            Arc::clone(&rooms.archive),
            Arc::clone(&rooms.journal),
            stopped.clone(),
        )),
        tokio::spawn(clerk.run(stopped.clone())),
    ])
}
