//! A link's figures, as honest as they can be: exact in records, estimated (from what was received)
//! in rows, transactions and bytes, unknown where the source cannot be heard.

mod meter;

use crate::peer::FrameBatch;
use base::{Lsn, Timestamp};
use format::frame::Frame;
use format::record::Record;
use meta::DatabaseState;
use meter::Meter;
use std::time::Duration;

/// A partition that was not heard of for so long is not connected.
const SILENT: Duration = Duration::from_secs(3);
/// Over how long throughput is measured.
const WINDOW: Duration = Duration::from_secs(2);
/// Of how many frames in a batch the rows are counted.
const SAMPLES: usize = 4;

/// How a target got what it lacked: the log told it.
pub(crate) const BY_LOG: &str = "by log";
/// The log was gone, contents were compared.
pub(crate) const BY_CONTENT: &str = "by content";
/// Everything was copied.
pub(crate) const FULL_COPY: &str = "full copy";

/// One link, as its target sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct LinkStatus {
    /// The database here.
    pub database: String,
    /// Where it replicates from: `user@host:port/database`.
    pub source: String,
    /// The source's cluster id.
    pub source_cluster: base::ClusterId,
    /// The database's role here.
    pub role: DatabaseState,
    /// `connecting`, `copying`, `catching up`, `streaming`, `rewinding`, `paused` or `failed`.
    pub state: &'static str,
    /// Stopped by the user.
    pub paused: bool,
    /// True if every partition was heard of in the last seconds.
    pub connected: bool,
    /// True if the source takes no writes.
    pub source_gated: bool,
    /// Records of the source that are not here; `None` if the source cannot be heard.
    pub lag_records: Option<u64>,
    /// The row changes in them, estimated.
    pub lag_rows: Option<u64>,
    /// The transactions in them, estimated.
    pub lag_transactions: Option<u64>,
    /// Their bytes of log, estimated.
    pub lag_bytes: Option<u64>,
    /// How long ago the source was last heard, of the partition that was silent longest; `None` if
    /// not since the process started.
    pub heard_ms_ago: Option<u64>,
    /// How far what is readable here is behind the source's present; 0 if everything is here.
    /// Grows while the source cannot be heard. `None` before anything is readable.
    pub lag_ms: Option<u64>,
    /// Received over the network since the process started, chunks included.
    pub received_bytes: u64,
    /// Records received since the process started.
    pub received_records: u64,
    /// Received lately.
    pub bytes_per_second: u64,
    /// The same over the last minute, or since the link began.
    pub bytes_per_second_1m: u64,
    /// The same over the last five minutes.
    pub bytes_per_second_5m: u64,
    /// When the lag will be gone at this pace, if it shrinks.
    pub catch_up_ms: Option<u64>,
    /// How it got on when it last had to make up for something: `by log`, `by content` or `full
    /// copy`; not before.
    pub way: Option<&'static str>,
    /// Bytes that have travelled for that, both ways, the log that followed it not included.
    pub shipped_bytes: u64,
    /// The last time that all of it was compared with the source.
    pub verified: Option<meta::Verified>,
    /// Bytes of chunks copied and to copy, while copying.
    pub copy: Option<(u64, u64)>,
    /// The newest consistent time here.
    pub replicated: Timestamp,
    /// Why it does not run.
    pub last_error: Option<String>,
    /// By partition.
    pub partitions: Vec<PartitionLag>,
}

/// One partition of a link.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PartitionLag {
    /// Last position here.
    pub end: Lsn,
    /// Last durable position here.
    pub durable: Lsn,
    /// Last durable position of the source, as last heard.
    pub source_end: Option<Lsn>,
    /// Newest closed timestamp here.
    pub closed: Timestamp,
    /// It was heard of in the last seconds.
    pub covered: bool,
    /// The newest commit that was received.
    pub received_at: Timestamp,
    /// The newest commit, as far as known, that was received, is durable, and can be read.
    pub applied_at: Timestamp,
}

/// What a partition's stream told last.
#[derive(Clone, Debug)]
struct Heard {
    at: Duration,
    received: Lsn,
    source_end: Lsn,
    source_now: Timestamp,
    last_commit: Timestamp,
    gated: bool,
}

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    heard: Vec<Option<Heard>>,
    /// As `heard`, but not forgotten when the connection is over.
    remembered: Vec<Option<Heard>>,
    wire_bytes: u64,
    records: u64,
    transactions: u64,
    payload_bytes: u64,
    sampled_records: u64,
    sampled_rows: u64,
    copy: Option<(u64, u64)>,
    way: Option<&'static str>,
    shipped: u64,
    window: Option<(Duration, u64)>,
    pace: u64,
    meter: Meter,
}

/// What was known of the source when it was last heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Known {
    /// How long ago that was, for the partition that was silent longest.
    pub age: Duration,
    /// Every partition was heard of lately.
    pub fresh: bool,
    pub gated: bool,
    pub records: u64,
    pub rows: u64,
    pub transactions: u64,
    pub bytes: u64,
}

/// Lag in several units.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lag {
    pub connected: bool,
    pub caught_up: bool,
    pub gated: bool,
    pub records: u64,
    pub rows: u64,
    pub transactions: u64,
    pub bytes: u64,
    pub ms: Option<u64>,
}

impl Figures {
    /// Of a link that begins now.
    pub fn new(now: Duration) -> Figures {
        let mut figures = Figures::default();
        figures.meter.note(now, 0);
        figures
    }

    /// A connection begins to stream.
    pub fn begin(&mut self, partitions: usize) {
        self.heard = vec![None; partitions];
        self.remembered.resize(partitions, None);
        self.copy = None;
    }

    /// The connection is over.
    pub fn hang_up(&mut self, now: Duration) {
        self.meter.settle(now, self.wire_bytes);
        self.heard.iter_mut().for_each(|h| *h = None);
        self.pace = 0;
        self.window = None;
    }

    /// Counts a batch.
    pub fn count(&mut self, wire_bytes: usize, frames: &[Frame]) {
        self.wire_bytes += wire_bytes as u64;
        self.records += frames.len() as u64;
        self.payload_bytes += frames.iter().map(|f| f.payload.len() as u64 + 16).sum::<u64>();
        let commits = |f: &&Frame| matches!(f.kind, 1 | 3);
        self.transactions += frames.iter().filter(commits).count() as u64;
        let step = (frames.len() / SAMPLES).max(1);
        for frame in frames.iter().step_by(step) {
            self.sampled_records += 1;
            self.sampled_rows += rows(frame);
        }
    }

    /// Notes what a stream told.
    pub fn heard(&mut self, index: usize, received: Lsn, batch: &FrameBatch, at: Duration) {
        let news = Heard {
            at,
            received,
            source_end: batch.source_end,
            source_now: batch.source_now,
            last_commit: batch.last_commit,
            gated: batch.gated,
        };
        if let Some(heard) = self.heard.get_mut(index) {
            *heard = Some(news.clone());
        }
        if let Some(remembered) = self.remembered.get_mut(index) {
            *remembered = Some(news);
        }
    }

    /// What the source had beyond `ends`, as last heard; `None` if some partition was never heard
    /// of.
    pub fn known(&self, ends: &[Lsn], now: Duration) -> Option<Known> {
        let heard: Vec<&Heard> = self.remembered.iter().flatten().collect();
        if heard.is_empty() || heard.len() < ends.len() {
            return None;
        }
        let beyond = heard.iter().zip(ends).map(|(h, end)| h.source_end.0.saturating_sub(end.0));
        let records = beyond.sum();
        let age = heard.iter().map(|h| now.saturating_sub(h.at)).max().unwrap_or_default();
        Some(Known {
            age,
            fresh: age < SILENT && self.heard.iter().all(Option::is_some),
            gated: heard.iter().all(|h| h.gated),
            records,
            rows: share(records, self.sampled_rows, self.sampled_records),
            transactions: share(records, self.transactions, self.records),
            bytes: share(records, self.payload_bytes, self.records),
        })
    }

    /// Something begins that makes up for what is lacking.
    pub fn way(&mut self, way: &'static str) {
        (self.way, self.shipped) = (Some(way), 0);
    }

    /// How, and the bytes that have travelled for it.
    pub fn shipped_so_far(&self) -> (Option<&'static str>, u64) {
        (self.way, self.shipped)
    }

    /// Bytes came and went for that.
    pub fn shipped(&mut self, received: u64, sent: u64) {
        self.wire_bytes += received;
        self.shipped += received + sent;
    }

    /// A copy of so many bytes begins.
    pub fn copying(&mut self, total: u64) {
        self.copy = Some((0, total));
    }

    /// Bytes of it are here; over the network, or found here from an earlier try.
    pub fn copied(&mut self, bytes: u64, received: bool) {
        if let Some((done, _)) = &mut self.copy {
            *done += bytes;
        }
        if received {
            self.shipped(bytes, 0);
        }
    }

    /// Measures the pace.
    pub fn tick(&mut self, now: Duration) {
        self.meter.note(now, self.wire_bytes);
        let (since, bytes) = *self.window.get_or_insert((now, self.wire_bytes));
        let span = now.saturating_sub(since);
        if span >= WINDOW {
            self.pace = (self.wire_bytes - bytes) * 1_000 / (span.as_millis() as u64).max(1);
            self.window = Some((now, self.wire_bytes));
        }
    }

    pub fn received(&self) -> (u64, u64, u64) {
        (self.wire_bytes, self.records, self.pace)
    }

    /// Bytes received in a second, on average over a time up to now.
    pub fn rate(&self, now: Duration, over: Duration) -> u64 {
        self.meter.rate(now, over, self.wire_bytes)
    }

    /// True if a partition was heard of lately.
    pub fn covers(&self, index: usize, now: Duration) -> bool {
        let heard = self.heard.get(index).and_then(Option::as_ref);
        heard.is_some_and(|h| now.saturating_sub(h.at) < SILENT)
    }

    pub fn copy(&self) -> Option<(u64, u64)> {
        self.copy
    }

    pub fn source_end(&self, index: usize) -> Option<Lsn> {
        Some(self.heard.get(index)?.as_ref()?.source_end)
    }

    /// Compressed bytes on the wire per byte of log, in thousandths.
    pub fn compression(&self) -> u64 {
        (self.wire_bytes * 1_000).checked_div(self.payload_bytes).unwrap_or(1_000).clamp(1, 1_000)
    }

    /// The lag of a target at `replicated`, whose partitions are closed at `closed`.
    pub fn lag(
        &self,
        replicated: Timestamp,
        closed: &[Timestamp],
        now: Duration,
        now_ms: u64,
    ) -> Lag {
        let fresh = |h: &&Heard| now.saturating_sub(h.at) < SILENT;
        let heard: Vec<&Heard> = self.heard.iter().flatten().filter(fresh).collect();
        let readable = replicated > Timestamp::ZERO;
        if heard.is_empty() || heard.len() < self.heard.len() {
            let ms = readable.then(|| now_ms.saturating_sub(replicated.ms()));
            return Lag { ms, ..Lag::default() };
        }
        let records: u64 = heard.iter().map(|h| h.source_end.0.saturating_sub(h.received.0)).sum();
        let open = heard.iter().zip(closed).any(|(h, closed)| *closed < h.last_commit);
        let caught_up = records == 0 && !open;
        let ms = heard.iter().map(|h| {
            let behind = h.source_now.ms().saturating_sub(replicated.ms());
            behind + now.saturating_sub(h.at).as_millis() as u64
        });
        Lag {
            connected: true,
            caught_up,
            gated: heard.iter().all(|h| h.gated),
            records,
            rows: share(records, self.sampled_rows, self.sampled_records),
            transactions: share(records, self.transactions, self.records),
            bytes: share(records, self.payload_bytes, self.records),
            ms: if caught_up { Some(0) } else { readable.then(|| ms.max().unwrap_or(0)) },
        }
    }
}

/// `n` records' share if `of` records had `count`; at least `n` if nothing was seen yet.
fn share(n: u64, count: u64, of: u64) -> u64 {
    if of == 0 { n } else { (n * count).div_ceil(of) }
}

fn rows(frame: &Frame) -> u64 {
    match Record::decode(frame.kind, &frame.payload) {
        Ok(Record::Txn { ops, .. } | Record::Stage { ops, .. } | Record::Prepare { ops, .. }) => {
            ops.len() as u64
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn batch(end: u64, now_ms: u64, last_commit_ms: u64) -> FrameBatch {
        FrameBatch {
            bytes: Bytes::new(),
            source_end: Lsn(end),
            source_now: Timestamp::from_ms(now_ms),
            last_commit: Timestamp::from_ms(last_commit_ms),
            gated: false,
            awaited: false,
        }
    }

    fn at(ms: u64) -> Timestamp {
        Timestamp::from_ms(ms)
    }

    #[test]
    fn idle_is_no_lag_and_silence_is_unknown_and_grows() {
        let mut f = Figures::default();
        f.begin(1);
        let unheard = f.lag(at(900), &[at(900)], Duration::from_secs(1), 1_000);
        assert_eq!((unheard.connected, unheard.ms), (false, Some(100)));
        f.heard(0, Lsn(5), &batch(5, 1_000, 800), Duration::from_secs(1));
        let idle = f.lag(at(900), &[at(900)], Duration::from_secs(2), 2_000);
        assert_eq!((idle.caught_up, idle.ms, idle.records), (true, Some(0), 0));
        let silent = f.lag(at(900), &[at(900)], Duration::from_secs(9), 9_000);
        assert_eq!((silent.connected, silent.ms), (false, Some(8_100)));
    }

    #[test]
    fn what_was_known_of_a_source_that_is_gone_is_not_forgotten() {
        let mut f = Figures::default();
        assert_eq!(f.known(&[Lsn(0)], Duration::ZERO), None, "never heard");
        f.begin(2);
        f.heard(0, Lsn(5), &batch(9, 1_000, 800), Duration::from_secs(1));
        assert_eq!(f.known(&[Lsn(5), Lsn(0)], Duration::from_secs(2)), None, "of all partitions");
        f.heard(1, Lsn(7), &batch(7, 1_000, 800), Duration::from_secs(2));
        let known = f.known(&[Lsn(6), Lsn(7)], Duration::from_secs(2)).unwrap();
        assert_eq!((known.fresh, known.records, known.transactions), (true, 3, 3));
        f.hang_up(Duration::from_secs(3));
        f.begin(2);
        let known = f.known(&[Lsn(6), Lsn(7)], Duration::from_secs(60)).unwrap();
        assert_eq!((known.fresh, known.records), (false, 3));
        assert_eq!(known.age, Duration::from_secs(59));
    }

    #[test]
    fn received_but_not_closed_is_not_caught_up() {
        let mut f = Figures::default();
        f.begin(1);
        f.heard(0, Lsn(5), &batch(5, 1_000, 950), Duration::from_secs(1));
        let lag = f.lag(at(900), &[at(900)], Duration::from_secs(1), 1_000);
        assert_eq!((lag.caught_up, lag.records, lag.ms), (false, 0, Some(100)));
        f.heard(0, Lsn(5), &batch(25, 1_000, 950), Duration::from_secs(1));
        let lag = f.lag(at(900), &[at(900)], Duration::from_secs(1), 1_000);
        assert_eq!((lag.records, lag.rows), (20, 20));
    }

    #[test]
    fn nothing_readable_means_no_figure() {
        let f = Figures::default();
        assert_eq!(f.lag(Timestamp::ZERO, &[], Duration::ZERO, 1_000).ms, None);
    }
}
