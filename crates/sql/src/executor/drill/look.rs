//! What a drill looks at in its branch.

use crate::executor::{Executor, Outcome};
use crate::statement::{self, Stmt};
use arrow::array::{Array, AsArray};
use arrow::datatypes::DataType;
use arrow::record_batch::RecordBatch;
use base::{Error, Result, SqlState};
use futures::TryStreamExt;
use std::sync::Arc;
use txn::{Database, TxnOptions};

/// Indexes of tables with more rows than this are not compared: it holds all entries in memory.
const ROWS_MAX: u64 = 100_000;

/// A table of its own, which no one else has.
const SCRATCH: &str = "\"a table of the drill\"";

/// Runs a statement in a transaction of its own.
async fn run(
    executor: &Executor,
    database: &Arc<Database>,
    stmt: &Stmt,
) -> Result<Vec<RecordBatch>> {
    let mut txn = database.begin(TxnOptions::default());
    let batches = match executor.execute_stmt(&mut txn, stmt).await? {
        Outcome::Rows { rows, .. } => rows.try_collect().await?,
        Outcome::Command { .. } => Vec::new(),
    };
    txn.commit().await?;
    Ok(batches)
}

async fn run_text(
    executor: &Executor,
    database: &Arc<Database>,
    sql: &str,
) -> Result<Vec<RecordBatch>> {
    let one = statement::parse(sql)?.pop();
    let one = one.ok_or_else(|| Error::internal("no statement"))?;
    run(executor, database, &one.stmt).await
}

/// Writes something, durably, and reads it back.
pub(super) async fn try_write(executor: &Executor, database: &Arc<Database>) -> Result<String> {
    let create = format!("CREATE TABLE {SCRATCH} (id bigint PRIMARY KEY, said text)");
    run_text(executor, database, &create).await?;
    // In every partition, most likely.
    let insert = format!(
        "INSERT INTO {SCRATCH} SELECT i, 'row ' || i FROM generate_series(1, 1000) AS g(i)"
    );
    run_text(executor, database, &insert).await?;
    let right = format!("SELECT count(*) = 1000 FROM {SCRATCH} WHERE said = 'row ' || id");
    let read = statement::parse(&right)?.pop();
    let read = read.ok_or_else(|| Error::internal("no statement"))?;
    if !holds(executor, database, &read.stmt).await? {
        let message = "what was written is not what is read";
        return Err(Error::new(SqlState::DATA_CORRUPTED, message));
    }
    run_text(executor, database, &format!("DROP TABLE {SCRATCH}")).await?;
    Ok("a table was made, written, read and dropped".to_owned())
}

/// Reads every row of every table.
pub(super) async fn count_rows(executor: &Executor, database: &Arc<Database>) -> Result<String> {
    let mut txn = database.begin(TxnOptions::default());
    txn.start_statement().await?;
    let catalog = txn.catalog().await?;
    let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
    let mut rows = 0;
    for table in catalog.tables.values() {
        let sql = format!("SELECT count(*) FROM {}.{}", quoted(&table.schema), quoted(&table.name));
        for batch in run_text(executor, database, &sql).await? {
            let counts = batch.column(0).as_primitive_opt::<arrow::datatypes::Int64Type>();
            rows += counts.map_or(0, |c| c.iter().flatten().sum::<i64>());
        }
    }
    Ok(format!("{rows} rows in {} tables", catalog.tables.len()))
}

/// Compares the indexes of small tables with their rows.
pub(super) async fn verify_indexes(database: &Arc<Database>) -> Result<String> {
    let mut txn = database.begin(TxnOptions::default());
    txn.start_statement().await?;
    let catalog = txn.catalog().await?;
    let view = txn.view()?;
    let (mut right, mut left_out) = (0, 0);
    for table in catalog.tables.values() {
        let mut stored = 0;
        for partition in 0..database.partitions().len() as u16 {
            stored += view.estimated_rows(partition, table.storage).await?;
        }
        for index in table.indexes.iter().filter(|index| index.ready) {
            if stored > ROWS_MAX {
                left_out += 1;
                continue;
            }
            match view.audit_index(table, index).await? {
                None => right += 1,
                Some(wrong) => return Err(Error::new(SqlState::DATA_CORRUPTED, wrong)),
            }
        }
    }
    let more = match left_out {
        0 => String::new(),
        n => format!("; {n} of larger tables were not compared"),
    };
    Ok(format!("{right} agree with their tables{more}"))
}

/// True if a query returns one row with one column, `true`.
pub(super) async fn holds(
    executor: &Executor,
    database: &Arc<Database>,
    stmt: &Stmt,
) -> Result<bool> {
    let batches = run(executor, database, stmt).await?;
    let rows: usize = batches.iter().map(RecordBatch::num_rows).sum();
    let Some(batch) = batches.iter().find(|b| b.num_rows() == 1).filter(|_| rows == 1) else {
        return Ok(false);
    };
    let one = batch.num_columns() == 1 && batch.column(0).data_type() == &DataType::Boolean;
    Ok(one && batch.column(0).as_boolean().is_valid(0) && batch.column(0).as_boolean().value(0))
}
