//! The writer: the one task that writes frames.

use crate::scan::CLEAN;
use crate::shared::{Shared, Wakes, closed};
use crate::tail::Write;
use base::{Error, Result};
use std::sync::Arc;

/// Tells those who wait when the writer ends for whatever reason, be it that its task was ended.
struct Ends(Arc<Shared>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.end(closed());
    }
}

pub(crate) async fn run(shared: Arc<Shared>) {
    let ends = Ends(shared.clone());
    let mut said_clean = false;
    loop {
        let (idle, closing, clean) = {
            let inner = shared.inner.lock();
            (inner.tail.is_idle(), inner.closing, inner.clean)
        };
        if idle && closing && (said_clean || !clean) {
            break;
        }
        if idle && closing {
            // A write of its own: it proves that all before it is safe.
            shared.inner.lock().tail.put_mark(CLEAN);
            said_clean = true;
        } else if idle {
            shared.work.notified().await;
            continue;
        } else if !shared.settings.gather.is_zero() {
            shared.env.sleep(shared.settings.gather).await;
        }
        let Some(write) = shared.inner.lock().tail.take() else {
            continue;
        };
        if let Err(error) = carry_out(&write) {
            shared.end(error.clone());
            shared.settings.on_fatal.fire(&error);
            break;
        }
        let mut wakes = Wakes::default();
        shared.inner.lock().synced(&write, &mut wakes);
        wakes.send();
        shared.room.notify_waiters();
    }
    drop(ends);
}

fn carry_out(write: &Write) -> Result<()> {
    let path = write.segment.path.display();
    let failed = |what: &str, e| {
        Error::io(format!("{what} log segment {path} at offset {}", write.offset), &e)
    };
    write.segment.file.write_at(&write.bytes, write.offset).map_err(|e| failed("writing", e))?;
    write.segment.file.sync().map_err(|e| failed("syncing", e))
}
