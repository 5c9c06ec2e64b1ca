//! `PREPARE`, `EXECUTE`, `DECLARE` and `FETCH`: the SQL statements that do what the extended
//! protocol's messages do.

use crate::block::Block;
use crate::lexer;
use crate::portal::{Portal, State, no_portal};
use crate::prepared::no_statement;
use crate::reply::{Cursor, Reply, Tag};
use crate::session::Session;
use arrow::array::RecordBatch;
use base::{Error, Result, SqlState, SqlType, Value};
use futures::future::BoxFuture;
use sql::statement::Stmt;

impl Session {
    pub(crate) async fn prepare_command_named(
        &mut self,
        name: &str,
        types: &[String],
        sql: &str,
        offset: usize,
    ) -> Result<Reply> {
        if self.statements.contains_key(name) {
            return Err(Error::new(
                SqlState::DUPLICATE_PREPARED_STATEMENT,
                format!("prepared statement \"{name}\" already exists"),
            ));
        }
        let mut declared = Vec::with_capacity(types.len());
        for ty in types {
            declared.push(Some(self.type_named(ty).await?));
        }
        let prepared = self.prepare_piece(sql, declared).await;
        let statement = prepared.map_err(|e| moved(e, offset))?;
        self.statements.insert(name.to_string(), statement);
        Ok(Reply::Command("PREPARE".into()))
    }

    /// What a type's name means: the type of a NULL cast to it.
    async fn type_named(&mut self, name: &str) -> Result<SqlType> {
        let stmt = one(&format!("SELECT CAST(NULL AS {name})"))?;
        let prepared = self.prepare_stmt(&stmt, &[]).await?;
        let columns = prepared.columns.as_deref().unwrap_or(&[]);
        columns.first().map(|c| c.ty).ok_or_else(|| Error::internal("a cast without a type"))
    }

    /// Boxed, because the statement it runs may be any, another EXECUTE too.
    pub(crate) fn execute_named<'a>(
        &'a mut self,
        name: &'a str,
        arguments: &'a [String],
    ) -> BoxFuture<'a, Result<Reply>> {
        Box::pin(self.execute_statement_named(name, arguments))
    }

    async fn execute_statement_named(&mut self, name: &str, arguments: &[String]) -> Result<Reply> {
        let statement = self.statements.get(name).cloned().ok_or_else(|| no_statement(name))?;
        if statement.params.len() != arguments.len() {
            return Err(Error::new(
                SqlState::SYNTAX_ERROR,
                format!("wrong number of parameters for prepared statement \"{name}\""),
            )
            .detail(format!(
                "Expected {} parameters but got {}.",
                statement.params.len(),
                arguments.len()
            )));
        }
        let mut values = Vec::with_capacity(arguments.len());
        for (text, ty) in arguments.iter().zip(&statement.params) {
            values.push(self.value_of(text, *ty).await?);
        }
        self.run_statement(&statement, &values).await
    }

    /// The value of an expression without columns, as a type.
    async fn value_of(&mut self, expression: &str, ty: SqlType) -> Result<Value> {
        let stmt = one(&format!("SELECT CAST(({expression}) AS {ty})"))?;
        let prepared = self.prepare_stmt(&stmt, &[]).await?;
        let Reply::Rows(mut cursor) = self.run_plan(&prepared, &[]).await? else {
            return Err(Error::internal("an expression without a value"));
        };
        let batch = self.interrupts.guard(cursor.next(1)).await?;
        match batch {
            Some(batch) if batch.num_columns() == 1 && batch.num_rows() == 1 => {
                Ok(state::value_at(batch.column(0).as_ref(), 0, ty))
            }
            _ => Err(Error::internal("an expression without a value")),
        }
    }

    /// Boxed, because it runs another statement.
    pub(crate) fn declare<'a>(
        &'a mut self,
        name: &'a str,
        hold: bool,
        sql: &'a str,
        offset: usize,
    ) -> BoxFuture<'a, Result<Reply>> {
        Box::pin(self.declare_cursor(name, hold, sql, offset))
    }

    async fn declare_cursor(
        &mut self,
        name: &str,
        hold: bool,
        sql: &str,
        offset: usize,
    ) -> Result<Reply> {
        if hold {
            return Err(Error::unsupported("DECLARE … WITH HOLD"));
        }
        if !matches!(self.block, Block::Open(_)) {
            return Err(Error::new(
                SqlState::NO_ACTIVE_SQL_TRANSACTION,
                "DECLARE CURSOR can only be used in transaction blocks",
            ));
        }
        if self.portals.contains_key(name) {
            return Err(Error::new(SqlState("42P03"), format!("cursor \"{name}\" already exists")));
        }
        let statement = self.prepare_piece(sql, Vec::new()).await.map_err(|e| moved(e, offset))?;
        match self.run_statement(&statement, &[]).await? {
            Reply::Rows(cursor) => {
                let state = State::Running(cursor);
                self.portals.insert(name.to_string(), Portal { statement, state });
                Ok(Reply::Command("DECLARE CURSOR".into()))
            }
            _ => Err(Error::new(SqlState::SYNTAX_ERROR, "a cursor needs a query")),
        }
    }

    pub(crate) async fn fetch_from(
        &mut self,
        name: &str,
        count: Option<usize>,
        moves: bool,
    ) -> Result<Reply> {
        let portal = self.portals.get_mut(name).ok_or_else(|| no_portal(name))?;
        let State::Running(cursor) = &mut portal.state else { return Err(no_portal(name)) };
        let columns = cursor.columns().clone();
        if count.is_none() && !moves {
            // All that is left: stream it instead of collecting it.
            let empty = Cursor::of(columns.clone(), Vec::new(), Tag::Count("FETCH"));
            let mut all = std::mem::replace(cursor, empty);
            all.set_tag(Tag::Count("FETCH"));
            return Ok(Reply::Rows(all));
        }
        let mut left = count.unwrap_or(usize::MAX);
        let mut moved = 0;
        let mut batches: Vec<RecordBatch> = Vec::new();
        while left > 0 {
            let Some(batch) = self.interrupts.guard(cursor.next(left)).await? else { break };
            left -= batch.num_rows();
            moved += batch.num_rows();
            if !moves {
                batches.push(batch);
            }
        }
        if moves {
            return Ok(Reply::Command(format!("MOVE {moved}")));
        }
        Ok(Reply::Rows(Cursor::of(columns, batches, Tag::Count("FETCH"))))
    }
}

/// The one statement a text of our own making consists of.
fn one(sql: &str) -> Result<Stmt> {
    if lexer::split(sql).len() != 1 {
        return Err(Error::new(SqlState::SYNTAX_ERROR, "syntax error in an argument"));
    }
    let parsed = sql::statement::parse(sql)?.pop();
    parsed.map(|p| p.stmt).ok_or_else(|| Error::internal("a statement of our own was empty"))
}

/// Moves an error's position behind a prefix that was cut off.
fn moved(mut error: Error, offset: usize) -> Error {
    if let Some(position) = &mut error.position {
        *position += offset;
    }
    error
}
