//! A connection to clamd that listens even when clamd no longer does.
//!
//! clamd answers `INSTREAM size limit exceeded` and closes while the client still sends; the
//! client would fail on its broken pipe and never read why. Here what is written after that
//! is dropped, and the answer is read. Answers are bounded.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use clamav_client::tokio::TransportProtocol;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A longer answer is none.
const ANSWER_OCTETS: usize = 4_096;

/// Connects by `T`, patiently.
pub(super) struct Patient<T>(pub(super) T);

impl<T: TransportProtocol> TransportProtocol for Patient<T> {
    type Stream = Listening<T::Stream>;

    async fn connect(&self) -> io::Result<Self::Stream> {
        let inner = self.0.connect().await?;
        Ok(Listening { inner, deaf: false, read_octets: 0 })
    }
}

/// See the module.
pub(super) struct Listening<S> {
    inner: S,
    /// The other side takes nothing more.
    deaf: bool,
    read_octets: usize,
}

fn no_longer_listens(error: &io::Error) -> bool {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    matches!(error.kind(), BrokenPipe | ConnectionAborted | ConnectionReset)
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Listening<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.deaf {
            return Poll::Ready(Ok(octets.len()));
        }
        match Pin::new(&mut self.inner).poll_write(context, octets) {
            Poll::Ready(Err(error)) if no_longer_listens(&error) => {
                self.deaf = true;
                Poll::Ready(Ok(octets.len()))
            }
            other => other,
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.deaf {
            true => Poll::Ready(Ok(())),
            false => Pin::new(&mut self.inner).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Listening<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.read_octets > ANSWER_OCTETS {
            let what = "the answer does not end";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, what)));
        }
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        self.read_octets += buffer.filled().len() - before;
        match polled {
            // What was said before the reset is the answer.
            Poll::Ready(Err(error)) if no_longer_listens(&error) && self.read_octets > 0 => {
                Poll::Ready(Ok(()))
            }
            other => other,
        }
    }
}
