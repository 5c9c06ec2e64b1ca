//! Messages from the client, decoded from bytes. Nothing here trusts a length: a malformed message
//! is an error of class 08P01, never a panic, and no message reads past its own end.

use base::{Error, Result, SqlState};
use bytes::{Buf, Bytes};

/// A message after startup.
#[derive(Debug, PartialEq)]
pub enum Message {
    /// A text of any number of statements.
    Query(String),
    /// Makes a prepared statement.
    Parse {
        /// Its name; empty for the unnamed one.
        name: String,
        /// One statement.
        sql: String,
        /// Oids of the first parameters' types; 0 leaves one open.
        types: Vec<u32>,
    },
    /// Gives a prepared statement its parameters.
    Bind {
        /// The portal to make.
        portal: String,
        /// The prepared statement.
        statement: String,
        /// 0 text, 1 binary: none, one for all, or one each.
        formats: Vec<i16>,
        /// The parameters; `None` is NULL.
        values: Vec<Option<Bytes>>,
        /// The same for the columns of the answer.
        result_formats: Vec<i16>,
    },
    /// `b'S'` for a statement, `b'P'` for a portal.
    Describe {
        /// Which of the two.
        kind: u8,
        /// Its name.
        name: String,
    },
    /// Forgets one; `kind` as for `Describe`.
    Close {
        /// Which of the two.
        kind: u8,
        /// Its name.
        name: String,
    },
    /// Runs a portal.
    Execute {
        /// Its name.
        portal: String,
        /// At most so many rows; 0 for all.
        max_rows: usize,
    },
    /// Send what is ready.
    Flush,
    /// The end of a batch of messages.
    Sync,
    /// A piece of a COPY's data.
    CopyData(Bytes),
    /// Its end.
    CopyDone,
    /// The client gives a COPY up, and why.
    CopyFail(String),
    /// Any answer to an authentication request.
    Password(Bytes),
    /// The connection ends.
    Terminate,
}

/// The error of a client that speaks wrongly.
pub fn violation(what: impl Into<String>) -> Error {
    Error::new(SqlState::PROTOCOL_VIOLATION, what)
}

/// Largest body of a message of this type; `None` for a type that does not exist. As in
/// PostgreSQL, only messages that carry data may be large.
pub fn body_bytes_max(kind: u8) -> Option<usize> {
    const LARGE: usize = 0x3fff_ffff;
    const SMALL: usize = 10_000;
    Some(match kind {
        b'Q' | b'P' | b'B' | b'd' => LARGE,
        b'f' | b'p' | b'D' | b'C' | b'E' | b'H' | b'S' | b'c' | b'X' => SMALL,
        b'F' => LARGE,
        _ => return None,
    })
}

/// Decodes the body of a message.
///
/// # Errors
/// 08P01 for anything that is not such a message, 0A000 for function calls.
pub fn decode(kind: u8, body: Bytes) -> Result<Message> {
    let mut body = Body(body);
    let message = match kind {
        b'Q' => Message::Query(body.text()?),
        b'P' => Message::Parse { name: body.text()?, sql: body.text()?, types: body.types()? },
        b'B' => bind(&mut body)?,
        b'D' => Message::Describe { kind: body.kind()?, name: body.text()? },
        b'C' => Message::Close { kind: body.kind()?, name: body.text()? },
        b'E' => Message::Execute {
            portal: body.text()?,
            max_rows: usize::try_from(body.i32()?).unwrap_or(0),
        },
        b'H' => Message::Flush,
        b'S' => Message::Sync,
        b'd' => return Ok(Message::CopyData(body.0)),
        b'c' => Message::CopyDone,
        b'f' => Message::CopyFail(body.text()?),
        b'p' => return Ok(Message::Password(body.0)),
        b'X' => Message::Terminate,
        b'F' => return Err(Error::unsupported("the function call protocol")),
        _ => return Err(violation(format!("invalid frontend message type {kind}"))),
    };
    if !body.0.is_empty() {
        return Err(violation("invalid message format: extra bytes at its end"));
    }
    Ok(message)
}

fn bind(body: &mut Body) -> Result<Message> {
    let (portal, statement) = (body.text()?, body.text()?);
    let formats = body.formats()?;
    let count = body.count(4)?;
    let mut values = Vec::with_capacity(count);
    for _ in 0..count {
        values.push(match body.i32()? {
            -1 => None,
            len => Some(body.bytes(len)?),
        });
    }
    let result_formats = body.formats()?;
    Ok(Message::Bind { portal, statement, formats, values, result_formats })
}

/// A cursor over a message body.
struct Body(Bytes);

impl Body {
    fn need(&self, bytes: usize) -> Result<()> {
        if self.0.len() < bytes {
            return Err(violation("insufficient data left in message"));
        }
        Ok(())
    }

    fn i16(&mut self) -> Result<i16> {
        self.need(2)?;
        Ok(self.0.get_i16())
    }

    fn i32(&mut self) -> Result<i32> {
        self.need(4)?;
        Ok(self.0.get_i32())
    }

    fn kind(&mut self) -> Result<u8> {
        self.need(1)?;
        match self.0.get_u8() {
            kind @ (b'S' | b'P') => Ok(kind),
            other => Err(violation(format!("invalid DESCRIBE or CLOSE subtype {other}"))),
        }
    }

    fn bytes(&mut self, len: i32) -> Result<Bytes> {
        let len = usize::try_from(len).map_err(|_| violation("negative length in message"))?;
        self.need(len)?;
        Ok(self.0.split_to(len))
    }

    /// How many elements of at least this size follow.
    fn count(&mut self, element: usize) -> Result<usize> {
        let count = usize::from(self.i16()? as u16);
        self.need(count * element)?;
        Ok(count)
    }

    fn formats(&mut self) -> Result<Vec<i16>> {
        let count = self.count(2)?;
        (0..count)
            .map(|_| match self.i16()? {
                code @ (0 | 1) => Ok(code),
                code => Err(violation(format!("unsupported format code: {code}"))),
            })
            .collect()
    }

    fn types(&mut self) -> Result<Vec<u32>> {
        let count = self.count(4)?;
        (0..count).map(|_| Ok(self.i32()? as u32)).collect()
    }

    fn text(&mut self) -> Result<String> {
        let end = self
            .0
            .iter()
            .position(|b| *b == 0)
            .ok_or_else(|| violation("invalid string in message"))?;
        let raw = self.0.split_to(end);
        self.0.advance(1);
        String::from_utf8(raw.to_vec()).map_err(|_| {
            Error::new(
                SqlState::CHARACTER_NOT_IN_REPERTOIRE,
                "invalid byte sequence for encoding \"UTF8\"",
            )
        })
    }
}

/// The first packet of a connection.
#[derive(Debug, PartialEq)]
pub enum Opening {
    /// May we have TLS?
    Ssl,
    /// May we have GSS encryption?
    Gss,
    /// Cancel what a session does.
    Cancel {
        /// Which session.
        session: i32,
        /// What it was told at its start.
        secret: i32,
    },
    /// Begin a session.
    Startup {
        /// Version 3.`minor` of the protocol.
        minor: u16,
        /// Names and values.
        parameters: Vec<(String, String)>,
    },
}

/// Decodes the first packet, without its length.
///
/// # Errors
/// 08P01 for nonsense, 0A000 for another major version of the protocol.
pub fn decode_opening(body: Bytes) -> Result<Opening> {
    let mut body = Body(body);
    let code = body.i32()?;
    match code {
        80_877_103 => Ok(Opening::Ssl),
        80_877_104 => Ok(Opening::Gss),
        80_877_102 => Ok(Opening::Cancel { session: body.i32()?, secret: body.i32()? }),
        _ if code >> 16 == 3 => {
            let mut parameters = Vec::new();
            loop {
                let name = body.text()?;
                if name.is_empty() {
                    break;
                }
                parameters.push((name, body.text()?));
            }
            Ok(Opening::Startup { minor: (code & 0xffff) as u16, parameters })
        }
        _ => Err(Error::new(
            SqlState::FEATURE_NOT_SUPPORTED,
            format!(
                "unsupported frontend protocol {}.{}: server supports 3.0",
                code >> 16,
                code & 0xffff
            ),
        )),
    }
}

#[cfg(test)]
mod tests;
