//! The listeners in force, and how a reload changes them: those that stay keep their sockets
//! and take the new settings for new sessions, new ones are bound, the others are closed and
//! their sessions end as at a shutdown.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::pipeline::Line;
use super::reception::KnownAccounts;
use crate::config::Config;
use crate::net::listen::{self, ListenError};
use crate::session::{self, House, Settings};

/// What all sessions share, with the types of this box.
pub(super) type OurHouse = House<Line, KnownAccounts>;

#[derive(Debug)]
struct Open {
    settings: Arc<ArcSwap<Settings>>,
    drain: watch::Sender<bool>,
    task: JoinHandle<()>,
}

/// The open listeners by address.
#[derive(Debug)]
pub(super) struct Listeners {
    house: Arc<OurHouse>,
    open: BTreeMap<SocketAddr, Open>,
    leaving: Vec<JoinHandle<()>>,
}

/// Sockets that are bound but not served yet, so that a reload can still be called off.
#[derive(Debug)]
pub(super) struct Bound(BTreeMap<SocketAddr, TcpListener>);

impl Listeners {
    pub(super) fn new(house: Arc<OurHouse>) -> Listeners {
        Listeners { house, open: BTreeMap::new(), leaving: Vec::new() }
    }

    /// Binds what the configuration names and is not open yet.
    pub(super) fn bind(&self, config: &Config) -> Result<Bound, ListenError> {
        let missing =
            config.listen.iter().filter(|listen| !self.open.contains_key(&listen.address));
        missing
            .map(|listen| Ok((listen.address, listen::bind(listen.address)?)))
            .collect::<Result<_, _>>()
            .map(Bound)
    }

    /// Serves what the configuration names, and nothing else any more.
    pub(super) fn apply(&mut self, config: &Config, mut bound: Bound) {
        let named = |address: &SocketAddr| config.listen.iter().any(|one| one.address == *address);
        let gone: Vec<SocketAddr> =
            self.open.keys().copied().filter(|address| !named(address)).collect();
        for address in gone {
            if let Some(open) = self.open.remove(&address) {
                open.drain.send_replace(true);
                self.leaving.push(open.task);
                tracing::info!(%address, "listener closed");
            }
        }
        for listen in &config.listen {
            let settings = Settings::new(config, listen);
            if let Some(open) = self.open.get(&listen.address) {
                open.settings.store(Arc::new(settings));
            } else if let Some(listener) = bound.0.remove(&listen.address) {
                tracing::info!(role = %listen.role, address = %listen.address, "listening");
                self.serve(listen.address, listener, settings);
            }
        }
        self.leaving.retain(|task| !task.is_finished());
    }

    fn serve(&mut self, address: SocketAddr, listener: TcpListener, settings: Settings) {
        let settings = Arc::new(ArcSwap::from_pointee(settings));
        let (drain, draining) = watch::channel(false);
        let house = Arc::clone(&self.house);
        let task = tokio::spawn(session::serve(listener, Arc::clone(&settings), house, draining));
        self.open.insert(address, Open { settings, drain, task });
    }

    /// Takes no more connections and waits for the sessions, which end what they have begun.
    pub(super) async fn drain(self) {
        let mut tasks = self.leaving;
        for open in self.open.into_values() {
            open.drain.send_replace(true);
            tasks.push(open.task);
        }
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a listener broke off");
            }
        }
    }
}
