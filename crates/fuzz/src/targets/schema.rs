//! The schema as it is stored, and the entries of indexes.

use super::disk::{sealed, unsealed};
use super::{Target, choice, chosen};
use base::{
    Column, IndexColumn, IndexDescriptor, Row, SqlType, StorageId, TableDescriptor, TableId, Value,
};
use format::access::Fact;
use format::catalog::Counters;
use format::index::Entries;
use format::sequence::SequenceState;

pub(super) const TARGETS: &[Target] = &[
    Target {
        name: "catalog",
        about: "rows of the catalog",
        run: catalog,
        seeds: tables,
        words: &[],
    },
    Target { name: "index", about: "entries of indexes", run: index, seeds: entries, words: &[] },
];

/// The ids of the rows of the catalog that are about sessions and roles.
const DEFAULTS: i64 = -(1 << 40) - 2;
const PRINCIPALS: i64 = -(1 << 40) - 3;

fn catalog(input: &[u8]) -> bool {
    let mut accepted = false;
    for magic in [b"APTD", b"APCC", b"APSQ"] {
        for bytes in sealed(input, magic) {
            let row: Row = vec![(3, Value::Bytes(bytes))];
            if let Ok(table) = format::catalog::decode(&row) {
                let again = format::catalog::decode(&format::catalog::encode(&table));
                assert_eq!(again.ok(), Some(table), "a table changes on the way to disk");
                accepted = true;
            }
            accepted |= Counters::decode(&row).is_ok();
            if let Ok(sequence) = format::sequence::decode(&row) {
                let again = format::sequence::decode(&format::sequence::encode(&sequence));
                assert_eq!(again.ok(), Some(sequence), "a sequence changes on the way to disk");
                accepted = true;
            }
        }
    }
    for (id, magic) in [(-12, b"APAC"), (DEFAULTS, b"APSD"), (PRINCIPALS, b"APPR")] {
        for bytes in sealed(input, magic) {
            let row: Row = vec![(1, Value::Int(id)), (3, Value::Bytes(bytes))];
            if let Ok(fact) = Fact::decode(&row) {
                let again = Fact::decode(&fact.encode());
                assert_eq!(again.ok(), Some(fact), "rights change on the way to disk");
                accepted = true;
            }
        }
    }
    if let Ok(row) = format::row::decode(input) {
        accepted |= SequenceState::decode(&row).is_ok();
    }
    accepted
}

fn tables() -> Vec<Vec<u8>> {
    let table = a_table();
    let rows = [format::catalog::encode(&table), Counters::default().encode()];
    let blobs = rows.iter().flatten().filter_map(|(_, value)| match value {
        Value::Bytes(blob) => Some(blob.clone()),
        _ => None,
    });
    blobs.flat_map(|blob| [unsealed(&blob), blob.to_vec()]).collect()
}

fn a_table() -> TableDescriptor {
    let column = |id, name: &str, ty| Column {
        id,
        name: name.into(),
        ty,
        not_null: id == 1,
        default: (id == 2).then(|| "'x'".into()),
        missing: Value::Int(7),
        hidden: false,
    };
    let by = |column, descending| IndexColumn { column, descending, nulls_first: descending };
    let index = IndexDescriptor {
        id: TableId(6),
        name: "t_v".into(),
        storage: StorageId(1 << 31 | 101),
        columns: vec![by(2, true), by(1, false)],
        unique: false,
        constraint: false,
        ready: true,
    };
    TableDescriptor {
        id: TableId(5),
        schema: "public".into(),
        name: "t".into(),
        storage: StorageId(100),
        columns: vec![column(1, "id", SqlType::BigInt), column(2, "v", SqlType::Varchar(9))],
        primary_key: vec![1],
        shard_key: vec![1],
        indexes: vec![index],
        next_column_id: 3,
        version: 2,
    }
}

/// The key has the length that the first byte says, the rest is the entry's row.
fn index(input: &[u8]) -> bool {
    let (length, bytes) = choice(input, 64);
    let (key, row) = bytes.split_at(length.min(bytes.len()));
    let table = a_table();
    Entries::of(&table, &table.indexes[0]).row_key_of(key, row).is_ok()
}

fn entries() -> Vec<Vec<u8>> {
    let table = a_table();
    let rows = [Value::Text("a\0b".into()), Value::Null].map(|v| [Value::Int(-5), v]);
    let seed = |row: &[Value; 2]| {
        let key = format::key::encode(table.storage, &[&row[0]]);
        let entry = format::index::entry(&table.indexes[0], [&row[1], &row[0]], &key);
        let entry = entry.expect("short values can be indexed");
        chosen(entry.key.len() as u8, &[&entry.key[..], &entry.row[..]].concat())
    };
    rows.iter().map(seed).collect()
}
