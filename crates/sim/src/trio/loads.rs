//! What is written beside transfers: rows in blocks, orders of a second database, roles and grants.

use super::chief::SHOP;
use crate::bank::{self, LOCK_WAIT, Transfer, begin, column, table};
use crate::client;
use crate::dice::Dice;
use crate::ledger::Told;
use crate::region::Access;
use crate::stage::Stage;
use base::{
    Access as Rights, AclItem, Error, Privileges, Result, Securable, SqlType, TableDescriptor,
    Value,
};
use bytes::Bytes;
use format::Block;
use format::block::BlockBuilder;
use meta::{Command, RoleChange, User};
use std::collections::BTreeMap;
use std::sync::Arc;
use txn::{Database, TxnOptions};

/// The table of rows that come in blocks.
pub const BULK: &str = "bulk";
/// The table of the second database.
pub const ORDERS: &str = "orders";
/// Ids of one batch are so far from those of the next.
const STRIDE: i64 = 10_000;

/// Makes the table of rows that come in blocks: their batch, and how many rows it has.
pub async fn create_bulk(database: &Arc<Database>) -> Result<()> {
    let mut txn = begin(database, TxnOptions::default()).await?;
    let int = |id, name: &str| column(id, name, SqlType::BigInt, Value::Null);
    table(&mut txn, BULK, vec![int(1, "id"), int(2, "batch"), int(3, "size")]).await?;
    txn.commit().await.map(drop)
}

/// Makes the table of orders, each of which is of a transfer in the other database.
pub async fn create_orders(database: &Arc<Database>) -> Result<()> {
    let mut txn = begin(database, TxnOptions::default()).await?;
    table(&mut txn, ORDERS, vec![column(1, "id", SqlType::BigInt, Value::Null)]).await?;
    txn.commit().await.map(drop)
}

fn lacks(name: &str) -> Error {
    Error::internal(format!("the catalog lacks {name}"))
}

/// Whoever serves now, and its number.
fn serving(stage: &Stage) -> Option<(usize, Access)> {
    let region = stage.route().to?;
    Some((region, stage.regions[region].access()?))
}

/// Loads batches of rows in blocks until the run is over.
pub async fn blocks(stage: Arc<Stage>, dice: Dice) {
    let mut batch = 0;
    while !stage.is_over() {
        stage.sleep(dice.ms(200, 4_000)).await;
        let Some((region, access)) = serving(&stage).filter(|_| !stage.is_quiet()) else {
            continue;
        };
        let Ok(database) = access.database() else { continue };
        batch += 1;
        let size = dice.pick(&[3, 40, 400, 2_000]);
        let place = &stage.regions[region];
        let done = place.while_alive(access.life, load(&database, batch, size)).await;
        if let Some(Err(error)) = &done {
            stage.judge_error(place, &access, "load", error);
        }
        let done = done.map(|done| done.map_err(|e| e.state));
        stage.trace.say(format_args!("batch {batch} of {size} at {}: {done:?}", place.name));
    }
}

async fn load(database: &Arc<Database>, batch: i64, size: i64) -> Result<()> {
    let mut txn = begin(database, TxnOptions::default()).await?;
    let catalog = txn.catalog().await?;
    let table = catalog.table("public", BULK).cloned().ok_or_else(|| lacks(BULK))?;
    txn.lock_table(table.id, partition::LockMode::Shared, LOCK_WAIT).await?;
    for (partition, block) in made(database, &table, batch, size) {
        let there = txn.claim_new(partition, &block, Some(LOCK_WAIT)).await?;
        if there.iter().any(|there| *there) {
            return Err(Error::internal(format!("rows of batch {batch} are there already")));
        }
        txn.insert(partition, block)?;
    }
    txn.commit().await.map(drop)
}

fn made(database: &Database, table: &TableDescriptor, batch: i64, size: i64) -> Vec<(u16, Block)> {
    let mut rows: BTreeMap<u16, BTreeMap<Bytes, i64>> = BTreeMap::new();
    for n in 0..size {
        let id = batch * STRIDE + n;
        let (partition, key) = bank::place(database, table, id);
        rows.entry(partition).or_default().insert(key, id);
    }
    let block = |rows: BTreeMap<Bytes, i64>| {
        let mut block = BlockBuilder::default();
        for (key, id) in rows {
            let row = [(1, Value::Int(id)), (2, Value::Int(batch)), (3, Value::Int(size))];
            block.push(&key, &format::row::encode(&row));
        }
        block.finish()
    };
    rows.into_iter().filter_map(|(partition, rows)| Some((partition, block(rows)?))).collect()
}

/// Makes a transfer, and once it is acknowledged an order in the second database, until the run is
/// over.
pub async fn orders(stage: Arc<Stage>, dice: Dice) {
    while !stage.is_over() {
        stage.sleep(dice.ms(20, 400)).await;
        let Some((region, access)) = serving(&stage).filter(|_| !stage.is_quiet()) else {
            continue;
        };
        let Ok(database) = access.database() else { continue };
        let epoch = database.promotion_epoch();
        let id = stage.ledger.begin(region, epoch, stage.now());
        let transfer = Transfer::draw(id, &stage.plan, &dice);
        let told = client::make(&stage, region, &access, &transfer, &dice).await;
        stage.ledger.end(id, told, stage.now());
        if !matches!(told, Told::Acknowledged(_)) {
            continue;
        }
        let place = &stage.regions[region];
        let work = async {
            let shop = access.engine.database(SHOP)?;
            if shop.promotion_epoch() != epoch {
                return Ok(());
            }
            order(&shop, id).await
        };
        let done = place.while_alive(access.life, work).await;
        if let Some(Err(error)) = &done {
            stage.judge_error(place, &access, "order", error);
        }
        let done = done.map(|done| done.map_err(|e| e.state));
        stage.trace.say(format_args!("order {id} at {}: {done:?}", place.name));
    }
}

async fn order(shop: &Arc<Database>, id: i64) -> Result<()> {
    let mut txn = begin(shop, TxnOptions::default()).await?;
    let catalog = txn.catalog().await?;
    let table = catalog.table("public", ORDERS).cloned().ok_or_else(|| lacks(ORDERS))?;
    bank::put(&mut txn, &table, id, vec![(1, Value::Int(id))]).await?;
    txn.commit().await.map(drop)
}

/// Makes and changes roles, and gives them rights, until the run is over.
pub async fn rights(stage: Arc<Stage>, dice: Dice) {
    let mut number = 0;
    while !stage.is_over() {
        stage.sleep(dice.ms(500, 5_000)).await;
        let Some((region, access)) = serving(&stage).filter(|_| !stage.is_quiet()) else {
            continue;
        };
        number += 1;
        let place = &stage.regions[region];
        let work = async {
            let name = change_role(&access, number, &dice)?;
            grant(&access.database()?, &name).await
        };
        let done = place.while_alive(access.life, work).await;
        if let Some(Err(error)) = &done {
            stage.judge_error(place, &access, "rights", error);
        }
        let done = done.map(|done| done.map_err(|e| e.state));
        stage.trace.say(format_args!("rights {number} at {}: {done:?}", place.name));
    }
}

/// Makes a role, or changes one that is here.
fn change_role(access: &Access, number: u64, dice: &Dice) -> Result<String> {
    let (meta, at) = (&access.engine.meta, access.engine.oracle.next());
    let name = format!("app{}", dice.range(1, number));
    if meta.read(|s| s.users.contains_key(&name)) {
        let change = RoleChange { at, createdb: Some(dice.chance(50)), ..RoleChange::default() };
        meta.apply(Command::AlterRole { name: name.clone(), change })?;
    } else {
        let role = User { id: at.0, changed: at, ..User::new(meta.new_verifier("secret")) };
        meta.apply(Command::CreateRole { name: name.clone(), role })?;
    }
    Ok(name)
}

async fn grant(database: &Arc<Database>, name: &str) -> Result<()> {
    let mut txn = begin(database, TxnOptions::default()).await?;
    let catalog = txn.catalog().await?;
    let table = catalog.table("public", BULK).cloned().ok_or_else(|| lacks(BULK))?;
    let item = AclItem {
        grantee: Some(name.to_owned()),
        grantor: "root".to_owned(),
        privileges: Privileges::SELECT,
        grantable: Privileges(0),
    };
    let rights = Rights { owner: Some(name.to_owned()), acl: Some(vec![item]) };
    txn.put_access(Securable::Relation(table.id), &rights).await?;
    txn.commit().await.map(drop)
}
