//! Reads whole messages from the socket through one buffer.

use crate::message::{self, Message, Opening, violation};
use base::{Error, Result, SqlState};
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

/// How far to read ahead while a statement runs: enough for pipelining clients, and the peer's
/// disconnect is noticed as long as there is room.
const AHEAD_BYTES_MAX: usize = 256 << 10;

/// The largest first packet of a connection.
const OPENING_BYTES_MAX: usize = 10_000;

/// The reading half of a connection.
pub(crate) struct Reader<R> {
    socket: R,
    buf: BytesMut,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(crate) fn new(socket: R) -> Reader<R> {
        Reader { socket, buf: BytesMut::with_capacity(8 << 10) }
    }

    /// True if bytes were received that nobody has read.
    pub(crate) fn has_unread(&self) -> bool {
        !self.buf.is_empty()
    }

    /// Gives the socket back; unread bytes are lost.
    pub(crate) fn into_inner(self) -> R {
        self.socket
    }

    /// True if a message of this type is the next one and has arrived.
    pub(crate) fn next_is(&self, kind: u8) -> bool {
        self.buf.len() >= 5 && self.buf[0] == kind
    }

    /// The first packet of a connection; `None` if the peer closed instead.
    pub(crate) async fn opening(&mut self) -> Result<Option<Opening>> {
        while self.buf.len() < 4 {
            if !self.fill().await? {
                return Ok(None);
            }
        }
        let len = self.length(0)?;
        if !(8..=OPENING_BYTES_MAX).contains(&len) {
            return Err(violation("invalid length of startup packet"));
        }
        while self.buf.len() < len {
            if !self.fill().await? {
                return Ok(None);
            }
        }
        let mut packet = self.buf.split_to(len);
        packet.advance(4);
        message::decode_opening(packet.freeze()).map(Some)
    }

    /// The next message; `None` if the peer closed the connection. Losing the future loses nothing:
    /// what has arrived stays in the buffer.
    pub(crate) async fn message(&mut self) -> Result<Option<Message>> {
        while self.buf.len() < 5 {
            if !self.fill().await? {
                return Ok(None);
            }
        }
        let kind = self.buf[0];
        let len = self.length(1)?;
        let max = message::body_bytes_max(kind)
            .ok_or_else(|| violation(format!("invalid frontend message type {kind}")))?;
        if len < 4 || len - 4 > max {
            return Err(violation(format!("invalid message length {len}")));
        }
        self.buf.reserve((len + 1).saturating_sub(self.buf.len()).min(1 << 20));
        while self.buf.len() < len + 1 {
            if !self.fill().await? {
                return Ok(None);
            }
        }
        message::decode(kind, self.body(len)).map(Some)
    }

    fn body(&mut self, len: usize) -> Bytes {
        let mut packet = self.buf.split_to(len + 1);
        packet.advance(5);
        packet.freeze()
    }

    /// Ends when the peer is gone, reading ahead meanwhile.
    pub(crate) async fn closed(&mut self) {
        loop {
            if self.buf.len() >= AHEAD_BYTES_MAX {
                std::future::pending::<()>().await;
            }
            match self.fill().await {
                Ok(true) => {}
                Ok(false) | Err(_) => return,
            }
        }
    }

    async fn fill(&mut self) -> Result<bool> {
        self.buf.reserve(4 << 10);
        let got = self.socket.read_buf(&mut self.buf).await.map_err(|e| {
            Error::new(SqlState::CONNECTION_FAILURE, format!("connection to client lost: {e}"))
        })?;
        Ok(got > 0)
    }

    fn length(&self, at: usize) -> Result<usize> {
        let bytes = self.buf[at..at + 4].try_into().unwrap_or_default();
        usize::try_from(i32::from_be_bytes(bytes)).map_err(|_| violation("negative message length"))
    }
}
