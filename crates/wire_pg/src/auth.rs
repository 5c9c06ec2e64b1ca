//! SCRAM-SHA-256: the exchange around [`meta::scram`].

use crate::message::{Message, violation};
use crate::reader::Reader;
use crate::writer::Writer;
use base::{Error, Result, SqlState};
use bytes::{Buf, Bytes};
use meta::scram::Server;
use session::Front;
use tokio::io::{AsyncRead, AsyncWrite};

const MECHANISM: &str = "SCRAM-SHA-256";

const SASL: i32 = 10;
const SASL_CONTINUE: i32 = 11;
const SASL_FINAL: i32 = 12;

/// Lets the client prove that it knows the user's password.
pub(crate) async fn check_password<R, W>(
    front: &Front,
    user: &str,
    reader: &mut Reader<R>,
    writer: &mut Writer<W>,
) -> Result<()>
where
    R: AsyncRead + Unpin,
    W: AsyncWrite + Unpin,
{
    writer.authentication(SASL, format!("{MECHANISM}\0\0").as_bytes());
    writer.send().await?;
    let first = initial_response(password(reader).await?)?;
    // The same steps whether the user exists or not.
    let server = Server::new(&first, front.verifier(user), &front.nonce())?;
    writer.authentication(SASL_CONTINUE, server.first().as_bytes());
    writer.send().await?;
    let last = text(&password(reader).await?)?.to_string();
    let signature = server.finish(&last).map_err(|e| match e.state {
        SqlState::INVALID_PASSWORD => refused(user),
        _ => e,
    })?;
    writer.authentication(SASL_FINAL, signature.as_bytes());
    Ok(())
}

/// The refusal of a wrong password and of an unknown user alike.
fn refused(user: &str) -> Error {
    Error::new(
        SqlState::INVALID_PASSWORD,
        format!("password authentication failed for user \"{user}\""),
    )
}

async fn password<R: AsyncRead + Unpin>(reader: &mut Reader<R>) -> Result<Bytes> {
    match reader.message().await? {
        Some(Message::Password(body)) => Ok(body),
        Some(_) => Err(violation("expected a SASL response")),
        None => Err(Error::new(
            SqlState::CONNECTION_FAILURE,
            "the client went away during authentication",
        )),
    }
}

/// `mechanism \0 length data`
fn initial_response(mut body: Bytes) -> Result<String> {
    let end = body.iter().position(|b| *b == 0).ok_or_else(|| violation("malformed SASL"))?;
    let mechanism = body.split_to(end);
    if mechanism != MECHANISM.as_bytes() {
        return Err(violation("client selected an invalid SASL authentication mechanism"));
    }
    body.advance(1);
    if body.len() < 4 {
        return Err(violation("malformed SASL message"));
    }
    let len = body.get_i32();
    if usize::try_from(len).ok() != Some(body.len()) {
        return Err(violation("malformed SASL message"));
    }
    Ok(text(&body)?.to_string())
}

fn text(bytes: &[u8]) -> Result<&str> {
    std::str::from_utf8(bytes).map_err(|_| violation("malformed SASL message"))
}
