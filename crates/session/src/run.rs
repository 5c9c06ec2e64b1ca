//! Running statements: scripts of the simple protocol, and prepared ones.

use crate::block::{Block, failed_block};
use crate::command::{self, Command, Modes};
use crate::copy_in;
use crate::lexer;
use crate::notice::{Notice, Severity};
use crate::prepared::{Body, Request, Statement, ends_block, read, shifted};
use crate::reply::{Cursor, Reply, Tag};
use crate::session::Session;
use arrow::array::RecordBatch;
use base::{Error, Result, SqlState, Value};
use sql::Outcome;
use sql::statement::Stmt;
use std::ops::Range;

/// The statements of one simple query.
#[derive(Debug)]
pub struct Script {
    sql: String,
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    range: Range<usize>,
    /// Read already: in a script of several statements a syntax error in any of them keeps all
    /// from running.
    request: Option<Request>,
}

impl Script {
    /// How many statements.
    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}

impl Session {
    /// Reads a script.
    pub async fn script(&mut self, sql: String) -> Result<Script> {
        let ranges = lexer::split(&sql);
        let several = ranges.len() > 1;
        let mut pieces = Vec::with_capacity(ranges.len());
        for range in ranges {
            let request = match several {
                true => match read(&sql[range.clone()]) {
                    Ok(request) => Some(request),
                    Err(error) => {
                        self.fail().await;
                        return Err(shifted(error, &sql, &range));
                    }
                },
                false => None,
            };
            pieces.push(Piece { range, request });
        }
        Ok(Script { sql, pieces })
    }

    /// Runs a script's statement. Its answer must be dealt with before the next one runs; after the
    /// last one comes [`Session::end_implicit`].
    pub async fn run(&mut self, script: &mut Script, index: usize) -> Result<Reply> {
        self.begin_statement();
        // The unnamed portal and statement do not outlive a simple query.
        self.portals.remove("");
        self.statements.remove("");
        let Some(piece) = script.pieces.get_mut(index) else { return Ok(Reply::Empty) };
        let text = &script.sql[piece.range.clone()];
        self.seen.begins(text.into());
        match self.run_piece(text, piece.request.take()).await {
            Ok(reply) => Ok(reply),
            Err(error) => {
                self.fail().await;
                Err(shifted(error, &script.sql, &piece.range))
            }
        }
    }

    async fn run_piece(&mut self, text: &str, request: Option<Request>) -> Result<Reply> {
        let request = match request {
            Some(request) => request,
            None => match command::parse(text)? {
                Some(command) => Request::Command(command),
                None => match self.run_lifted(text).await? {
                    Some(reply) => return Ok(reply),
                    None => read(text)?,
                },
            },
        };
        match request {
            Request::Command(command) => self.run_command(&command).await,
            _ if matches!(self.block, Block::Failed(..)) => Err(failed_block()),
            Request::Copy(copy) => self.run_copy(&copy).await,
            Request::Alone(stmt) => self.run_alone(&stmt).await,
            Request::Sql(stmt) => {
                let prepared = self.prepare_stmt(&stmt, &[]).await?;
                self.run_plan(&prepared, &[]).await
            }
        }
    }

    /// The fast way for texts that differ from earlier ones only in their literals.
    async fn run_lifted(&mut self, text: &str) -> Result<Option<Reply>> {
        if matches!(self.block, Block::Failed(..)) || self.database().is_err() {
            return Ok(None);
        }
        self.transaction()?;
        let txn = self.block.transaction()?;
        let lifted = self.interrupts.guard(self.executor.lift(txn, text)).await?;
        match lifted {
            Some((prepared, values)) => self.run_plan(&prepared, &values).await.map(Some),
            None => Ok(None),
        }
    }

    pub(crate) async fn run_statement(
        &mut self,
        statement: &Statement,
        values: &[Value],
    ) -> Result<Reply> {
        if matches!(self.block, Block::Failed(..)) && !statement.ends_block() {
            return Err(failed_block());
        }
        match &statement.body {
            Body::Empty => Ok(Reply::Empty),
            Body::Command(command) => self.run_command(command).await,
            Body::Copy(copy) => self.run_copy(copy).await,
            Body::Alone(stmt) => self.run_alone(stmt).await,
            Body::Plan(prepared) => self.run_plan(prepared, values).await,
        }
    }

    pub(crate) async fn run_plan(
        &mut self,
        prepared: &sql::Prepared,
        values: &[Value],
    ) -> Result<Reply> {
        self.transaction()?;
        let txn = self.block.transaction()?;
        let outcome = self.interrupts.guard(self.executor.execute(txn, prepared, values)).await?;
        if let (Block::Open(running), Outcome::Rows { .. }) = (&self.block, &outcome) {
            self.interrupts.guard(running.txn.await_shown()).await?;
        }
        Ok(reply_of(outcome))
    }

    /// Statements about databases, links, gates and users; and those that make an index, which
    /// join a transaction that is there: it may have made the table.
    async fn run_alone(&mut self, stmt: &Stmt) -> Result<Reply> {
        if sql::Executor::may_stand_alone(stmt) && self.has_begun() {
            let prepared = self.prepare_stmt(stmt, &[]).await?;
            return self.run_plan(&prepared, &[]).await;
        }
        if let Block::Open(_) = self.block {
            return Err(Error::new(
                SqlState::ACTIVE_SQL_TRANSACTION,
                "this statement cannot run inside a transaction block",
            ));
        }
        // What the script did before takes effect first: it may be what this statement needs.
        self.end_implicit().await?;
        let outcome = self.interrupts.guard(self.executor.execute_alone(stmt)).await;
        let said = self.executor.take_notices().into_iter();
        self.notices.extend(said.map(|error| Notice { severity: Severity::Notice, error }));
        Ok(reply_of(outcome?))
    }

    /// True if there is a transaction that what comes next belongs to.
    fn has_begun(&self) -> bool {
        match &self.block {
            Block::Open(_) => true,
            Block::Implicit(running) if running.txn.has_writes() => true,
            // It is to be refused, as every write is.
            _ => self.options(Modes::default()).read_only,
        }
    }

    async fn run_copy(&mut self, copy: &sql::statement::Copy) -> Result<Reply> {
        match copy.to {
            true => self.copy_out(copy).await,
            false => copy_in::start(self, copy).await,
        }
    }

    async fn run_command(&mut self, command: &Command) -> Result<Reply> {
        if matches!(self.block, Block::Failed(..)) && !ends_block(command) {
            // BEGIN in a failed block is refused like everything else.
            return Err(failed_block());
        }
        match command {
            Command::Begin { .. }
            | Command::Commit { .. }
            | Command::Rollback { .. }
            | Command::Savepoint(_)
            | Command::Release(_)
            | Command::RollbackTo(_)
            | Command::SetTransaction(_) => {
                self.transaction_command(command).await.map(Reply::Command)
            }
            Command::Prepare { name, types, sql, offset } => {
                self.prepare_command_named(name, types, sql, *offset).await
            }
            Command::Execute { name, arguments } => self.execute_named(name, arguments).await,
            Command::Declare { name, hold, sql, offset } => {
                self.declare(name, *hold, sql, *offset).await
            }
            Command::Fetch { name, count, moves } => self.fetch_from(name, *count, *moves).await,
            _ => self.settings_command(command),
        }
    }

    /// Up to `max` more rows of an answer; `None` after the last.
    pub async fn fetch(&mut self, cursor: &mut Cursor, max: usize) -> Result<Option<RecordBatch>> {
        let batch = self.interrupts.guard(cursor.next(max)).await;
        if batch.is_err() {
            self.fail().await;
        }
        batch
    }
}

fn reply_of(outcome: Outcome) -> Reply {
    match outcome {
        Outcome::Rows { columns, rows, verb } => {
            let tag = match verb {
                "EXPLAIN" | "SHOW" => Tag::Fixed(verb.into()),
                verb => Tag::Count(verb),
            };
            Reply::Rows(Cursor::new(columns.into(), rows, tag))
        }
        Outcome::Command { tag } => Reply::Command(tag),
    }
}
