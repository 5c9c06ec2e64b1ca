//! From the first byte of a connection to its session.

use crate::auth;
use crate::connection::Connection;
use crate::message::{Opening, violation};
use crate::reader::Reader;
use crate::writer::Writer;
use base::{Error, Result, SqlState};
use session::{Front, Place, Session, Visitor};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite, ReadHalf, WriteHalf};
use tokio_rustls::TlsAcceptor;
use tracing::{debug, info};

/// Serves one connection until it ends. The socket's first bytes may have been peeked, not read.
pub async fn serve_connection<S>(
    front: Arc<Front>,
    socket: S,
    tls: Option<Arc<rustls::ServerConfig>>,
    peer: SocketAddr,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let env = front.engine().env.clone();
    let timeout = front.settings().login_timeout;
    let mut plain = Line::new(socket);
    let asked = tokio::select! {
        biased;
        asked = plain.opening(tls.is_some()) => asked,
        () = env.sleep(timeout) => Err(too_slow()),
    };
    match (asked, tls) {
        (Ok(Some(Asked::Tls)), Some(tls)) => {
            let socket = plain.into_socket();
            let accepted = tokio::select! {
                biased;
                accepted = TlsAcceptor::from(tls).accept(socket) => accepted,
                () = env.sleep(timeout) => return,
            };
            match accepted {
                Ok(socket) => {
                    let mut line = Line::new(socket);
                    let asked = tokio::select! {
                        biased;
                        asked = line.opening(false) => asked,
                        () = env.sleep(timeout) => Err(too_slow()),
                    };
                    line.go_on(&front, asked, peer).await;
                }
                Err(error) => debug!(%peer, %error, "TLS handshake failed"),
            }
        }
        (asked, _) => plain.go_on(&front, asked, peer).await,
    }
}

fn too_slow() -> Error {
    Error::new(SqlState::CONNECTION_FAILURE, "canceling authentication due to timeout")
}

/// What a client wants.
enum Asked {
    Tls,
    Cancel { session: i32, secret: i32 },
    Session { minor: u16, parameters: Vec<(String, String)> },
}

/// A connection before it has a session.
struct Line<S> {
    reader: Reader<ReadHalf<S>>,
    writer: Writer<WriteHalf<S>>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Line<S> {
    fn new(socket: S) -> Line<S> {
        let (reader, writer) = tokio::io::split(socket);
        Line { reader: Reader::new(reader), writer: Writer::new(writer) }
    }

    fn into_socket(self) -> S {
        self.reader.into_inner().unsplit(self.writer.into_inner())
    }

    /// Answers requests for encryption until the client says what it wants; `None` if it has gone.
    async fn opening(&mut self, tls: bool) -> Result<Option<Asked>> {
        loop {
            match self.reader.opening().await? {
                None => return Ok(None),
                Some(Opening::Ssl) if tls => {
                    // Bytes sent in clear before the handshake must not count as encrypted.
                    if self.reader.has_unread() {
                        return Err(violation("received unencrypted data after SSL request"));
                    }
                    self.writer.byte(b'S');
                    self.writer.send().await?;
                    return Ok(Some(Asked::Tls));
                }
                Some(Opening::Ssl | Opening::Gss) => {
                    self.writer.byte(b'N');
                    self.writer.send().await?;
                }
                Some(Opening::Cancel { session, secret }) => {
                    return Ok(Some(Asked::Cancel { session, secret }));
                }
                Some(Opening::Startup { minor, parameters }) => {
                    return Ok(Some(Asked::Session { minor, parameters }));
                }
            }
        }
    }

    /// Does what was asked for.
    async fn go_on(mut self, front: &Arc<Front>, asked: Result<Option<Asked>>, peer: SocketAddr) {
        let login = match asked {
            Ok(Some(Asked::Session { minor, parameters })) => {
                self.log_in(front, minor, parameters, peer).await
            }
            Ok(Some(Asked::Cancel { session, secret })) => {
                front.cancel(session, secret);
                return;
            }
            Ok(_) => return,
            Err(error) => Err(error),
        };
        match login {
            Ok(session) => {
                debug!(%peer, session = session.id(), user = session.user(), "session opened");
                let id = session.id();
                Connection::new(self.reader, self.writer, session).run().await;
                debug!(%peer, session = id, "session closed");
            }
            Err(error) => {
                info!(%peer, %error, "login refused");
                self.writer.error(&error, true);
                self.writer.close().await;
            }
        }
    }

    async fn log_in(
        &mut self,
        front: &Arc<Front>,
        minor: u16,
        parameters: Vec<(String, String)>,
        peer: SocketAddr,
    ) -> Result<Session> {
        let unknown: Vec<&str> = parameters
            .iter()
            .filter_map(|(name, _)| name.starts_with("_pq_.").then_some(name.as_str()))
            .collect();
        if minor > 0 || !unknown.is_empty() {
            self.writer.negotiate(&unknown);
        }
        let visitor = Visitor { address: Some(peer.ip()), ..visitor(&parameters)? };
        let place = front.admit()?;
        let timeout = front.engine().env.sleep(front.settings().login_timeout);
        tokio::select! {
            biased;
            done = auth::check_password(front, &visitor.user, &mut self.reader, &mut self.writer)
                => done?,
            () = timeout => return Err(too_slow()),
        }
        self.welcome(front, place, visitor).await
    }

    async fn welcome(
        &mut self,
        front: &Arc<Front>,
        place: Place,
        visitor: Visitor,
    ) -> Result<Session> {
        let mut session = front.open(place, visitor).await?;
        self.writer.authentication(0, b"");
        for (name, value) in session.take_reports() {
            self.writer.parameter_status(name, &value);
        }
        self.writer.backend_key(session.id(), session.secret());
        Ok(session)
    }
}

/// Who wants in, and with which settings.
fn visitor(parameters: &[(String, String)]) -> Result<Visitor> {
    let mut visitor = Visitor::default();
    let mut settings = BTreeMap::new();
    for (name, value) in parameters {
        match name.as_str() {
            "user" => visitor.user = value.clone(),
            "database" => visitor.database = value.clone(),
            "options" => options(value, &mut settings)?,
            "replication" if ["false", "off", "no", "0"].contains(&value.as_str()) => {}
            "replication" => {
                return Err(Error::unsupported("PostgreSQL's replication protocol")
                    .hint("use REPLICATE DATABASE on the target"));
            }
            protocol if protocol.starts_with("_pq_.") => {}
            _ => {
                settings.insert(name.clone(), value.clone());
            }
        }
    }
    if visitor.user.is_empty() {
        return Err(Error::new(
            SqlState::INVALID_AUTHORIZATION,
            "no PostgreSQL user name specified in startup packet",
        ));
    }
    if visitor.database.is_empty() {
        visitor.database.clone_from(&visitor.user);
    }
    visitor.settings = settings;
    Ok(visitor)
}

/// `-c name=value` and `--name=value`, with `\` before blanks that belong to a value.
fn options(text: &str, settings: &mut BTreeMap<String, String>) -> Result<()> {
    let mut words = vec![String::new()];
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let last = words.len() - 1;
        match c {
            '\\' => words[last].extend(chars.next()),
            c if c.is_ascii_whitespace() => words.push(String::new()),
            c => words[last].push(c),
        }
    }
    let mut words = words.into_iter().filter(|w| !w.is_empty());
    while let Some(word) = words.next() {
        let pair = if word == "-c" {
            words.next()
        } else {
            word.strip_prefix("--").or_else(|| word.strip_prefix("-c")).map(str::to_string)
        };
        match pair.as_deref().and_then(|p| p.split_once('=')) {
            Some((name, value)) => settings.insert(name.replace('-', "_"), value.to_string()),
            None => {
                return Err(Error::new(
                    SqlState::SYNTAX_ERROR,
                    format!("invalid command-line argument for server process: {word}"),
                ));
            }
        };
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect()
    }

    #[test]
    fn startup_parameters_become_a_visitor() {
        let v = visitor(&pairs(&[
            ("user", "me"),
            ("application_name", "psql"),
            ("options", "-c statement_timeout=5s --work-mem=1MB -cTimeZone=UTC -c a.b=x\\ y"),
            ("_pq_.new", "1"),
        ]))
        .expect("fine");
        assert_eq!((v.user.as_str(), v.database.as_str()), ("me", "me"));
        let settings: Vec<_> = v.settings.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(
            settings,
            [
                "TimeZone=UTC",
                "a.b=x y",
                "application_name=psql",
                "statement_timeout=5s",
                "work_mem=1MB"
            ]
        );
        assert!(visitor(&pairs(&[("database", "d")])).is_err());
        assert!(visitor(&pairs(&[("user", "u"), ("replication", "true")])).is_err());
        assert!(visitor(&pairs(&[("user", "u"), ("options", "nonsense")])).is_err());
    }
}
