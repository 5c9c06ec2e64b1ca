//! Which tables and functions a name means.

use super::operators::CastTypes;
use super::runtime::Runtime;
use crate::scan::Table;
use crate::shape::Shape;
use crate::system;
use ::arrow::datatypes::{DataType, SchemaRef};
use base::{Catalog, Error, SequenceDescriptor, SqlState, TableDescriptor, TableId};
use datafusion::catalog::cte_worktable::CteWorkTable;
use datafusion::common::config::ConfigOptions;
use datafusion::common::{Result, TableReference};
use datafusion::datasource::provider_as_source;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner, TypePlanner};
use datafusion::logical_expr::{
    AggregateUDF, Expr, HigherOrderUDF, ScalarUDF, TableSource, WindowUDF,
};
use parking_lot::Mutex;
use std::sync::{Arc, Weak};
use txn::Database;

/// The name under which a statement that changes rows reads its own target, hidden columns
/// included. No user can write it: it is not a valid identifier even in quotes.
pub const TARGET: &str = "\u{1}target";

/// The names that one statement can see.
pub struct Names<'a> {
    runtime: &'a Runtime,
    state: &'a SessionState,
    catalog: &'a Catalog,
    database: &'a str,
    partitions: u16,
    /// Who knows how large the tables are.
    source: Weak<Database>,
    /// What the statement mentions of the system.
    system: system::Scope,
    /// What [`TARGET`] is.
    target: Mutex<Option<Arc<Shape>>>,
    /// The table that the statement changes.
    changed: Mutex<Option<TableId>>,
    /// User tables that were looked up.
    used: Mutex<Vec<Arc<TableDescriptor>>>,
    /// What was found of sequences.
    sequences: Mutex<Sequences>,
}

/// What a statement has to do with sequences.
#[derive(Clone, Debug, Default)]
pub struct Sequences {
    /// It calls a function of theirs.
    pub called: bool,
    /// It moves one.
    pub drawn: bool,
    /// Those it names, as far as that was settled when it was compiled.
    pub used: Vec<Arc<SequenceDescriptor>>,
}

impl<'a> Names<'a> {
    /// All tables of a catalog.
    pub fn new(
        runtime: &'a Runtime,
        catalog: &'a Catalog,
        database: &'a str,
        partitions: u16,
    ) -> Names<'a> {
        Names {
            runtime,
            state: runtime.state(),
            catalog,
            database,
            partitions,
            source: Weak::new(),
            system: system::Scope::default(),
            target: Mutex::new(None),
            changed: Mutex::new(None),
            used: Mutex::new(Vec::new()),
            sequences: Mutex::default(),
        }
    }

    /// With estimates of the tables' sizes.
    #[must_use]
    pub fn counted(mut self, source: &Arc<Database>) -> Names<'a> {
        self.source = Arc::downgrade(source);
        self
    }

    /// With system tables and functions.
    #[must_use]
    pub fn with_system(mut self, system: system::Scope) -> Names<'a> {
        self.system = system;
        self
    }

    /// Names the table that the statement changes.
    pub fn set_target(&self, target: Arc<Shape>) {
        *self.target.lock() = Some(target);
    }

    /// Notes the table that the statement changes.
    pub fn note_changed(&self, table: TableId) {
        *self.changed.lock() = Some(table);
    }

    /// The table that the statement changes.
    pub fn changed(&self) -> Option<TableId> {
        *self.changed.lock()
    }

    /// The user tables that were looked up so far.
    pub fn used(&self) -> Vec<Arc<TableDescriptor>> {
        self.used.lock().clone()
    }

    /// What the statement has to do with sequences so far.
    pub fn sequences(&self) -> Sequences {
        self.sequences.lock().clone()
    }

    /// The statement takes values from this sequence.
    pub fn draw(&self, id: TableId) {
        let mut sequences = self.sequences.lock();
        (sequences.called, sequences.drawn) = (true, true);
        sequences.used.extend(self.catalog.sequences.get(&id).cloned());
    }

    /// The tables and sequences there are.
    pub fn catalog(&self) -> &Catalog {
        self.catalog
    }

    fn user_table(&self, schema: &str, name: &str) -> Option<Arc<dyn TableSource>> {
        let table = self.catalog.table(schema, name)?;
        self.used.lock().push(table.clone());
        let shape = Arc::new(Shape::new(table.clone(), self.partitions));
        Some(provider_as_source(Arc::new(Table::visible(shape).counted(self.source.clone()))))
    }

    fn system_table(&self, schema: &str, name: &str) -> Option<Arc<dyn TableSource>> {
        let key = (schema.to_owned(), name.to_owned());
        self.system.tables.get(&key).map(|t| provider_as_source(t.clone()))
    }

    fn find(&self, name: &TableReference) -> Option<Arc<dyn TableSource>> {
        match name {
            TableReference::Bare { table } => {
                let system = self.system_table("pg_catalog", table);
                system
                    .or_else(|| self.system_table("public", table))
                    .or_else(|| self.user_table("public", table))
            }
            TableReference::Partial { schema, table } => {
                self.system_table(schema, table).or_else(|| self.user_table(schema, table))
            }
            TableReference::Full { catalog, schema, table } if **catalog == *self.database => {
                self.system_table(schema, table).or_else(|| self.user_table(schema, table))
            }
            TableReference::Full { .. } => None,
        }
    }
}

/// The error for a table that is not there.
pub fn no_table(name: &str) -> Error {
    Error::new(SqlState::UNDEFINED_TABLE, format!("relation \"{name}\" does not exist"))
}

impl ContextProvider for Names<'_> {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        if name.table() == TARGET
            && let Some(target) = self.target.lock().clone()
        {
            let target = Table::whole(target).counted(self.source.clone());
            return Ok(provider_as_source(Arc::new(target)));
        }
        self.find(&name).ok_or_else(|| crate::error::wrap(no_table(&name.to_string())))
    }

    fn get_table_function_source(
        &self,
        name: &str,
        args: Vec<Expr>,
    ) -> Result<Arc<dyn TableSource>> {
        self.runtime.table_function(name, args)
    }

    fn create_cte_work_table(&self, name: &str, schema: SchemaRef) -> Result<Arc<dyn TableSource>> {
        Ok(provider_as_source(Arc::new(CteWorkTable::new(name, schema))))
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        self.state.expr_planners()
    }

    fn get_type_planner(&self) -> Option<Arc<dyn TypePlanner>> {
        Some(Arc::new(CastTypes))
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        if crate::sequence::is_known(name) {
            let mut sequences = self.sequences.lock();
            sequences.called = true;
            sequences.drawn |= crate::sequence::is_drawing(name);
        }
        let own = self.system.functions.get(name);
        own.or_else(|| self.state.scalar_functions().get(name)).cloned()
    }

    fn get_higher_order_meta(&self, name: &str) -> Option<Arc<HigherOrderUDF>> {
        self.state.higher_order_functions().get(name).cloned()
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        self.state.aggregate_functions().get(name).cloned()
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        self.state.window_functions().get(name).cloned()
    }

    fn get_variable_type(&self, _: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        self.state.config_options()
    }

    fn udf_names(&self) -> Vec<String> {
        self.state.scalar_functions().keys().cloned().collect()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        self.state.higher_order_functions().keys().cloned().collect()
    }

    fn udaf_names(&self) -> Vec<String> {
        self.state.aggregate_functions().keys().cloned().collect()
    }

    fn udwf_names(&self) -> Vec<String> {
        self.state.window_functions().keys().cloned().collect()
    }
}
