//! SIGHUP: the file is read again, everything in it is prepared, and only when all of it
//! could be is any of it put in force.

use std::sync::Arc;

use anyhow::Context;

use super::App;
use super::listeners::Bound;
use super::pipeline::Judging;
use super::start;
use crate::config::Config;
use crate::directory::Directories;
use crate::net::resolver::Resolve;
use crate::telemetry;

/// Everything that can fail has been done.
struct Prepared {
    config: Config,
    judging: Judging,
    directories: Arc<Directories>,
    bound: Bound,
}

impl App {
    /// Puts the file in force, or keeps what is and says why.
    pub(super) async fn reload(&mut self) -> Result<(), String> {
        match self.prepare().await {
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

    async fn prepare(&self) -> anyhow::Result<Prepared> {
        let config = Config::load(&self.file)?;
        telemetry::check_level(&config.telemetry.level)?;
        let judging = start::judging(&config, &self.surroundings).await?;
        let resolver = self.surroundings.resolver.clone().context("no resolver")?;
        let resolver: Arc<dyn Resolve> = resolver;
        let before = self.line.directories.load();
        let directories = start::directories(&config, &resolver, Some(&before))?;
        let bound = self.listeners.bind(&config)?;
        let system = &config.system;
        self.tls.reload(&config.tls, &system.hostname, &self.config.system.data_dir)?;
        Ok(Prepared { config, judging, directories, bound })
    }

    fn put_in_force(&mut self, prepared: Prepared) {
        let Prepared { config, judging, directories, bound } = prepared;
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
