//! Prepared statements: a client's text, read and compiled once.

use crate::block::{Block, failed_block};
use crate::command::{self, Command};
use crate::lexer;
use crate::locate;
use crate::session::Session;
use base::{Catalog, Error, Result, SqlState, SqlType};
use sql::ResultColumn;
use sql::statement::{Copy, Rights, Stmt};
use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

/// How many texts one session remembers besides its named statements, for drivers that send the
/// same text again and again.
const PARSED_MAX: usize = 256;

/// What a piece of text asks for.
#[derive(Debug)]
pub(crate) enum Request {
    Command(Command),
    Copy(Box<Copy>),
    /// A statement that takes no part in transactions, or only in one that is open.
    Alone(Box<Stmt>),
    Sql(Box<Stmt>),
}

/// How a prepared statement runs.
pub(crate) enum Body {
    Empty,
    Command(Command),
    Copy(Box<Copy>),
    Alone(Arc<Stmt>),
    Plan(Arc<sql::Prepared>),
}

/// A prepared statement.
pub struct Statement {
    /// As it was written.
    pub(crate) text: Arc<str>,
    pub(crate) body: Body,
    pub(crate) params: Vec<SqlType>,
    pub(crate) columns: Option<Arc<[ResultColumn]>>,
}

impl Statement {
    /// Types of its parameters.
    pub fn params(&self) -> &[SqlType] {
        &self.params
    }

    /// Its result columns, if it returns rows.
    pub fn columns(&self) -> Option<&Arc<[ResultColumn]>> {
        self.columns.as_ref()
    }

    pub(crate) fn empty() -> Statement {
        Statement { text: "".into(), body: Body::Empty, params: Vec::new(), columns: None }
    }

    /// True if it may run in a failed block.
    pub(crate) fn ends_block(&self) -> bool {
        match &self.body {
            Body::Command(command) => ends_block(command),
            _ => false,
        }
    }
}

/// True for the commands that lead out of a failed block.
pub(crate) fn ends_block(command: &Command) -> bool {
    matches!(command, Command::Commit { .. } | Command::Rollback { .. } | Command::RollbackTo(_))
}

/// Statements by text and declared types, valid for one catalog.
#[derive(Default)]
pub(crate) struct Parsed {
    catalog: Option<Arc<Catalog>>,
    by_text: HashMap<(String, Vec<Option<SqlType>>), Arc<Statement>>,
}

impl Parsed {
    fn get(
        &mut self,
        catalog: &Arc<Catalog>,
        key: &(String, Vec<Option<SqlType>>),
    ) -> Option<Arc<Statement>> {
        if !self.catalog.as_ref().is_some_and(|known| Arc::ptr_eq(known, catalog)) {
            self.by_text.clear();
            self.catalog = Some(catalog.clone());
        }
        self.by_text.get(key).cloned()
    }

    fn put(&mut self, key: (String, Vec<Option<SqlType>>), statement: Arc<Statement>) {
        if self.by_text.len() >= PARSED_MAX {
            self.by_text.clear();
        }
        self.by_text.insert(key, statement);
    }
}

/// Moves an error's position from a piece to the whole text.
pub(crate) fn shifted(mut error: Error, sql: &str, piece: &Range<usize>) -> Error {
    if error.position.is_none() {
        error.position = locate::locate(&error, &sql[piece.clone()]);
    }
    if let Some(position) = &mut error.position {
        *position += sql[..piece.start].chars().count();
    }
    error
}

/// Reads one statement. Positions of errors count from the start of `sql`.
pub(crate) fn read(sql: &str) -> Result<Request> {
    if let Some(command) = command::parse(sql)? {
        return Ok(Request::Command(command));
    }
    let mut parsed = sql::statement::parse(sql)?;
    match (parsed.pop(), parsed.is_empty()) {
        (Some(one), true) => Ok(match checked(one.stmt)? {
            Stmt::Copy(copy) => Request::Copy(Box::new(copy)),
            stmt if sql::Executor::stands_alone(&stmt) || sql::Executor::may_stand_alone(&stmt) => {
                Request::Alone(Box::new(stmt))
            }
            stmt => Request::Sql(Box::new(stmt)),
        }),
        _ => Err(Error::internal("a statement was cut in the wrong place")),
    }
}

/// Checks the setting that a statement makes a default of sessions, and brings it into its form.
fn checked(mut stmt: Stmt) -> Result<Stmt> {
    if let Stmt::Rights(rights) = &mut stmt
        && let Rights::Default { setting: Some(name), value, .. } = rights.as_mut()
    {
        (*name, *value) = crate::settings::check(name, value.as_deref())?;
    }
    Ok(stmt)
}

impl Session {
    /// Prepares a statement under a name; the empty name is replaced silently. `declared` are the
    /// types of parameters as far as the client has given them.
    pub async fn parse(
        &mut self,
        name: &str,
        sql: &str,
        declared: Vec<Option<SqlType>>,
    ) -> Result<()> {
        self.begin_statement();
        let prepared = self.prepare_text(name, sql, declared).await;
        match prepared {
            Ok(statement) => {
                self.statements.insert(name.to_string(), statement);
                Ok(())
            }
            Err(error) => {
                self.fail().await;
                Err(error)
            }
        }
    }

    async fn prepare_text(
        &mut self,
        name: &str,
        sql: &str,
        declared: Vec<Option<SqlType>>,
    ) -> Result<Arc<Statement>> {
        if !name.is_empty() && self.statements.contains_key(name) {
            return Err(Error::new(
                SqlState::DUPLICATE_PREPARED_STATEMENT,
                format!("prepared statement \"{name}\" already exists"),
            ));
        }
        let pieces = lexer::split(sql);
        let piece = match pieces.as_slice() {
            [] => return Ok(Arc::new(Statement::empty())),
            [one] => one.clone(),
            _ => {
                return Err(Error::new(
                    SqlState::SYNTAX_ERROR,
                    "cannot insert multiple commands into a prepared statement",
                ));
            }
        };
        let text = &sql[piece.clone()];
        self.prepare_piece(text, declared).await.map_err(|e| shifted(e, sql, &piece))
    }

    pub(crate) async fn prepare_piece(
        &mut self,
        text: &str,
        declared: Vec<Option<SqlType>>,
    ) -> Result<Arc<Statement>> {
        if let Some(command) = command::parse(text)? {
            return self.prepare_command(text, command);
        }
        if let Block::Failed(..) = self.block {
            return Err(failed_block());
        }
        let key = (text.to_string(), declared);
        let catalog = {
            self.transaction()?;
            let txn = self.block.transaction()?;
            self.interrupts
                .guard(async {
                    txn.start_statement().await?;
                    txn.catalog().await
                })
                .await
        };
        // Without a readable catalog (a standby's first copy) statements about links still work.
        if let Ok(catalog) = &catalog
            && let Some(known) = self.parsed.get(catalog, &key)
        {
            return Ok(known);
        }
        let statement = Arc::new(self.compile(text, &key.1).await?);
        if catalog.is_ok() && matches!(statement.body, Body::Plan(_)) {
            self.parsed.put(key, statement.clone());
        }
        Ok(statement)
    }

    fn prepare_command(&mut self, text: &str, command: Command) -> Result<Arc<Statement>> {
        if let Block::Failed(..) = self.block
            && !ends_block(&command)
        {
            return Err(failed_block());
        }
        let columns = self.command_columns(&command)?;
        let (text, params) = (text.into(), Vec::new());
        Ok(Arc::new(Statement { text, body: Body::Command(command), params, columns }))
    }

    async fn compile(&mut self, text: &str, declared: &[Option<SqlType>]) -> Result<Statement> {
        let written: Arc<str> = text.into();
        let plain =
            |body| Statement { text: written.clone(), body, params: Vec::new(), columns: None };
        match read(text)? {
            Request::Command(command) => Ok(plain(Body::Command(command))),
            Request::Copy(copy) => Ok(plain(Body::Copy(copy))),
            Request::Alone(stmt) => {
                let columns = self.executor.columns_alone(&stmt).map(Into::into);
                Ok(Statement { columns, ..plain(Body::Alone(Arc::new(*stmt))) })
            }
            Request::Sql(stmt) => {
                let prepared = self.prepare_stmt(&stmt, declared).await?;
                Ok(Statement {
                    text: written,
                    params: prepared.params.clone(),
                    columns: prepared.columns.clone().map(Into::into),
                    body: Body::Plan(prepared),
                })
            }
        }
    }

    pub(crate) async fn prepare_stmt(
        &mut self,
        stmt: &Stmt,
        declared: &[Option<SqlType>],
    ) -> Result<Arc<sql::Prepared>> {
        self.transaction()?;
        let txn = self.block.transaction()?;
        self.interrupts.guard(self.executor.prepare(txn, stmt, declared)).await
    }

    /// A statement prepared before.
    pub fn statement(&self, name: &str) -> Result<Arc<Statement>> {
        self.statements.get(name).cloned().ok_or_else(|| no_statement(name))
    }

    /// Forgets a statement; fine if it does not exist.
    pub fn close_statement(&mut self, name: &str) {
        self.statements.remove(name);
    }
}

pub(crate) fn no_statement(name: &str) -> Error {
    let message = if name.is_empty() {
        "unnamed prepared statement does not exist".to_string()
    } else {
        format!("prepared statement \"{name}\" does not exist")
    };
    Error::new(SqlState::INVALID_SQL_STATEMENT_NAME, message)
}
