//! Indexes of the bank's tables, kept up and made without SQL, and somebody who makes, finishes and
//! drops them all the time.

use crate::bank::{LOCK_WAIT, begin};
use crate::dice::Dice;
use crate::region::Access;
use crate::stage::Stage;
use crate::verdict::Violation;
use base::{Error, IndexColumn, IndexDescriptor, Result, SqlState, TableDescriptor, TableId};
use bytes::Bytes;
use format::index::entry_of;
use std::sync::Arc;
use txn::{Database, EntryMove, Transaction, TxnOptions};

/// The tables that get and lose indexes, and the last column to index: rows of the first change all
/// the time, the second gets new ones.
const TABLES: [(&str, u64); 2] = [("accounts", 2), ("transfers", 5)];

/// Adds an index on columns (descending, if true) to a table of this transaction.
pub async fn add(
    txn: &mut Transaction,
    table: &mut TableDescriptor,
    name: &str,
    columns: &[(u32, bool)],
    unique: bool,
    ready: bool,
) -> Result<TableId> {
    let column = |(column, descending): &(u32, bool)| IndexColumn {
        column: *column,
        descending: *descending,
        nulls_first: *descending,
    };
    let id = txn.next_table_id().await?;
    table.indexes.push(IndexDescriptor {
        id,
        name: name.to_owned(),
        storage: txn.next_index_storage_id(table.storage).await?,
        columns: columns.iter().map(column).collect(),
        unique,
        constraint: false,
        ready,
    });
    table.version += 1;
    txn.put_table(table).await?;
    Ok(id)
}

/// Brings the entries of a locked row in line with what becomes of it.
pub async fn follow(
    txn: &mut Transaction,
    table: &TableDescriptor,
    at: &(u16, Bytes),
    old: Option<&[u8]>,
    new: &[u8],
) -> Result<()> {
    let mut moves = Vec::with_capacity(table.indexes.len());
    for index in &table.indexes {
        let entry = |row: &[u8]| entry_of(table, index, &at.1, row).map(|e| (at.0, e));
        moves.push(EntryMove { old: old.map(entry).transpose()?, new: Some(entry(new)?) });
    }
    match txn.move_entries(&moves, Some(LOCK_WAIT)).await? {
        None => Ok(()),
        // Ids are given once: nothing in the bank is there twice.
        Some(at) => Err(Error::internal(format!("move {at} met an entry of another row"))),
    }
}

/// Makes, finishes and drops indexes until the run is over.
pub async fn run(stage: Arc<Stage>, dice: Dice) {
    let mut number = 0;
    while !stage.is_over() {
        stage.sleep(dice.ms(200, 4_000)).await;
        if stage.is_calm() {
            continue;
        }
        let Some(region) = stage.route().to.map(|r| stage.regions[r].clone()) else { continue };
        let Some(access) = region.access() else { continue };
        number += 1;
        let work = change(&access, number, &dice);
        let (what, said) = match region.while_alive(access.life, work).await {
            Some((what, Ok(()))) => (what, "done".to_owned()),
            Some((what, Err(error))) => {
                if error.state == SqlState::UNIQUE_VIOLATION {
                    stage.verdict.report(Violation::new("index_matches", error.message.clone()));
                }
                stage.judge_error(&region, &access, what, &error);
                (what, error.to_string())
            }
            None => ("index change", "died".to_owned()),
        };
        stage.trace.say(format_args!("{what} {number} at {}: {said}", region.name));
    }
}

async fn change(access: &Access, number: u32, dice: &Dice) -> (&'static str, Result<()>) {
    let database = match access.database() {
        Ok(database) => database,
        Err(error) => return ("index change", Err(error)),
    };
    let (name, last) = dice.pick(&TABLES);
    match dice.range(0, 9) {
        0..=4 => ("new index", make(&database, (name, last), number, dice).await),
        5 | 6 => ("rest of an index", finish(&database, name).await),
        _ => ("drop of an index", drop_one(&database, name, dice).await),
    }
}

async fn table_of(txn: &mut Transaction, name: &str) -> Result<TableDescriptor> {
    txn.begin_ddl().await?;
    let catalog = txn.catalog().await?;
    let found = catalog.table("public", name);
    found.map(|t| t.as_ref().clone()).ok_or_else(|| Error::internal("the bank lacks a table"))
}

async fn make(
    database: &Arc<Database>,
    (name, last): (&str, u64),
    number: u32,
    dice: &Dice,
) -> Result<()> {
    let mut txn = begin(database, TxnOptions::default()).await?;
    let mut table = table_of(&mut txn, name).await?;
    if table.indexes.len() > 3 {
        return Ok(());
    }
    let second = (dice.range(2, last) as u32, dice.chance(50));
    let unique = dice.chance(50);
    let columns = if unique { vec![second, (1, dice.chance(50))] } else { vec![second] };
    let name = format!("ix{number}");
    let index = add(&mut txn, &mut table, &name, &columns, unique, false).await?;
    txn.commit().await?;
    fill(database, table.id, index).await
}

async fn fill(database: &Arc<Database>, table: TableId, index: TableId) -> Result<()> {
    match database.fill_index(table, index).await? {
        None => database.finish_index(table, index, None).await,
        Some(_) => Err(Error::new(SqlState::UNIQUE_VIOLATION, "two rows of the same id")),
    }
}

/// Finishes what was cut off.
async fn finish(database: &Arc<Database>, name: &str) -> Result<()> {
    let mut txn = begin(database, TxnOptions::default()).await?;
    let table = table_of(&mut txn, name).await?;
    txn.rollback().await;
    match table.indexes.iter().find(|i| !i.ready) {
        Some(index) => fill(database, table.id, index.id).await,
        None => Ok(()),
    }
}

async fn drop_one(database: &Arc<Database>, name: &str, dice: &Dice) -> Result<()> {
    let mut txn = begin(database, TxnOptions::default()).await?;
    let table = table_of(&mut txn, name).await?;
    txn.rollback().await;
    let Some(last) = table.indexes.len().checked_sub(1) else { return Ok(()) };
    let index = &table.indexes[dice.range(0, last as u64) as usize];
    database.remove_index(table.id, index.id).await
}
