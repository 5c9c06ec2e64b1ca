use super::*;
use base::{ClusterId, NodeId};
use proptest::prelude::*;

fn epoch(number: u32) -> Epoch {
    Epoch { number, cluster: ClusterId(3), node: NodeId(7) }
}

fn any_frame() -> impl Strategy<Value = Frame> {
    (any::<u64>(), any::<u32>(), any::<u8>(), proptest::collection::vec(any::<u8>(), 0..300))
        .prop_map(|(lsn, number, kind, payload)| Frame {
            lsn: Lsn(lsn),
            epoch: epoch(number),
            kind,
            payload: payload.into(),
        })
}

#[test]
fn the_bytes_of_version_1() {
    let payload = Bytes::from_static(b"payload");
    let frame = Frame { lsn: Lsn(5), epoch: epoch(2), kind: 9, payload };
    let mut out = Vec::new();
    store(&mut out, 77, LogId(4), &frame, STARTS_WRITE);
    let hex: String = out.iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex.len(), 2 * stored_len(7));
    assert_eq!(&hex[0..8], "29000000");
    assert_eq!(
        &hex[24..],
        "040000000500000000000000070000030200000009017061796c6f616400000000000000"
    );
}

#[test]
fn a_frame_of_another_seed_or_cut_anywhere_is_none() {
    let frame =
        Frame { lsn: Lsn(5), epoch: epoch(2), kind: 9, payload: Bytes::from_static(b"abc") };
    let mut out = Vec::new();
    store(&mut out, 77, LogId(4), &frame, 0);
    assert!(Header::read(&out, 78).is_none());
    for end in 0..HEADER + 3 {
        let header = Header::read(&out[..end], 77);
        assert!(header.and_then(|h| h.payload(&out[..end])).is_none(), "cut at {end}");
    }
}

#[test]
fn a_batch_that_lies_about_its_size_is_refused() {
    let frame = Frame { lsn: Lsn(5), epoch: epoch(2), kind: 9, payload: vec![0; 5000].into() };
    for (at, claim) in [(5, 4u32), (5, u32::MAX), (5, 1 << 28), (9, 0), (9, 2), (9, 1000)] {
        let mut bytes = encode_batch(std::slice::from_ref(&frame)).to_vec();
        bytes[at..at + 4].copy_from_slice(&claim.to_le_bytes());
        let crc = crc32c::crc32c(&bytes[5..]);
        bytes[1..5].copy_from_slice(&crc.to_le_bytes());
        assert!(decode_batch(&bytes).is_err(), "claim {claim} at {at}");
    }
}

proptest! {
    #[test]
    fn stored_frames_read_back(frame in any_frame(), seed: u32, log: u32, flags in 0u8..2) {
        let mut out = vec![0xaa; 16];
        store(&mut out, seed, LogId(log), &frame, flags);
        prop_assert_eq!(out.len(), 16 + stored_len(frame.payload.len()));
        let header = Header::read(&out[16..], seed).expect("it was just stored");
        prop_assert_eq!((header.log, header.flags), (LogId(log), flags));
        let payload = header.payload(&out[16..]).expect("it was just stored");
        prop_assert_eq!(header.frame(Bytes::copy_from_slice(payload)), frame);
    }

    #[test]
    fn any_flipped_bit_is_seen(frame in any_frame(), seed: u32, bit: usize) {
        let mut out = Vec::new();
        store(&mut out, seed, LogId(1), &frame, 0);
        let bit = bit % ((HEADER + frame.payload.len()) * 8);
        out[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Header::read(&out, seed).and_then(|h| h.payload(&out).map(|_| ())).is_none());
    }

    #[test]
    fn batches_read_back(frames in proptest::collection::vec(any_frame(), 0..20)) {
        prop_assert_eq!(decode_batch(&encode_batch(&frames)).unwrap(), frames);
    }

    #[test]
    fn a_damaged_batch_is_an_error(
        frames in proptest::collection::vec(any_frame(), 0..5),
        bit: usize,
        cut: usize,
    ) {
        let good = encode_batch(&frames);
        let mut bad = good.to_vec();
        bad[(bit / 8) % good.len()] ^= 1 << (bit % 8);
        prop_assert!(decode_batch(&bad).is_err());
        prop_assert!(decode_batch(&good[..cut % good.len()]).is_err());
    }

    #[test]
    fn garbage_never_panics(mut bytes in proptest::collection::vec(any::<u8>(), 0..200), fix: bool) {
        if fix && bytes.len() > 5 {
            bytes[0] = 1;
            let crc = crc32c::crc32c(&bytes[5..]);
            bytes[1..5].copy_from_slice(&crc.to_le_bytes());
        }
        let _ = decode_batch(&bytes);
        let _ = Header::read(&bytes, 1).and_then(|h| h.payload(&bytes).map(|_| ()));
    }
}
