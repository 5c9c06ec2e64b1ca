//! What the handles and the two tasks of a log share.

use crate::index::Index;
use crate::segment::Segment;
use crate::settings::LogSettings;
use crate::tail::{Tail, Write};
use base::{Error, LogId, Lsn, Result, SqlState};
use env::Env;
use format::Frame;
use format::frame::{MAX_PAYLOAD, stored_len};
use parking_lot::Mutex;
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::{Notify, oneshot};

/// The largest request that can be admitted.
const LARGEST: u64 = 1 << 30;

pub(crate) struct Shared {
    pub(crate) env: Env,
    pub(crate) dir: PathBuf,
    pub(crate) settings: LogSettings,
    pub(crate) inner: Mutex<Inner>,
    /// Wakes the writer.
    pub(crate) work: Notify,
    /// Wakes the maker of spares.
    pub(crate) wanted: Notify,
    /// Wakes those who wait for admission.
    pub(crate) room: Notify,
    /// Wakes the maker of spares out of its trouble: there are segments to give back.
    pub(crate) freed: Notify,
}

pub(crate) struct Inner {
    pub(crate) index: Index,
    pub(crate) tail: Tail,
    waiters: BTreeMap<LogId, Vec<Waiter>>,
    /// Segments that nobody needs, oldest first, still on disk.
    pub(crate) freed: VecDeque<Arc<Segment>>,
    /// Bytes admitted and not yet appended.
    pub(crate) reserved: u64,
    /// A segment of this size is waited for, if not 0.
    pub(crate) large_wanted: u64,
    /// Why no spare segment can be made at present.
    pub(crate) trouble: Option<Error>,
    /// Why nothing is accepted any more.
    pub(crate) ended: Option<Error>,
    pub(crate) closing: bool,
    /// Somebody waits for the end: leave a mark that it was a clean one.
    pub(crate) clean: bool,
}

struct Waiter {
    lsn: Lsn,
    /// Waits for this very frame: fails when the log is cut below it.
    strict: bool,
    wake: oneshot::Sender<Result<()>>,
}

/// Those to wake, outside of the lock.
#[derive(Default)]
pub(crate) struct Wakes(Vec<(oneshot::Sender<Result<()>>, Result<()>)>);

impl Wakes {
    pub(crate) fn send(self) {
        for (wake, result) in self.0 {
            // Nobody may be waiting any more; that is their business.
            let _ = wake.send(result);
        }
    }
}

/// The answer to a wish for admission.
pub(crate) enum Admit {
    Granted,
    Wait,
}

impl Inner {
    pub(crate) fn new(index: Index, tail: Tail) -> Inner {
        Inner {
            index,
            tail,
            waiters: BTreeMap::new(),
            freed: VecDeque::new(),
            reserved: 0,
            large_wanted: 0,
            trouble: None,
            ended: None,
            closing: false,
            clean: false,
        }
    }

    pub(crate) fn check_open(&self) -> Result<()> {
        match &self.ended {
            Some(error) => Err(error.clone()),
            None if self.closing => Err(closed()),
            None => Ok(()),
        }
    }

    /// Accepts all of the frames or none.
    pub(crate) fn append(
        &mut self,
        id: LogId,
        frames: Vec<Frame>,
        wakes: &mut Wakes,
    ) -> Result<Lsn> {
        self.check_open()?;
        let stream = self.index.get(id)?;
        stream.check_all(&frames)?;
        if frames.iter().any(|f| f.payload.len() > MAX_PAYLOAD) {
            let message = format!("a log record can have at most {MAX_PAYLOAD} bytes");
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
        }
        if !self.tail.fits(frames.iter().map(|f| stored_len(f.payload.len()))) {
            return Err(self.full());
        }
        if frames.first().is_some_and(|f| f.lsn <= stream.end()) {
            self.cut(id, Lsn(frames[0].lsn.0 - 1), wakes)?;
        }
        let stream = self.index.get_mut(id)?;
        // Each one goes as soon as its bytes are in the queue: those of a large transaction are not
        // in memory twice.
        for frame in frames {
            let place = self.tail.put(id, &frame, stream.cuts());
            stream.push(frame.lsn, frame.epoch, place);
        }
        Ok(stream.end())
    }

    /// Forgets all frames of a log above `end`.
    pub(crate) fn cut(&mut self, id: LogId, end: Lsn, wakes: &mut Wakes) -> Result<()> {
        self.index.get_mut(id)?.cut(end);
        let gone = || {
            let message = format!("log position above {end} was taken back by a rewind");
            Error::new(SqlState::TRANSACTION_RESOLUTION_UNKNOWN, message).outcome_unknown()
        };
        self.wake(id, wakes, |w| (w.strict && w.lsn > end).then(|| Err(gone())));
        Ok(())
    }

    fn wake(
        &mut self,
        id: LogId,
        wakes: &mut Wakes,
        answer: impl Fn(&Waiter) -> Option<Result<()>>,
    ) {
        let Some(waiters) = self.waiters.get_mut(&id) else {
            return;
        };
        for waiter in std::mem::take(waiters) {
            match answer(&waiter) {
                Some(result) => wakes.0.push((waiter.wake, result)),
                None => waiters.push(waiter),
            }
        }
    }

    /// Waits until `lsn` is durable; `None` if it is.
    pub(crate) fn wait(
        &mut self,
        id: LogId,
        lsn: Lsn,
        strict: bool,
    ) -> Result<Option<oneshot::Receiver<Result<()>>>> {
        let stream = self.index.get(id)?;
        if stream.durable >= lsn {
            return Ok(None);
        }
        if let Some(error) = &self.ended {
            return Err(error.clone().outcome_unknown());
        }
        if strict && lsn > stream.end() {
            let message = format!("log position {lsn} was not appended");
            return Err(Error::internal(message).outcome_unknown());
        }
        let (wake, woken) = oneshot::channel();
        self.waiters.entry(id).or_default().push(Waiter { lsn, strict, wake });
        Ok(Some(woken))
    }

    /// A write has been synced.
    pub(crate) fn synced(&mut self, write: &Write, wakes: &mut Wakes) {
        self.tail.queued -= write.bytes.len();
        for (id, (lsn, cuts)) in &write.covers {
            let Ok(stream) = self.index.get_mut(*id) else {
                continue;
            };
            stream.synced(*lsn, *cuts);
            let durable = stream.durable;
            self.wake(*id, wakes, |w| (w.lsn <= durable).then_some(Ok(())));
        }
    }

    /// Forgets a log.
    pub(crate) fn drop_log(&mut self, id: LogId) {
        self.index.streams.remove(&id);
        // Their senders go: whoever waits is told that the log is gone.
        self.waiters.remove(&id);
    }

    /// Ends everything: those who wait do not know whether their frames are safe.
    pub(crate) fn end(&mut self, error: Error, wakes: &mut Wakes) {
        let error = self.ended.get_or_insert(error).clone().outcome_unknown();
        for waiter in std::mem::take(&mut self.waiters).into_values().flatten() {
            wakes.0.push((waiter.wake, Err(error.clone())));
        }
    }

    /// Decides on a wish to append `need` bytes.
    pub(crate) fn admit(&mut self, need: u64, max_queue: u64) -> Result<Admit> {
        self.check_open()?;
        if need > LARGEST {
            let message = format!("a transaction can write at most {LARGEST} bytes to the log");
            return Err(Error::new(SqlState::PROGRAM_LIMIT_EXCEEDED, message));
        }
        if self.tail.queued as u64 + self.reserved > max_queue {
            return Ok(Admit::Wait);
        }
        let wanted = need + self.reserved;
        let small = need <= self.tail.small();
        let room = if small { self.tail.room() } else { self.tail.large_room() };
        if wanted <= room {
            self.reserved += need;
            return Ok(Admit::Granted);
        }
        if self.trouble.is_some() {
            return Err(self.full());
        }
        if !small {
            self.large_wanted = self.large_wanted.max(wanted + 2 * self.tail.margin() + 4096);
        }
        Ok(Admit::Wait)
    }

    fn full(&self) -> Error {
        let error = Error::new(
            SqlState::DISK_FULL,
            "there is no space left for the log: the change did not happen",
        )
        .hint("free space on the disk of the data folder; writes go on by themselves then");
        match &self.trouble {
            Some(trouble) => error.detail(trouble.message.clone()),
            None => error.detail("the next segment of the log is not ready yet"),
        }
    }

    /// Moves the segments that no log needs to the freed ones.
    pub(crate) fn recycle(&mut self) {
        let current = self.tail.current();
        let oldest = self.index.oldest_segment().unwrap_or(current).min(current);
        let kept = self.tail.segments.split_off(&oldest);
        self.freed.extend(std::mem::replace(&mut self.tail.segments, kept).into_values());
    }
}

/// The log was shut down.
pub(crate) fn closed() -> Error {
    Error::new(SqlState::ADMIN_SHUTDOWN, "the server is shutting down")
}

impl Shared {
    /// Ends everything because of an error, and says so.
    pub(crate) fn end(&self, error: Error) {
        let mut wakes = Wakes::default();
        self.inner.lock().end(error, &mut wakes);
        wakes.send();
        self.room.notify_waiters();
        self.wanted.notify_one();
    }
}
