use super::*;
use arrow::array::*;
use proptest::prelude::*;

fn bytes(array: impl Array + 'static, ty: SqlType) -> Vec<u8> {
    let mut out = BytesMut::new();
    write(&array, 0, ty, &mut out).expect("writes");
    out.to_vec()
}

fn decimal(digits: i128, precision: u8, scale: u8) -> Vec<u8> {
    let array = Decimal128Array::from(vec![digits])
        .with_precision_and_scale(precision, scale as i8)
        .expect("fits");
    bytes(array, SqlType::Numeric { precision, scale })
}

fn words(words: &[u16]) -> Vec<u8> {
    words.iter().flat_map(|w| w.to_be_bytes()).collect()
}

/// The bytes PostgreSQL's `numeric_send` gives for the same values.
#[test]
fn numeric_has_postgresqls_bytes() {
    assert_eq!(decimal(0, 10, 2), words(&[0, 0, 0, 2]));
    assert_eq!(decimal(12345, 10, 2), words(&[2, 0, 0, 2, 123, 4500]));
    assert_eq!(decimal(-5, 10, 2), words(&[1, 0xffff, 0x4000, 2, 500]));
    assert_eq!(decimal(100_000_000, 12, 0), words(&[1, 2, 0, 0, 1]));
    assert_eq!(decimal(123_456_789, 12, 0), words(&[3, 2, 0, 0, 1, 2345, 6789]));
    assert_eq!(decimal(1, 10, 5), words(&[1, 0xfffe, 0, 5, 1000]));
    assert_eq!(decimal(10_000, 10, 4), words(&[1, 0, 0, 4, 1]));
}

#[test]
fn other_types_have_postgresqls_bytes() {
    assert_eq!(bytes(BooleanArray::from(vec![true]), SqlType::Bool), [1]);
    assert_eq!(bytes(Int32Array::from(vec![-2]), SqlType::Int), [0xff, 0xff, 0xff, 0xfe]);
    assert_eq!(bytes(Date32Array::from(vec![10_958]), SqlType::Date), [0, 0, 0, 1]);
    assert_eq!(
        bytes(TimestampMicrosecondArray::from(vec![946_684_800_000_001]), SqlType::Timestamp),
        [0, 0, 0, 0, 0, 0, 0, 1]
    );
    assert_eq!(
        bytes(StringArray::from(vec!["00112233-4455-6677-8899-aabbccddeeff"]), SqlType::Uuid),
        [
            0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee,
            0xff
        ]
    );
    assert_eq!(bytes(StringArray::from(vec!["{}"]), SqlType::Jsonb), b"\x01{}");
}

fn back(ty: SqlType, raw: &[u8]) -> Result<Value> {
    read(ty, false, &Bytes::copy_from_slice(raw))
}

#[test]
fn parameters_read_back() {
    assert_eq!(back(SqlType::BigInt, &[0, 7]).expect("int2"), Value::Int(7));
    assert_eq!(back(SqlType::Int, &[0; 8]).expect("int8"), Value::Int(0));
    assert_eq!(back(SqlType::Date, &[0, 0, 0, 1]).expect("date"), Value::Date(10_958));
    let uuid = back(SqlType::Uuid, &[0xab; 16]).expect("uuid");
    assert_eq!(uuid, Value::Text("abababab-abab-abab-abab-abababababab".into()));
    let numeric = SqlType::Numeric { precision: 10, scale: 2 };
    let rounded = back(numeric, &words(&[3, 0, 0, 6, 1, 2350, 0])).expect("rounds");
    assert_eq!(rounded, Value::Decimal(124));
    for (ty, raw) in [
        (SqlType::Bool, &[][..]),
        (SqlType::Int, &[1]),
        (SqlType::Double, &[1, 2]),
        (SqlType::Uuid, &[1; 15]),
        (SqlType::Jsonb, b"{}"),
        (numeric, &[0, 1, 0, 0, 0, 0, 0, 0]),
        (numeric, &[0, 1]),
    ] {
        assert_eq!(back(ty, raw).expect_err("malformed").state.0, "22P03", "{ty}");
    }
    assert!(back(numeric, &words(&[1, 5, 0, 0, 1])).is_err());
    assert!(back(SqlType::Text, &[0xff]).is_err());
    assert!(back(SqlType::Text, b"a\0b").is_err());
}

proptest! {
    #[test]
    fn numeric_round_trips(digits in any::<i64>(), wide in any::<bool>(), scale in 0_u8..20) {
        let digits = if wide { i128::from(digits) * 1_000_000_007 } else { digits.into() };
        let raw = decimal(digits, 38, scale);
        let value = back(SqlType::Numeric { precision: 38, scale }, &raw).expect("reads");
        prop_assert_eq!(value, Value::Decimal(digits));
    }

    #[test]
    fn any_bytes_read_without_panic(raw in prop::collection::vec(any::<u8>(), 0..40)) {
        for ty in [SqlType::Numeric { precision: 38, scale: 10 }, SqlType::Uuid, SqlType::Jsonb,
            SqlType::Int, SqlType::Timestamp, SqlType::Date, SqlType::Text] {
            let _ = back(ty, &raw);
        }
    }
}
