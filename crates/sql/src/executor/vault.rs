//! `REAPPLY` and `DISMISS DIVERGED TRANSACTION`: what becomes of a transaction that the other side
//! never saw. The decision is a row of the database, written by the same transaction as what is
//! reapplied: it happens once, whatever fails, and every standby knows it.
//!
//! A diverged transaction is reapplied by ordinary statements, one for each row, so that everything
//! holds that holds for them: types, NOT NULL, generated columns, indexes.

mod again;

use self::again::{Act, Again, again, differs, is_schema, statement_of, table_now};
use super::{Executor, Outcome, Prepared};
use crate::shape::{Place, Shape};
use crate::statement;
use base::{Error, Result, SqlState, StorageId, TxnId, Value};
use dr::DivergedTransaction;
use format::decision::{Decision, Verdict};
use meta::{Command, DatabaseState, HistoryRow};
use partition::LockMode;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::oneshot;
use txn::{Transaction, TxnOptions};

impl Executor {
    /// Applies a diverged transaction again, in a transaction of its own.
    pub(super) async fn reapply(&self, id: &str, force: bool) -> Result<Outcome> {
        let found = self.find_diverged(id)?;
        check_whole(&found, force)?;
        let mut txn = self.begin_decision().await?;
        let before = txn.decision(found.txn, self.wait()).await?;
        if let Some(before) = before.filter(|d| d.verdict == Verdict::Reapplied) {
            return Err(decided(id, &before));
        }
        let rows = self.rows_again(&mut txn, &found).await?;
        let places: Vec<Place> = rows.iter().map(|r| r.place.clone()).collect();
        let mut order: Vec<usize> = (0..places.len()).collect();
        order.sort_by(|a, b| places[*a].cmp(&places[*b]));
        let sorted: Vec<Place> = order.iter().map(|i| places[*i].clone()).collect();
        txn.lock(&sorted, LockMode::Exclusive, self.wait()).await?;
        let latest = txn.latest(&places).await?;
        let mut acts = Vec::new();
        for (again, latest) in rows.iter().zip(latest) {
            let now = latest.map(|v| again.shape.decode(&v.row)).transpose()?;
            if !force && now != again.old {
                return Err(differs(again, now.as_deref()));
            }
            let act = match (&now, &again.new) {
                (Some(_), Some(_)) => Act::Update,
                (None, Some(_)) => Act::Insert,
                (Some(_), None) => Act::Delete,
                (None, None) => continue,
            };
            acts.push((act, again));
        }
        acts.sort_by_key(|(act, _)| *act);
        let count = self.act(&mut txn, &acts).await?;
        let decision = self.decision(Verdict::Reapplied, None, force);
        txn.decide(found.txn, &decision)?;
        let detail = format!(
            "{id}: {count} rows{}",
            if force { ", whatever was there (FORCE)" } else { ", all as they were found" }
        );
        self.commit_decision(txn, "reapply", detail).await?;
        Ok(Outcome::command(format!("REAPPLY DIVERGED TRANSACTION {count}")))
    }

    /// Notes that a diverged transaction is of no interest any more.
    pub(super) async fn dismiss(&self, id: &str, reason: &str) -> Result<Outcome> {
        if reason.trim().is_empty() {
            let message = "a diverged transaction is dismissed for a reason";
            return Err(Error::new(SqlState::INVALID_PARAMETER_VALUE, message));
        }
        let found = self.find_diverged(id)?;
        let mut txn = self.begin_decision().await?;
        if let Some(before) = txn.decision(found.txn, self.wait()).await? {
            return Err(decided(id, &before));
        }
        let decision = self.decision(Verdict::Dismissed, Some(reason.to_owned()), false);
        txn.decide(found.txn, &decision)?;
        self.commit_decision(txn, "dismiss", format!("{id}: {reason}")).await?;
        Ok(Outcome::command("DISMISS DIVERGED TRANSACTION"))
    }

    fn decision(&self, verdict: Verdict, reason: Option<String>, forced: bool) -> Decision {
        let at_micros = (self.engine.env.clock.now_ms() as i64).saturating_mul(1_000);
        Decision { verdict, at_micros, who: self.user.clone(), reason, forced }
    }

    fn find_diverged(&self, id: &str) -> Result<DivergedTransaction> {
        let all = self.links()?.diverged(&self.database)?;
        all.into_iter().find(|t| t.txn.to_string() == id).ok_or_else(|| {
            let message = format!("there is no diverged transaction \"{id}\" in this database");
            Error::new(SqlState::UNDEFINED_OBJECT, message)
                .hint("SELECT * FROM information_schema.diverged_transactions, in that database")
        })
    }

    /// A transaction on the primary.
    async fn begin_decision(&self) -> Result<Transaction> {
        let record = self.engine.record(&self.database)?;
        if record.state != DatabaseState::Primary {
            let state = record.state.name();
            let message = format!("database \"{}\" is read-only: it is a {state}", self.database);
            let error = Error::new(SqlState::READ_ONLY_SQL_TRANSACTION, message);
            return Err(match record.link.map(|l| l.source) {
                Some(s) => error.hint(format!(
                    "its primary has the diverged transactions too: run the statement there \
                     ({}:{}/{})",
                    s.host, s.port, s.database
                )),
                None => error,
            });
        }
        let mut txn = self.engine.database(&self.database)?.begin(TxnOptions::default());
        txn.start_statement().await?;
        Ok(txn)
    }

    /// Commits, and notes it in the history, even if whoever has asked goes away.
    async fn commit_decision(
        &self,
        txn: Transaction,
        kind: &'static str,
        detail: String,
    ) -> Result<()> {
        let (engine, name, who) =
            (self.engine.clone(), self.database.clone(), Some(self.user.clone()));
        let (tell, told) = oneshot::channel();
        let work = async move {
            let done = txn.commit().await.map(|_| {
                let row = HistoryRow::new(engine.env.clock.now_ms(), name, kind, detail).by(who);
                if let Err(error) = engine.meta.apply(Command::History(row)) {
                    tracing::warn!(kind, %error, "a decision is not in the history");
                }
            });
            // Nobody may be listening any more.
            let _ = tell.send(done);
        };
        self.engine.env.tasks.spawn("decision", Box::pin(work));
        told.await.unwrap_or_else(|_| {
            let message = "the server stopped during the commit";
            Err(Error::new(SqlState::TRANSACTION_RESOLUTION_UNKNOWN, message).outcome_unknown())
        })
    }

    /// Its rows, with the tables they belong to now.
    async fn rows_again(
        &self,
        txn: &mut Transaction,
        found: &DivergedTransaction,
    ) -> Result<Vec<Again>> {
        let catalog = txn.catalog().await?;
        let altered = self.altered_tables(found.txn)?;
        let partitions = txn.database().partitions().len() as u16;
        let mut shapes: BTreeMap<StorageId, Arc<Shape>> = BTreeMap::new();
        let mut rows = Vec::new();
        for part in &found.parts {
            for row in &part.rows {
                let storage = format::key::storage_of(&row.raw_key);
                let shape = match shapes.get(&storage) {
                    Some(shape) => shape.clone(),
                    None => {
                        let table = table_now(&catalog, storage, row, &altered)?;
                        let shape = Arc::new(Shape::new(table, partitions));
                        shapes.insert(storage, shape.clone());
                        shape
                    }
                };
                rows.push(again(shape, part.partition, row)?);
            }
        }
        Ok(rows)
    }

    /// Tables whose definition the lost side has changed, too: what their columns mean differs.
    fn altered_tables(&self, not: TxnId) -> Result<Vec<StorageId>> {
        let all = self.links()?.diverged(&self.database)?;
        let rows = all.iter().filter(|t| t.txn != not).flat_map(|t| &t.parts);
        let rows = rows.flat_map(|p| &p.rows).filter(|r| is_schema(r));
        let tables = rows.flat_map(|r| [&r.raw_old, &r.raw_new]).flatten();
        let tables = tables.filter_map(|raw| {
            format::catalog::decode(&format::row::decode(raw).ok()?).ok().map(|t| t.storage)
        });
        Ok(tables.collect())
    }

    /// Runs the statements.
    async fn act(&self, txn: &mut Transaction, acts: &[(Act, &Again)]) -> Result<usize> {
        let mut prepared: BTreeMap<(Act, StorageId), (Arc<Prepared>, Vec<usize>)> = BTreeMap::new();
        for (act, again) in acts {
            let key = (*act, again.shape.table.storage);
            let (statement, columns) = match prepared.get(&key) {
                Some(ready) => ready.clone(),
                None => {
                    let catalog = txn.catalog().await?;
                    let (sql, columns) = statement_of(&again.shape, *act, &catalog)?;
                    let types = columns.iter().map(|i| Some(again.shape.columns()[*i].ty));
                    let types: Vec<_> = types.collect();
                    let one = statement::parse(&sql)?.pop();
                    let one = one.ok_or_else(|| Error::internal("no statement"))?;
                    let ready = (self.prepare(txn, &one.stmt, &types).await?, columns);
                    prepared.insert(key, ready.clone());
                    ready
                }
            };
            let row = again.new.as_ref().or(again.old.as_ref());
            let row = row.ok_or_else(|| Error::internal("a change of nothing"))?;
            let values: Vec<Value> = columns.iter().map(|i| row[*i].clone()).collect();
            match self.execute(txn, &statement, &values).await? {
                Outcome::Command { tag } if tag.ends_with(" 1") => {}
                _ => return Err(Error::internal(format!("row {} was not changed", again.key))),
            }
        }
        Ok(acts.len())
    }
}

fn check_whole(found: &DivergedTransaction, force: bool) -> Result<()> {
    let refuse = |why: &str| {
        let message = format!("diverged transaction \"{}\" cannot be reapplied: {why}", found.txn);
        Err(Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
            .hint("its rows are in information_schema.diverged_rows: re-enter what matters"))
    };
    if found.parts.iter().flat_map(|p| &p.rows).any(is_schema) {
        return refuse("it has changed the schema");
    }
    if !found.complete {
        return refuse("some of its changes are not here");
    }
    if !found.decided && !force {
        return refuse("it is not known to have committed (FORCE applies it all the same)");
    }
    Ok(())
}

fn decided(id: &str, before: &Decision) -> Error {
    let what = before.verdict.name();
    let message = format!("diverged transaction \"{id}\" was {what} already");
    let at = crate::text::format(base::SqlType::TimestampTz, &Value::Micros(before.at_micros));
    let why = before.reason.as_ref().map_or(String::new(), |r| format!(": {r}"));
    Error::new(SqlState::OBJECT_NOT_IN_PREREQUISITE_STATE, message)
        .detail(format!("By {} at {at}{why}. Nothing has happened now.", before.who))
}
