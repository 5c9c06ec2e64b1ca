//! Encodings that lie on disk, one at a time. Those inside of an envelope are sealed anew, so that
//! damage reaches what lies behind the checksum.

use super::{Target, choice, chosen};
use base::{
    ClusterId, Epoch, EpochHistory, Lsn, NodeId, Row, SqlType, StorageId, Timestamp, TxnId, Value,
};
use bytes::Bytes;
use format::frame::Header;
use format::{
    ChunkMeta, ColumnLayout, DivergedPart, DivergedRow, Manifest, Op, Record, Run, TableChunks,
};

pub(super) const TARGETS: &[Target] = &[
    Target {
        name: "record",
        about: "payloads of log frames",
        run: record,
        seeds: records,
        words: &[],
    },
    Target { name: "row", about: "rows and single values", run: row, seeds: rows, words: &[] },
    Target { name: "key", about: "primary keys", run: key, seeds: keys, words: &[] },
    Target { name: "frame", about: "a frame in a segment", run: frame, seeds: frames, words: &[] },
    Target { name: "manifest", about: "manifests", run: manifest, seeds: manifests, words: &[] },
    Target { name: "vault", about: "diverged transactions", run: vault, seeds: parts, words: &[] },
];

const TYPES: [SqlType; 17] = [
    SqlType::Bool,
    SqlType::SmallInt,
    SqlType::Int,
    SqlType::BigInt,
    SqlType::Real,
    SqlType::Double,
    SqlType::Numeric { precision: 20, scale: 4 },
    SqlType::Text,
    SqlType::Varchar(9),
    SqlType::Char(3),
    SqlType::Bytea,
    SqlType::Date,
    SqlType::Time,
    SqlType::Timestamp,
    SqlType::TimestampTz,
    SqlType::Uuid,
    SqlType::Jsonb,
];

/// A type for a byte.
pub(super) fn ty(byte: usize) -> SqlType {
    TYPES[byte % TYPES.len()]
}

fn record(input: &[u8]) -> bool {
    let (kind, payload) = choice(input, 16);
    let rows = format::stage::new_rows(kind as u8, &payload);
    let Ok(record) = Record::decode(kind as u8, &payload) else {
        assert!(!matches!(rows, Ok(Some(_))), "rows are read from what is no record");
        return false;
    };
    if let Some((txn, block)) = rows.expect("the record is valid") {
        let stage = Record::Stage { txn, ops: block.to_ops().collect() };
        assert_eq!(stage, record, "a block tells of other rows than its record");
    }
    let again = Record::decode(record.kind(), &record.encode());
    assert_eq!(again.as_ref().ok(), Some(&record), "a record changes on the way to disk");
    true
}

fn records() -> Vec<Vec<u8>> {
    let op = Op {
        key: Bytes::from_static(b"\0\0\0\x64\x01"),
        prev: Timestamp(7),
        row: Some(format::row::encode(&values())),
    };
    let gone = Op { key: op.key.clone(), prev: Timestamp(9), row: None };
    let (txn, ts, origin) = (TxnId(1 << 100 | 7), Timestamp(1 << 57), ClusterId(3));
    let fresh = vec![Op { prev: Timestamp::ZERO, ..op.clone() }];
    let ops = vec![op, gone];
    [
        Record::Txn { txn, commit_ts: ts, origin, ops: ops.clone() },
        Record::Stage { txn, ops: ops.clone() },
        Record::Stage { txn, ops: fresh },
        Record::Prepare { txn, prepare_ts: ts, origin, participants: vec![0, 3, 65_535], ops },
        Record::Decide { txn, commit_ts: Some(ts) },
        Record::Closed { ts },
        Record::EpochStart { cut: ts, previous_end: Lsn(9), reason: "promoted".into() },
        Record::Gate { closed: true, reason: "maintenance".into(), at_ms: 7 },
    ]
    .iter()
    .map(|record| chosen(record.kind(), &record.encode()))
    .collect()
}

fn values() -> Row {
    vec![
        (0, Value::Null),
        (1, Value::Bool(true)),
        (2, Value::Int(-70_000)),
        (3, Value::Float8(0.5)),
        (4, Value::Decimal(i128::MAX)),
        (5, Value::Text("text".into())),
        (6, Value::Bytes(Bytes::from_static(b"\0\xff"))),
        (7, Value::Micros(1 << 50)),
        (900, Value::Date(-1)),
    ]
}

fn row(input: &[u8]) -> bool {
    let row = format::row::decode(input);
    if let Ok(row) = &row {
        let again = format::row::encode(row);
        assert_eq!(
            format::row::encode(&decoded(&again)),
            again,
            "a row changes on the way to disk"
        );
    }
    format::row::decode_value(input).is_ok() || row.is_ok()
}

fn decoded(bytes: &[u8]) -> Row {
    format::row::decode(bytes).expect("what was encoded here can be decoded")
}

fn rows() -> Vec<Vec<u8>> {
    let mut seeds = vec![format::row::encode(&values()).to_vec()];
    seeds.extend(values().iter().map(|(_, v)| format::row::encode_value(v).to_vec()));
    seeds
}

fn key(input: &[u8]) -> bool {
    let (n, rest) = choice(input, 4);
    if rest.len() < n {
        return false;
    }
    let types: Vec<SqlType> = rest[..n].iter().map(|b| ty(usize::from(*b))).collect();
    let key = rest.slice(n..);
    let Ok(values) = format::key::decode(&key, &types) else { return false };
    let again =
        format::key::encode(format::key::storage_of(&key), &values.iter().collect::<Vec<_>>());
    assert!(format::key::decode(&again, &types).is_ok(), "an encoded key cannot be decoded");
    true
}

fn keys() -> Vec<Vec<u8>> {
    let values = [Value::Int(-5), Value::Text("a\0b".into()), Value::Decimal(12_345)];
    let key = format::key::encode(StorageId(100), &values.iter().collect::<Vec<_>>());
    let mut seed = vec![3, 3, 7, 6];
    seed.extend_from_slice(&key);
    vec![seed]
}

fn frame(input: &[u8]) -> bool {
    let Some(header) = Header::read(input, 7) else { return false };
    header.payload(input).is_some_and(|payload| {
        let frame = header.frame(Bytes::copy_from_slice(payload));
        frame.payload == payload
    })
}

fn frames() -> Vec<Vec<u8>> {
    let frame = format::Frame {
        lsn: Lsn(3),
        epoch: epoch(2),
        kind: 5,
        payload: Bytes::from_static(&[7; 40]),
    };
    let mut seed = Vec::new();
    format::frame::store(&mut seed, 7, base::LogId(1), &frame, 0);
    vec![seed]
}

fn epoch(number: u32) -> Epoch {
    Epoch { number, cluster: ClusterId(3), node: NodeId(2) }
}

/// As it is, and with the bytes taken for the inside of an envelope.
pub(super) fn sealed(input: &[u8], magic: &[u8; 4]) -> [Bytes; 2] {
    let (version, payload) = choice(input, 4);
    let version = version as u8;
    [Bytes::copy_from_slice(input), format::envelope::seal(*magic, version, &payload)]
}

/// Magic, version and checksum of an envelope are left out of a seed; its version is the choice.
pub(super) fn unsealed(bytes: &Bytes) -> Vec<u8> {
    chosen(bytes[4], &bytes[9..])
}

fn manifest(input: &[u8]) -> bool {
    let mut accepted = false;
    for bytes in sealed(input, b"APMF") {
        let Ok(manifest) = Manifest::decode(&bytes) else { continue };
        let again = Manifest::decode(&manifest.encode());
        assert_eq!(again.ok(), Some(manifest), "a manifest changes on the way to disk");
        accepted = true;
    }
    accepted
}

/// A manifest with a base, a run and an epoch history.
pub(super) fn a_manifest() -> Manifest {
    let chunk = |name: &str| ChunkMeta {
        file: name.into(),
        min_key: Bytes::from_static(b"b"),
        max_key: Bytes::from_static(b"c"),
        rows: 70_000,
        bytes: 5_000_000_000,
        crc32c: 0xdead_beef,
        mixed: false,
    };
    Manifest {
        seq: 4,
        ts: Timestamp(1 << 57),
        horizon: Timestamp(1 << 57),
        replay_from: Lsn(99),
        history: EpochHistory(vec![(epoch(1), Lsn(1)), (epoch(5), Lsn(50))]),
        cuts: Vec::new(),
        tables: vec![TableChunks {
            storage: StorageId(100),
            columns: TYPES
                .iter()
                .zip(0..)
                .map(|(ty, id)| ColumnLayout { id, ty: *ty, missing: Value::Null })
                .collect(),
            chunks: vec![chunk("chunk-4-1.parquet")],
            runs: vec![Run {
                lo: Timestamp(5),
                hi: Timestamp(1 << 55),
                chunks: vec![chunk("run-5-1.parquet")],
            }],
        }],
    }
}

fn manifests() -> Vec<Vec<u8>> {
    let bytes = a_manifest().encode();
    vec![unsealed(&bytes), bytes.to_vec()]
}

fn vault(input: &[u8]) -> bool {
    let mut accepted = false;
    for bytes in sealed(input, b"APVP") {
        let Ok(part) = DivergedPart::decode(&bytes) else { continue };
        let again = DivergedPart::decode(&part.encode());
        assert_eq!(again.ok(), Some(part), "a diverged transaction changes on the way to disk");
        accepted = true;
    }
    accepted
}

/// A diverged transaction's part.
pub(super) fn a_part() -> DivergedPart {
    DivergedPart {
        txn: TxnId(1 << 100 | 7),
        partition: 3,
        epoch: epoch(2),
        lsn: Lsn(130),
        commit_ts: Timestamp(77),
        origin: ClusterId(9),
        complete: true,
        decided: false,
        rows: vec![DivergedRow {
            table: "public.t".into(),
            key: "[1]".into(),
            old: None,
            new: Some("{\"id\":1}".into()),
            raw_key: Bytes::from_static(b"\0\0\0\x64\x01"),
            raw_old: None,
            raw_new: Some(Bytes::from_static(b"\x01")),
        }],
        by_content: false,
    }
}

fn parts() -> Vec<Vec<u8>> {
    let bytes = a_part().encode();
    vec![unsealed(&bytes), bytes.to_vec()]
}
