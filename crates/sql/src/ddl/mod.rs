//! Changes of tables. They run in the user's transaction like everything else: a descriptor is a
//! row, and what replaces a table's rows goes to a new key space.

mod alter;
mod columns;
mod create;
mod drop;
mod primary_key;

pub use alter::alter;
pub use create::{create, create_as};
pub use drop::{drop_tables, truncate};

use crate::change::{Run, Scope};
use base::{Catalog, Result, TableDescriptor};
use datafusion::sql::sqlparser::ast::ObjectName;
use partition::LockMode;
use std::sync::Arc;

/// Locks a table for a change of its descriptor and returns the newest one.
async fn exclusively(run: &mut Run<'_>, name: &ObjectName) -> Result<Arc<TableDescriptor>> {
    run.txn.begin_ddl().await?;
    loop {
        let catalog = run.txn.catalog().await?;
        let table = crate::change::writable(&catalog, name)?;
        let wait = run.wait;
        if !run.txn.lock_table(table.id, LockMode::Exclusive, wait).await? {
            return Ok(table);
        }
        run.txn.start_statement().await?;
    }
}

/// A default must be an expression without columns that can be assigned to its column.
fn check_default(
    run: &Run<'_>,
    catalog: &Catalog,
    text: &str,
    ty: base::SqlType,
    column: &str,
) -> Result<base::Value> {
    let database = run.txn.database().name().to_owned();
    let names = crate::plan::Names::new(run.runtime, catalog, &database, 1);
    let scope =
        Scope { runtime: run.runtime, names: &names, catalog, partitions: 1, types: Vec::new() };
    let mut compiler = crate::cell::Compiler::without_row(scope.runtime, scope.names, scope.types);
    let cell = compiler.cell(&crate::change::parse_expr(text)?, Some(ty))?;
    cell.assign(&[], run.frame, ty, column)
}
