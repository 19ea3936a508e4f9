//! A connection, in clear or encrypted, and what was read of it too early.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::mail::TlsFacts;

/// A stream whose first octets were read already, while a PROXY header was looked for.
#[derive(Debug)]
pub(super) struct Rewound<S> {
    early: Vec<u8>,
    stream: S,
}

impl<S: AsyncRead + Unpin> AsyncRead for Rewound<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.early.is_empty() {
            return Pin::new(&mut self.stream).poll_read(context, buffer);
        }
        let octets = self.early.len().min(buffer.remaining());
        buffer.put_slice(self.early.get(..octets).unwrap_or_default());
        self.early.drain(..octets);
        if self.early.is_empty() {
            self.early = Vec::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Rewound<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// A connection.
#[derive(Debug)]
pub(super) enum Wire<S> {
    Clear(Rewound<S>),
    Encrypted(Box<TlsStream<Rewound<S>>>),
    /// A handshake failed.
    Gone,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(super) fn new(stream: S) -> Wire<S> {
        Wire::Clear(Rewound { early: Vec::new(), stream })
    }

    /// Puts octets back, to be read first.
    pub(super) fn put_back(&mut self, octets: Vec<u8>) {
        if let Wire::Clear(clear) = self {
            clear.early.splice(..0, octets);
        }
    }

    /// Accepts a handshake.
    pub(super) async fn encrypt(&mut self, acceptor: &TlsAcceptor) -> io::Result<TlsFacts> {
        let Wire::Clear(clear) = std::mem::replace(self, Wire::Gone) else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        let stream = acceptor.accept(clear).await?;
        let (_, connection) = stream.get_ref();
        let version = connection.protocol_version().map_or("unknown", |version| match version {
            rustls::ProtocolVersion::TLSv1_2 => "TLSv1.2",
            rustls::ProtocolVersion::TLSv1_3 => "TLSv1.3",
            _ => "unknown",
        });
        let cipher = connection.negotiated_cipher_suite();
        let cipher = cipher.map_or_else(String::new, |suite| format!("{:?}", suite.suite()));
        let facts = TlsFacts { version: version.to_owned(), cipher };
        *self = Wire::Encrypted(Box::new(stream));
        Ok(facts)
    }

    /// Appends to `inbox` what there is to read, at most `OCTETS`; 0 at the end. While there
    /// is nothing to read nothing is held: the buffer lives on the stack of one poll.
    pub(super) async fn read_some<const OCTETS: usize>(
        &mut self,
        inbox: &mut Vec<u8>,
    ) -> io::Result<usize> {
        poll_fn(|context| {
            let mut space = [const { MaybeUninit::<u8>::uninit() }; OCTETS];
            let mut buffer = ReadBuf::uninit(&mut space);
            ready!(Pin::new(&mut *self).poll_read(context, &mut buffer))?;
            inbox.extend_from_slice(buffer.filled());
            Poll::Ready(Ok(buffer.filled().len()))
        })
        .await
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Clear(stream) => Pin::new(stream).poll_read(context, buffer),
            Wire::Encrypted(stream) => Pin::new(stream).poll_read(context, buffer),
            Wire::Gone => Poll::Ready(Ok(())),
        }
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        octets: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Wire::Clear(stream) => Pin::new(stream).poll_write(context, octets),
            Wire::Encrypted(stream) => Pin::new(stream).poll_write(context, octets),
            Wire::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Clear(stream) => Pin::new(stream).poll_flush(context),
            Wire::Encrypted(stream) => Pin::new(stream).poll_flush(context),
            Wire::Gone => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Wire::Clear(stream) => Pin::new(stream).poll_shutdown(context),
            Wire::Encrypted(stream) => Pin::new(stream).poll_shutdown(context),
            Wire::Gone => Poll::Ready(Ok(())),
        }
    }
}
