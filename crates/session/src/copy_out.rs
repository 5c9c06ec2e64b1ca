//! `COPY … TO STDOUT`: a query's rows as text or csv.

use crate::copy::{CopyFormat, Writer};
use crate::reply::{Cursor, Reply};
use crate::session::Session;
use base::{Error, Result};
use bytes::Bytes;
use sql::statement::{Copy, CopySource, Stmt};

/// Rows formatted at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// A COPY with data to fetch with [`Session::copy_next`].
pub struct CopyOut {
    cursor: Cursor,
    writer: Writer,
}

/// Some lines of COPY data.
#[derive(Clone, Debug, PartialEq)]
pub struct CopyChunk {
    /// The lines, one after the other.
    pub data: Bytes,
    /// Where each line ends.
    pub ends: Vec<usize>,
}

impl CopyOut {
    /// How many columns the data has.
    pub fn columns(&self) -> usize {
        self.cursor.columns().len()
    }

    /// The command tag, once all is fetched.
    pub fn tag(&self) -> String {
        format!("COPY {}", self.writer.rows())
    }
}

impl Session {
    pub(crate) async fn copy_out(&mut self, copy: &Copy) -> Result<Reply> {
        let format = CopyFormat::new(&copy.options)?;
        let query = match &copy.source {
            CopySource::Query(query) => query.to_string(),
            CopySource::Table { name, columns } if columns.is_empty() => {
                format!("SELECT * FROM {name}")
            }
            CopySource::Table { name, columns } => {
                let columns: Vec<String> = columns.iter().map(ToString::to_string).collect();
                format!("SELECT {} FROM {name}", columns.join(", "))
            }
        };
        let parsed = sql::statement::parse(&query)?.pop();
        let mut stmt: Stmt = parsed.ok_or_else(|| Error::internal("COPY of nothing"))?.stmt;
        if let Some(time) = copy.as_of {
            stmt = Stmt::AsOf { stmt: Box::new(stmt), time };
        }
        let prepared = self.prepare_stmt(&stmt, &[]).await?;
        let Reply::Rows(cursor) = self.run_plan(&prepared, &[]).await? else {
            return Err(Error::internal("COPY of a statement without rows"));
        };
        let names = cursor.columns().iter().map(|c| c.name.clone()).collect();
        let writer = Writer::new(format, names);
        Ok(Reply::CopyOut(Box::new(CopyOut { cursor, writer })))
    }

    /// More COPY data; `None` after the last.
    pub async fn copy_next(&mut self, copy: &mut CopyOut) -> Result<Option<CopyChunk>> {
        while copy.writer.pending() < CHUNK_BYTES {
            match self.fetch(&mut copy.cursor, 1_024).await? {
                None => break,
                Some(batch) => {
                    for row in 0..batch.num_rows() {
                        if let Err(error) = copy.writer.write(&batch, row) {
                            self.fail().await;
                            return Err(error);
                        }
                    }
                }
            }
        }
        Ok(copy.writer.take())
    }
}
