//! The composition root: `Config → App → run → drain`. The only place that knows every room.
//!
//! In: a configuration file. Out: a running box, until SIGTERM or SIGINT; SIGHUP reads the
//! file again and puts what changed in force, or keeps what it has when anything in it is
//! wrong. Starts in the order in which mail flows backwards, so that no listener is open
//! before what it needs; stops in the order in which mail flows, so that nothing accepted is
//! left half done.

mod aftercare;
mod ballast;
mod dmarc;
mod door;
mod gate;
mod learning;
mod listeners;
mod notify;
mod outbreak;
mod outflow;
mod pipeline;
mod place;
mod policy;
mod reception;
mod recovery;
mod reload;
mod signals;
mod start;
mod warden;
mod web;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

use crate::analysis::Surroundings;
use crate::archive::Archive;
use crate::cli::Trouble;
use crate::config::Config;
use crate::delivery::aggregate::Reporter;
use crate::journal::Journal;
use crate::net::tls::ServerTls;
use crate::quarantine::Quarantine;
use crate::spool::Spool;
use crate::telemetry;
use door::Door;
use learning::Learning;
use listeners::Listeners;
use outflow::OurExecutor;
use pipeline::Line;
use place::DataDir;
use reload::Reloads;
use signals::{Signal, Signals};
use warden::Warden;
use web::{Told, Wheel};

/// A running box.
#[derive(Debug)]
struct App {
    config: Config,
    file: PathBuf,
    listeners: Listeners,
    line: Arc<Line>,
    surroundings: Surroundings,
    door: Arc<Door>,
    tls: Arc<ServerTls>,
    journal: Arc<Journal>,
    spool: Arc<Spool>,
    quarantine: Arc<Quarantine>,
    archive: Arc<Archive>,
    /// Ends the executor, the control socket and the daily chores.
    stop: watch::Sender<bool>,
    executor: Arc<OurExecutor>,
    reporter: Arc<Reporter>,
    warden: Arc<Warden>,
    wheel: Arc<Wheel>,
    /// Reloads that the site asks for.
    ordered: mpsc::Receiver<Told>,
    executing: JoinHandle<()>,
    background: Vec<JoinHandle<()>>,
    learning: Learning,
    /// Dropped last: until then nobody else may use the directory.
    _data_dir: DataDir,
}

/// Runs the box until it is told to end.
pub fn run(file: &Path) -> Result<(), Trouble> {
    let config = Config::load(file)?;
    telemetry::start(&config.telemetry).map_err(|error| Trouble::Telemetry(error.to_string()))?;
    place::raise_descriptor_limit();
    let data_dir = DataDir::take(&config.system.data_dir)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let outcome = runtime.block_on(async {
        let mut signals = Signals::new().context("cannot listen for signals")?;
        // Compiling rules may take a while; who ends the box meanwhile does not wait for that.
        let app = tokio::select! {
            app = App::start(config, file, data_dir) => app?,
            () = signals.end() => return Ok(()),
        };
        app.run(&mut signals).await;
        Ok(())
    });
    // Nothing durable hangs on a task that does not end, nor on rules that are compiled.
    runtime.shutdown_timeout(Duration::from_secs(2));
    outcome
}

impl App {
    async fn run(mut self, signals: &mut Signals) {
        notify::service_manager("READY=1");
        tracing::info!(hostname = %self.config.system.hostname, "the box is open");
        let mut reloads = Reloads::default();
        loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Signal::Reload => reloads.begin(&self, None),
                    Signal::End => break,
                },
                Some(told) = self.ordered.recv() => reloads.begin(&self, Some(told)),
                read = reloads.read() => {
                    let done = self.reload(read);
                    reloads.end(&done);
                }
            }
        }
        notify::service_manager("STOPPING=1");
        self.drain(signals).await;
    }

    /// Lets open sessions and attempts end, for `drain_timeout_s` at most; a second signal
    /// ends that too. What is not done by then is in the spool.
    async fn drain(self, signals: &mut Signals) {
        let patience = Duration::from_secs(self.config.limits.drain_timeout_s);
        tracing::info!(patience_s = patience.as_secs(), "draining: no new sessions");
        let App { listeners, stop, executing, background, surroundings, learning, .. } = self;
        let (spool, quarantine, journal) = (self.spool, self.quarantine, self.journal);
        let archive = self.archive;
        let orderly = async {
            listeners.drain().await;
            stop.send_replace(true);
            if let Err(error) = executing.await {
                tracing::error!(%error, "the executor broke off");
            }
            for task in background {
                if let Err(error) = task.await {
                    tracing::error!(%error, "a background task broke off");
                }
            }
        };
        tokio::select! {
            ended = tokio::time::timeout(patience, orderly) => match ended {
                Ok(()) => tracing::info!("drained"),
                Err(_) => tracing::warn!("sessions or attempts were cut off; their mail is in the spool"),
            },
            () = signals.end() => tracing::warn!("told twice to end: cut off what was open"),
        }
        learning.close();
        spool.close();
        quarantine.close();
        archive.close();
        journal.close();
        if let Some(Err(error)) = surroundings.store.map(|store| store.flush()) {
            tracing::warn!(%error, "the last that was learned of senders is lost");
        }
        tracing::info!("the box is closed");
    }
}
