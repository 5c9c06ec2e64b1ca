//! `DR TABLE`: which tables other clusters have.
//!
//! Whether a table is replicated is a part of its key space ([`StorageId::is_local`](base::StorageId)),
//! so that whoever sends rows needs no catalog. To change it, all rows move to a new key space, in the
//! user's transaction: to those who follow, the table is emptied, or filled, by an ordinary commit.

use super::{exclusively, exclusively_by_id, primary_key};
use crate::change::Run;
use crate::ddl::create::database_of;
use crate::shape::Shape;
use base::{Result, StorageId, TableDescriptor, TableId};
use datafusion::sql::sqlparser::ast::ObjectName;
use std::sync::Arc;

/// Which tables.
#[derive(Clone, Debug, PartialEq)]
pub enum DrTables {
    /// All, also those that will be made.
    All,
    /// One.
    One {
        /// Its name.
        table: ObjectName,
        /// It is not to be replicated any more.
        disable: bool,
    },
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Chosen {
    /// The key spaces that were made.
    pub fresh: Vec<StorageId>,
    /// What the user is to know, besides.
    pub told: Vec<String>,
}

/// Chooses the tables that are replicated.
///
/// # Errors
/// 54000 if all the rows that have to move are too many for one transaction: nothing has changed then.
pub async fn replicate_tables(run: &mut Run<'_>, wanted: &DrTables) -> Result<Chosen> {
    let mut chosen = Chosen::default();
    match wanted {
        DrTables::All => {
            run.txn.begin_ddl().await?;
            run.txn.choose_tables(false).await?;
            let moved = move_all(run, None, false, &mut chosen).await?;
            chosen.told.push(match moved.as_slice() {
                [] => "all tables are replicated, also those that will be made".to_owned(),
                moved => format!(
                    "all tables are replicated, also those that will be made; from now on: {}",
                    moved.join(", ")
                ),
            });
        }
        DrTables::One { table, disable: true } => {
            let table = exclusively(run, table).await?;
            match table.storage.is_local() {
                true => chosen.told.push(format!("table \"{}\" is not replicated", table.name)),
                false => move_one(run, &table, true, &mut chosen).await?,
            }
        }
        DrTables::One { table, disable: false } => {
            let table = exclusively(run, table).await?;
            if run.txn.choose_tables(true).await? {
                let moved = move_all(run, Some(table.id), true, &mut chosen).await?;
                let others = match moved.as_slice() {
                    [] => "others that will be made are not".to_owned(),
                    moved => {
                        format!("not any more: {}; nor others that will be made", moved.join(", "))
                    }
                };
                chosen.told.push(format!("table \"{}\" is replicated, {others}", table.name));
            }
            if table.storage.is_local() {
                move_one(run, &table, false, &mut chosen).await?;
            }
        }
    }
    Ok(chosen)
}

/// Moves all tables but one that are otherwise; tells their names.
async fn move_all(
    run: &mut Run<'_>,
    but: Option<TableId>,
    local: bool,
    chosen: &mut Chosen,
) -> Result<Vec<String>> {
    let catalog = run.txn.catalog().await?;
    let others = catalog.tables.values().filter(|t| Some(t.id) != but);
    let mut others: Vec<(String, TableId)> =
        others.filter(|t| t.storage.is_local() != local).map(|t| (t.name.clone(), t.id)).collect();
    others.sort();
    for (_, id) in &others {
        let table = exclusively_by_id(run, *id).await?;
        move_one(run, &table, local, chosen).await?;
    }
    Ok(others.into_iter().map(|(name, _)| name).collect())
}

async fn move_one(
    run: &mut Run<'_>,
    table: &Arc<TableDescriptor>,
    local: bool,
    chosen: &mut Chosen,
) -> Result<()> {
    let (_, partitions) = database_of(run);
    let old = Shape::new(table.clone(), partitions);
    let mut changed = table.as_ref().clone();
    let columns = (0..table.columns.len()).collect();
    primary_key::rewrite(run, &old, columns, &mut changed, local).await?;
    changed.version += 1;
    run.txn.put_table(&changed).await?;
    chosen.fresh.push(changed.storage);
    Ok(())
}
