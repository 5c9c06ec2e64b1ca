//! Every version of every family, byte by byte. If one of these fails, data that exists somewhere can
//! no longer be read: add a new version instead, and its fixture next to the old one.

use crate::trips::{manifest, manifest_with_runs, part};
use base::{
    Access, AclItem, ClusterId, Column, Epoch, Identity, Lsn, NodeId, Privileges, Securable,
    SequenceDescriptor, SequenceOwner, SqlType, StorageId, TableDescriptor, TableId, Timestamp,
    TxnId, Value,
};
use bytes::Bytes;
use format::access::{self, Fact};
use format::catalog::{self, Counters};
use format::decision::{self, Decision, Verdict};
use format::sequence::{self, SequenceState};
use format::{ColumnLayout, DivergedPart, Manifest, Op, Record, key, row};

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Bytes {
    let byte = |i| u8::from_str_radix(&text[i..i + 2], 16).expect("fixtures are hex");
    (0..text.len()).step_by(2).map(byte).collect()
}

/// One value of every variant.
fn values() -> Vec<Value> {
    vec![
        Value::Null,
        Value::Bool(true),
        Value::Int(-300),
        Value::Float4(1.5),
        Value::Float8(-2.25),
        Value::Decimal(-(1 << 70)),
        Value::Text("a\0b".into()),
        Value::Bytes(Bytes::from_static(&[0, 255])),
        Value::Date(20_000),
        Value::Micros(-1),
    ]
}

fn ops() -> Vec<Op> {
    vec![
        Op { key: unhex("0000006401"), prev: Timestamp::ZERO, row: Some(unhex("010102")) },
        Op { key: unhex("00000064ff"), prev: Timestamp(300), row: None },
    ]
}

fn records() -> Vec<Record> {
    let txn = TxnId(0x0102 << 64 | 5);
    let ts = Timestamp(0x1122_3344_5566_7788);
    vec![
        Record::Txn { txn, commit_ts: ts, origin: ClusterId(7), ops: ops() },
        Record::Stage { txn, ops: ops() },
        Record::Prepare {
            txn,
            prepare_ts: ts,
            origin: ClusterId(7),
            participants: vec![0, 200],
            ops: ops(),
        },
        Record::Decide { txn, commit_ts: Some(ts) },
        Record::Decide { txn, commit_ts: None },
        Record::Closed { ts },
        Record::EpochStart { cut: ts, previous_end: Lsn(1000), reason: "promote".into() },
        Record::Gate { closed: true, reason: "switchover".into(), at_ms: 1_700_000_000_000 },
    ]
}

fn table() -> TableDescriptor {
    let column = |id, name: &str, ty| Column {
        id,
        name: name.into(),
        ty,
        not_null: id == 1,
        default: (id == 2).then(|| "0".into()),
        missing: Value::Int(4),
        hidden: id == 3,
    };
    TableDescriptor {
        id: TableId(12),
        schema: "public".into(),
        name: "t".into(),
        storage: StorageId(100),
        columns: vec![
            column(1, "id", SqlType::Int),
            column(2, "amount", SqlType::Numeric { precision: 12, scale: 2 }),
            column(3, "h", SqlType::Varchar(40)),
        ],
        primary_key: vec![1],
        shard_key: vec![1],
        indexes: Vec::new(),
        next_column_id: 4,
        version: 1,
    }
}

fn a_sequence() -> SequenceDescriptor {
    let identity = Some(Identity::ByDefault);
    SequenceDescriptor {
        id: TableId(13),
        schema: "public".into(),
        name: "s".into(),
        ty: SqlType::Int,
        start: 10,
        increment: -1,
        min: -20,
        max: 10,
        cache: 1,
        cycle: true,
        owner: Some(SequenceOwner { table: TableId(12), column: 1, identity }),
        generation: 2,
        version: 3,
    }
}

fn layout() -> Vec<ColumnLayout> {
    vec![ColumnLayout { id: 3, ty: SqlType::Char(5), missing: Value::Text("x".into()) }]
}

#[test]
fn keys() {
    let values = values();
    let bytes = key::encode(StorageId(100), &values.iter().collect::<Vec<_>>());
    assert_eq!(hex(&bytes), KEY);
}

#[test]
fn rows() {
    let ids = [1, 2, 3, 4, 5, 6, 7, 8, 9, 1000];
    let row: Vec<_> = ids.into_iter().zip(values()).collect();
    assert_eq!(hex(&row::encode(&row)), ROW);
    assert_eq!(row::decode(&unhex(ROW)).unwrap(), row);
}

#[test]
fn log_records() {
    let kinds: Vec<u8> = records().iter().map(Record::kind).collect();
    assert_eq!(kinds, [1, 2, 3, 4, 4, 5, 6, 7]);
    let bytes: Vec<String> = records().iter().map(|r| hex(&r.encode())).collect();
    assert_eq!(bytes, RECORDS);
    for (record, bytes) in records().into_iter().zip(RECORDS) {
        assert_eq!(Record::decode(record.kind(), &unhex(bytes)).unwrap(), record);
    }
}

#[test]
fn catalog_rows() {
    let row = row::encode(&catalog::encode(&table()));
    assert_eq!(hex(&row), DESCRIPTOR);
    assert_eq!(catalog::decode(&row::decode(&unhex(DESCRIPTOR)).unwrap()).unwrap(), table());
    assert_eq!(hex(&row::encode(&Counters::default().encode())), COUNTERS);
    assert_eq!(hex(&catalog::key(TableId(12))), "0000000101800000000000000c");
    assert_eq!(hex(&catalog::counters_key()), "00000001018000000000000000");
}

#[test]
fn catalog_rows_with_indexes() {
    let mut table = table();
    let column =
        |column, descending, nulls_first| base::IndexColumn { column, descending, nulls_first };
    table.indexes.push(base::IndexDescriptor {
        id: TableId(15),
        name: "i".into(),
        storage: StorageId(102).of_index(),
        columns: vec![column(2, true, true), column(1, false, false)],
        unique: true,
        constraint: false,
        ready: true,
    });
    let row = row::encode(&catalog::encode(&table));
    assert_eq!(hex(&row), DESCRIPTOR_2);
    assert_eq!(catalog::decode(&row::decode(&unhex(DESCRIPTOR_2)).unwrap()).unwrap(), table);
    let index = &table.indexes[0];
    let row_key = unhex("000000640180000001");
    let values = [Value::Decimal(5), Value::Int(7)];
    let entry = format::index::entry(index, &values, &row_key).unwrap();
    assert_eq!((hex(&entry.key).as_str(), hex(&entry.row).as_str()), ENTRY);
    let values = [Value::Null, Value::Int(7)];
    let entry = format::index::entry(index, &values, &row_key).unwrap();
    assert_eq!((hex(&entry.key).as_str(), hex(&entry.row).as_str()), ENTRY_WITH_NULL);
}

#[test]
fn catalog_rows_of_what_is_not_replicated() {
    let mut table = table();
    table.storage = StorageId(100).with_local(true);
    let row = row::encode(&catalog::encode(&table));
    assert_eq!(hex(&row), DESCRIPTOR_3);
    assert_eq!(catalog::decode(&row::decode(&unhex(DESCRIPTOR_3)).unwrap()).unwrap(), table);
    let counters = Counters { next_table: 5, next_storage: 200, chosen_only: true };
    assert_eq!(hex(&row::encode(&counters.encode())), COUNTERS_2);
    assert_eq!(Counters::decode(&row::decode(&unhex(COUNTERS_2)).unwrap()).unwrap(), counters);
    let old = Counters::decode(&row::decode(&unhex(COUNTERS)).unwrap()).unwrap();
    assert_eq!(old, Counters::default());
}

#[test]
fn sequences() {
    let row = row::encode(&sequence::encode(&a_sequence()));
    assert_eq!(hex(&row), SEQUENCE);
    let read = row::decode(&unhex(SEQUENCE)).unwrap();
    assert!(sequence::is_descriptor(&read) && catalog::decode(&read).is_err());
    assert_eq!(sequence::decode(&read).unwrap(), a_sequence());
    let epoch = Epoch { number: 2, cluster: ClusterId(1), node: NodeId(1) };
    let state = SequenceState { last: -5, called: true, reserved: 64, epoch };
    assert_eq!(hex(&row::encode(&state.encode(TableId(13), 2))), SEQUENCE_STATE);
    let read = row::decode(&unhex(SEQUENCE_STATE)).unwrap();
    assert_eq!(SequenceState::decode(&read).unwrap(), state);
    let key = "0000000201800000000000000d018000000000000002";
    assert_eq!(hex(&sequence::state_key(TableId(13), 2)), key);
    assert!(!sequence::is_descriptor(&catalog::encode(&table())));
}

/// Owner, grants, defaults of sessions and roles.
fn facts() -> [Fact; 5] {
    let item = AclItem {
        grantee: Some("b".into()),
        grantor: "a".into(),
        privileges: Privileges::SELECT.with(Privileges::UPDATE),
        grantable: Privileges::SELECT,
    };
    let everybody = AclItem { grantee: None, grantable: Privileges::NONE, ..item.clone() };
    let granted = Access { owner: Some("a".into()), acl: Some(vec![item, everybody]) };
    let defaults = [(("a".into(), "jit".into()), "on".into())];
    [
        Fact::Access(Securable::Relation(TableId(12)), granted),
        Fact::Access(Securable::Schema, Access { owner: None, acl: Some(Vec::new()) }),
        Fact::Access(Securable::Database, Access { owner: Some("a".into()), acl: None }),
        Fact::Defaults(defaults.into()),
        Fact::Principals(Bytes::from_static(b"{}")),
    ]
}

#[test]
fn owners_grants_and_roles() {
    let rows: Vec<String> = facts().iter().map(|f| hex(&row::encode(&f.encode()))).collect();
    assert_eq!(rows, FACTS);
    for (fact, bytes) in facts().into_iter().zip(FACTS) {
        let read = row::decode(&unhex(bytes)).unwrap();
        assert!(access::is_fact(&read) && catalog::decode(&read).is_err());
        assert_eq!(Fact::decode(&read).unwrap(), fact);
    }
    assert!(!access::is_fact(&catalog::encode(&table())));
    let keys = [
        access::key(Securable::Relation(TableId(12))),
        access::key(Securable::Schema),
        access::key(Securable::Database),
        access::defaults_key(),
        access::principals_key(),
    ];
    assert_eq!(keys.map(|k| hex(&k)), FACT_KEYS);
}

#[test]
fn decisions() {
    let txn = TxnId(0x8102 << 112 | 5);
    let decision = Decision {
        verdict: Verdict::Reapplied,
        at_micros: 1_700_000_000_000_000,
        who: "ann".into(),
        reason: None,
        forced: true,
    };
    assert_eq!(hex(&row::encode(&decision.encode(txn))), DECISION);
    let read = Decision::decode(&row::decode(&unhex(DECISION)).unwrap()).unwrap();
    assert_eq!(read, (txn, decision.clone()));
    assert_eq!(hex(&decision::key(txn)), DECISION_KEY);
    let dismissed = Decision {
        verdict: Verdict::Dismissed,
        reason: Some("a test".into()),
        forced: false,
        ..decision
    };
    assert_eq!(Decision::decode(&dismissed.encode(txn)).unwrap().1, dismissed);
    assert!(Decision::decode(&Vec::new()).is_err());
}

#[test]
fn manifests() {
    assert_eq!(Manifest::decode(&unhex(MANIFEST_1)).unwrap(), manifest(layout()));
    let runs = manifest_with_runs(layout());
    assert_eq!(hex(&runs.encode()), MANIFEST_2);
    assert_eq!(Manifest::decode(&unhex(MANIFEST_2)).unwrap(), runs);
}

#[test]
fn vault_parts() {
    assert_eq!(hex(&part().encode()), PART);
    assert_eq!(DivergedPart::decode(&unhex(PART)).unwrap(), part());
}

const KEY: &str = "00000064ff0101017ffffffffffffed401bfc00000013ffdffffffffffff017fffffffffffffc0000000\
    0000000000016100ff6200010100ffff00010180004e20017fffffffffffffff";
const ROW: &str = "01100203d704040000c03f0500000000000002c006ffffffffffffffffffff010703610062080200ff09\
    c0b802ea7b01";
const RECORDS: [&str; 8] = [
    "010500000000000000020100000000000088776655443322110702050000006401000401010205000000\
     64ffac0200",
    "01050000000000000002010000000000000205000000640100040101020500000064ffac0200",
    "01050000000000000002010000000000008877665544332211070200c801020500000064010004010102\
     0500000064ffac0200",
    "0105000000000000000201000000000000018877665544332211",
    "010500000000000000020100000000000000",
    "018877665544332211",
    "018877665544332211e8070770726f6d6f7465",
    "01010a7377697463686f76657280d095ffbc31",
];
const DESCRIPTOR: &str = "01131807087075626c69632e7408624150544401864829e4080c12067075626c69631a017420642a1008\
    01120269641a0208032001320203082a1908021206616d6f756e741a060807100c18022a013032020308\
    2a1108031201681a04080910283202030838013201013a010140044801";
const DESCRIPTOR_2: &str = "01131807087075626c69632e74087f4150544402e73651f3080c12067075626c69631a017420642a1008\
    01120269641a0208032001320203082a1908021206616d6f756e741a060807100c18022a013032020308\
    2a1108031201681a04080910283202030838013201013a010140044801521b080f12016918e680808008\
    22060802100118012202080128013801";
const ENTRY: (&str, &str) =
    ("80000066fe7ffffffffffffffffffffffffffffffa018000000000000007", "0118050180000001");
const ENTRY_WITH_NULL: (&str, &str) = ("80000066000180000000000000070180000001", "01");
const DESCRIPTOR_3: &str = "01131807087075626c69632e740866415054440342eeb0ce080c12067075626c69631a017420e4808080\
    042a100801120269641a0208032001320203082a1908021206616d6f756e741a060807100c18022a0130\
    320203082a1108031201681a04080910283202030838013201013a010140044801";
const COUNTERS_2: &str = "0113000708636f756e7465727308104150434302505e2378080510c8011801";
const COUNTERS: &str = "0113000708636f756e74657273080d4150434301fd1dffb708011064";
const SEQUENCE: &str = "01131a07087075626c69632e7308324150535101cf691130080d12067075626c69631a01732202080328\
    14300138274014480250015a06080c1001180260026803";
const DECISION: &str =
    "0113fffffffffffffffdfd01030a070972656170706c6965640a8080f281838985060703616e6e0002";
const DECISION_KEY: &str = "00000003010102000000000000018000000000000005";
const SEQUENCE_STATE: &str = "01131a0304030902038001038280809040";
const MANIFEST_2: &str = "41504d4602cabb22c80804108080808080808080021863220b0902000003010000001001220b09020000\
    030500000010322ae4010864120d08031204080a10051a030701781a290a126368756e6b2d342d39382e\
    706172717565741201621a016320f0a2042880e497d01235efbeadde1a2b0a126368756e6b2d342d3939\
    2e70617271756574120263611a02640020f0a2042880e497d01235efbeadde2237080510808080808080\
    80401a2a0a136368756e6b2d342d3130302e706172717565741201641a016620f0a2042880e497d01235\
    efbeadde2240088080808080808040108080808080808080021a2b0a126368756e6b2d342d39372e7061\
    72717565741201611a016520f0a2042880e497d01235efbeadde380130808080808080808001";
const MANIFEST_1: &str = "41504d46012fc6c5070804108080808080808080021863220b0902000003010000001001220b09020000\
    030500000010322a690864120d08031204080a10051a030701781a290a126368756e6b2d342d39382e70\
    6172717565741201621a016320f0a2042880e497d01235efbeadde1a2b0a126368756e6b2d342d39392e\
    70617271756574120263611a02640020f0a2042880e497d01235efbeadde";
const PART: &str = "41505650015c65ebe00a1007000000000000000000000010000000100319020000030200000020820128\
    4d300938014a230a087075626c69632e7412035b315d22087b226964223a317d2a0500000064013a0101";

const FACTS: [&str; 5] = [
    "01131707082861636365737329082141504143019775e1100a016110011a0a0a0162120161180620021a051201611806",
    "0113ffffffffff3f07082861636365737329080b415041430186438b081001",
    "011381808080804007082861636365737329080c4150414301a10513620a0161",
    "0113838080808040070a2864656661756c74732908174150534401ec7c457c0a0c0a016112036a69741a026f6e",
    "0113858080808040070728726f6c657329080b41505052017c963f1d7b7d",
];
const FACT_KEYS: [&str; 5] = [
    "00000001017ffffffffffffff4",
    "00000001017fffff0000000000",
    "00000001017ffffeffffffffff",
    "00000001017ffffefffffffffe",
    "00000001017ffffefffffffffd",
];
