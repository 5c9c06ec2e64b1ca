//! A connection with a session: one message after the other.

use crate::extended::Formats;
use crate::message::{Message, violation};
use crate::reader::Reader;
use crate::writer::{SEND_BYTES, Writer};
use base::{Error, Result, SqlState};
use session::{Session, Status, ends_session};
use std::collections::BTreeMap;
use std::future::Future;
use tokio::io::{AsyncRead, AsyncWrite};

/// See the module's head.
pub(crate) struct Connection<R, W> {
    pub(crate) reader: Reader<R>,
    pub(crate) writer: Writer<W>,
    pub(crate) session: Session,
    /// Result formats of portals.
    pub(crate) formats: BTreeMap<String, Formats>,
    /// Parameter types as the client gave them, by statement.
    pub(crate) declared: BTreeMap<String, Vec<u32>>,
    /// An error in the extended protocol: everything until Sync is thrown away.
    skipping: bool,
}

/// Why a connection ends.
pub(crate) enum End {
    /// The client has gone, or said so.
    Gone,
    /// This has to be told to it first.
    Fatal(Error),
}

/// What a step of a connection leads to.
pub(crate) type Step<T = ()> = std::result::Result<T, End>;

/// Waits for work of the session; a client that goes away ends it.
pub(crate) async fn watched<R: AsyncRead + Unpin, T>(
    reader: &mut Reader<R>,
    work: impl Future<Output = T>,
) -> Step<T> {
    tokio::select! {
        biased;
        done = work => Ok(done),
        () = reader.closed() => Err(End::Gone),
    }
}

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Connection<R, W> {
    pub(crate) fn new(reader: Reader<R>, writer: Writer<W>, session: Session) -> Connection<R, W> {
        Connection {
            reader,
            writer,
            session,
            formats: BTreeMap::new(),
            declared: BTreeMap::new(),
            skipping: false,
        }
    }

    /// Serves until the end.
    pub(crate) async fn run(mut self) {
        match self.serve().await {
            Ok(()) | Err(End::Gone) => {}
            Err(End::Fatal(error)) => {
                self.writer.error(&error, true);
                self.writer.close().await;
            }
        }
    }

    async fn serve(&mut self) -> Step {
        self.ready().await?;
        loop {
            let Some(message) = self.next().await? else { return Ok(()) };
            if self.skipping && !matches!(message, Message::Sync | Message::Terminate) {
                continue;
            }
            match message {
                Message::Query(sql) => self.simple_query(sql).await?,
                Message::Sync => {
                    self.skipping = false;
                    self.sync().await?;
                }
                Message::Flush => self.send().await?,
                Message::Terminate => return Ok(()),
                // What is left of a COPY that has failed already.
                Message::CopyData(_) | Message::CopyDone | Message::CopyFail(_) => {}
                Message::Password(_) => {
                    return Err(End::Fatal(violation("unexpected password message")));
                }
                message => {
                    if let Err(error) = self.extended(message).await? {
                        self.report(&error)?;
                        self.skipping = true;
                    }
                }
            }
        }
    }

    /// The next message, unless the session has to end first.
    async fn next(&mut self) -> Step<Option<Message>> {
        let message = tokio::select! {
            biased;
            message = self.reader.message() => message,
            error = self.session.must_end() => return Err(End::Fatal(error)),
        };
        message.map_err(|error| match error.state {
            SqlState::CONNECTION_FAILURE => End::Gone,
            _ => End::Fatal(error),
        })
    }

    /// A message while COPY data is expected.
    pub(crate) async fn next_in_copy(&mut self) -> Step<Option<Message>> {
        self.next().await
    }

    /// Tells the client of an error the session has dealt with.
    pub(crate) fn report(&mut self, error: &Error) -> Step {
        if ends_session(error) {
            return Err(End::Fatal(error.clone()));
        }
        self.notices();
        self.writer.error(error, false);
        Ok(())
    }

    pub(crate) fn notices(&mut self) {
        for notice in self.session.take_notices() {
            self.writer.notice(&notice);
        }
    }

    /// `ReadyForQuery`, and all that waits is sent.
    pub(crate) async fn ready(&mut self) -> Step {
        self.notices();
        for (name, value) in self.session.take_reports() {
            self.writer.parameter_status(name, &value);
        }
        self.writer.ready(self.session.status());
        self.send().await
    }

    pub(crate) async fn send(&mut self) -> Step {
        // A client that does not read must not keep a server from stopping.
        tokio::select! {
            biased;
            sent = self.writer.send() => sent.map_err(|_| End::Gone),
            _ = self.session.must_stop() => Err(End::Gone),
        }
    }

    /// Sends if much waits.
    pub(crate) async fn send_if_large(&mut self) -> Step {
        if self.writer.buf.len() < SEND_BYTES {
            return Ok(());
        }
        self.send().await
    }

    /// Sync: the implicit transaction ends.
    async fn sync(&mut self) -> Step {
        if let Err(error) = watched(&mut self.reader, self.session.end_implicit()).await? {
            self.report(&error)?;
        }
        if self.session.status() == Status::Idle {
            // Portals do not outlive their transaction.
            self.formats.clear();
        }
        self.ready().await
    }
}

/// Leaves a result to the caller and turns the end of the connection into the outer error.
pub(crate) type Answer<T = ()> = Step<Result<T>>;
