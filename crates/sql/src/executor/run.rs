//! Executing prepared statements.

use super::body::{Body, Compiled};
use super::{Executor, Outcome, Prepared};
use crate::cell::Frame;
use crate::change::{Changed, Returning, Run, insert, modify};
use crate::plan::check_count;
use crate::point::{self, Action, Answer, PointPlan};
use crate::statement::Stmt;
use crate::types::{fit, to_scalar};
use base::{Result, Value};
use partition::LockMode;
use std::sync::Arc;
use txn::Transaction;

/// How often a statement starts again because a table it names was altered meanwhile.
const TRIES: usize = 16;

impl Executor {
    /// Executes a statement without parameters.
    pub async fn execute_stmt(&self, txn: &mut Transaction, stmt: &Stmt) -> Result<Outcome> {
        let prepared = self.prepare(txn, stmt, &[]).await?;
        self.execute(txn, &prepared, &[]).await
    }

    /// Executes a prepared statement. Begins a statement in the transaction.
    pub async fn execute(
        &self,
        txn: &mut Transaction,
        prepared: &Prepared,
        params: &[Value],
    ) -> Result<Outcome> {
        let Some(time) = prepared.as_of else {
            return self.execute_in(txn, prepared, params).await;
        };
        let mut past = self.past(txn, time)?;
        let _apart = self.apart();
        self.execute_in(&mut past, prepared, params).await
    }

    async fn execute_in(
        &self,
        txn: &mut Transaction,
        prepared: &Prepared,
        params: &[Value],
    ) -> Result<Outcome> {
        check_count(prepared.params.len(), params.len())?;
        self.snapshot(txn).await?;
        let mut scalars = Vec::with_capacity(params.len());
        for (value, ty) in params.iter().zip(&prepared.params) {
            scalars.push(to_scalar(&fit(value.clone(), *ty)?, *ty));
        }
        let mut frame = self.frame(txn, scalars);
        if !super::body::has_plan(&prepared.stmt) {
            return self.utility(txn, &prepared.stmt, &frame).await;
        }
        for _ in 0..TRIES {
            let compiled = self.current_plan(txn, prepared).await?;
            self.check_needs(txn, &compiled.needs).await?;
            check_replicated(txn, &compiled)?;
            if let Some(table) = compiled.target()
                && !self.has_locked(table.id)
            {
                if txn.lock_table(table.id, LockMode::Shared, self.wait()).await? {
                    // The table was altered after the snapshot: see it as it is now.
                    self.snapshot(txn).await?;
                    continue;
                }
                self.note_locked(table.id);
            }
            if compiled.sequences.called {
                frame.circumstances.sequences = Some(self.draws(txn, &compiled.sequences).await?);
            }
            return self.run(txn, compiled, &frame).await;
        }
        Err(base::Error::new(
            base::SqlState::SERIALIZATION_FAILURE,
            "the tables of this statement kept being altered",
        ))
    }

    async fn run(
        &self,
        txn: &mut Transaction,
        compiled: Arc<Compiled>,
        frame: &Frame,
    ) -> Result<Outcome> {
        let (private, by) = (self.private(), self.identity());
        let (runtime, wait) = (&self.runtime, self.wait());
        let mut run = Run { runtime, txn, frame, by: &by, wait, private: &private };
        match &compiled.body {
            Body::Point(plan) => run_point(&mut run, plan).await,
            Body::Insert(plan) => {
                let changed = insert(&mut run, plan).await?;
                outcome(changed, plan.returning.as_ref(), frame, "INSERT 0")
            }
            Body::Modify(plan) => {
                let verb = match plan.kind {
                    crate::change::Kind::Update(_) => "UPDATE",
                    crate::change::Kind::Delete => "DELETE",
                };
                let changed = modify(&mut run, plan).await?;
                outcome(changed, plan.returning.as_ref(), frame, verb)
            }
            Body::Lookup(plan) => point::lookup(&run, plan),
            Body::Query(plan) => plan.run(&mut run).await,
        }
    }
}

/// Refuses to read on a standby what other clusters do not send: the table is not empty, it is not
/// there.
fn check_replicated(txn: &Transaction, compiled: &Compiled) -> Result<()> {
    let Some(table) = compiled.used.iter().find(|t| t.storage.is_local()) else { return Ok(()) };
    if !txn.database().state().is_target() {
        return Ok(());
    }
    let message = format!("table \"{}\" is not replicated, and this is a standby", table.name);
    Err(base::Error::new(base::SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
        .detail("Each cluster has rows of its own in it, which only a primary shows.")
        .hint(format!("read it at the primary; DR TABLE {} there replicates it", table.name)))
}

async fn run_point(run: &mut Run<'_>, plan: &PointPlan) -> Result<Outcome> {
    let verb = match plan.action {
        Action::Select(_) => "SELECT",
        Action::Update(_) => "UPDATE",
        Action::Delete => "DELETE",
    };
    match point::run(run, plan).await? {
        Answer::Changed(changed) => outcome(changed, plan.output.as_ref(), run.frame, verb),
        Answer::Row(row) => {
            let output = plan
                .output
                .as_ref()
                .ok_or_else(|| base::Error::internal("a SELECT without result columns"))?;
            let rows: Vec<Vec<Value>> = row.into_iter().collect();
            let columns = output.columns.clone();
            Ok(Outcome::Rows { columns, rows: output.rows(&rows, run.frame)?, verb })
        }
    }
}

/// The tag, or the rows of RETURNING.
fn outcome(
    changed: Changed,
    returning: Option<&Returning>,
    frame: &Frame,
    verb: &'static str,
) -> Result<Outcome> {
    match returning {
        None => Ok(Outcome::command(format!("{verb} {}", changed.count))),
        Some(returning) => Ok(Outcome::Rows {
            columns: returning.columns.clone(),
            rows: returning.rows(&changed.rows, frame)?,
            verb,
        }),
    }
}
