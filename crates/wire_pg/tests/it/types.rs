//! Every type, in text and in binary, there and back.

use crate::server::{Server, rows, run};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio_postgres::types::{FromSql, ToSql, Type};

/// Any type's raw bytes.
#[derive(Debug, Clone, PartialEq)]
struct Bytes(Vec<u8>);

impl<'a> FromSql<'a> for Bytes {
    fn from_sql(
        _: &Type,
        raw: &'a [u8],
    ) -> Result<Bytes, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Bytes(raw.to_vec()))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

impl ToSql for Bytes {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut bytes::BytesMut,
    ) -> Result<tokio_postgres::types::IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(tokio_postgres::types::IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    tokio_postgres::types::to_sql_checked!();
}

const COLUMNS: &[(&str, &str, u32, &[u8])] = &[
    ("boolean", "t", 16, &[1]),
    ("smallint", "-2", 21, &[0xff, 0xfe]),
    ("int", "70000", 23, &[0, 1, 0x11, 0x70]),
    ("bigint", "-9223372036854775808", 20, &[0x80, 0, 0, 0, 0, 0, 0, 0]),
    ("real", "1.5", 700, &[0x3f, 0xc0, 0, 0]),
    ("double precision", "-0.25", 701, &[0xbf, 0xd0, 0, 0, 0, 0, 0, 0]),
    ("numeric(10,2)", "1234.50", 1700, &[0, 2, 0, 0, 0, 0, 0, 2, 4, 0xd2, 0x13, 0x88]),
    ("text", "Grüße", 25, "Grüße".as_bytes()),
    ("varchar(5)", "abc", 1043, b"abc"),
    ("char(4)", "ab  ", 1042, b"ab  "),
    ("bytea", "\\x00ff10", 17, &[0, 0xff, 0x10]),
    ("date", "2000-01-02", 1082, &[0, 0, 0, 1]),
    ("time", "00:00:01.5", 1083, &[0, 0, 0, 0, 0, 0x16, 0xe3, 0x60]),
    ("timestamp", "2000-01-01 00:00:00.000001", 1114, &[0, 0, 0, 0, 0, 0, 0, 1]),
    ("timestamptz", "1999-12-31 23:59:59.999999+00", 1184, &[0xff; 8]),
    (
        "uuid",
        "00112233-4455-6677-8899-aabbccddeeff",
        2950,
        &[
            0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee,
            0xff,
        ],
    ),
    ("jsonb", "{\"a\": 1}", 3802, b"\x01{\"a\": 1}"),
];

#[tokio::test]
async fn every_type_goes_there_and_back_in_text_and_binary() {
    let server = Server::start().await;
    let client = server.client().await;
    for (i, (ty, text, oid, binary)) in COLUMNS.iter().enumerate() {
        run(&client, &format!("create table t{i} (k int primary key, v {ty})")).await;
        run(&client, &format!("insert into t{i} values (1, '{text}')")).await;
        let insert = client.prepare(&format!("insert into t{i} values (2, $1)")).await;
        let insert = insert.unwrap_or_else(|e| panic!("{ty}: {e}"));
        assert_eq!(insert.params()[0].oid(), *oid, "{ty}");
        let value = Bytes(binary.to_vec());
        client.execute(&insert, &[&value]).await.unwrap_or_else(|e| panic!("{ty}: {e:?}"));
        let sql = format!("select v from t{i} order by k");
        assert_eq!(rows(&client, &sql).await, [*text, *text], "{ty}");
        let found = client.query(&sql, &[]).await.unwrap_or_else(|e| panic!("{ty}: {e}"));
        assert_eq!(found[0].columns()[0].type_().oid(), *oid, "{ty}");
        for row in found {
            assert_eq!(row.get::<_, Bytes>(0), value, "{ty}");
        }
        run(&client, &format!("insert into t{i} values (3, null)")).await;
        let sql = format!("select v from t{i} where k = 3");
        let row = client.query_one(&sql, &[]).await.expect("null");
        assert_eq!(row.get::<_, Option<Bytes>>(0), None, "{ty}");
    }
}

#[tokio::test]
async fn a_drivers_own_types_agree() {
    let server = Server::start().await;
    let client = server.client().await;
    run(&client, "create table t (k int primary key, at timestamptz, b bytea, ok bool)").await;
    let at = UNIX_EPOCH + Duration::from_micros(1_721_000_000_123_456);
    client
        .execute("insert into t values (1, $1, $2, $3)", &[&at, &vec![1_u8, 2], &true])
        .await
        .expect("inserts");
    let row = client.query_one("select at, b, ok from t", &[]).await.expect("selects");
    assert_eq!(row.get::<_, SystemTime>(0), at);
    assert_eq!(row.get::<_, Vec<u8>>(1), [1, 2]);
    assert!(row.get::<_, bool>(2));
    assert_eq!(rows(&client, "select at from t").await, ["2024-07-14 23:33:20.123456+00"]);
}
