use super::*;
use proptest::prelude::*;

fn body(bytes: &[u8]) -> Bytes {
    Bytes::copy_from_slice(bytes)
}

#[test]
fn messages_decode() {
    assert_eq!(decode(b'Q', body(b"select 1\0")).expect("Q"), Message::Query("select 1".into()));
    assert_eq!(
        decode(b'P', body(b"s\0select $1\0\0\x01\0\0\0\x17")).expect("P"),
        Message::Parse { name: "s".into(), sql: "select $1".into(), types: vec![23] }
    );
    assert_eq!(
        decode(b'B', body(b"p\0s\0\0\x01\0\x01\0\x02\0\0\0\x02ab\xff\xff\xff\xff\0\0")).expect("B"),
        Message::Bind {
            portal: "p".into(),
            statement: "s".into(),
            formats: vec![1],
            values: vec![Some(body(b"ab")), None],
            result_formats: vec![],
        }
    );
    assert_eq!(
        decode(b'E', body(b"\0\0\0\0\x05")).expect("E"),
        Message::Execute { portal: String::new(), max_rows: 5 }
    );
    assert_eq!(decode(b'S', body(b"")).expect("S"), Message::Sync);
}

#[test]
fn openings_decode() {
    assert_eq!(decode_opening(body(&80_877_103_i32.to_be_bytes())).expect("ssl"), Opening::Ssl);
    assert_eq!(
        decode_opening(body(b"\0\x03\0\0user\0me\0database\0d\0\0")).expect("startup"),
        Opening::Startup {
            minor: 0,
            parameters: vec![("user".into(), "me".into()), ("database".into(), "d".into())],
        }
    );
    let error = decode_opening(body(b"\0\x02\0\0user\0me\0\0")).expect_err("protocol 2");
    assert_eq!(error.state, SqlState::FEATURE_NOT_SUPPORTED);
}

#[test]
fn malformed_messages_are_protocol_violations() {
    for (kind, bytes) in [
        (b'Q', &b"no end"[..]),
        (b'Q', b"a\0b"),
        (b'P', b"\0select\0\0\x09"),
        (b'B', b"\0\0\0\0\0\x01\0\0\0\x09abc\0\0"),
        (b'B', b"\0\0\0\0\0\x01\xff\xff\xff\xf0\0\0"),
        (b'B', b"\0\0\0\x01\0\x07\0\0\0\0"),
        (b'D', b"Xname\0"),
        (b'E', b"\0\0"),
        (b'?', b""),
    ] {
        let error = decode(kind, body(bytes)).expect_err("malformed");
        assert_eq!(error.state, SqlState::PROTOCOL_VIOLATION, "{bytes:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_decode_without_panic(
        kind in prop::sample::select(&b"QPBDCEHSdcfpXF?"[..]),
        bytes in prop::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..64),
    ) {
        let _ = decode(kind, Bytes::from(bytes.clone()));
        let _ = decode_opening(Bytes::from(bytes));
    }
}
