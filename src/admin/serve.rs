//! The control socket: bound with mode 0600, served by warp's filters over hyper.

use std::convert::Infallible;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use super::{Desk, routes};

/// The operator has a few connections open at most; more is a fault of some script.
const CONNECTIONS: usize = 64;
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// After a failed accept (no descriptors), before the next try.
const PAUSE: Duration = Duration::from_millis(200);

/// The socket cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("control socket {}: {error}", socket.display())]
pub struct SocketError {
    /// Where.
    pub socket: PathBuf,
    /// Why.
    pub error: std::io::Error,
}

/// Binds the socket, in place of one that a dead process left. The caller owns the data
/// directory, so no living process can be behind an old socket.
pub fn bind(socket: &Path) -> Result<UnixListener, SocketError> {
    let failed = |error| SocketError { socket: socket.to_owned(), error };
    match std::fs::remove_file(socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    let listener = UnixListener::bind(socket).map_err(failed)?;
    let only_us = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(socket, only_us).map_err(failed)?;
    Ok(listener)
}

/// Serves until `stop` turns true.
pub async fn serve(
    socket: &Path,
    desk: Arc<Desk>,
    mut stop: watch::Receiver<bool>,
) -> Result<impl Future<Output = ()> + use<>, SocketError> {
    let listener = bind(socket)?;
    let slots = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS));
    Ok(async move {
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            match accepted {
                Ok((stream, _)) => {
                    let desk = Arc::clone(&desk);
                    tokio::spawn(async move {
                        converse(stream, desk).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "control socket: cannot accept");
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
    })
}

async fn converse(stream: UnixStream, desk: Arc<Desk>) {
    let service = TowerToHyperService::new(warp::service(routes::all(desk)));
    let served = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "control socket: conversation broken off");
    }
}

/// warp's rejections are all turned into answers.
pub(super) type Answered = Result<warp::reply::Response, Infallible>;
