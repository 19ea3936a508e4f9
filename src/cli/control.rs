//! The client's side of the control socket: HTTP/1.1 over `control.sock` in the data directory.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Context;
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::client::conn::http1::handshake;
use hyper::{Method, Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::exit::Trouble;
use crate::admin::api::{INCOMPLETE, Problem};
use crate::admin::socket_path;
use crate::config::Config;

/// Rows of a list, and whether they are all.
#[derive(Debug)]
pub(super) struct Found<Row> {
    pub(super) rows: Vec<Row>,
    pub(super) is_complete: bool,
}

#[derive(Debug)]
struct Answered {
    text: Bytes,
    is_complete: bool,
}

/// The running box, as this user can reach it.
#[derive(Debug)]
pub(super) struct Control {
    socket: PathBuf,
    runtime: tokio::runtime::Runtime,
}

impl Control {
    /// Finds the socket through the configuration.
    pub(super) fn of(config: &Path) -> Result<Control, Trouble> {
        Control::at(&Config::load(config)?)
    }

    pub(super) fn at(config: &Config) -> Result<Control, Trouble> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        Ok(Control { socket: socket_path(&config.system.data_dir), runtime })
    }

    /// `GET`, one object a line.
    pub(super) fn rows<Row: DeserializeOwned>(&self, path: &str) -> Result<Vec<Row>, Trouble> {
        self.found(path).map(|found| found.rows)
    }

    /// The same, and whether the box looked everywhere.
    pub(super) fn found<Row: DeserializeOwned>(&self, path: &str) -> Result<Found<Row>, Trouble> {
        let Answered { text, is_complete } = self.exchange(Method::GET, path, Bytes::new())?;
        let rows = text
            .split(|octet| *octet == b'\n')
            .filter(|line| !line.is_empty())
            .map(|line| {
                serde_json::from_slice(line).context("unexpected answer").map_err(Trouble::from)
            })
            .collect::<Result<_, _>>()?;
        Ok(Found { rows, is_complete })
    }

    /// `GET`, one object.
    pub(super) fn one<Row: DeserializeOwned>(&self, path: &str) -> Result<Row, Trouble> {
        let text = self.exchange(Method::GET, path, Bytes::new())?.text;
        Ok(serde_json::from_slice(&text).context("unexpected answer")?)
    }

    /// `GET`, octets.
    pub(super) fn octets(&self, path: &str) -> Result<Vec<u8>, Trouble> {
        Ok(self.exchange(Method::GET, path, Bytes::new())?.text.to_vec())
    }

    /// `POST` without or with a body.
    pub(super) fn act<Row: DeserializeOwned>(
        &self,
        path: &str,
        order: &impl Serialize,
    ) -> Result<Row, Trouble> {
        let body = serde_json::to_vec(order).context("cannot write the request")?;
        let text = self.exchange(Method::POST, path, body.into())?.text;
        Ok(serde_json::from_slice(&text).context("unexpected answer")?)
    }

    /// `POST` with a message as body.
    pub(super) fn send<Row: DeserializeOwned>(
        &self,
        path: &str,
        message: Vec<u8>,
    ) -> Result<Row, Trouble> {
        let text = self.exchange(Method::POST, path, message.into())?.text;
        Ok(serde_json::from_slice(&text).context("unexpected answer")?)
    }

    /// `POST`, one object a line, each shown as it comes until `each` has seen enough.
    pub(super) fn stream<Row: DeserializeOwned>(
        &self,
        path: &str,
        order: &impl Serialize,
        each: &mut dyn FnMut(Row) -> ControlFlow<()>,
    ) -> Result<(), Trouble> {
        let body = serde_json::to_vec(order).context("cannot write the request")?;
        self.runtime.block_on(async {
            let stream =
                UnixStream::connect(&self.socket).await.map_err(|error| self.deaf(&error))?;
            let (mut sender, connection) = handshake(TokioIo::new(stream))
                .await
                .context("the box does not speak as expected")?;
            let running = tokio::spawn(connection);
            let request = request(Method::POST, path, body.into())?;
            let answer = sender.send_request(request).await.context("the box does not answer")?;
            let status = answer.status();
            let mut body = answer.into_body();
            if !status.is_success() {
                let text = body.collect().await.context("the answer broke off")?.to_bytes();
                return Err(refusal(status, &text));
            }
            let mut waiting = Vec::new();
            while let Some(frame) = body.frame().await {
                let frame = frame.context("the answer broke off")?;
                waiting.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
                while let Some(end) = waiting.iter().position(|octet| *octet == b'\n') {
                    let rest = waiting.split_off(end + 1);
                    let line = std::mem::replace(&mut waiting, rest);
                    let row = serde_json::from_slice(&line).context("unexpected answer")?;
                    if each(row).is_break() {
                        running.abort();
                        return Ok(());
                    }
                }
            }
            running.abort();
            Ok(())
        })
    }

    fn exchange(&self, method: Method, path: &str, body: Bytes) -> Result<Answered, Trouble> {
        let (status, answered) = self.runtime.block_on(async {
            let stream =
                UnixStream::connect(&self.socket).await.map_err(|error| self.deaf(&error))?;
            ask(stream, method, path, body).await.map_err(Trouble::from)
        })?;
        match status.is_success() {
            true => Ok(answered),
            false => Err(refusal(status, &answered.text)),
        }
    }

    fn deaf(&self, error: &std::io::Error) -> Trouble {
        match error.kind() {
            std::io::ErrorKind::PermissionDenied => Trouble::NoPermission(self.socket.clone()),
            _ => Trouble::NotRunning(self.socket.clone()),
        }
    }
}

async fn ask(
    stream: UnixStream,
    method: Method,
    path: &str,
    body: Bytes,
) -> anyhow::Result<(StatusCode, Answered)> {
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    let running = tokio::spawn(connection);
    let answer = sender.send_request(request(method, path, body)?).await?;
    let status = answer.status();
    let is_complete = !answer.headers().contains_key(INCOMPLETE);
    let text = answer.into_body().collect().await?.to_bytes();
    running.abort();
    Ok((status, Answered { text, is_complete }))
}

fn request(method: Method, path: &str, body: Bytes) -> anyhow::Result<Request<Full<Bytes>>> {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "postern")
        .header("content-type", "application/json");
    Ok(request.body(Full::new(body))?)
}

fn refusal(status: StatusCode, text: &[u8]) -> Trouble {
    match status {
        StatusCode::NOT_FOUND => Trouble::NotFound(problem(text)),
        StatusCode::BAD_REQUEST => Trouble::Usage(problem(text)),
        _ => Trouble::Refused(problem(text)),
    }
}

fn problem(text: &[u8]) -> String {
    match serde_json::from_slice::<Problem>(text) {
        Ok(problem) => problem.error,
        Err(_) => String::from_utf8_lossy(text).trim().to_owned(),
    }
}

/// Percent-encodes a value for a query string.
pub(super) fn encoded(value: &str) -> String {
    let plain = |octet: &u8| octet.is_ascii_alphanumeric() || b"-._~".contains(octet);
    value
        .bytes()
        .map(|octet| match plain(&octet) {
            true => char::from(octet).to_string(),
            false => format!("%{octet:02X}"),
        })
        .collect()
}
