//! SIGHUP: the file is read again, everything in it is prepared, and only when all of it
//! could be is any of it put in force.
//!
//! What takes long, compiling the rules above all, is done beside the box's own loop: it hears
//! what it is told meanwhile, to end, or to read the file once more. What was read for an older
//! order is then dropped, and the newer one answers for both.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

use super::listeners::Bound;
use super::pipeline::Judging;
use super::web::Told;
use super::{App, notify, start};
use crate::analysis::Surroundings;
use crate::config::Config;
use crate::directory::Directories;
use crate::net::resolver::Resolve;
use crate::telemetry;

/// Files that are read at once: one whose rules take long does not keep the next one waiting,
/// nor do they all take the processors from mail.
const READ_AT_ONCE: usize = 2;

/// What was read, and what analysis and policy become by it.
pub(super) struct Read {
    config: Config,
    judging: Judging,
}

/// Everything that can fail has been done.
struct Prepared {
    read: Read,
    directories: Arc<Directories>,
    bound: Bound,
}

/// Reloads that are under way.
pub(super) struct Reloads {
    room: Arc<Semaphore>,
    /// The newest; none is under way without.
    reading: Option<JoinHandle<anyhow::Result<Read>>>,
    /// Who waits to hear how it went.
    told: Vec<Told>,
}

impl Default for Reloads {
    fn default() -> Reloads {
        let room = Arc::new(Semaphore::new(READ_AT_ONCE));
        Reloads { room, reading: None, told: Vec::new() }
    }
}

impl Reloads {
    /// Reads the file beside all else.
    pub(super) fn begin(&mut self, app: &App, told: Option<Told>) {
        notify::service_manager("RELOADING=1");
        self.told.extend(told);
        let (file, surroundings) = (app.file.clone(), app.surroundings.clone());
        let room = Arc::clone(&self.room);
        let reading = tokio::spawn(async move {
            let _turn = room.acquire_owned().await.context("no room")?;
            read(file, surroundings).await
        });
        // One that is compiling cannot be stopped, and keeps its turn until it has ended.
        if self.reading.replace(reading).is_some_and(|older| !older.is_finished()) {
            tracing::info!("a newer reload takes the place of the one under way");
        }
    }

    /// What the newest read, once it has; for ever where none is under way.
    pub(super) async fn read(&mut self) -> anyhow::Result<Read> {
        let Some(reading) = &mut self.reading else { return std::future::pending().await };
        let read = reading.await;
        self.reading = None;
        read.context("a task broke off")?
    }

    /// Tells those who wait.
    pub(super) fn end(&mut self, done: &Result<(), String>) {
        notify::service_manager("READY=1");
        for told in self.told.drain(..) {
            // Who does not wait for the answer any more can do without it.
            let _ = told.send(done.clone());
        }
    }
}

async fn read(file: PathBuf, surroundings: Surroundings) -> anyhow::Result<Read> {
    let config = Config::load(&file)?;
    telemetry::check_level(&config.telemetry.level)?;
    let judging = start::judging(&config, &surroundings).await?;
    Ok(Read { config, judging })
}

impl App {
    /// Puts in force what was read, or keeps what is and says why.
    pub(super) fn reload(&mut self, read: anyhow::Result<Read>) -> Result<(), String> {
        match read.and_then(|read| self.prepare(read)) {
            Ok(prepared) => {
                self.put_in_force(prepared);
                Ok(())
            }
            Err(error) => {
                tracing::error!("reload refused, the configuration in force stays: {error:#}");
                Err(format!("{error:#}"))
            }
        }
    }

    fn prepare(&self, read: Read) -> anyhow::Result<Prepared> {
        let config = &read.config;
        let resolver = self.surroundings.resolver.clone().context("no resolver")?;
        let resolver: Arc<dyn Resolve> = resolver;
        let before = self.line.directories.load();
        let directories = start::directories(config, &resolver, Some(&before))?;
        let bound = self.listeners.bind(config)?;
        let system = &config.system;
        self.tls.reload(&config.tls, &system.hostname, &self.config.system.data_dir)?;
        Ok(Prepared { read, directories, bound })
    }

    fn put_in_force(&mut self, prepared: Prepared) {
        let Prepared { read, directories, bound } = prepared;
        let Read { config, judging } = read;
        for name in self.config.needs_restart(&config) {
            tracing::warn!("[{name}] has changed: that takes effect when the box is restarted");
        }
        if let Err(error) = telemetry::set_level(&config.telemetry.level) {
            tracing::warn!(%error, "the level of events stays as it is");
        }
        self.learning.reload(&config);
        start::watch_lists(&judging.analysis, &self.stop.subscribe());
        self.line.judging.store(Arc::new(judging));
        directories.watch(&self.stop.subscribe());
        self.line.directories.store(directories);
        if let Some(bulk) = self.surroundings.bulk.clone() {
            let config = config.clone();
            tokio::task::spawn_blocking(move || bulk.reload(&config));
        }
        self.door.reload(&config);
        self.executor.reload(&config);
        self.archive.reload(&config.archive);
        self.reporter.reload(&config);
        self.warden.reload(&config);
        self.journal.set_keep_days(config.journal.keep_days);
        self.journal.set_home(&start::home(&config));
        self.listeners.apply(&config, bound);
        self.wheel.store(&config);
        self.config = config;
        tracing::info!("reloaded");
    }
}
