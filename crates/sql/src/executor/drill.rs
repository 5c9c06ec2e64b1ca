//! `DRILL DATABASE`: a rehearsal of a promotion, on a branch of the standby, while replication goes
//! on. Every step is timed; what it came to is kept in the metadata and in the history.
//!
//! 1. `branch`: a branch at the newest cut. Files are shared, so this is what a promotion does not
//!    have to do.
//! 2. `promote`: the partitions are opened and begin an epoch; the branch takes writes.
//! 3. `write`: a table is made, a row written, read back, and the table dropped.
//! 4. `tables`: all rows of all tables are read. `indexes`: those of small tables are compared with
//!    their rows.
//! 5. `check n`: each query must return one row with one column, `true`.
//! 6. `drop`: the branch goes.

mod explain;
mod look;

use self::look::{count_rows, holds, try_write, verify_indexes};
use super::administer::rows_of;
use super::{Executor, Outcome};
use crate::plan::Runtime;
use crate::statement::{self, Stmt};
use crate::system::{self, DrillStep};
use base::{Error, Result, SqlState, Timestamp};
use datafusion::sql::sqlparser::ast::Statement;
use meta::{Command, DatabaseState, Drill, Purpose};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use txn::{BranchOrder, Branching, Database, Engine};

/// A query that must hold.
struct Check {
    text: String,
    stmt: Stmt,
}

/// A drill under way.
struct Rehearsal {
    engine: Arc<Engine>,
    runtime: Arc<Runtime>,
    database: String,
    user: String,
    pid: i32,
    checks: Vec<Check>,
    steps: Vec<DrillStep>,
    began: Duration,
}

impl Executor {
    pub(super) async fn drill(&self, database: &str, checks: &[String]) -> Result<Outcome> {
        let rehearsal = Rehearsal {
            engine: self.engine.clone(),
            runtime: self.runtime.clone(),
            database: database.to_owned(),
            user: self.user.clone(),
            pid: self.pid,
            checks: checks.iter().map(|text| read(text)).collect::<Result<_>>()?,
            steps: Vec::new(),
            began: self.engine.env.clock.monotonic(),
        };
        check_standby(&self.engine, database)?;
        let (tell, told) = oneshot::channel();
        // Whoever has typed it may go away; its branch must not stay.
        let work = async move {
            let _ = tell.send(rehearsal.run().await);
        };
        self.engine.env.tasks.spawn("drill", Box::pin(work));
        let steps = told.await.unwrap_or_else(|_| {
            let message = "this node stopped before the drill was over";
            Err(Error::new(SqlState::ADMIN_SHUTDOWN, message)
                .detail("Its branch is removed when the node starts again."))
        });
        Ok(rows_of(system::drilled(&steps?)?, "DRILL"))
    }
}

/// Reads a check before anything is done.
fn read(text: &str) -> Result<Check> {
    let wrong = |why: &str| {
        let message = format!("a check is one query, {why}: {text}");
        Err(Error::new(SqlState::SYNTAX_ERROR, message))
    };
    let mut all = statement::parse(text).map_err(|mut e| {
        e.position = None;
        e
    })?;
    match (all.pop(), all.is_empty()) {
        (Some(one), true) => match &one.stmt {
            Stmt::Sql(ast) if matches!(ast.as_ref(), Statement::Query(_)) => {
                Ok(Check { text: one.text, stmt: one.stmt })
            }
            _ => wrong("not another statement"),
        },
        (None, _) => wrong("not an empty text"),
        (Some(_), false) => wrong("not several"),
    }
}

fn check_standby(engine: &Engine, name: &str) -> Result<()> {
    let record = engine.record(name)?;
    if record.state == DatabaseState::Standby {
        return Ok(());
    }
    let message =
        format!("database \"{name}\" is {}: a drill is for a standby", record.state.name());
    Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
        .hint("CREATE DATABASE … BRANCH OF makes a branch of any database, to try things out"))
}

impl Rehearsal {
    async fn run(mut self) -> Result<Vec<DrillStep>> {
        let name = format!("{}_drill_{}", self.database, self.engine.env.clock.now_ms());
        let order = BranchOrder {
            source: self.database.clone(),
            name: name.clone(),
            at: None,
            purpose: Purpose::Drill,
            by: Some(self.user.clone()),
        };
        let begun = match self.engine.begin_branch(order).await {
            Ok(begun) => begun,
            Err(error) => return Err(self.not_begun(error)),
        };
        let cut = begun.cut;
        let age = self.engine.env.clock.now_ms().saturating_sub(cut.ms());
        let shared = format!(
            "cut {age} ms before now; {} bytes shared, {} written",
            begun.shared, begun.written
        );
        self.step("branch", "ok", self.began, shared);
        let from = self.now();
        let opened = match self.open(begun).await {
            Ok(opened) => opened,
            Err(error) => return Err(self.not_begun(error)),
        };
        let epoch = opened.promotion_epoch();
        self.step("promote", "ok", from, format!("epoch {epoch}; takes writes"));
        self.look(&name, &opened).await;
        drop(opened);
        let from = self.now();
        match self.engine.drop_drill(&name).await {
            Ok(()) => self.step("drop", "ok", from, "the branch is gone".to_owned()),
            Err(error) => {
                let left = format!("{error}; the next start of this node removes what is left");
                self.step("drop", "FAILED", from, left);
            }
        }
        self.conclude(cut)?;
        Ok(self.steps)
    }

    async fn open(&self, begun: Branching) -> Result<Arc<Database>> {
        let database = match self.engine.open_branch(&begun).await {
            Ok(database) => database,
            Err(error) => return Err(self.engine.abandon_branch(begun, error).await),
        };
        Ok(self.engine.finish_branch(begun, database, None, None).await?.database)
    }

    /// What is looked at in the open branch. Whatever is wrong there is an outcome, not an error.
    async fn look(&mut self, name: &str, database: &Arc<Database>) {
        let (engine, runtime) = (self.engine.clone(), self.runtime.clone());
        let executor = Executor::new(runtime, engine, None, name, &self.user, self.pid);
        let from = self.now();
        let done = try_write(&executor, database).await;
        self.settle("write", from, done);
        let from = self.now();
        let done = count_rows(&executor, database).await;
        self.settle("tables", from, done);
        let from = self.now();
        let done = verify_indexes(database).await;
        self.settle("indexes", from, done);
        for (n, check) in std::mem::take(&mut self.checks).into_iter().enumerate() {
            let from = self.now();
            let done = holds(&executor, database, &check.stmt).await;
            let done = match done {
                Ok(true) => Ok(check.text),
                Ok(false) => Err(format!("does not hold: {}", check.text)),
                Err(error) => Err(format!("{error}: {}", check.text)),
            };
            self.settle(&format!("check {}", n + 1), from, done);
        }
    }

    fn now(&self) -> Duration {
        self.engine.env.clock.monotonic()
    }

    fn settle(&mut self, step: &str, from: Duration, done: Result<String, impl ToString>) {
        match done {
            Ok(detail) => self.step(step, "ok", from, detail),
            Err(error) => self.step(step, "FAILED", from, error.to_string()),
        }
    }

    fn step(&mut self, step: &str, outcome: &'static str, from: Duration, detail: String) {
        let ms = self.now().saturating_sub(from).as_millis() as u64;
        self.steps.push(DrillStep { step: step.to_owned(), outcome, ms, detail });
    }

    fn writable_ms(&self) -> u64 {
        let needed = self.steps.iter().filter(|s| matches!(s.step.as_str(), "promote" | "write"));
        needed.map(|s| s.ms).sum()
    }

    /// Notes the outcome.
    fn conclude(&mut self, cut: Timestamp) -> Result<()> {
        let failed: Vec<String> = self
            .steps
            .iter()
            .filter(|s| s.outcome == "FAILED")
            .map(|s| format!("{} ({})", s.step, s.detail))
            .collect();
        let (passed, writable) = (failed.is_empty(), self.writable_ms());
        let took = self.now().saturating_sub(self.began).as_millis();
        let mut detail = format!("writable after {writable} ms; {took} ms in all");
        let checks = self.steps.iter().filter(|s| s.step.starts_with("check")).count();
        detail += &format!("; {checks} checks given");
        if !passed {
            detail += &format!("; failed: {}", failed.join(", "));
        }
        let outcome = if passed { "passed" } else { "FAILED" };
        self.step("verdict", outcome, self.began, detail.clone());
        self.note(Drill { at_ms: 0, cut, passed, writable_ms: writable, detail })
    }

    /// No branch could be made: the drill has failed, and is an error.
    fn not_begun(&self, error: Error) -> Error {
        let cut = self.engine.database(&self.database).map(|d| d.replicated_time());
        let cut = cut.unwrap_or_default();
        let detail = format!("no branch could be made: {error}");
        let drill = Drill { at_ms: 0, cut, passed: false, writable_ms: 0, detail };
        if let Err(error) = self.note(drill) {
            tracing::warn!(%error, "a drill is not in the history");
        }
        error
    }

    fn note(&self, drill: Drill) -> Result<()> {
        let drill = Drill { at_ms: self.engine.env.clock.now_ms(), ..drill };
        let (database, by) = (self.engine.record(&self.database)?.id, Some(self.user.clone()));
        self.engine.meta.apply(Command::Drilled { database, drill, by }).map(|_| ())
    }
}
