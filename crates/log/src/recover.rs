//! Opening a log: what a crash may have left is told apart from damage.

use crate::index::{Index, Place};
use crate::scan::{self, End, MARK};
use crate::segment::{self, Birth, HEADER, Segment};
use crate::settings::LogSettings;
use crate::spares::usual_size;
use crate::tail::Tail;
use base::{Error, Result, SqlState};
use env::Env;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// Reads all segments in `dir`, and makes the first one if there are none.
pub(crate) fn open(env: &Env, dir: &Path, settings: &LogSettings) -> Result<(Index, Tail)> {
    let io = |e: io::Error| Error::io(format!("opening the log in {}", dir.display()), &e);
    env.disk.create_dir(dir).map_err(io)?;
    let unfinished = segment::unfinished(dir);
    if env.disk.exists(&unfinished) {
        env.disk.remove(&unfinished).map_err(io)?;
    }
    let usual = usual_size(settings.segment_bytes);
    let mut segments = BTreeMap::new();
    for number in numbers(&env.disk.list(dir).map_err(io)?, dir)? {
        segments.insert(number, Arc::new(segment::open(&*env.disk, dir, number)?));
    }
    let make = |segments: &mut BTreeMap<u64, Arc<Segment>>| -> io::Result<()> {
        let number = segments.last_key_value().map_or(1, |(last, _)| last + 1);
        let birth = Birth { number, nonce: env.rng.next_u64(), capacity: usual };
        segments.insert(number, Arc::new(segment::create(&*env.disk, dir, &birth)?));
        Ok(())
    };
    if segments.is_empty() {
        make(&mut segments).map_err(io)?;
    }
    let (index, current, at) = scan_all(&segments)?;
    let tail = segments.get(&current).ok_or_else(|| Error::internal("the tail is a segment"))?;
    let last = segments.last_key_value().is_some_and(|(number, _)| *number == current);
    if last && tail.capacity.saturating_sub(at) < usual / 4 {
        // The first records must find room. A full disk is no reason not to open, though.
        if let Err(e) = make(&mut segments) {
            tracing::warn!("no space can be made ready for the log in {}: {e}", dir.display());
        }
    }
    Ok((index, Tail::new(segments, current, at, usual, settings.write_bytes)))
}

/// The segment numbers among file names; they must be dense.
fn numbers(names: &[String], dir: &Path) -> Result<Vec<u64>> {
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment::number(name)).collect();
    numbers.sort_unstable();
    for pair in numbers.windows(2) {
        if pair[1] != pair[0] + 1 {
            let missing = segment::path(dir, pair[0] + 1);
            return Err(Error::corrupt(format!("log segment {} is missing", missing.display())));
        }
    }
    Ok(numbers)
}

/// Where the frames of a segment that was not left end.
struct Open {
    number: u64,
    at: usize,
    leftovers: Option<usize>,
}

/// The index of all frames, and the segment and offset at which the log goes on.
fn scan_all(segments: &BTreeMap<u64, Arc<Segment>>) -> Result<(Index, u64, u64)> {
    let mut index = Index::default();
    let mut open: Option<Open> = None;
    let mut last_left = None;
    for segment in segments.values() {
        let bytes = read_all(segment)?;
        let mut any = false;
        let end = scan::frames(&bytes, HEADER as usize, segment.seed, |offset, header| {
            any = true;
            check_left(segments, open.as_ref())?;
            if header.log == MARK {
                return Ok(());
            }
            let place = Place {
                segment: segment.number as u32,
                offset: offset as u32,
                length: header.length,
            };
            index
                .replay(header.log, header.lsn, header.epoch, place)
                .map_err(|e| corrupt(segment, offset, &e.message))
        })?;
        let (at, proof, leftovers) = match end {
            End::Left => (None, None, None),
            End::Open { at, proof, leftovers } => (Some(at), proof, leftovers),
        };
        let in_use = any || at.is_none() || proof.is_some() || leftovers.is_some();
        if in_use {
            check_left(segments, open.as_ref())?;
        }
        if let (Some(at), Some(proof)) = (at, proof) {
            let why = format!("no valid frame here, but one of a later write at offset {proof}");
            return Err(corrupt(segment, at, &why));
        }
        match at {
            None => last_left = Some(segment.number),
            Some(at) if open.is_none() => {
                open = Some(Open { number: segment.number, at, leftovers });
            }
            Some(_) => {}
        }
    }
    for stream in index.streams.values_mut() {
        stream.all_synced();
    }
    go_on(segments, open, last_left).map(|(current, at)| (index, current, at))
}

/// There is something in a later segment: it was written only after all segments before it had been
/// left, so this one has been damaged if it does not end so.
fn check_left(segments: &BTreeMap<u64, Arc<Segment>>, open: Option<&Open>) -> Result<()> {
    match open.and_then(|open| Some((segments.get(&open.number)?, open.at))) {
        None => Ok(()),
        Some((damaged, at)) => {
            Err(corrupt(damaged, at, "no valid frame here, but there are some in later segments"))
        }
    }
}

/// Makes sure that what was found is safe and what was cut off stays away.
fn go_on(
    segments: &BTreeMap<u64, Arc<Segment>>,
    open: Option<Open>,
    last_left: Option<u64>,
) -> Result<(u64, u64)> {
    // The newest segment with frames may have bytes that were never synced.
    for number in [last_left, open.as_ref().map(|o| o.number)].into_iter().flatten() {
        let Some(segment) = segments.get(&number) else {
            continue;
        };
        let io = |e: io::Error| Error::io(format!("syncing {}", segment.path.display()), &e);
        if let Some(Open { at, leftovers: Some(end), .. }) =
            open.as_ref().filter(|o| o.number == number)
        {
            tracing::info!("cut an unfinished write off {} at offset {at}", segment.path.display());
            segment.file.write_at(&vec![0; end - at], *at as u64).map_err(io)?;
        }
        segment.file.sync().map_err(io)?;
    }
    match (open, last_left) {
        (Some(open), _) => Ok((open.number, open.at as u64)),
        (None, Some(left)) => Ok((left, segments.get(&left).map_or(0, |s| s.capacity))),
        (None, None) => Err(Error::internal("a log without segments was scanned")),
    }
}

fn read_all(segment: &Segment) -> Result<Vec<u8>> {
    let mut bytes = vec![0; segment.capacity as usize];
    segment
        .file
        .read_at(&mut bytes, 0)
        .map_err(|e| Error::io(format!("reading log segment {}", segment.path.display()), &e))?;
    Ok(bytes)
}

fn corrupt(segment: &Segment, offset: usize, why: &str) -> Error {
    let path = segment.path.display();
    Error::new(
        SqlState::DATA_CORRUPTED,
        format!("log segment {path} is corrupt at offset {offset}: {why}"),
    )
    .hint("restore this node from its replica or standby; nothing was changed")
}
