//! What another cluster sends.

use super::disk::{a_manifest, a_part};
use super::{Target, choice, chosen};
use base::{ClusterId, Epoch, EpochHistory, LineId, Lsn, NodeId, StorageId, Timestamp};
use bytes::Bytes;
use dr::peer::{self, wire};
use format::Frame;
use prost::Message;

pub(super) const TARGETS: &[Target] = &[
    Target { name: "batch", about: "batches of frames", run: batch, seeds: batches, words: &[] },
    Target {
        name: "link",
        about: "messages between clusters",
        run: link,
        seeds: links,
        words: &[],
    },
];

fn frames() -> Vec<Frame> {
    let epoch = Epoch { number: 2, cluster: ClusterId(3), node: NodeId(1) };
    let frame = |lsn| Frame { lsn: Lsn(lsn), epoch, kind: 5, payload: Bytes::from_static(b"abc") };
    (7..10).map(frame).collect()
}

/// With its checksum as it comes, and with the right one for what follows it.
fn batch(input: &[u8]) -> bool {
    let mut accepted = false;
    let mut right = input.to_vec();
    if right.len() > 5 {
        let crc = crc32c::crc32c(&right[5..]);
        right[1..5].copy_from_slice(&crc.to_le_bytes());
    }
    for bytes in [input, &right] {
        let Ok(frames) = format::frame::decode_batch(bytes) else { continue };
        let again = format::frame::decode_batch(&format::frame::encode_batch(&frames));
        assert_eq!(again.ok(), Some(frames), "a batch changes on the way");
        accepted = true;
    }
    accepted
}

fn batches() -> Vec<Vec<u8>> {
    vec![format::frame::encode_batch(&frames()).to_vec(), format::frame::encode_batch(&[]).to_vec()]
}

fn link(input: &[u8]) -> bool {
    let (kind, bytes) = choice(input, 12);
    let bytes = &bytes[..];
    match kind {
        0 => {
            wire::HelloRequest::decode(bytes).is_ok_and(|m| peer::HelloRequest::try_from(m).is_ok())
        }
        1 => wire::Hello::decode(bytes).is_ok_and(|m| peer::Hello::try_from(m).is_ok()),
        2 => wire::SubscribeRequest::decode(bytes)
            .is_ok_and(|m| peer::SubscribeRequest::try_from(m).is_ok()),
        3 => {
            wire::StreamItem::decode(bytes).is_ok_and(|m| wire::StreamItem::into_answer(m).is_ok())
        }
        4 => wire::StreamItem::decode(bytes).is_ok_and(|m| wire::StreamItem::into_batch(m).is_ok()),
        5 => wire::Ack::decode(bytes).map(peer::Ack::from).is_ok(),
        6 => wire::Positions::decode(bytes).map(peer::Positions::from).is_ok(),
        7 => wire::Invitation::decode(bytes).is_ok_and(|m| peer::Invitation::try_from(m).is_ok()),
        8 => wire::Invited::decode(bytes).is_ok_and(|m| peer::Invited::try_from(m).is_ok()),
        9 => wire::ContentRequest::decode(bytes)
            .is_ok_and(|m| peer::ContentRequest::try_from(m).is_ok()),
        10 => wire::Content::decode(bytes).is_ok_and(|m| peer::Content::try_from(m).is_ok()),
        _ => {
            wire::SaveDiverged::decode(bytes).is_ok_and(|m| peer::SaveDiverged::try_from(m).is_ok())
        }
    }
}

fn links() -> Vec<Vec<u8>> {
    let epoch = Epoch { number: 2, cluster: ClusterId(3), node: NodeId(1) };
    let hello = peer::HelloRequest {
        database: "bank".into(),
        line: Some(LineId(1 << 99)),
        cluster: ClusterId(3),
        cluster_name: "west".into(),
        slot: "west".into(),
        promotion_epoch: epoch,
        format_version: 1,
        mode: peer::Mode::Follow,
        own_rights: false,
    };
    let subscribe = peer::SubscribeRequest {
        database: "bank".into(),
        slot: "west".into(),
        partition: 3,
        end: Lsn(77),
        history: EpochHistory(vec![(epoch, Lsn(1))]),
        promotion_epoch: epoch,
        own_rights: false,
    };
    let base = peer::Answer::NeedBase(Box::new(peer::BaseOffer {
        pin: 7,
        manifest: a_manifest(),
        reason: "the log is gone".into(),
        diverged: Some((Lsn(5), Timestamp(9))),
        unrelated: false,
    }));
    let frames = peer::FrameBatch {
        bytes: format::frame::encode_batch(&frames()),
        source_end: Lsn(9),
        source_now: Timestamp(10),
        last_commit: Timestamp(9),
        gated: true,
        awaited: true,
    };
    let save =
        peer::SaveDiverged { database: "bank".into(), parts: vec![a_part()], settled: vec![epoch] };
    let invitation = peer::Invitation {
        database: "copy".into(),
        address: ("east".into(), 5432),
        source_database: "bank".into(),
        line: LineId(1 << 99),
        cluster: ClusterId(3),
        cluster_name: "east".into(),
        promotion_epoch: epoch,
        durability: meta::Durability::Async,
        step: peer::InvitationStep::Follow { resume: false, make: true },
    };
    let range = peer::ContentRange {
        partition: 1,
        storage: StorageId(100),
        start: Bytes::from_static(b"a"),
        end: Bytes::from_static(b"z"),
    };
    let parts = vec![(range.start.clone(), range.end.clone())];
    let rows = peer::ContentRequest {
        database: "bank".into(),
        slot: "west".into(),
        promotion_epoch: epoch,
        session: 3,
        step: peer::ContentStep::Rows { range, parts, have: vec![5, 6] },
    };
    let row = peer::ContentRow {
        key: Bytes::from_static(b"k"),
        ts: Timestamp(9),
        row: Bytes::from_static(b"\x01"),
    };
    let content = peer::Content {
        session: 3,
        bases: vec![a_manifest()],
        rows: vec![row],
        lost: vec![5],
        next: Some(Bytes::from_static(b"l")),
        ..peer::Content::default()
    };
    vec![
        chosen(7, &wire::Invitation::from(invitation).encode_to_vec()),
        chosen(9, &wire::ContentRequest::from(rows).encode_to_vec()),
        chosen(10, &wire::Content::from(content).encode_to_vec()),
        chosen(0, &wire::HelloRequest::from(hello).encode_to_vec()),
        chosen(2, &wire::SubscribeRequest::from(subscribe).encode_to_vec()),
        chosen(3, &wire::StreamItem::from(base).encode_to_vec()),
        chosen(4, &wire::StreamItem::from(frames).encode_to_vec()),
        chosen(11, &wire::SaveDiverged::from(save).encode_to_vec()),
    ]
}
