//! The maker of spare segments: a task that works ahead of the writer, so that an accepted frame
//! always has its place, and that removes or recycles what nobody needs.

use crate::segment::{self, Birth, HEADER, Segment};
use crate::shared::{Inner, Shared};
use base::Error;
use std::io;
use std::sync::Arc;

enum Job {
    Remove(Arc<Segment>),
    Recycle(Arc<Segment>, u64),
    Make(u64, u64),
}

/// The size of segment files: whole pages, and at least two.
pub(crate) fn usual_size(segment_bytes: u64) -> u64 {
    (segment_bytes / 4096).max(2) * 4096
}

fn next_number(inner: &Inner) -> u64 {
    inner.tail.segments.last_key_value().map_or(1, |(number, _)| number + 1)
}

/// What to do next. Freed segments go strictly in order: no gaps in the numbers on disk.
fn next_job(inner: &Inner, usual: u64, spares: usize) -> Option<Job> {
    let short = inner.tail.spares() < spares.max(1);
    if let Some(oldest) = inner.freed.front() {
        // One reference is the queue's. Any other is a reader's, whose file must not change; and
        // after trouble it is better to give space back than to keep it.
        let unused = Arc::strong_count(oldest) == 1 && inner.trouble.is_none();
        if short && unused && oldest.capacity == usual && inner.large_wanted == 0 {
            return Some(Job::Recycle(oldest.clone(), next_number(inner)));
        }
        return Some(Job::Remove(oldest.clone()));
    }
    if inner.large_wanted > 0 {
        // Small requests that come after the large one must find room in it, too.
        let size = (inner.large_wanted + HEADER).next_multiple_of(4096).max(usual);
        return Some(Job::Make(next_number(inner), size));
    }
    short.then(|| Job::Make(next_number(inner), usual))
}

pub(crate) async fn run(shared: Arc<Shared>) {
    let usual = usual_size(shared.settings.segment_bytes);
    loop {
        let job = {
            let mut inner = shared.inner.lock();
            if inner.closing || inner.ended.is_some() {
                return;
            }
            let job = next_job(&inner, usual, shared.settings.spare_segments);
            if job.is_none() {
                // What could not be had is not wanted any more.
                inner.trouble = None;
            }
            job
        };
        let Some(job) = job else {
            shared.wanted.notified().await;
            continue;
        };
        let done = carry_out(&shared, job);
        let failed = done.is_err();
        {
            let mut inner = shared.inner.lock();
            match done {
                Ok(()) => inner.trouble = None,
                Err(error) => {
                    if inner.trouble.is_none() {
                        tracing::warn!("no space can be made ready for the log: {error}");
                    }
                    inner.large_wanted = 0;
                    inner.trouble = Some(error);
                }
            }
        }
        shared.room.notify_waiters();
        if failed {
            let retry = shared.env.sleep(shared.settings.retry);
            tokio::select! {
                biased;
                () = shared.freed.notified() => {}
                () = retry => {}
            }
        }
    }
}

fn carry_out(shared: &Shared, job: Job) -> Result<(), Error> {
    let (disk, dir) = (&*shared.env.disk, &shared.dir);
    let failed = |what: &str, e: io::Error| {
        Error::io(format!("{what} a segment of the log in {}", dir.display()), &e)
    };
    let birth = |number, capacity| Birth { number, nonce: shared.env.rng.next_u64(), capacity };
    match job {
        Job::Remove(segment) => {
            if disk.exists(&segment.path) {
                disk.remove(&segment.path).map_err(|e| failed("removing", e))?;
            }
            disk.sync_dir(dir).map_err(|e| failed("removing", e))?;
            shared.inner.lock().freed.pop_front();
        }
        Job::Recycle(old, number) => {
            let new = segment::recycle(disk, dir, &old, &birth(number, old.capacity));
            let new = new.map_err(|e| failed("recycling", e))?;
            let mut inner = shared.inner.lock();
            inner.freed.pop_front();
            inner.tail.segments.insert(number, Arc::new(new));
        }
        Job::Make(number, capacity) => {
            let new = segment::create(disk, dir, &birth(number, capacity));
            let new = new.map_err(|e| failed("making", e))?;
            let mut inner = shared.inner.lock();
            if inner.large_wanted < capacity {
                inner.large_wanted = 0;
            }
            inner.tail.segments.insert(number, Arc::new(new));
        }
    }
    Ok(())
}
