//! From diverged log records to parts for the vault: readable rows, and what is known of each
//! transaction as a whole.

mod by_content;

pub(crate) use by_content::{Found, parts_by_content};

use crate::fingerprint::{self, Contents, Place};
use crate::json;
use arrow::array::AsArray;
use base::{
    AclItem, ClusterId, Error, Lsn, Result, Row, Securable, SequenceDescriptor, StorageId,
    TableDescriptor, Timestamp, TxnId, Value,
};
use bytes::Bytes;
use format::access::Fact;
use format::record::Op;
use format::vault::{DivergedPart, DivergedRow};
use futures::future::try_join_all;
use partition::DivergedTxn;
use std::collections::BTreeMap;
use std::sync::Arc;
use txn::Database;

/// How the table of schema changes is named in the vault.
const CATALOG_NAME: &str = "(schema)";

/// What a partition must go back to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fork {
    pub partition: u16,
    pub common: Lsn,
    pub cut: Timestamp,
}

/// Who collects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Witness {
    /// One who comes back: of what its cluster has written it has everything that committed; what it
    /// lacks did not commit. Of what others have written it is a target.
    Writer(ClusterId),
    /// A target: it may have received some parts and not others.
    Target,
}

/// Collects what a database has beyond the forks. Everything must be durable.
pub(crate) async fn collect(
    database: &Arc<Database>,
    forks: &[Fork],
    witness: Witness,
) -> Result<Vec<DivergedPart>> {
    let looks = forks.iter().map(|fork| async move {
        let partition = database
            .local_partitions()
            .get(usize::from(fork.partition))
            .ok_or_else(|| Error::internal(format!("no partition {}", fork.partition)))?;
        partition.settled(partition.end()).await?;
        let txns = partition.diverged(fork.common, fork.cut).await?;
        Ok::<_, Error>(txns.into_iter().map(|t| (fork.partition, t)).collect::<Vec<_>>())
    });
    let mut found: Vec<(u16, DivergedTxn)> = try_join_all(looks).await?.concat();
    // Reservations of sequences and filling of indexes are transactions that no user has written.
    // A part of a transaction over several partitions stays all the same: without it the
    // transaction would not be whole.
    let of_user = |txn: &DivergedTxn| {
        let shown = txn.ops.is_empty() || txn.ops.iter().any(|(op, _)| is_shown(op));
        shown || txn.participants.len() > 1
    };
    found.retain(|(_, txn)| of_user(txn));
    if found.is_empty() {
        return Ok(Vec::new());
    }
    let cut = forks.iter().map(|f| f.cut).min().unwrap_or_default();
    let mut tables = tables_at(database, cut).await?;
    found.iter().for_each(|(_, txn)| learn(&mut tables, txn));
    Ok(judge(found, witness).iter().map(|j| j.part(&tables)).collect())
}

pub(crate) type Tables = BTreeMap<StorageId, Arc<TableDescriptor>>;

/// The tables at a cut, read straight from partition 0: the database may not be open for readers.
async fn tables_at(database: &Arc<Database>, cut: Timestamp) -> Result<Tables> {
    let Some(first) = database.partitions().first() else { return Ok(Tables::new()) };
    // A reader must not raise the partition's clock to the end of time.
    let closed = database.local_partitions().first().map_or(cut, |p| p.newest_timestamp());
    tables(&Contents::Readable(first.clone()), cut.min(closed)).await
}

/// The tables in a base, or in what a partition has stored, of partition 0.
pub(crate) async fn tables_of(first: &Contents) -> Result<Tables> {
    tables(first, Timestamp::MAX).await
}

async fn tables(first: &Contents, at: Timestamp) -> Result<Tables> {
    let storage = StorageId::CATALOG;
    let (start, end) = format::key::range(storage);
    let place = Place { at, storage, start, end };
    let mut tables = Tables::new();
    fingerprint::visit(first, &place, &format::catalog::layout(), |_, batch| {
        let columns = batch.columns();
        let blobs = columns.get(4).and_then(|c| c.as_binary_opt::<i32>());
        let names = columns.get(3).and_then(|c| c.as_string_opt::<i32>());
        let (Some(blobs), Some(names)) = (blobs, names) else { return Ok(()) };
        for i in 0..batch.num_rows() {
            let row: Row = vec![
                (2, Value::Text(names.value(i).into())),
                (3, Value::Bytes(Bytes::copy_from_slice(blobs.value(i)))),
            ];
            // The counters are no table and do not decode as one.
            if let Ok(table) = format::catalog::decode(&row) {
                tables.insert(table.storage, Arc::new(table));
            }
        }
        Ok(())
    })
    .await?;
    Ok(tables)
}

/// Learns tables from the diverged schema changes themselves.
fn learn(tables: &mut Tables, txn: &DivergedTxn) {
    for (op, _) in &txn.ops {
        if format::key::storage_of(&op.key) != StorageId::CATALOG {
            continue;
        }
        let descriptor = op.row.as_ref().and_then(|r| descriptor(r));
        if let Some(table) = descriptor {
            tables.insert(table.storage, Arc::new(table));
        }
    }
}

pub(crate) fn descriptor(stored: &[u8]) -> Option<TableDescriptor> {
    format::catalog::decode(&format::row::decode(stored).ok()?).ok()
}

/// A part with what is known of its transaction as a whole.
struct Judged {
    partition: u16,
    txn: DivergedTxn,
    commit_ts: Timestamp,
    complete: bool,
    decided: bool,
}

fn judge(found: Vec<(u16, DivergedTxn)>, witness: Witness) -> Vec<Judged> {
    let mut by_txn: BTreeMap<TxnId, Vec<(u16, DivergedTxn)>> = BTreeMap::new();
    for part in found {
        by_txn.entry(part.1.txn).or_default().push(part);
    }
    let mut judged = Vec::new();
    for parts in by_txn.into_values() {
        let decided = parts.iter().filter(|p| p.1.decided).map(|p| p.1.commit_ts).max();
        let everywhere = parts
            .iter()
            .all(|(_, t)| t.participants.iter().all(|p| parts.iter().any(|q| q.0 == *p)));
        // Prepared everywhere is committed; the decision only follows.
        let prepared = everywhere.then(|| parts.iter().map(|p| p.1.commit_ts).max()).flatten();
        let commit_ts = decided.or(prepared);
        let wrote = parts.iter().any(|(_, t)| witness == Witness::Writer(t.origin));
        if wrote && commit_ts.is_none() {
            continue;
        }
        for (partition, txn) in parts {
            judged.push(Judged {
                partition,
                commit_ts: commit_ts.unwrap_or(txn.commit_ts),
                complete: everywhere || wrote,
                decided: commit_ts.is_some(),
                txn,
            });
        }
    }
    judged
}

impl Judged {
    fn part(&self, tables: &Tables) -> DivergedPart {
        let ops = self.txn.ops.iter();
        DivergedPart {
            txn: self.txn.txn,
            partition: self.partition,
            epoch: self.txn.epoch,
            lsn: self.txn.lsn,
            commit_ts: self.commit_ts,
            origin: self.txn.origin,
            complete: self.complete,
            decided: self.decided,
            rows: ops
                .filter(|(op, _)| is_shown(op))
                .map(|(op, old)| readable(tables, &op.key, op.row.as_ref(), old.as_ref()))
                .collect(),
            by_content: false,
        }
    }
}

/// Left out is what no user has written: counters, where sequences stand, entries of indexes,
/// decisions, the cluster's roles.
pub(crate) fn is_shown(op: &Op) -> bool {
    is_shown_key(&op.key)
}

fn is_shown_key(key: &Bytes) -> bool {
    let storage = format::key::storage_of(key);
    *key != format::catalog::counters_key()
        && *key != format::access::principals_key()
        && !matches!(storage, StorageId::SEQUENCES | StorageId::DECISIONS)
        && !storage.is_index()
}

/// Shows a stored row to people.
type Show<'a> = Box<dyn Fn(&Bytes) -> String + 'a>;

fn readable(tables: &Tables, key: &Bytes, new: Option<&Bytes>, old: Option<&Bytes>) -> DivergedRow {
    let storage = format::key::storage_of(key);
    let (table, shown_key, show): (_, _, Show<'_>) = match tables.get(&storage) {
        _ if storage == StorageId::CATALOG => {
            let named = new.or(old).map_or("{}".to_owned(), |r| schema_row(r));
            (CATALOG_NAME.to_owned(), named, Box::new(|r: &Bytes| schema_row(r)))
        }
        Some(table) => {
            let of = table.clone();
            let show = move |r: &Bytes| json::row(&of, r);
            (table.name.clone(), json::key(table, key), Box::new(show))
        }
        None => {
            let name = format!("(dropped table, storage {storage})");
            let raw = |r: &Bytes| json::unknown_key(r);
            (name, json::unknown_key(key), Box::new(raw))
        }
    };
    DivergedRow {
        table,
        key: shown_key,
        old: old.map(&show),
        new: new.map(&show),
        raw_key: key.clone(),
        raw_old: old.cloned(),
        raw_new: new.cloned(),
    }
}

fn schema_row(stored: &[u8]) -> String {
    match descriptor(stored) {
        Some(t) => {
            let columns: Vec<_> =
                t.columns.iter().map(|c| format!("{} {}", c.name, c.ty)).collect();
            let name = format!("{}.{}", t.schema, t.name);
            let mut shown = serde_json::json!({ "table": name, "columns": columns });
            if !t.indexes.is_empty() {
                let names: Vec<_> = t.indexes.iter().map(|i| i.name.as_str()).collect();
                shown["indexes"] = names.into();
            }
            shown.to_string()
        }
        None => match (sequence(stored), access(stored)) {
            (Some(s), _) => {
                serde_json::json!({ "sequence": format!("{}.{}", s.schema, s.name) }).to_string()
            }
            (None, Some(shown)) => shown.to_string(),
            (None, None) => "{}".to_owned(),
        },
    }
}

fn sequence(stored: &[u8]) -> Option<SequenceDescriptor> {
    format::sequence::decode(&format::row::decode(stored).ok()?).ok()
}

/// Owner and grants of something, or the settings that sessions begin with.
fn access(stored: &[u8]) -> Option<serde_json::Value> {
    let row = format::row::decode(stored).ok()?;
    if !format::access::is_fact(&row) {
        return None;
    }
    match Fact::decode(&row).ok()? {
        Fact::Access(of, access) => {
            let of = match of {
                Securable::Relation(id) => format!("relation {id}"),
                Securable::Schema => "schema public".to_owned(),
                Securable::Database => "database".to_owned(),
            };
            let granted: Vec<String> = access.acl.iter().flatten().map(grant).collect();
            Some(serde_json::json!({ "rights on": of, "owner": access.owner, "granted": granted }))
        }
        Fact::Defaults(defaults) => {
            let one = |((role, name), value): (&(String, String), &String)| match role.is_empty() {
                true => format!("{name} = {value}"),
                false => format!("{name} = {value} for {role}"),
            };
            let all: Vec<String> = defaults.iter().map(one).collect();
            Some(serde_json::json!({ "defaults of sessions": all }))
        }
        Fact::Principals(_) => None,
    }
}

fn grant(item: &AclItem) -> String {
    let names: Vec<&str> = item.privileges.each().map(|(_, _, name)| name).collect();
    format!("{} to {}", names.join(", "), item.grantee.as_deref().unwrap_or("PUBLIC"))
}

#[cfg(test)]
mod tests;
