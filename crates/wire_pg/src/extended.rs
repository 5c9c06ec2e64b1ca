//! The extended query protocol.

use crate::binary;
use crate::connection::{Answer, Connection, watched};
use crate::message::{Message, violation};
use crate::rows::{RowFormat, fields, format_of};
use crate::simple::ok;
use crate::types::{self, parameter_type, wire_type};
use base::{Error, Result, SqlType, Value};
use bytes::Bytes;
use session::{Reply, Statement};
use tokio::io::{AsyncRead, AsyncWrite};

/// Result format codes of a portal.
pub(crate) type Formats = Vec<i16>;

impl<R: AsyncRead + Unpin, W: AsyncWrite + Unpin> Connection<R, W> {
    /// One message of the extended protocol, Sync and Flush excepted.
    pub(crate) async fn extended(&mut self, message: Message) -> Answer {
        match message {
            Message::Parse { name, sql, types } => self.parse(name, &sql, types).await,
            Message::Bind { portal, statement, formats, values, result_formats } => {
                self.bind(portal, &statement, &formats, &values, result_formats).await
            }
            Message::Describe { kind: b'S', name } => self.describe_statement(&name).await,
            Message::Describe { name, .. } => self.describe_portal(&name).await,
            Message::Execute { portal, max_rows } => self.execute(&portal, max_rows).await,
            Message::Close { kind, name } => {
                if kind == b'S' {
                    self.session.close_statement(&name);
                    self.declared.remove(&name);
                } else {
                    self.session.close_portal(&name);
                    self.formats.remove(&name);
                }
                self.writer.plain(b'3');
                Ok(Ok(()))
            }
            other => Ok(Err(violation(format!("unexpected message {other:?}")))),
        }
    }

    async fn parse(&mut self, name: String, sql: &str, oids: Vec<u32>) -> Answer {
        let declared = oids.iter().map(|oid| parameter_type(*oid)).collect();
        let parsed = self.session.parse(&name, sql, declared);
        ok!(watched(&mut self.reader, parsed).await?);
        self.declared.insert(name, oids);
        self.writer.plain(b'1');
        Ok(Ok(()))
    }

    async fn bind(
        &mut self,
        portal: String,
        statement: &str,
        formats: &[i16],
        values: &[Option<Bytes>],
        result_formats: Formats,
    ) -> Answer {
        let bound = self.bind_values(statement, formats, values);
        let (prepared, values) = match bound {
            Ok(bound) => bound,
            Err(error) => {
                self.session.fail().await;
                return Ok(Err(error));
            }
        };
        ok!(self.session.bind(&portal, prepared, values).await);
        self.formats.insert(portal, result_formats);
        self.writer.plain(b'2');
        Ok(Ok(()))
    }

    fn bind_values(
        &self,
        statement: &str,
        formats: &[i16],
        values: &[Option<Bytes>],
    ) -> Result<(std::sync::Arc<Statement>, Vec<Value>)> {
        let prepared = self.session.statement(statement)?;
        if formats.len() > 1 && formats.len() != values.len() {
            return Err(violation(format!(
                "bind message has {} parameter formats but {} parameters",
                formats.len(),
                values.len()
            )));
        }
        let declared = self.declared.get(statement).map_or(&[][..], Vec::as_slice);
        let decoded = values
            .iter()
            .zip(prepared.params())
            .enumerate()
            .map(|(i, (bytes, ty))| {
                let oid = declared.get(i).copied().unwrap_or(0);
                let Some(bytes) = bytes else { return Ok(Value::Null) };
                parameter(oid, *ty, format_of(formats, i) == 1, bytes)
                    .map_err(|e| in_parameter(e, i))
            })
            .collect::<Result<Vec<_>>>()?;
        if values.len() != prepared.params().len() {
            return Err(violation(format!(
                "bind message supplies {} parameters, but prepared statement \"{statement}\" \
                 requires {}",
                values.len(),
                prepared.params().len()
            )));
        }
        Ok((prepared, decoded))
    }

    async fn describe_statement(&mut self, name: &str) -> Answer {
        let statement = match self.session.statement(name) {
            Ok(statement) => statement,
            Err(error) => {
                self.session.fail().await;
                return Ok(Err(error));
            }
        };
        let declared = self.declared.get(name).map_or(&[][..], Vec::as_slice);
        let oids = statement.params().iter().enumerate().map(|(i, ty)| {
            let given = declared.get(i).copied().unwrap_or(0);
            if types::is_open(given) { wire_type(*ty).oid } else { given }
        });
        self.writer.parameter_description(oids);
        match statement.columns() {
            Some(columns) => self.writer.row_description(fields(columns, &[])),
            None => self.writer.plain(b'n'),
        }
        Ok(Ok(()))
    }

    async fn describe_portal(&mut self, name: &str) -> Answer {
        match self.session.portal_columns(name) {
            Ok(Some(columns)) => {
                let formats = self.formats.get(name).map_or(&[][..], Vec::as_slice);
                self.writer.row_description(fields(&columns, formats));
            }
            Ok(None) => self.writer.plain(b'n'),
            Err(error) => {
                self.session.fail().await;
                return Ok(Err(error));
            }
        }
        Ok(Ok(()))
    }

    async fn execute(&mut self, portal: &str, max_rows: usize) -> Answer {
        let reply = watched(&mut self.reader, self.session.execute(portal)).await?;
        let tag = match ok!(reply) {
            Reply::Rows(mut cursor) => {
                let formats = self.formats.get(portal).map_or(&[][..], Vec::as_slice);
                let format = RowFormat::new(cursor.columns(), formats);
                let max = if max_rows == 0 { usize::MAX } else { max_rows };
                let more = ok!(self.send_rows(&mut cursor, &format, max).await?);
                let tag = cursor.tag();
                self.session.suspend(portal, cursor);
                if more {
                    self.writer.plain(b's');
                    return Ok(Ok(()));
                }
                tag
            }
            Reply::Command(tag) => tag,
            Reply::CopyIn(copy) => ok!(self.copy_in(copy).await?),
            Reply::CopyOut(copy) => ok!(self.copy_out(copy).await?),
            Reply::Empty => {
                self.writer.plain(b'I');
                return Ok(Ok(()));
            }
        };
        if self.reader.next_is(b'S') {
            // Sync is here already: commit first, so that the tag tells of a commit that happened.
            ok!(watched(&mut self.reader, self.session.end_implicit()).await?);
        }
        self.notices();
        self.writer.command_complete(&tag);
        Ok(Ok(()))
    }
}

fn parameter(oid: u32, ty: SqlType, binary: bool, bytes: &Bytes) -> Result<Value> {
    if binary {
        return binary::read(ty, oid == types::JSON, bytes);
    }
    session::value_from_text(ty, binary::utf8(bytes)?)
}

/// Says which parameter was wrong.
fn in_parameter(mut error: Error, index: usize) -> Error {
    let context = format!("in parameter ${}", index + 1);
    error.detail = Some(match error.detail.take() {
        Some(detail) => format!("{detail}\n{context}"),
        None => context,
    });
    error
}
