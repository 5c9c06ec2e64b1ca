//! Whole files, opened by the room that owns them on a simulated disk: it opens, or says what is
//! wrong; and what it has opened once it opens again.

use super::Target;
use base::{ClusterId, Epoch, LogId, Lsn, NodeId};
use bytes::Bytes;
use env::sim::{self, SimNode};
use format::Frame;
use log::{Log, LogSettings};
use meta::{Bootstrap, Command, Meta};
use std::path::Path;

pub(super) const TARGETS: &[Target] = &[
    Target {
        name: "segment",
        about: "a segment of the log",
        run: segment,
        seeds: segments,
        words: &[],
    },
    Target {
        name: "commands",
        about: "commands of the metadata",
        run: commands,
        seeds: logged,
        words: JSON,
    },
    Target {
        name: "snapshot",
        about: "the metadata's snapshot",
        run: snapshot,
        seeds: states,
        words: JSON,
    },
];

const JSON: &[&str] = &["{", "}", "null", "\"", "\n", "[]", ":", ",", "-1", "99999999999999999999"];
const SEGMENT: &str = "/log/0000000001.seg";
const SEGMENT_BYTES: u64 = 16 << 10;
const COMMANDS: &str = "/meta/commands";
const SNAPSHOT: &str = "/meta/snapshot";

fn open_log(node: &SimNode) -> base::Result<Log> {
    let settings = LogSettings { segment_bytes: SEGMENT_BYTES, ..LogSettings::default() };
    Log::open(node.env(), "/log".into(), settings)
}

/// A log with a few frames, then closed.
async fn written(node: &SimNode) {
    let log = open_log(node).expect("an empty disk");
    let id = LogId(1);
    log.register(id);
    let epoch = Epoch { number: 1, cluster: ClusterId(1), node: NodeId(1) };
    for lsn in 1..=3 {
        let payload = Bytes::from(vec![lsn as u8; 60]);
        let room = log.admit(60).await.expect("there is room");
        log.append(id, vec![Frame { lsn: Lsn(lsn), epoch, kind: 7, payload }]).expect("in order");
        drop(room);
        log.wait_durable(id, Lsn(lsn)).await.expect("the disk works");
    }
    node.restart();
}

fn segment(input: &[u8]) -> bool {
    sim::run(1, |world| async move {
        let node = world.node();
        written(&node).await;
        let mut whole = input.to_vec();
        whole.resize(SEGMENT_BYTES as usize, 0);
        put(&node, SEGMENT, &whole);
        let accepted = open_log(&node).is_ok();
        node.restart();
        assert!(!accepted || open_log(&node).is_ok(), "a log opens once, and not again");
        accepted
    })
}

fn segments() -> Vec<Vec<u8>> {
    sim::run(1, |world| async move {
        let node = world.node();
        written(&node).await;
        let mut whole = node.env().disk.read(Path::new(SEGMENT)).expect("the first segment");
        // What follows is zeros; short inputs are damaged where it matters.
        whole.truncate(1024);
        vec![whole]
    })
}

fn put(node: &SimNode, path: &str, bytes: &[u8]) {
    let disk = node.env().disk;
    let file = disk.open(Path::new(path)).expect("the file is there");
    file.set_len(0).and_then(|()| file.write_at(bytes, 0)).expect("there is room");
}

fn open_meta(node: &SimNode) -> base::Result<Meta> {
    let bootstrap = Bootstrap {
        cluster_id: ClusterId(1),
        name: "east".into(),
        node: NodeId(1),
        superuser: "root".into(),
        password: "secret".into(),
    };
    Meta::open(node.env(), "/meta".into(), bootstrap)
}

fn metadata(path: &str, input: &[u8]) -> bool {
    // Making a password's hash takes most of the time; a folder is made once and copied.
    static FILES: std::sync::OnceLock<[Vec<u8>; 2]> = std::sync::OnceLock::new();
    let files = FILES.get_or_init(first_files);
    sim::run(1, |world| async move {
        let node = world.node();
        let disk = node.env().disk;
        disk.create_dir(Path::new("/meta")).expect("an empty disk");
        for (path, bytes) in [SNAPSHOT, COMMANDS].iter().zip(files) {
            let file = disk.create(Path::new(path)).expect("an empty disk");
            file.write_at(bytes, 0).expect("there is room");
        }
        put(&node, path, input);
        let accepted = open_meta(&node).is_ok();
        assert!(!accepted || open_meta(&node).is_ok(), "metadata opens once, and not again");
        accepted
    })
}

fn first_files() -> [Vec<u8>; 2] {
    sim::run(1, |world| async move {
        let node = world.node();
        let meta = open_meta(&node).expect("an empty disk");
        for _ in 0..3 {
            let (name, verifier) = ("root".into(), None);
            let again = Command::AlterUser { name, verifier, superuser: Some(true) };
            meta.apply(again).expect("there is this user");
        }
        [SNAPSHOT, COMMANDS]
            .map(|path| node.env().disk.read(Path::new(path)).expect("it was just made"))
    })
}

fn commands(input: &[u8]) -> bool {
    let right = metadata(COMMANDS, &with_checksums(input));
    metadata(COMMANDS, input) || right
}

/// Lines of `number checksum JSON` get the checksum that fits them.
fn with_checksums(input: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for line in input.split_inclusive(|b| *b == b'\n') {
        let parts: Vec<&[u8]> = line.splitn(3, |b| *b == b' ').collect();
        match parts[..] {
            [number, _, json] => {
                let json = json.strip_suffix(b"\n").unwrap_or(json);
                let parsed = std::str::from_utf8(number).ok().and_then(|n| n.parse::<u64>().ok());
                let crc = crc32c::crc32c(&parsed.unwrap_or_default().to_le_bytes());
                let crc = crc32c::crc32c_append(crc, json);
                out.extend_from_slice(number);
                out.extend_from_slice(format!(" {crc:08x} ").as_bytes());
                out.extend_from_slice(json);
                out.push(b'\n');
            }
            _ => out.extend_from_slice(line),
        }
    }
    out
}

fn snapshot(input: &[u8]) -> bool {
    let json = input.splitn(2, |b| *b == b'\n').nth(1).unwrap_or_default();
    let mut right = format!("antipode-meta 1 {:08x}\n", crc32c::crc32c(json)).into_bytes();
    right.extend_from_slice(json);
    let right = metadata(SNAPSHOT, &right);
    metadata(SNAPSHOT, input) || right
}

fn logged() -> Vec<Vec<u8>> {
    vec![first_files()[1].clone()]
}

fn states() -> Vec<Vec<u8>> {
    vec![first_files()[0].clone()]
}
