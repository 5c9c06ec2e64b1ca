//! `COPY … FROM STDIN`: bytes in, rows into the transaction, one batch at a time.

use crate::copy::{CopyFormat, Lines, Place};
use crate::reply::Reply;
use crate::session::Session;
use base::{Column, Error, Result, SqlState, SqlType, Value};
use sql::statement::{Copy, CopySource};
use sql::{CopyTarget, Refusal};

/// Rows written at a time: enough that locks and duplicates are checked in bulk, few enough that a
/// batch of wide rows stays small.
const BATCH_ROWS: usize = 4_096;

/// How many bytes of text a batch may hold.
const BATCH_BYTES: usize = 1 << 20;

/// A COPY that waits for data. Drive it with [`Session::copy_push`], [`Session::copy_finish`] and
/// [`Session::copy_abort`].
pub struct CopyIn {
    table: String,
    target: CopyTarget,
    names: Vec<String>,
    types: Vec<SqlType>,
    lines: Lines,
    rows: Vec<Vec<Value>>,
    /// Where these stood.
    places: Vec<Place>,
    bytes: usize,
    count: u64,
}

impl CopyIn {
    /// How many columns the data has.
    pub fn columns(&self) -> usize {
        self.names.len()
    }

    /// Reads records until there are no more or a batch is full; true in the latter case.
    fn read(&mut self) -> Result<bool> {
        loop {
            if self.rows.len() >= BATCH_ROWS || self.bytes >= BATCH_BYTES {
                return Ok(true);
            }
            match self.lines.next(&self.names) {
                Ok(true) => {}
                Ok(false) => return Ok(false),
                Err(error) => return Err(self.in_line(error)),
            }
            let row = self.row()?;
            self.rows.push(row);
            self.places.push(self.lines.mark());
        }
    }

    /// The current record's values.
    fn row(&mut self) -> Result<Vec<Value>> {
        let got = self.lines.count();
        // An empty line is an empty row of a table without columns, nothing else.
        if got < self.names.len() {
            let message = format!("missing data for column \"{}\"", self.names[got]);
            return Err(self.in_line(Error::new(SqlState::BAD_COPY_FILE_FORMAT, message)));
        }
        if got > self.names.len() {
            let message = "extra data after last expected column";
            return Err(self.in_line(Error::new(SqlState::BAD_COPY_FILE_FORMAT, message)));
        }
        let mut row = Vec::with_capacity(got);
        for (i, ty) in self.types.iter().enumerate() {
            row.push(match self.lines.field(i) {
                None => Value::Null,
                Some(text) => {
                    self.bytes += text.len() + 16;
                    match sql::text::parse(*ty, text) {
                        Ok(value) => value,
                        Err(error) => return Err(self.in_field(error, i, text)),
                    }
                }
            });
        }
        Ok(row)
    }

    fn in_line(&self, error: Error) -> Error {
        self.in_record(error, self.lines.line(), &self.lines.record())
    }

    fn in_record(&self, error: Error, line: u64, record: &str) -> Error {
        with_context(error, format!("COPY {}, line {line}: \"{record}\"", self.table))
    }

    /// An error that a row of the batch has met on its way into the table.
    fn refused(&self, Refusal { error, row }: Refusal) -> Error {
        match row.and_then(|at| self.places.get(at)) {
            Some(place) => self.in_record(*error, place.line(), &self.lines.record_of(place)),
            None => *error,
        }
    }

    fn in_field(&self, error: Error, column: usize, text: &str) -> Error {
        let shown: String = text.chars().take(100).collect();
        let (table, line, column) = (&self.table, self.lines.line(), &self.names[column]);
        with_context(error, format!("COPY {table}, line {line}, column {column}: \"{shown}\""))
    }
}

/// Says where in the data the error is.
fn with_context(mut error: Error, context: String) -> Error {
    error.position = None;
    error.detail = Some(match error.detail.take() {
        Some(detail) => format!("{detail}\n{context}"),
        None => context,
    });
    error
}

pub(crate) async fn start(session: &mut Session, copy: &Copy) -> Result<Reply> {
    let CopySource::Table { name, columns } = &copy.source else {
        return Err(Error::internal("COPY FROM a query"));
    };
    let format = CopyFormat::new(&copy.options)?;
    let wanted: Vec<String> = columns
        .iter()
        .map(|c| match c.quote_style {
            Some(_) => c.value.clone(),
            None => c.value.to_lowercase(),
        })
        .collect();
    session.transaction()?;
    let txn = session.block.transaction()?;
    let target = session.interrupts.guard(session.executor.copy_target(txn, name, &wanted)).await?;
    let described: Vec<&Column> = target.columns();
    let names: Vec<String> = described.iter().map(|c| c.name.clone()).collect();
    let types = described.iter().map(|c| c.ty).collect();
    let lines = Lines::new(format, &names);
    let table = name.to_string();
    let (rows, places, bytes, count) = (Vec::new(), Vec::new(), 0, 0);
    Ok(Reply::CopyIn(Box::new(CopyIn {
        table,
        target,
        names,
        types,
        lines,
        rows,
        places,
        bytes,
        count,
    })))
}

impl Session {
    /// Takes a piece of COPY data.
    pub async fn copy_push(&mut self, copy: &mut CopyIn, bytes: &[u8]) -> Result<()> {
        let done = self.copy_bytes(copy, bytes).await;
        if done.is_err() {
            self.fail().await;
        }
        done
    }

    async fn copy_bytes(&mut self, copy: &mut CopyIn, bytes: &[u8]) -> Result<()> {
        copy.lines.push(bytes)?;
        while copy.read()? {
            self.copy_flush(copy).await?;
        }
        Ok(())
    }

    async fn copy_flush(&mut self, copy: &mut CopyIn) -> Result<()> {
        let rows = std::mem::take(&mut copy.rows);
        copy.bytes = 0;
        if rows.is_empty() {
            return Ok(());
        }
        // The rest may never wait for anything.
        self.interrupts.check()?;
        let txn = self.block.transaction()?;
        let written = async { Ok(self.executor.copy_rows(txn, &copy.target, rows).await) };
        let written = self.interrupts.guard(written).await?;
        copy.count += written.map_err(|refusal| copy.refused(refusal))?;
        copy.places.clear();
        copy.lines.unmark();
        Ok(())
    }

    /// The data is complete. Answers with the command tag.
    pub async fn copy_finish(&mut self, mut copy: Box<CopyIn>) -> Result<String> {
        copy.lines.end();
        let done = match self.copy_bytes(&mut copy, b"").await {
            Ok(()) => self.copy_flush(&mut copy).await,
            Err(error) => Err(error),
        };
        match done {
            Ok(()) => Ok(format!("COPY {}", copy.count)),
            Err(error) => {
                self.fail().await;
                Err(error)
            }
        }
    }

    /// The client gave up. Answers with the error to report.
    pub async fn copy_abort(&mut self, copy: Box<CopyIn>, message: &str) -> Error {
        self.fail().await;
        let error =
            Error::new(SqlState::QUERY_CANCELED, format!("COPY from stdin failed: {message}"));
        with_context(error, format!("COPY {}, line {}", copy.table, copy.lines.line()))
    }
}
