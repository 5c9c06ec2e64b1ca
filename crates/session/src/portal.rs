//! Portals: a statement with its parameters, ready to run or running.

use crate::block::{Block, failed_block};
use crate::prepared::Statement;
use crate::reply::{Cursor, Reply};
use crate::session::Session;
use base::{Error, Result, SqlState, Value};
use sql::ResultColumn;
use std::sync::Arc;

/// A portal. Lives until it is closed or its transaction ends.
pub(crate) struct Portal {
    pub(crate) statement: Arc<Statement>,
    pub(crate) state: State,
}

/// How far a portal has come.
pub(crate) enum State {
    Bound(Vec<Value>),
    /// Suspended, or at its end.
    Running(Cursor),
    /// Its rows are being fetched right now, or it has run and had none.
    Away,
}

impl Session {
    /// Makes a portal of a prepared statement; the unnamed one is replaced silently.
    pub async fn bind(
        &mut self,
        portal: &str,
        statement: Arc<Statement>,
        values: Vec<Value>,
    ) -> Result<()> {
        let checked = self.check_bind(portal, &statement, &values);
        if checked.is_err() {
            self.fail().await;
            return checked;
        }
        self.portals.insert(portal.to_string(), Portal { statement, state: State::Bound(values) });
        Ok(())
    }

    fn check_bind(&self, portal: &str, statement: &Statement, values: &[Value]) -> Result<()> {
        if values.len() != statement.params.len() {
            return Err(Error::new(
                SqlState::PROTOCOL_VIOLATION,
                format!(
                    "bind message supplies {} parameters, but prepared statement requires {}",
                    values.len(),
                    statement.params.len()
                ),
            ));
        }
        if matches!(self.block, Block::Failed(..)) && !statement.ends_block() {
            return Err(failed_block());
        }
        if !portal.is_empty() && self.portals.contains_key(portal) {
            return Err(Error::new(
                SqlState("42P03"),
                format!("cursor \"{portal}\" already exists"),
            ));
        }
        Ok(())
    }

    /// The columns a portal returns, if it returns rows.
    pub fn portal_columns(&self, portal: &str) -> Result<Option<Arc<[ResultColumn]>>> {
        let found = self.portals.get(portal).ok_or_else(|| no_portal(portal))?;
        Ok(match &found.state {
            State::Running(cursor) => Some(cursor.columns().clone()),
            _ => found.statement.columns.clone(),
        })
    }

    /// Runs a portal, or goes on with one that was suspended. Rows that are left over are to be
    /// given back with [`Session::suspend`].
    pub async fn execute(&mut self, portal: &str) -> Result<Reply> {
        self.begin_statement();
        let reply = self.execute_portal(portal).await;
        if reply.is_err() {
            self.fail().await;
        }
        reply
    }

    async fn execute_portal(&mut self, name: &str) -> Result<Reply> {
        let portal = self.portals.get_mut(name).ok_or_else(|| no_portal(name))?;
        let statement = portal.statement.clone();
        self.seen.begins(statement.text.clone());
        match std::mem::replace(&mut portal.state, State::Away) {
            State::Bound(values) => self.run_statement(&statement, &values).await,
            State::Running(cursor) => Ok(Reply::Rows(cursor)),
            State::Away => Err(Error::new(
                SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE,
                format!("portal \"{name}\" cannot be run"),
            )),
        }
    }

    /// Gives back the rows of a portal that were not fetched.
    pub fn suspend(&mut self, portal: &str, cursor: Cursor) {
        if let Some(portal) = self.portals.get_mut(portal) {
            portal.state = State::Running(cursor);
        }
    }

    /// Forgets a portal; fine if it does not exist.
    pub fn close_portal(&mut self, portal: &str) {
        self.portals.remove(portal);
    }
}

pub(crate) fn no_portal(name: &str) -> Error {
    Error::new(SqlState::INVALID_CURSOR_NAME, format!("portal \"{name}\" does not exist"))
}
