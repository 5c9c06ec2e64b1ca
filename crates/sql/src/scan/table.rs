//! One table as a provider of scans.

use super::bounds::Bounds;
use super::estimate;
use super::exec::ScanExec;
use super::index::IndexBounds;
use crate::shape::Shape;
use ::arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::Result;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use std::sync::{Arc, Weak};
use txn::Database;

/// A table, with or without its hidden columns.
#[derive(Debug)]
pub struct Table {
    shape: Arc<Shape>,
    /// Positions of the columns shown.
    shown: Vec<usize>,
    schema: SchemaRef,
    /// Who is asked how many rows there are. Plans are kept for longer than a database may live.
    database: Weak<Database>,
}

impl Table {
    /// The table as queries see it.
    pub fn visible(shape: Arc<Shape>) -> Table {
        let shown = shape.visible().map(|(i, _)| i).collect();
        Table::showing(shape, shown)
    }

    /// With estimates of its size, from the database it is in.
    #[must_use]
    pub fn counted(mut self, database: Weak<Database>) -> Table {
        self.database = database;
        self
    }

    /// The table as the target of a change: hidden columns last.
    pub fn whole(shape: Arc<Shape>) -> Table {
        let shown = (0..shape.columns().len()).collect();
        Table::showing(shape, shown)
    }

    fn showing(shape: Arc<Shape>, shown: Vec<usize>) -> Table {
        let fields: Vec<_> = shown.iter().map(|i| shape.schema.fields()[*i].clone()).collect();
        let schema = Arc::new(::arrow::datatypes::Schema::new(fields));
        Table { shape, shown, schema, database: Weak::new() }
    }
}

#[async_trait]
impl TableProvider for Table {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let columns: Vec<usize> = match projection {
            Some(p) => p.iter().map(|i| self.shown[*i]).collect(),
            None => self.shown.clone(),
        };
        let bounds = Bounds::of(&self.shape, filters);
        let index = IndexBounds::choose(&self.shape, filters, &bounds);
        let rows = match self.database.upgrade() {
            Some(d) => estimate::rows(&d, &self.shape, &bounds, index.as_ref()).await,
            None => None,
        };
        let known = estimate::statistics(&self.shape, &columns, rows);
        let groups = state.config().target_partitions();
        // A limit may only be pushed down where nothing filters the rows afterwards.
        let limit = limit.filter(|_| filters.is_empty());
        let shape = self.shape.clone();
        Ok(Arc::new(ScanExec::new(shape, columns, bounds, index, limit, groups)?.knowing(known)))
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }
}
