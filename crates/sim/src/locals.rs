//! A table that is not replicated: whoever is the primary writes notes into its own one.

use crate::bank::{self, begin, column, table};
use crate::client;
use crate::dice::Dice;
use crate::ledger::Told;
use crate::plan::DATABASE;
use crate::region::Access;
use crate::stage::Stage;
use base::{Error, Result, SqlType, Value};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use txn::{Database, Transaction, TxnOptions};

/// The table.
pub const NOTES: &str = "notes";

/// What was written where, and what its writer was told, by the note's number.
#[derive(Debug, Default)]
pub struct Notes(Mutex<BTreeMap<i64, (usize, Told)>>);

impl Notes {
    fn begin(&self, region: usize) -> i64 {
        let mut notes = self.0.lock();
        let id = notes.len() as i64 + 1;
        notes.insert(id, (region, Told::Nothing));
        id
    }

    fn end(&self, id: i64, told: Told) {
        if let Some(note) = self.0.lock().get_mut(&id) {
            note.1 = told;
        }
    }

    /// All notes.
    pub fn all(&self) -> BTreeMap<i64, (usize, Told)> {
        self.0.lock().clone()
    }
}

/// Makes the table.
pub async fn create(database: &Arc<Database>) -> Result<()> {
    let mut txn = begin(database, TxnOptions::default()).await?;
    let mut notes =
        table(&mut txn, NOTES, vec![column(1, "id", SqlType::BigInt, Value::Null)]).await?;
    notes.storage = notes.storage.with_local(true);
    txn.put_table(&notes).await?;
    txn.commit().await.map(drop)
}

/// Writes notes at whoever serves until the run is over.
pub async fn write(stage: Arc<Stage>, dice: Dice) {
    while !stage.is_over() {
        stage.sleep(dice.ms(20, 800)).await;
        let Some(region) = stage.route().to.filter(|_| !stage.is_quiet()) else { continue };
        let Some(access) = stage.regions[region].access() else { continue };
        let id = stage.notes.begin(region);
        let told = one(&stage, region, &access, id).await;
        stage.notes.end(id, told);
        stage.trace.say(format_args!("note {id} at {}: {told:?}", stage.regions[region].name));
    }
}

async fn one(stage: &Stage, region: usize, access: &Access, id: i64) -> Told {
    let place = &stage.regions[region];
    let txn = match place.while_alive(access.life, written(access, id)).await {
        Some(Ok(txn)) => txn,
        Some(Err(error)) => {
            stage.judge_error(place, access, "note", &error);
            return Told::Failed;
        }
        None => return Told::Failed,
    };
    let done = place.while_alive(access.life, txn.commit()).await;
    client::told(stage, region, access, done)
}

async fn written(access: &Access, id: i64) -> Result<Transaction> {
    let database = access.engine.database(DATABASE)?;
    let mut txn = begin(&database, TxnOptions::default()).await?;
    let catalog = txn.catalog().await?;
    let lacks = || Error::internal(format!("the catalog lacks {NOTES}"));
    let table = catalog.table("public", NOTES).cloned().ok_or_else(lacks)?;
    bank::put(&mut txn, &table, id, vec![(1, Value::Int(id))]).await?;
    Ok(txn)
}
