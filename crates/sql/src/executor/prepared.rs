//! A statement that can be executed many times.

use super::Executor;
use super::body::{Body, Compiled};
use crate::plan::{ResultColumn, count_placeholders};
use crate::statement::{Stmt, SystemTime};
use base::{Catalog, Result, SqlType};
use parking_lot::Mutex;
use std::sync::Arc;
use txn::Transaction;

/// A prepared statement.
pub struct Prepared {
    /// What it is.
    pub stmt: Arc<Stmt>,
    /// The types of its parameters.
    pub params: Vec<SqlType>,
    /// Its result columns; `None` if it returns no rows.
    pub columns: Option<Vec<ResultColumn>>,
    pub(super) plan: Mutex<Option<Arc<Compiled>>>,
    /// When it reads, if not now.
    pub(super) as_of: Option<SystemTime>,
    /// The client was told the columns, so they must stay as they are.
    told: bool,
}

impl Prepared {
    /// True if it is a fast-path statement: one row by its whole key, or rows by all columns of an
    /// index.
    pub fn is_point(&self) -> bool {
        let is = |body: &Body| matches!(body, Body::Point(_) | Body::Lookup(_));
        self.plan.lock().as_ref().is_some_and(|p| is(&p.body))
    }
}

impl Executor {
    /// Prepares a statement. `declared` are the types the client has given, as far as it has.
    /// Begins a statement in the transaction for the catalog.
    pub async fn prepare(
        &self,
        txn: &mut Transaction,
        stmt: &Stmt,
        declared: &[Option<SqlType>],
    ) -> Result<Arc<Prepared>> {
        let Stmt::AsOf { stmt, time } = stmt else {
            return self.prepare_in(txn, stmt, declared).await.map(Arc::new);
        };
        let mut past = self.past(txn, *time)?;
        let _apart = self.apart();
        let prepared = self.prepare_in(&mut past, stmt, declared).await?;
        Ok(Arc::new(Prepared { as_of: Some(*time), ..prepared }))
    }

    async fn prepare_in(
        &self,
        txn: &mut Transaction,
        stmt: &Stmt,
        declared: &[Option<SqlType>],
    ) -> Result<Prepared> {
        let count = placeholders(stmt).max(declared.len());
        let mut types: Vec<Option<SqlType>> = vec![None; count];
        for (slot, declared) in types.iter_mut().zip(declared) {
            *slot = *declared;
        }
        let stmt = Arc::new(stmt.clone());
        if !super::body::has_plan(&stmt) {
            let params = vec![SqlType::Text; count];
            let columns = self.utility_columns(&stmt);
            let plan = Mutex::new(None);
            return Ok(Prepared { stmt, params, columns, plan, as_of: None, told: true });
        }
        self.snapshot(txn).await?;
        self.prepare_plan(txn, stmt, types, true).await
    }

    /// Prepares a query or a change at the transaction's snapshot. Columns the client is not `told`
    /// beforehand may be others when the statement is executed.
    pub(super) async fn prepare_plan(
        &self,
        txn: &mut Transaction,
        stmt: Arc<Stmt>,
        types: Vec<Option<SqlType>>,
        told: bool,
    ) -> Result<Prepared> {
        let compiled = self.compile(txn, &stmt, types).await?;
        Ok(Prepared {
            stmt,
            params: compiled.params.clone(),
            columns: compiled.columns(),
            plan: Mutex::new(Some(Arc::new(compiled))),
            as_of: None,
            told,
        })
    }

    /// True if a prepared statement's plan fits the catalog that the transaction sees.
    pub(super) async fn is_current(
        &self,
        txn: &mut Transaction,
        prepared: &Prepared,
    ) -> Result<bool> {
        let catalog = txn.catalog().await?;
        Ok(prepared.plan.lock().as_ref().is_some_and(|plan| is_valid(plan, &catalog)))
    }

    /// The plan of a statement, compiled again if a table has changed.
    pub(super) async fn current_plan(
        &self,
        txn: &mut Transaction,
        prepared: &Prepared,
    ) -> Result<Arc<Compiled>> {
        let catalog = txn.catalog().await?;
        let cached = prepared.plan.lock().clone();
        if let Some(plan) = cached
            && is_valid(&plan, &catalog)
        {
            return Ok(plan);
        }
        let declared = prepared.params.iter().copied().map(Some).collect();
        let plan = Arc::new(self.compile(txn, &prepared.stmt, declared).await?);
        let same = |a: &Option<Vec<ResultColumn>>, b: &Option<Vec<ResultColumn>>| match (a, b) {
            (Some(a), Some(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.ty == b.ty),
            (None, None) => true,
            _ => false,
        };
        if prepared.told && !same(&prepared.columns, &plan.columns()) {
            return Err(base::Error::new(
                base::SqlState::FEATURE_NOT_SUPPORTED,
                "cached plan must not change result type",
            )
            .hint("prepare the statement again"));
        }
        *prepared.plan.lock() = Some(plan.clone());
        Ok(plan)
    }
}

/// True if every table the plan knows is still the same.
fn is_valid(plan: &Compiled, catalog: &Catalog) -> bool {
    !plan.system
        && plan.used.iter().all(|used| {
            catalog
                .tables
                .get(&used.id)
                .is_some_and(|now| Arc::ptr_eq(now, used) || **now == **used)
        })
        && plan.sequences.used.iter().all(|used| {
            catalog
                .sequences
                .get(&used.id)
                .is_some_and(|now| Arc::ptr_eq(now, used) || **now == **used)
        })
}

fn placeholders(stmt: &Stmt) -> usize {
    match stmt {
        Stmt::Sql(ast) => count_placeholders(ast.as_ref()),
        _ => 0,
    }
}
