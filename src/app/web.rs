//! The administrator's site in the running box: its listener, its code for the first visit, and
//! how it puts another configuration in force.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use crate::admin::Desk;
use crate::admin::site::{AdminSite, Applying, Steering};
use crate::cli::Trouble;
use crate::config::Config;
use crate::net::listen;
use crate::net::tls::ServerTls;
use crate::store::Store;
use crate::web;

/// Reloads that wait for the one under way.
const WAITING: usize = 16;

/// Tells whoever asked for a reload how it went.
pub(super) type Told = oneshot::Sender<Result<(), String>>;

/// The site's way to the box's configuration.
#[derive(Debug)]
pub(super) struct Wheel {
    current: Arc<ArcSwap<Config>>,
    file: PathBuf,
    orders: mpsc::Sender<Told>,
}

impl Wheel {
    /// With what is in force now; orders come out of the receiver.
    pub(super) fn new(config: &Config, file: &Path) -> (Arc<Wheel>, mpsc::Receiver<Told>) {
        let (orders, ordered) = mpsc::channel(WAITING);
        let current = Arc::new(ArcSwap::from_pointee(config.clone()));
        (Arc::new(Wheel { current, file: file.to_owned(), orders }), ordered)
    }

    /// After a reload.
    pub(super) fn store(&self, config: &Config) {
        self.current.store(Arc::new(config.clone()));
    }
}

impl Steering for Wheel {
    fn config(&self) -> Arc<Config> {
        self.current.load_full()
    }

    fn file(&self) -> &Path {
        &self.file
    }

    fn reload(&self) -> Applying {
        let orders = self.orders.clone();
        Box::pin(async move {
            let ended = |_| "the box is ending".to_owned();
            let (told, answer) = oneshot::channel();
            orders.send(told).await.map_err(|_| "the box is ending".to_owned())?;
            answer.await.map_err(ended)?
        })
    }
}

/// Opens the listener, where one is configured, and says how to set the box up when there is
/// nobody yet who may log in.
pub(super) async fn open(
    config: &Config,
    desk: &Arc<Desk>,
    wheel: &Arc<Wheel>,
    (store, tls): (&Arc<Store>, &Arc<ServerTls>),
    stopped: &watch::Receiver<bool>,
) -> Result<Option<JoinHandle<()>>, Trouble> {
    let Some(admin) = &config.admin else { return Ok(None) };
    let listener = listen::bind(admin.address);
    let listener = listener.map_err(|error| Trouble::Refused(error.to_string()))?;
    let (desk, wheel, store) = (Arc::clone(desk), Arc::clone(wheel), Arc::clone(store));
    let site = super::start::blocking(move || {
        let site = AdminSite::open(desk, wheel, &store)?;
        let code = site.people.is_empty().then(|| site.setup.code()).transpose()?;
        Ok((Arc::new(site), code))
    });
    let (site, code) = site.await?;
    tracing::info!(address = %admin.address, "the administrator's site is open");
    if let Some(code) = code {
        tracing::warn!(
            "the box is to be set up: https://{}/setup with the code {code}",
            admin.address
        );
    }
    let certificate = Arc::clone(tls);
    let certificate: web::serve::Certificate = Arc::new(move || certificate.acceptor());
    Ok(Some(tokio::spawn(web::serve(listener, certificate, site, stopped.clone()))))
}
