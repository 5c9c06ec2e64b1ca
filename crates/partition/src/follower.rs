//! The follower's side: frames come in as the leader stored them.

use crate::partition::{Partition, Role};
use base::{Error, Lsn, Result, Timestamp};
use format::frame::Frame;
use format::record::Record;

impl Partition {
    /// Appends frames from the leader to the own log and applies them blind. Frames that are here
    /// already are skipped. Returns the last position; it is durable only after
    /// [`Partition::wait_durable`](Partition::settled).
    ///
    /// # Errors
    /// Frames that leave a gap, or that contradict what is here.
    pub fn ingest(&self, frames: Vec<Frame>) -> Result<Lsn> {
        let mut inner = self.inner.lock();
        if inner.role == Role::Leader {
            return Err(Error::internal("a leader was handed another leader's log"));
        }
        let mut fresh = Vec::with_capacity(frames.len());
        let mut end = inner.end;
        for frame in frames {
            if frame.lsn <= end {
                if inner.history.epoch_at(frame.lsn).is_some_and(|epoch| epoch != frame.epoch) {
                    return Err(Error::corrupt(format!(
                        "record {} comes in epoch {} but is here already in another one",
                        frame.lsn, frame.epoch
                    )));
                }
                continue;
            }
            end = frame.lsn;
            fresh.push(frame);
        }
        if fresh.is_empty() {
            return Ok(inner.end);
        }
        self.log.append(self.settings.log_id, fresh.clone())?;
        let state = self.state();
        for frame in &fresh {
            inner.apply_frame(&state, frame)?;
        }
        let end = inner.end;
        drop(inner);
        self.decided.notify_waiters();
        Ok(end)
    }

    /// Waits until the log is durable up to `lsn`.
    pub async fn settled(&self, lsn: Lsn) -> Result<()> {
        self.log.wait_durable(self.settings.log_id, lsn).await
    }

    /// Durable frames from a position on, at least one if there is any.
    pub fn read_frames(&self, from: Lsn, max_bytes: usize) -> Result<Vec<Frame>> {
        self.log.read(self.settings.log_id, from, max_bytes)
    }

    /// Waits until there are durable frames after a position.
    pub async fn wait_frames(&self, after: Lsn) -> Result<()> {
        self.log.wait_appended(self.settings.log_id, after).await
    }

    /// The lowest cut of all epochs that began after a position: what a follower that went on
    /// alone from there must go back to. `None` if no epoch began since.
    pub fn cut_after(&self, position: Lsn) -> Result<Option<Timestamp>> {
        let (starts, known) = {
            let inner = self.inner.lock();
            let starts = inner.history.0.iter().filter(|(_, first)| *first > position);
            (starts.copied().collect::<Vec<_>>(), inner.cuts.clone())
        };
        let mut cut: Option<Timestamp> = None;
        for (epoch, first) in starts {
            if let Some(this) = known.get(&epoch) {
                cut = Some(cut.map_or(*this, |cut| cut.min(*this)));
                continue;
            }
            // Chunks of an early version do not tell.
            let frames = self.read_frames(first, 1)?;
            let Some(frame) = frames.first() else { continue };
            if let Record::EpochStart { cut: this, .. } =
                Record::decode(frame.kind, &frame.payload)?
            {
                cut = Some(cut.map_or(this, |cut| cut.min(this)));
            }
        }
        Ok(cut)
    }
}
