//! Answers that begin before all of them is known: one JSON object a line, sent as it is found.
//!
//! In: rows from a task or thread. Out: the body of an HTTP answer. A reader that is slow slows
//! the work, and one that has gone ends it.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyDataStream;
use hyper::body::{Body, Frame};
use serde::Serialize;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use warp::Reply;
use warp::http::header;
use warp::reply::Response as Answer;

/// Rows that wait for their reader.
const WAITING: usize = 64;

/// Where rows are put.
#[derive(Debug, Clone)]
pub(super) struct Lines(Sender<Bytes>);

/// Nobody reads any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone;

/// What the reader gets.
#[derive(Debug)]
struct Written(Receiver<Bytes>);

/// An answer and the way to write it.
pub(super) fn answer() -> (Lines, Answer) {
    let (lines, receiver) = rows();
    (lines, streamed(receiver, "application/x-ndjson"))
}

/// Rows for somebody who makes something else of them.
pub(super) fn rows() -> (Lines, Receiver<Bytes>) {
    let (sender, receiver) = channel(WAITING);
    (Lines(sender), receiver)
}

/// An answer of what is received, sent as it comes.
pub(super) fn streamed(receiver: Receiver<Bytes>, kind: &'static str) -> Answer {
    let mut answer = warp::reply::stream(BodyDataStream::new(Written(receiver))).into_response();
    answer.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static(kind));
    answer
}

impl Lines {
    /// Writes a row from a thread that may wait.
    pub(super) fn put_blocking(&self, row: &impl Serialize) -> Result<(), Gone> {
        self.0.blocking_send(line(row)).map_err(|_| Gone)
    }

    /// The same from a task.
    pub(super) async fn put(&self, row: &impl Serialize) -> Result<(), Gone> {
        self.0.send(line(row)).await.map_err(|_| Gone)
    }
}

fn line(row: &impl Serialize) -> Bytes {
    // Rows are plain data; writing them to memory cannot fail.
    let mut line = serde_json::to_vec(row).unwrap_or_default();
    line.push(b'\n');
    line.into()
}

impl Body for Written {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        self.0.poll_recv(context).map(|line| line.map(|line| Ok(Frame::data(line))))
    }
}
