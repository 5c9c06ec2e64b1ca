//! Decoders meet any bytes without a panic.

use crate::trips::{manifest, part};
use crate::values::{record, row, ty};
use base::Value;
use bytes::Bytes;
use format::catalog::{self, Counters};
use format::{DivergedPart, Manifest, Record};
use proptest::collection::vec;
use proptest::prelude::*;

/// Feeds bytes to everything.
fn feed(bytes: &[u8]) {
    let shared = Bytes::copy_from_slice(bytes);
    for kind in 0..=8 {
        let _ = Record::decode(kind, &shared);
    }
    let _ = format::row::decode(bytes);
    let _ = format::row::decode_value(bytes);
    let _ = Manifest::decode(bytes);
    let _ = DivergedPart::decode(bytes);
    for id in [-1, -(1 << 40), -(1 << 40) - 1, -(1 << 40) - 2, -(1 << 40) - 3, i64::MIN] {
        let row = vec![(1, Value::Int(id)), (3, Value::Bytes(shared.clone()))];
        let _ = format::access::Fact::decode(&row);
    }
    let row = vec![(3, Value::Bytes(shared))];
    let _ = catalog::decode(&row);
    let _ = Counters::decode(&row);
}

/// The same payload under a right checksum, so that what lies behind it is reached.
fn resealed(magic: &[u8; 4], version: u8, payload: &[u8]) -> Bytes {
    format::envelope::seal(*magic, version, payload)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn random_bytes(bytes in vec(any::<u8>(), 0..200), types in vec(ty(), 0..4)) {
        feed(&bytes);
        for magic in [b"APMF", b"APTD", b"APCC", b"APVP", b"APAC", b"APSD", b"APPR"] {
            feed(&resealed(magic, 1, &bytes));
            feed(&resealed(magic, 2, &bytes));
        }
        let _ = format::key::decode(&bytes, &types);
        let mut versioned = vec![1];
        versioned.extend_from_slice(&bytes);
        feed(&versioned);
    }

    #[test]
    fn damaged_records(record in record(), at in any::<prop::sample::Index>(), b in any::<u8>()) {
        let mut bytes = record.encode().to_vec();
        let i = at.index(bytes.len());
        feed(&bytes[..i]);
        prop_assert!(Record::decode(record.kind(), &Bytes::copy_from_slice(&bytes[..i])).is_err());
        bytes[i] = b;
        feed(&bytes);
    }

    #[test]
    fn damaged_rows(row in row(), at in any::<prop::sample::Index>(), b in any::<u8>()) {
        let mut bytes = format::row::encode(&row).to_vec();
        let i = at.index(bytes.len());
        bytes[i] = b;
        feed(&bytes);
    }
}

#[test]
fn every_damaged_byte_of_an_envelope_is_found() {
    let (manifest, part) = (manifest(Vec::new()).encode(), part().encode());
    for i in 0..manifest.len() {
        let mut bytes = manifest.to_vec();
        bytes[i] ^= 0x10;
        assert!(Manifest::decode(&bytes).is_err(), "byte {i}");
        assert!(Manifest::decode(&manifest[..i]).is_err(), "cut at {i}");
    }
    for i in 0..part.len() {
        let mut bytes = part.to_vec();
        bytes[i] ^= 0x01;
        assert!(DivergedPart::decode(&bytes).is_err(), "byte {i}");
    }
}

#[test]
fn a_newer_version_says_so() {
    let error = Manifest::decode(&format::envelope::seal(*b"APMF", 3, b"")).unwrap_err();
    assert!(error.message.contains("version 3"), "{error}");
}
