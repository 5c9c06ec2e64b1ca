//! Messages to the client, encoded straight into one buffer that is sent at Sync or when it is
//! large. (Sending after every message costs three system calls per query and halves throughput.)

use base::{Error, Result, SqlState};
use bytes::{BufMut, BytesMut};
use session::{Notice, Severity, Status};
use tokio::io::{AsyncWrite, AsyncWriteExt};

/// Rows are sent when this much waits.
pub(crate) const SEND_BYTES: usize = 64 << 10;

/// A column of a row description.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field<'a> {
    pub(crate) name: &'a str,
    pub(crate) table: u32,
    pub(crate) attribute: i16,
    pub(crate) oid: u32,
    pub(crate) len: i16,
    pub(crate) modifier: i32,
    pub(crate) format: i16,
}

/// The writing half of a connection.
pub(crate) struct Writer<W> {
    socket: W,
    pub(crate) buf: BytesMut,
}

impl<W: AsyncWrite + Unpin> Writer<W> {
    pub(crate) fn new(socket: W) -> Writer<W> {
        Writer { socket, buf: BytesMut::with_capacity(8 << 10) }
    }

    /// Gives the socket back; what was not sent is lost.
    pub(crate) fn into_inner(self) -> W {
        self.socket
    }

    /// Sends all that waits. Losing the future loses nothing that was not sent.
    pub(crate) async fn send(&mut self) -> Result<()> {
        let lost =
            |e| Error::new(SqlState::CONNECTION_FAILURE, format!("connection to client lost: {e}"));
        while !self.buf.is_empty() {
            if self.socket.write_buf(&mut self.buf).await.map_err(lost)? == 0 {
                return Err(lost(std::io::ErrorKind::WriteZero.into()));
            }
        }
        self.socket.flush().await.map_err(lost)
    }

    /// Sends and closes.
    pub(crate) async fn close(&mut self) {
        if self.send().await.is_ok() {
            let _ = self.socket.shutdown().await;
        }
    }
}

impl<W> Writer<W> {
    /// A message whose body `body` writes.
    fn put(&mut self, kind: u8, body: impl FnOnce(&mut BytesMut)) {
        self.buf.put_u8(kind);
        let at = self.buf.len();
        self.buf.put_i32(0);
        body(&mut self.buf);
        let len = (self.buf.len() - at) as i32;
        self.buf[at..at + 4].copy_from_slice(&len.to_be_bytes());
    }

    pub(crate) fn byte(&mut self, byte: u8) {
        self.buf.put_u8(byte);
    }

    pub(crate) fn authentication(&mut self, code: i32, data: &[u8]) {
        self.put(b'R', |b| {
            b.put_i32(code);
            b.put_slice(data);
        });
    }

    pub(crate) fn parameter_status(&mut self, name: &str, value: &str) {
        self.put(b'S', |b| {
            text(b, name);
            text(b, value);
        });
    }

    pub(crate) fn backend_key(&mut self, session: i32, secret: i32) {
        self.put(b'K', |b| {
            b.put_i32(session);
            b.put_i32(secret);
        });
    }

    /// "I speak 3.0 and know none of these options."
    pub(crate) fn negotiate(&mut self, unknown: &[&str]) {
        self.put(b'v', |b| {
            b.put_i32(0);
            b.put_i32(unknown.len() as i32);
            for name in unknown {
                text(b, name);
            }
        });
    }

    pub(crate) fn ready(&mut self, status: Status) {
        let byte = match status {
            Status::Idle => b'I',
            Status::InTransaction => b'T',
            Status::Failed => b'E',
        };
        self.put(b'Z', |b| b.put_u8(byte));
    }

    pub(crate) fn command_complete(&mut self, tag: &str) {
        self.put(b'C', |b| text(b, tag));
    }

    /// Messages without a body: `1` parse, `2` bind, `3` close complete, `I` empty query,
    /// `n` no data, `s` portal suspended, `c` copy done.
    pub(crate) fn plain(&mut self, kind: u8) {
        self.put(kind, |_| {});
    }

    pub(crate) fn parameter_description(&mut self, types: impl ExactSizeIterator<Item = u32>) {
        self.put(b't', |b| {
            b.put_u16(types.len() as u16);
            for oid in types {
                b.put_u32(oid);
            }
        });
    }

    pub(crate) fn row_description<'a>(&mut self, fields: impl ExactSizeIterator<Item = Field<'a>>) {
        self.put(b'T', |b| {
            b.put_u16(fields.len() as u16);
            for f in fields {
                text(b, f.name);
                b.put_u32(f.table);
                b.put_i16(f.attribute);
                b.put_u32(f.oid);
                b.put_i16(f.len);
                b.put_i32(f.modifier);
                b.put_i16(f.format);
            }
        });
    }

    /// `G` for COPY FROM, `H` for COPY TO; all columns in text.
    pub(crate) fn copy_response(&mut self, kind: u8, columns: usize) {
        self.put(kind, |b| {
            b.put_u8(0);
            b.put_u16(columns as u16);
            b.put_bytes(0, columns * 2);
        });
    }

    pub(crate) fn copy_data(&mut self, data: &[u8]) {
        self.put(b'd', |b| b.put_slice(data));
    }

    pub(crate) fn error(&mut self, error: &Error, fatal: bool) {
        let severity = if fatal { "FATAL" } else { "ERROR" };
        self.report(b'E', severity, error);
    }

    pub(crate) fn notice(&mut self, notice: &Notice) {
        let severity = match notice.severity {
            Severity::Warning => "WARNING",
            Severity::Notice => "NOTICE",
            Severity::Info => "INFO",
        };
        self.report(b'N', severity, &notice.error);
    }

    fn report(&mut self, kind: u8, severity: &str, error: &Error) {
        self.put(kind, |b| {
            let mut field = |code: u8, value: &str| {
                b.put_u8(code);
                text(b, value);
            };
            field(b'S', severity);
            field(b'V', severity);
            field(b'C', error.state.0);
            field(b'M', &error.message);
            if let Some(detail) = &error.detail {
                field(b'D', detail);
            }
            if let Some(hint) = &error.hint {
                field(b'H', hint);
            }
            if let Some(position) = error.position {
                field(b'P', &position.to_string());
            }
            b.put_u8(0);
        });
    }
}

/// A string ends at its first NUL, so none may be inside.
fn text(buf: &mut BytesMut, value: &str) {
    let end = value.find('\0').unwrap_or(value.len());
    buf.put_slice(&value.as_bytes()[..end]);
    buf.put_u8(0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_have_postgresql_bytes() {
        let mut w = Writer::new(Vec::new());
        w.ready(Status::InTransaction);
        w.command_complete("SELECT 1");
        w.plain(b'1');
        w.parameter_status("a", "b\0c");
        w.row_description(
            [Field { name: "n", table: 0, attribute: 0, oid: 23, len: 4, modifier: -1, format: 1 }]
                .into_iter(),
        );
        assert_eq!(
            &w.buf[..],
            b"Z\0\0\0\x05TC\0\0\0\x0dSELECT 1\x001\0\0\0\x04S\0\0\0\x08a\0b\0\
              T\0\0\0\x1a\0\x01n\0\0\0\0\0\0\0\0\0\0\x17\0\x04\xff\xff\xff\xff\0\x01"
        );
    }

    #[test]
    fn errors_carry_all_their_fields() {
        let mut w = Writer::new(Vec::new());
        let error = Error::new(SqlState::SYNTAX_ERROR, "m").detail("d").hint("h").at(7);
        w.error(&error, true);
        assert_eq!(&w.buf[..], b"E\0\0\0\x26SFATAL\0VFATAL\0C42601\0Mm\0Dd\0Hh\0P7\0\0");
    }
}
